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
use super::{Ran, Session};

/// Move tenants to another cell while they are in use.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// The tenants.
    #[arg(required = true, value_name = "TENANT")]
    tenants: Vec<TenantId>,
    /// The cell that they go to.
    #[arg(long, value_name = "CELL")]
    to: CellId,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    many: ManyArgs,
}

/// What can be moved, and what cannot.
struct Sorted {
    planned: Vec<Planned>,
    refused: Vec<(TenantId, OpError)>,
}

/// Carries out the command.
pub async fn run(args: MoveArgs, session: &Session) -> Ran {
    let requests = args.requests()?;
    let office = if args.dry_run { MoveOffice::reading(session).await? } else { MoveOffice::writing(session).await? };
    let sorted = Sorted::of(&requests, office.mover().plan_all(&requests).await)?;
    if args.dry_run || session.printer.options().format == Format::Text {
        show(session, &sorted);
    }
    if args.dry_run {
        return Ok(sorted.exit_code());
    }
    if sorted.planned.is_empty() {
        return Ok(tell(session, &sorted.refusals()));
    }
    context::confirm(session, &question(&sorted, &args.to))?;
    let refusals = sorted.refusals();
    let stop = session.interrupt.graceful();
    let mut runs = office.mover().run_all(sorted.planned, args.many.limits(), stop).await?;
    runs.extend(refusals);
    if requests.len() == 1 { alone(session, &runs) } else { Ok(tell(session, &runs)) }
}

impl MoveArgs {
    fn requests(&self) -> Result<Vec<Request>, OpError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.tenants.iter().find(|tenant| !seen.insert(*tenant)) {
            return Err(OpError::new(ErrorKind::Usage, format!("tenant {twice} is named twice")).hint("name it once"));
        }
        let request = |tenant: &TenantId| Request {
            tenant: tenant.clone(),
            to: self.to.clone(),
            options: self.how.options(),
            schema: self.how.schema(),
        };
        Ok(self.tenants.iter().map(request).collect())
    }
}

impl Sorted {
    /// Of several tenants, one that cannot be moved does not hinder the others; a single one is the command's error.
    fn of(requests: &[Request], results: Vec<Result<Planned, OpError>>) -> Result<Self, OpError> {
        let alone = requests.len() == 1;
        let mut sorted = Self { planned: Vec::new(), refused: Vec::new() };
        for (request, result) in requests.iter().zip(results) {
            match result {
                Ok(planned) => sorted.planned.push(planned),
                Err(error) if alone => return Err(error),
                Err(error) => sorted.refused.push((request.tenant.clone(), error)),
            }
        }
        Ok(sorted)
    }

    fn refusals(&self) -> Vec<Run> {
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
