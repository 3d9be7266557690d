//! What every command on moves takes: the fleet, the ports of a move, who asks, and how a run is told.
//!
//! Constraint kept: a move that is let go of before its end is always told with the command that goes on with it.

use crate::domain::moves::MoveId;
use crate::ops::moves::many::{Failure, Run, exit_code};
use crate::ops::moves::{Ended, MoveWorld, Mover};
use crate::ops::{ErrorKind, OpError};
use crate::output::moves::ended;

use super::context;
use super::settings::quoted;
use super::tenant::Office;
use super::{Ran, Session};

/// A fleet, the ports of a move, and who asks.
pub struct MoveOffice {
    office: Office,
    world: MoveWorld,
}

impl MoveOffice {
    /// For commands that only read.
    pub async fn reading(session: &Session) -> Result<Self, OpError> {
        Self::with(session, Office::reading(session).await?).await
    }

    /// For commands that write.
    pub async fn writing(session: &Session) -> Result<Self, OpError> {
        Self::with(session, Office::writing(session).await?).await
    }

    async fn with(session: &Session, office: Office) -> Result<Self, OpError> {
        let desk = office.desk();
        let world = context::move_world(session, desk.fleet, desk.world.reporter.clone()).await?;
        Ok(Self { office, world })
    }

    /// What the operations take.
    pub fn mover(&self) -> Mover<'_> {
        let desk = self.office.desk();
        Mover { world: &self.world, fleet: desk.fleet, actor: desk.actor }
    }

    /// The time, by the clock that the operations go by.
    pub fn now_ms(&self) -> i64 {
        self.world.clock.now_ms()
    }
}

/// Carries a move on in this process, and tells how that ended.
pub async fn carry_on(session: &Session, office: &MoveOffice, id: &MoveId) -> Result<Ended, OpError> {
    let ended = office.mover().carry_on(id, session.interrupt.graceful()).await?;
    let run = Run { tenant: id.tenant.clone(), id: Some(id.clone()), outcome: Some(ended.clone()), failure: None };
    tell(session, &[run]);
    Ok(ended)
}

/// Prints how moves ended, and how to go on with those that did not.
pub fn tell(session: &Session, runs: &[Run]) -> u8 {
    session.printer.result("cellctl.move-ended/v1", &runs, |style| ended::runs(runs, style));
    for run in runs {
        let resumable = matches!(run.outcome, Some(Ended::Stopped | Ended::Paused | Ended::Stuck { .. }));
        if let Some(id) = run.id.as_ref().filter(|_| resumable || run.failure.as_ref().is_some_and(is_ours)) {
            session.printer.always(&format!("go on with `{}`", resume(session, id)));
        }
    }
    exit_code(runs)
}

/// Whether it is for this process to go on: not where another one carries the move on.
fn is_ours(failure: &Failure) -> bool {
    failure.kind != ErrorKind::Locked
}

/// The command that goes on with a move, with the options of this one.
pub fn resume(session: &Session, id: &MoveId) -> String {
    let mut words = vec!["cellctl move resume".to_owned(), quoted(&id.to_string())];
    words.extend(session.global.given());
    words.join(" ")
}

/// The result of a single run: its failure as the error of the command.
pub fn alone(session: &Session, runs: &[Run]) -> Ran {
    let [Run { failure: Some(failure), id, .. }] = runs else { return Ok(tell(session, runs)) };
    if let Some(id) = id.as_ref().filter(|_| is_ours(failure)) {
        session.printer.always(&format!("go on with `{}`", resume(session, id)));
    }
    let error = OpError::new(failure.kind, failure.message.clone());
    Err(failure.hint.iter().fold(error, |error, hint| error.hint(hint.clone())))
}

/// The error of a command that needs a receipt, where there is none.
pub fn no_receipt(id: &MoveId, stage: &str) -> OpError {
    OpError::new(ErrorKind::Failed, format!("move {id} has no receipt: it is {stage}"))
        .hint(format!("`cellctl move show {id}` shows where it stands"))
}
