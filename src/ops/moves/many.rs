//! Many moves at a time: how they are planned, admitted, carried on, and how each has ended.
//!
//! Constraint kept: at most `at_once` moves of this run, and at most `per_cell` out of or into each cell, those of others
//! counted in; a move that is not admitted is not begun; one that fails does not hinder the others.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;

use super::carrier::Listed;
use super::{Ended, Mover, Planned, Request};
use crate::domain::ids::TenantId;
use crate::domain::moves::crowd::Crowd;
use crate::domain::moves::{MoveId, Plan};
use crate::ops::event::Event;
use crate::ops::{ErrorKind, OpError};
use crate::ports::Clock;

/// Plans that are made at a time.
const PLANS_AT_ONCE: usize = 4;
/// Time between two looks at the moves of others, while a move waits for them.
const LOOK: Duration = Duration::from_secs(5);

/// How many moves may go on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Moves of this run.
    pub at_once: usize,
    /// Moves out of or into each cell, those of others counted in.
    pub per_cell: usize,
}

impl Default for Limits {
    /// Two moves may share a cell's write capacity without starving each other; four fill two pairs of cells.
    fn default() -> Self {
        Self { at_once: 4, per_cell: 2 }
    }
}

/// Why a move was not carried out to an end of its own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What happened, to what, and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The exit code that it alone would give.
    pub exit_code: u8,
}

impl From<&OpError> for Failure {
    fn from(error: &OpError) -> Self {
        let (kind, exit_code) = (error.kind, error.exit_code());
        Self { kind, message: error.message.clone(), hint: error.hint.clone(), exit_code }
    }
}

/// How the move of one tenant went in this run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The tenant.
    pub tenant: TenantId,
    /// The move, where there is one.
    pub id: Option<MoveId>,
    /// How it ended. None where it failed, or was not begun.
    pub outcome: Option<Ended>,
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
}

impl Run {
    /// A move of which there is none, for this reason.
    pub fn refused(tenant: TenantId, error: &OpError) -> Self {
        Self { tenant, id: None, outcome: None, failure: Some(error.into()) }
    }

    fn not_begun(plan: &Plan) -> Self {
        Self { tenant: plan.tenant().clone(), id: None, outcome: None, failure: None }
    }

    /// The exit code that it alone would give.
    pub fn exit_code(&self) -> u8 {
        match (&self.failure, &self.outcome) {
            (Some(failure), _) => failure.exit_code,
            (None, Some(ended)) => ended.exit_code(),
            (None, None) => 10,
        }
    }

    /// Whether it was let go of, or never begun, since somebody asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.failure.is_none() && matches!(self.outcome, None | Some(Ended::Stopped))
    }
}

impl Ended {
    /// The exit code: `docs/exit-codes.md`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Completed { .. } => 0,
            Self::Aborted { .. } => 4,
            Self::Paused | Self::Stuck { .. } | Self::Stopped => 10,
        }
    }
}

/// The exit code of many moves: theirs where it is the same for all, that of a stop where there was one, else that of
/// something partly done.
pub fn exit_code(runs: &[Run]) -> u8 {
    let codes: BTreeSet<u8> = runs.iter().map(Run::exit_code).collect();
    match (codes.len(), codes.first()) {
        (0, _) => 0,
        (1, Some(code)) => *code,
        _ if runs.iter().any(Run::is_stopped) => 10,
        _ => 9,
    }
}

impl Mover<'_> {
    /// Plans moves, some at a time; in the order of the requests.
    pub async fn plan_all(&self, requests: &[Request]) -> Vec<Result<Planned, OpError>> {
        stream::iter(requests).map(|request| self.plan(request)).buffered(PLANS_AT_ONCE).collect().await
    }

    /// Begins moves and carries them on, within the limits; in the order in which they end.
    pub async fn run_all(
        &self,
        moves: Vec<Planned>,
        limits: Limits,
        stop: watch::Receiver<bool>,
    ) -> Result<Vec<Run>, OpError> {
        let mut queue = Queue::new(moves, limits);
        queue.see(&self.list(0).await?);
        let carry = async |planned: Planned| self.carry(planned, stop.clone()).await;
        let look = async || self.list(0).await.ok();
        let waits = |message: String| self.world.reporter.report(&Event::Noted { message });
        Ok(drive(queue, stop.clone(), self.world.clock.as_ref(), look, carry, waits).await)
    }

    /// Goes on with a move until it is over or somebody stops it, and tells when it is let go of.
    pub async fn carry_on(&self, id: &MoveId, stop: watch::Receiver<bool>) -> Result<Ended, OpError> {
        let ended = self.run(id, stop).await;
        self.world.reporter.report(&Event::MoveLetGo { id: id.clone() });
        ended
    }

    async fn carry(&self, planned: Planned, stop: watch::Receiver<bool>) -> Run {
        let tenant = planned.plan.tenant().clone();
        let id = match self.begin(&planned.plan).await {
            Ok(id) => id,
            Err(error) => return Run::refused(tenant, &error),
        };
        // Whoever asks for a move that is paused wants it to go on.
        let released = if planned.resumes { self.release(&id).await } else { Ok(()) };
        let ended = match released {
            Ok(()) => self.carry_on(&id, stop).await,
            Err(error) => Err(error),
        };
        let failure = ended.as_ref().err().map(Failure::from);
        Run { tenant, id: Some(id), outcome: ended.ok(), failure }
    }
}

