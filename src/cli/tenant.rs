//! `cellctl tenant`

use std::collections::BTreeSet;

use clap::{Args, Subcommand};

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::Pin;
use crate::ops::tenants::Desk;
use crate::ops::tenants::add::AddRequest;
use crate::ops::{ErrorKind, OpError, World};
use crate::output::tenants::{self as show_tenants, explain};

use super::context;
use super::tenant_args::{AttributesArgs, ChangesArgs};
use super::tenant_import::{self, ImportArgs};
use super::tenant_list::{self, ListArgs};
use super::tenant_move::{self, MoveArgs};
use super::{Ran, Session};

/// Work with tenants: place, find, pin, change and remove them.
#[derive(Debug, Args)]
pub struct TenantArgs {
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Add a tenant: place it, reserve its room, open its fence.
    ///
    /// Run again with the same attributes it changes nothing, and finishes an add that was cut off.
    Add(AddArgs),
    /// Show where a tenant would go. Nothing is changed; exit code 7 when no cell takes it.
    Place(PlaceArgs),
    /// Show everything about one tenant.
    Show {
        /// The tenant.
        tenant: TenantId,
    },
    /// List tenants: filtered, sorted, in pages.
    ///
    /// Text and `--output ndjson` (one document for each tenant) stream however many there are. `--output json` is one
    /// document of at most 10,000 tenants; its `next` is for --after.
    List(ListArgs),
    /// Show what happened to a tenant, the latest first.
    History {
        /// The tenant.
        tenant: TenantId,
        /// At most so many records.
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only records with a lower number than this one.
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Pin a tenant to its cell: it is neither moved nor removed until it is unpinned.
    Pin {
        /// The tenant.
        tenant: TenantId,
        /// Why, for people: up to 200 characters.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Option<String>,
    },
    /// Take the pin off a tenant.
    Unpin {
        /// The tenant.
        tenant: TenantId,
    },
    /// Change attributes of a tenant. It stays in its cell; what its cell does not allow is refused.
    Set(SetArgs),
    /// Add many tenants, or give them the attributes of a file: CSV, JSON lines or YAML.
    ///
    /// Nothing is written before every row was looked at. Run again it writes nothing, and goes on where it was cut off.
    /// docs/import.md describes the formats.
    Import(ImportArgs),
    /// Move tenants to another cell while they are in use.
    ///
    /// Shows the plan and asks before it begins. A move to the same cell that is under way is gone on with. docs/moves.md
    /// tells what the application must do, and `cellctl move` looks after moves under way.
    Move(MoveArgs),
    /// Remove a tenant: close its fence, give its room back. Its data stays where it is.
    ///
    /// Run again it finishes a removal that was cut off.
    Remove {
        /// The tenant.
        tenant: TenantId,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The tenant.
    tenant: TenantId,
    /// Choose this cell by hand. It must take the tenant all the same; only cell zero is open to this way alone.
    #[arg(long, value_name = "CELL")]
    to: Option<CellId>,
    /// Only show what would be done.
    #[arg(long)]
    plan: bool,
    /// Show what every cell says.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    attributes: AttributesArgs,
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// The tenant. It need not exist.
    tenant: TenantId,
    /// Show what every cell says.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    attributes: AttributesArgs,
}

#[derive(Debug, Args)]
struct SetArgs {
    /// The tenant.
    tenant: TenantId,
    #[command(flatten)]
    changes: ChangesArgs,
}

fn reason(text: &str) -> Result<String, String> {
    Pin::check_reason(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// A fleet, its world, and who asks.
pub struct Office {
    fleet: Fleet,
    world: World,
    actor: Actor,
}

impl Office {
    /// For commands that only read: nobody's name is written, so that AWS is not asked for it.
    pub async fn reading(session: &Session) -> Result<Self, OpError> {
        let (fleet, world) = context::controlled(session).await?;
        let environment = &session.environment;
        let actor = Actor { identity: String::new(), user: environment.user.clone(), ci_url: None };
        Ok(Self { fleet, world, actor })
    }

    /// For commands that write.
    pub async fn writing(session: &Session) -> Result<Self, OpError> {
        let (fleet, world) = context::controlled(session).await?;
        let actor = context::actor(session, &fleet, &world).await?;
        Ok(Self { fleet, world, actor })
    }

    /// Leaves out the cells that are not selected: tenants are placed in the others alone.
    pub fn selecting(mut self, session: &Session) -> Result<Self, OpError> {
        let selected: BTreeSet<CellId> =
            context::select(&self.fleet, session)?.into_iter().map(|cell| cell.id.clone()).collect();
        self.fleet.cells.retain(|cell| selected.contains(&cell.id));
        Ok(self)
    }

    /// What the operations take.
    pub fn desk(&self) -> Desk<'_> {
        Desk { world: &self.world, fleet: &self.fleet, actor: &self.actor }
    }
}

/// Carries out the command.
pub async fn run(args: TenantArgs, session: &Session) -> Ran {
    match args.command {
        TenantCommand::Add(args) if args.plan => plan_add(session, args).await,
        TenantCommand::Add(args) => add(session, args).await,
        TenantCommand::Place(args) => place(session, args).await,
        TenantCommand::Show { tenant } => show(session, &tenant).await,
        TenantCommand::List(args) => tenant_list::run(args, session).await,
        TenantCommand::History { tenant, limit, before } => history(session, &tenant, before, limit).await,
        TenantCommand::Pin { tenant, reason } => pin(session, &tenant, reason).await,
        TenantCommand::Unpin { tenant } => unpin(session, &tenant).await,
        TenantCommand::Import(args) => tenant_import::run(args, session).await,
        TenantCommand::Set(args) => set(session, &args).await,
        TenantCommand::Move(args) => tenant_move::run(args, session).await,
        TenantCommand::Remove { tenant } => remove(session, &tenant).await,
    }
}

impl AddArgs {
    fn request(self) -> Result<AddRequest, OpError> {
        Ok(AddRequest { tenant: self.tenant, attributes: self.attributes.attributes()?, to: self.to })
    }
}

async fn plan_add(session: &Session, args: AddArgs) -> Ran {
    let (with_cells, request) = (args.explain, args.request()?);
    let office = Office::reading(session).await?;
    refuse_unselected(session, &office.fleet, request.to.as_ref())?;
    let office = office.selecting(session)?;
    let plan = told(session, &office, &request, with_cells, office.desk().plan_add(&request).await).await?;
    session.printer.result("cellctl.tenant-plan/v1", &plan, |style| {
        let sentence = show_tenants::plan(&plan, &office.fleet, style);
        if with_cells {
            format!("{}\n\n{sentence}", explain::verdicts(&plan.placement.verdicts, style))
        } else {
            sentence
        }
    });
    Ok(0)
}

async fn add(session: &Session, args: AddArgs) -> Ran {
    let (with_cells, request) = (args.explain, args.request()?);
    let office = Office::writing(session).await?;
    refuse_unselected(session, &office.fleet, request.to.as_ref())?;
    let office = office.selecting(session)?;
    if !session.global.yes {
        let plan = told(session, &office, &request, with_cells, office.desk().plan_add(&request).await).await?;
        if !plan.already {
            context::confirm(session, &format!("Add tenant {} to {}?", plan.tenant, plan.cell))?;
        }
    }
    session.interrupt.graceful();
    let mut added = told(session, &office, &request, with_cells, office.desk().add(&request).await).await?;
    let by_hand = request.to.is_some();
    let sentence = show_tenants::added(&added, by_hand, &office.fleet, session.printer.style());
    if !with_cells {
        // A document that names 10,000 cells for each tenant is of no use to a script that adds many.
        added.placement = None;
    }
    session.printer.result("cellctl.tenant-added/v1", &added, |style| match &added.placement {
        Some(placement) => format!("{}\n\n{sentence}", explain::verdicts(&placement.verdicts, style)),
        None => sentence,
    });
    Ok(0)
}

/// Refuses a cell that was named by hand and is not selected.
fn refuse_unselected(session: &Session, fleet: &Fleet, to: Option<&CellId>) -> Result<(), OpError> {
    let (Some(selector), Some(cell)) = (&session.global.select, to.and_then(|to| fleet.cell(to))) else {
        return Ok(());
    };
    if selector.matches(cell) {
        return Ok(());
    }
    let message = format!("--to names cell {}, which --select {selector} leaves out", cell.id);
    Err(OpError::new(ErrorKind::Usage, message).hint("leave one of the two out"))
}

/// Hands a result on. Where it is a refusal and somebody wants it explained, every cell's reason comes first.
async fn told<T>(
    session: &Session,
    office: &Office,
    request: &AddRequest,
    with_cells: bool,
    result: Result<T, OpError>,
) -> Result<T, OpError> {
    if with_cells && result.as_ref().is_err_and(|error| error.kind == ErrorKind::Refused) {
        let placement = office.desk().place(&request.tenant, &request.attributes).await?;
        session
            .printer
            .result("cellctl.tenant-place/v1", &placement, |style| explain::verdicts(&placement.verdicts, style));
    }
    result
}

async fn place(session: &Session, args: PlaceArgs) -> Ran {
    let attributes = args.attributes.attributes()?;
    let office = Office::reading(session).await?.selecting(session)?;
    let placement = office.desk().place(&args.tenant, &attributes).await?;
    session.printer.result("cellctl.tenant-place/v1", &placement, |style| {
        let sentence = explain::place(&placement, &office.fleet, style);
        if args.explain { format!("{}\n\n{sentence}", explain::verdicts(&placement.verdicts, style)) } else { sentence }
    });
    if placement.cell.is_none() && !args.explain {
        session.printer.note("--explain shows what every cell says");
    }
    Ok(if placement.cell.is_some() { 0 } else { NOWHERE })
}

/// Exit code where no cell takes a tenant: that of a refusal.
const NOWHERE: u8 = 7;

async fn show(session: &Session, tenant: &TenantId) -> Ran {
    let office = Office::reading(session).await?;
    let view = office.desk().show(tenant).await?;
    session.printer.result("cellctl.tenant/v1", &view, |style| show_tenants::show(&view, style));
    Ok(0)
}

async fn history(session: &Session, tenant: &TenantId, before: Option<u64>, limit: u32) -> Ran {
    let office = Office::reading(session).await?;
    let records = office.desk().history(tenant, before, limit).await?;
    session
        .printer
        .result("cellctl.tenant-history/v1", &records, |style| show_tenants::history::history(&records, before, style));
    Ok(0)
}

async fn pin(session: &Session, tenant: &TenantId, reason: Option<String>) -> Ran {
    let office = Office::writing(session).await?;
    context::confirm(session, &format!("Pin tenant {tenant} to its cell?"))?;
    session.interrupt.graceful();
    let changed = office.desk().pin(tenant, reason).await?;
    let already = "is pinned already";
    session
        .printer
        .result("cellctl.tenant-changed/v1", &changed, |style| show_tenants::changed(&changed, already, style));
    Ok(0)
}

async fn unpin(session: &Session, tenant: &TenantId) -> Ran {
    let office = Office::writing(session).await?;
    context::confirm(session, &format!("Take the pin off tenant {tenant}?"))?;
    session.interrupt.graceful();
    let changed = office.desk().unpin(tenant).await?;
    let already = "is not pinned";
    session
        .printer
        .result("cellctl.tenant-changed/v1", &changed, |style| show_tenants::changed(&changed, already, style));
    Ok(0)
}

async fn set(session: &Session, args: &SetArgs) -> Ran {
    args.changes.check()?;
    let office = Office::writing(session).await?;
    let tenant = &args.tenant;
    if !session.global.yes {
        let before = office.desk().show(tenant).await?.entry.attributes;
        let differences = show_tenants::differences(&before, &args.changes.apply(&before));
        context::confirm(session, &format!("Change tenant {tenant}: {differences}?"))?;
    }
    session.interrupt.graceful();
    let changed = office.desk().set(tenant, |before| args.changes.apply(before)).await?;
    let already = "has these attributes already";
    session
        .printer
        .result("cellctl.tenant-changed/v1", &changed, |style| show_tenants::changed(&changed, already, style));
    Ok(0)
}

async fn remove(session: &Session, tenant: &TenantId) -> Ran {
    let office = Office::writing(session).await?;
    if !session.global.yes {
        let cell = office.desk().show(tenant).await?.entry.cell;
        context::confirm(session, &format!("Remove tenant {tenant} from {cell}? Its data stays where it is."))?;
    }
    session.interrupt.graceful();
    let removed = office.desk().remove(tenant).await?;
    session.printer.result("cellctl.tenant-removed/v1", &removed, |style| show_tenants::removed(&removed, style));
    Ok(0)
}
