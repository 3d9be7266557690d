//! `cellctl tenant move --rollback`
//!
//! Constraint kept: what people agree to is shown before anything is changed; moves that are undone end first, then those
//! back are planned again, as things are then.

use futures_util::stream::{self, StreamExt};

use crate::domain::ids::TenantId;
use crate::ops::OpError;
use crate::ops::moves::back::WayBack;
use crate::ops::moves::many::{Failure, Run};
use crate::ops::moves::{Ended, Planned};
use crate::output::plan::counted;

use super::context;
use super::move_office::{MoveOffice, alone, tell};
use super::tenant_move::{MoveArgs, Sorted};
use super::{Ran, Session};

/// Tenants that are planned, and moves that are ended, at a time.
const AT_ONCE: usize = 4;

/// How it went to end the move that is undone.
enum Undone {
    /// It is over, or was: the tenant can go back.
    Ready(WayBack),
    /// It is not: how that went.
    Not(Run),
}

/// Carries out the command.
pub(super) async fn run(args: &MoveArgs, office: &MoveOffice, session: &Session) -> Ran {
    let found: Vec<_> =
        stream::iter(&args.tenants).map(|tenant| look(args, office, tenant)).buffered(AT_ONCE).collect().await;
    let (mut backs, mut plans) = (Vec::new(), Vec::new());
    for result in found {
        plans.push(result.map(|(back, planned)| {
            backs.push(back);
            planned
        }));
    }
    let sorted = Sorted::of(&args.tenants, plans)?;
    if let Some(ran) = sorted.look(args, session) {
        return ran;
    }
    context::confirm(session, &question(&sorted.planned))?;
    go(args, office, session, backs, sorted.refused).await
}

async fn look(args: &MoveArgs, office: &MoveOffice, tenant: &TenantId) -> Result<(WayBack, Planned), OpError> {
    let back = office.mover().way_back(tenant).await?;
    let planned = plan(args, office, &back).await?;
    Ok((back, planned))
}

async fn plan(args: &MoveArgs, office: &MoveOffice, back: &WayBack) -> Result<Planned, OpError> {
    office.mover().plan_back(back, &args.how.options_back(&back.options), args.how.schema()).await
}

/// Ends what is to be undone, and moves what can go back then.
async fn go(
    args: &MoveArgs,
    office: &MoveOffice,
    session: &Session,
    backs: Vec<WayBack>,
    refused: Vec<(TenantId, OpError)>,
) -> Ran {
    let undone: Vec<_> = stream::iter(backs).map(|back| undo(office, session, back)).buffered(AT_ONCE).collect().await;
    let (mut sorted, mut left) = (Sorted { planned: Vec::new(), refused }, Vec::new());
    for one in undone {
        match one {
            Undone::Not(run) => left.push(run),
            Undone::Ready(back) => match plan(args, office, &back).await {
                Ok(planned) => sorted.planned.push(planned),
                Err(error) if args.tenants.len() == 1 => return Err(error),
                Err(error) => sorted.refused.push((back.id.tenant, error)),
            },
        }
    }
    if args.tenants.len() == 1 && !left.is_empty() {
        return alone(session, &left);
    }
    if sorted.planned.is_empty() {
        left.extend(sorted.refusals());
        return Ok(tell(session, &left));
    }
    sorted.run(args, left, office, session).await
}

/// Ends the move that is undone, where it is under way, and looks where the tenant goes back to then.
async fn undo(office: &MoveOffice, session: &Session, back: WayBack) -> Undone {
    if !back.ends_a_move() {
        return Undone::Ready(back);
    }
    let (id, tenant) = (back.id.clone(), back.id.tenant.clone());
    session.printer.note(&format!("move {id} ends first; nothing more is deleted in {}", back.to));
    let ended = office.mover().end_for_back(&back, session.interrupt.graceful()).await;
    let failure = ended.as_ref().err().map(Failure::from);
    let outcome = match ended {
        Ok(Ended::Completed { .. }) => match office.mover().way_back(&tenant).await {
            Ok(back) => return Undone::Ready(back),
            Err(error) => return Undone::Not(Run { failure: Some(Failure::from(&error)), ..run_of(id, None) }),
        },
        other => other.ok(),
    };
    Undone::Not(Run { failure, ..run_of(id, outcome) })
}

fn run_of(id: crate::domain::moves::MoveId, outcome: Option<Ended>) -> Run {
    Run { tenant: id.tenant.clone(), id: Some(id), outcome, failure: None }
}

fn question(planned: &[Planned]) -> String {
    match planned {
        [one] if one.resumes => format!("Go on with move {}?", one.plan.id),
        [one] => {
            format!("Move tenant {} back from {} to {}?", one.plan.tenant(), one.plan.source.cell, one.plan.target.cell)
        }
        some => format!("Move {} back, each to the cell that it came from?", counted(some.len(), "tenant")),
    }
}