/// Moves that wait to be admitted.
struct Queue {
    waiting: Vec<Planned>,
    mine: BTreeSet<MoveId>,
    told: BTreeSet<MoveId>,
    crowd: Crowd,
    at_once: usize,
}

impl Queue {
    fn new(waiting: Vec<Planned>, limits: Limits) -> Self {
        let mine = waiting.iter().map(|planned| planned.plan.id.clone()).collect();
        let crowd = Crowd::new(limits.per_cell);
        Self { waiting, mine, told: BTreeSet::new(), crowd, at_once: limits.at_once }
    }

    /// Counts the moves of others that go on. Those that nobody carries on, or that wait for people, hold room in a cell,
    /// but are no work for it.
    fn see(&mut self, moves: &[Listed]) {
        let of_others = moves.iter().filter(|listed| !self.mine.contains(&listed.summary.id));
        let going = of_others.filter(|listed| listed.works()).map(|listed| &listed.summary);
        self.crowd.see_others(going.map(|summary| (&summary.source, &summary.target)));
    }

    /// The next move that the limits admit, while `running` are under way.
    fn next(&mut self, running: usize) -> Option<Planned> {
        let crowd = &self.crowd;
        let is_free = |planned: &Planned| crowd.full(&planned.plan.source.cell, &planned.plan.target.cell).is_none();
        let index = self.waiting.iter().position(is_free).filter(|_| running < self.at_once)?;
        let planned = self.waiting.remove(index);
        self.crowd.enter(&planned.plan.source.cell, &planned.plan.target.cell);
        Some(planned)
    }

    /// What is said of moves that wait for those of others, once for each.
    fn news(&mut self) -> Vec<String> {
        let full = |plan: &Plan| self.crowd.full(&plan.source.cell, &plan.target.cell).cloned();
        let all: Vec<_> = self.waiting.iter().map(|p| (p.plan.id.clone(), full(&p.plan))).collect();
        let new = all.into_iter().filter(|(id, _)| self.told.insert(id.clone()));
        new.filter_map(|(id, full)| Some((id, full?)))
            .map(|(id, cell)| {
                format!(
                    "move {id} waits: cell {cell} has as many moves under way as --per-cell allows; `cellctl move list` \
                     shows them"
                )
            })
            .collect()
    }
}

/// Carries on what the limits admit until nothing is left, or somebody asks to stop.
async fn drive(
    mut queue: Queue,
    stop: watch::Receiver<bool>,
    clock: &dyn Clock,
    look: impl AsyncFn() -> Option<Vec<Listed>>,
    carry: impl AsyncFn(Planned) -> Run,
    waits: impl Fn(String),
) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut running = FuturesUnordered::new();
    loop {
        if *stop.borrow() {
            runs.extend(queue.waiting.drain(..).map(|planned| Run::not_begun(&planned.plan)));
        }
        while let Some(planned) = queue.next(running.len()) {
            let cells = (planned.plan.source.cell.clone(), planned.plan.target.cell.clone());
            running.push(carry(planned).map(move |run| (run, cells)));
        }
        if running.is_empty() && queue.waiting.is_empty() {
            return runs;
        }
        if running.is_empty() {
            queue.news().into_iter().for_each(&waits);
        }
        let waiting = !queue.waiting.is_empty();
        tokio::select! {
            Some((run, (source, target))) = running.next() => {
                queue.crowd.leave(&source, &target);
                runs.push(run);
            }
            // All of it beside the moves, which hold their leases and locks only as long as they are polled.
            seen = async { clock.sleep(LOOK).await; look().await }, if waiting => {
                if let Some(moves) = seen {
                    queue.see(&moves);
                }
            }
            () = asked(stop.clone()), if waiting => {}
        }
    }
}

/// Ends when somebody asks to stop.
async fn asked(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Whoever could ask is gone.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
