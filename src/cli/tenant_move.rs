//! `cellctl tenant move`

use std::collections::BTreeSet;

use clap::Args;

use crate::domain::ids::{CellId, TenantId};
use crate::ops::moves::many::{Failure, Run};
use crate::ops::moves::{Planned, Request};
use crate::ops::{ErrorKind, OpError};
use crate::output::Format;
use crate::output::moves::plan::{Plans, Refused, plans};
use crate::output::plan::counted;

use super::context;
use super::move_args::{HowArgs, ManyArgs};
use super::move_office::{MoveOffice, alone, tell};
use super::{Ran, Session, tenant_back};

/// Move tenants to another cell while they are in use.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// The tenants.
    #[arg(required = true, value_name = "TENANT")]
    pub(super) tenants: Vec<TenantId>,
    /// The cell that they go to.
    #[arg(long, value_name = "CELL", required_unless_present = "rollback")]
    to: Option<CellId>,
    /// Each goes back to the cell that its last move has brought it from, without a copy where that still holds its items.
    #[arg(long, conflicts_with = "to")]
    rollback: bool,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(super) how: HowArgs,
    #[command(flatten)]
    many: ManyArgs,
}

/// What can be moved, and what cannot.
pub(super) struct Sorted {
    pub(super) planned: Vec<Planned>,
    pub(super) refused: Vec<(TenantId, OpError)>,
}

/// Carries out the command.
pub async fn run(args: MoveArgs, session: &Session) -> Ran {
    args.refuse_twice()?;
    let office = if args.dry_run { MoveOffice::reading(session).await? } else { MoveOffice::writing(session).await? };
    let Some(to) = &args.to else { return tenant_back::run(&args, &office, session).await };
    let requests = args.requests(to);
    let sorted = Sorted::of(&args.tenants, office.mover().plan_all(&requests).await)?;
    if let Some(ran) = sorted.look(&args, session) {
        return ran;
    }
    context::confirm(session, &question(&sorted, to))?;
    sorted.run(&args, Vec::new(), &office, session).await
}

impl MoveArgs {
    fn refuse_twice(&self) -> Result<(), OpError> {
        let mut seen = BTreeSet::new();
        match self.tenants.iter().find(|tenant| !seen.insert(*tenant)) {
            Some(twice) => {
                Err(OpError::new(ErrorKind::Usage, format!("tenant {twice} is named twice")).hint("name it once"))
            }
            None => Ok(()),
        }
    }

    fn requests(&self, to: &CellId) -> Vec<Request> {
        let request = |tenant: &TenantId| Request {
            tenant: tenant.clone(),
            to: to.clone(),
            options: self.how.options(),
            schema: self.how.schema(),
        };
        self.tenants.iter().map(request).collect()
    }
}

impl Sorted {
    /// Of several tenants, one that cannot be moved does not hinder the others; a single one is the command's error.
    pub(super) fn of(tenants: &[TenantId], results: Vec<Result<Planned, OpError>>) -> Result<Self, OpError> {
        let alone = tenants.len() == 1;
        let mut sorted = Self { planned: Vec::new(), refused: Vec::new() };
        for (tenant, result) in tenants.iter().zip(results) {
            match result {
                Ok(planned) => sorted.planned.push(planned),
                Err(error) if alone => return Err(error),
                Err(error) => sorted.refused.push((tenant.clone(), error)),
            }
        }
        Ok(sorted)
    }

    /// Shows the plans; gives how the command ends where nothing is to be done.
    pub(super) fn look(&self, args: &MoveArgs, session: &Session) -> Option<Ran> {
        if args.dry_run || session.printer.options().format == Format::Text {
            show(session, self);
        }
        if args.dry_run {
            return Some(Ok(self.exit_code()));
        }
        self.planned.is_empty().then(|| Ok(tell(session, &self.refusals())))
    }

    /// Carries out what is planned, and tells how everything ended.
    pub(super) async fn run(
        self,
        args: &MoveArgs,
        mut others: Vec<Run>,
        office: &MoveOffice,
        session: &Session,
    ) -> Ran {
        others.extend(self.refusals());
        let stop = session.interrupt.graceful();
        let mut runs = office.mover().run_all(self.planned, args.many.limits(), stop).await?;
        runs.extend(others);
        if args.tenants.len() == 1 { alone(session, &runs) } else { Ok(tell(session, &runs)) }
    }

    /// Those that cannot be moved, as runs.
    pub(super) fn refusals(&self) -> Vec<Run> {
        self.refused.iter().map(|(tenant, error)| Run::refused(tenant.clone(), error)).collect()
    }

    /// The exit code of a plan: that of a refusal where it is the same for all.
    fn exit_code(&self) -> u8 {
        let codes: BTreeSet<u8> = self.refused.iter().map(|(_, error)| error.exit_code()).collect();
        match (self.planned.is_empty(), codes.first()) {
            (_, None) => 0,
            (true, Some(code)) if codes.len() == 1 => *code,
            _ => 9,
        }
    }
}

fn show(session: &Session, sorted: &Sorted) {
    let refused =
        |(tenant, error): &(TenantId, OpError)| Refused { tenant: tenant.clone(), failure: Failure::from(error) };
    let shown = Plans { plans: sorted.planned.iter().collect(), refused: sorted.refused.iter().map(refused).collect() };
    session.printer.result("cellctl.move-plan/v1", &shown, |style| plans(&shown, style));
}

fn question(sorted: &Sorted, to: &CellId) -> String {
    let left = match sorted.refused.len() {
        0 => String::new(),
        refused => format!(" {refused} of them cannot be moved."),
    };
    match &sorted.planned[..] {
        [one] if left.is_empty() && one.resumes => format!("Go on with move {}?", one.plan.id),
        [one] if left.is_empty() => format!("Move tenant {} from {} to {to}?", one.plan.tenant(), one.plan.source.cell),
        some => format!("Move {} to {to}?{left}", counted(some.len(), "tenant")),
    }
}
