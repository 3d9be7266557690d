//! `cellctl tenant list`
//!
//! Constraint kept: tenants are printed as they come, and none is kept but a page of rows, or the bounded document of
//! `--output json`; a reader that goes away ends the list.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::domain::ids::{CellId, Region, TenantId, Tier};
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::cells::view::unknown_cell;
use crate::ops::tenants::Desk;
use crate::ops::tenants::list::{Filter, Query, Sort};
use crate::ops::{ErrorKind, OpError};
use crate::output::tenants::list::Rows;
use crate::output::{Format, Printer};

use super::tenant::Office;
use super::tenant_args::{distinct, label};
use super::{Ran, Session};

/// Most tenants in one JSON document.
const DOCUMENT_MAX: u64 = 10_000;

/// Which tenants to list, and in which order.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this cell.
    #[arg(long, value_name = "CELL")]
    cell: Option<CellId>,
    /// Only those of this tier.
    #[arg(long, value_name = "TIER")]
    tier: Option<Tier>,
    /// Only those with this label; may be given more than once, and then all must be there.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Only those whose cell is in this Region.
    #[arg(long, value_name = "REGION")]
    region: Option<Region>,
    /// Only those in this state.
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<StateArg>,
    /// Only those that are pinned.
    #[arg(long)]
    pinned: bool,
    /// Removed ones, too.
    #[arg(long)]
    removed: bool,
    /// What to sort by. Any order but that of names reads the whole map for each 10,000 tenants.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = SortArg::Name)]
    sort: SortArg,
    /// The other way round.
    #[arg(long)]
    reverse: bool,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    limit: Option<u64>,
    /// Only those after this tenant, in the order that is asked for.
    #[arg(long, value_name = "TENANT")]
    after: Option<TenantId>,
}

/// A state, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateArg {
    /// Its fence is not open yet.
    Opening,
    /// It is served.
    Active,
    /// It is served, and moved to another cell.
    Moving,
    /// Its fence is not closed yet.
    Closing,
    /// It is gone.
    Removed,
}

/// An order, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SortArg {
    /// Names.
    Name,
    /// Weights, the lightest first.
    Weight,
    /// Cells.
    Cell,
    /// When they were added, the oldest first.
    Added,
    /// When they were changed last, the oldest first.
    Changed,
}

/// Many tenants in one document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    tenants: Vec<Entry>,
    next: Option<&'a TenantId>,
}

/// What a list leaves to be told.
struct Listed {
    /// The last tenant, where more follow it.
    next: Option<TenantId>,
    /// Number of entries that could not be read.
    unreadable: usize,
}

impl ListArgs {
    fn query(self, limit: Option<u64>) -> Result<Query, OpError> {
        let filter = Filter {
            cell: self.cell,
            tier: self.tier,
            region: self.region,
            state: self.state.map(StateArg::state),
            labels: distinct(self.labels)?,
            pinned: self.pinned.then_some(true),
            removed: self.removed,
        };
        // One more than is shown tells whether there are more.
        let limit = limit.map(|limit| limit + 1);
        Ok(Query { filter, sort: self.sort.sort(), reverse: self.reverse, limit, after: self.after })
    }
}

impl StateArg {
    fn state(self) -> EntryState {
        match self {
            Self::Opening => EntryState::Opening,
            Self::Active => EntryState::Active,
            Self::Moving => EntryState::Moving,
            Self::Closing => EntryState::Closing,
            Self::Removed => EntryState::Removed,
        }
    }
}

impl SortArg {
    fn sort(self) -> Sort {
        match self {
            Self::Name => Sort::Name,
            Self::Weight => Sort::Weight,
            Self::Cell => Sort::Cell,
            Self::Added => Sort::Added,
            Self::Changed => Sort::Changed,
        }
    }
}

/// Carries out the command.
pub async fn run(args: ListArgs, session: &Session) -> Ran {
    let printer = &session.printer;
    let format = printer.options().format;
    let limit = match format {
        Format::Json => Some(args.limit.unwrap_or(DOCUMENT_MAX).min(DOCUMENT_MAX)),
        Format::Text | Format::Ndjson => args.limit,
    };
    let query = args.query(limit)?;
    let office = Office::reading(session).await?;
    let desk = office.desk();
    if let Some(cell) = &query.filter.cell {
        known(&desk, cell).await?;
    }
    let listed = match format {
        Format::Text => rows(&desk, &query, limit, printer).await?,
        Format::Ndjson => each(&desk, &query, limit, |entry| printer.line("cellctl.tenant-entry/v1", &entry)).await?,
        Format::Json => document(&desk, &query, limit, printer).await?,
    };
    if let Some(next) = listed.next {
        printer.note(&format!("there are more: add --after {next}"));
    }
    if listed.unreadable > 0 {
        let message = format!("{} entries could not be read, and are not in the list", listed.unreadable);
        return Err(OpError::new(ErrorKind::Failed, message).hint("`cellctl map verify` names them"));
    }
    Ok(0)
}

/// Refuses a cell that has neither a definition nor counters: its name is mistyped.
async fn known(desk: &Desk<'_>, cell: &CellId) -> Result<(), OpError> {
    if desk.fleet.cell(cell).is_some() || desk.world.map.load(cell).await?.is_some() {
        return Ok(());
    }
    Err(unknown_cell(desk.fleet, cell))
}

/// Hands over up to `limit` tenants, as long as `take` wants more.
async fn each(
    desk: &Desk<'_>,
    query: &Query,
    limit: Option<u64>,
    mut take: impl FnMut(Entry) -> bool,
) -> Result<Listed, OpError> {
    let (mut taken, mut last, mut more) = (0, None, false);
    let unreadable = desk
        .list(query, |entry| {
            if limit.is_some_and(|limit| taken == limit) {
                more = true;
                return false;
            }
            taken += 1;
            last = Some(entry.tenant.clone());
            take(entry)
        })
        .await?;
    Ok(Listed { next: last.filter(|_| more), unreadable })
}

async fn rows(desk: &Desk<'_>, query: &Query, limit: Option<u64>, printer: &Printer) -> Result<Listed, OpError> {
    let mut rows = Rows::new(printer.style());
    let listed = each(desk, query, limit, |entry| rows.push(&entry).is_none_or(|text| printer.part(&text))).await?;
    if let Some(text) = rows.end() {
        printer.data(&text);
    }
    Ok(listed)
}

async fn document(desk: &Desk<'_>, query: &Query, limit: Option<u64>, printer: &Printer) -> Result<Listed, OpError> {
    let mut tenants = Vec::new();
    let listed = each(desk, query, limit, |entry| {
        tenants.push(entry);
        true
    })
    .await?;
    printer.document("cellctl.tenant-list/v1", &Page { tenants, next: listed.next.as_ref() }, true);
    Ok(listed)
}
