//! Movers: processes that run the real engine, die, come back, and get in each other's way.

use std::sync::Arc;

use cellctl::domain::fleet::Fleet;
use cellctl::domain::ids::CellId;
use cellctl::domain::moves::machine::{Move, Stage};
use cellctl::domain::moves::{MoveId, Plan};
use cellctl::ops::moves::{Ended, Mover};
use cellctl::ops::{ErrorKind, OpError};
use tokio::sync::watch;

use super::gate::{Seat, pause};
use super::scene::actor;
use super::state::{Sim, State};

/// Most runs of a move: after so many without faults it must be over.
pub(crate) const RUNS_MAX: u32 = 60;
/// After so many runs nothing goes wrong any more.
pub(crate) const FAULTY_RUNS_MAX: u32 = 25;
/// More than a day, in milliseconds: records of the streams are gone then.
const OUTAGE_MS: u64 = 26 * 3_600_000;

/// What a mover needs beside the world.
pub(crate) struct Task {
    pub(crate) plan: Plan,
    pub(crate) fleet: Fleet,
}

/// Runs the move again and again until it is over.
pub(crate) async fn mover(sim: Arc<Sim>, task: Arc<Task>, place: u32) {
    if place > 0 {
        let wait_ms = sim.with(|state| state.up_to(&[100, 5_000, 120_000]));
        pause(wait_ms).await;
    }
    for run in 0..RUNS_MAX {
        if sim.with(State::look_over) {
            return;
        }
        if run >= FAULTY_RUNS_MAX {
            sim.with(State::calm);
        }
        let outcome = once(&sim, &task, place * 1_000 + run + 1).await;
        sim.with(|state| state.note_end(outcome.as_ref()));
        let wait_ms = sim.with(|state| state.rest_after(outcome.as_ref()));
        pause(wait_ms).await;
    }
    if place == 0 {
        sim.with(|state| {
            let stands = state.stands();
            state.violate(format!("not over after {RUNS_MAX} runs: {stands}"));
            state.wish.over = true;
        });
    }
}

/// One process: none where it died.
async fn once(sim: &Arc<Sim>, task: &Task, number: u32) -> Option<Result<Ended, OpError>> {
    let seat = Seat::new(sim, number);
    let (world, actor) = (seat.world(), actor(number));
    let (_stop, stopped) = watch::channel(false);
    let work = async {
        let mover = Mover { world: &world, fleet: &task.fleet, actor: &actor };
        let id = mover.begin(&task.plan).await?;
        mover.run(&id, stopped).await
    };
    let outcome = tokio::select! {
        biased;
        () = seat.death() => None,
        outcome = work => Some(outcome),
    };
    seat.kill();
    outcome
}

impl State {
    /// How the move stands by its journal.
    pub(crate) fn folded(&mut self) -> Option<Move> {
        let id = self.names.id.clone();
        self.folded_as(&id)
    }

    /// How the move back stands, where there is one.
    pub(crate) fn folded_back(&mut self) -> Option<Move> {
        let id = self.back.clone()?;
        self.folded_as(&id)
    }

    fn folded_as(&mut self, id: &MoveId) -> Option<Move> {
        Move::fold(&self.kept(id).journal.clone()).ok().flatten()
    }

    fn stands(&mut self) -> String {
        self.folded().map_or_else(
            || "not begun".to_owned(),
            |state| format!("{}, trouble {:?}, paused {}", state.stage.as_str(), state.trouble, state.paused),
        )
    }

    /// Whether the move is over. The schedule goes on until the tenant is back, where it goes back.
    pub(crate) fn look_over(&mut self) -> bool {
        let stage = self.folded().map(|state| state.stage);
        let there = stage.is_some_and(Stage::is_over);
        let goes_back = self.drawn.rollback && stage != Some(Stage::Aborted);
        let back = !goes_back || self.folded_back().is_some_and(|state| state.stage.is_over());
        self.wish.over = self.wish.over || (there && back);
        self.wish.over || there
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        self.faults = super::drawn::Faults::default();
        self.strike = None;
        self.cut_off_until_ms = 0;
    }

    /// The cell that must serve the tenant, by how the move has ended.
    pub(crate) fn must_serve(&mut self) -> usize {
        let is_done = |state: Option<Move>| state.is_some_and(|state| state.stage == Stage::Completed);
        usize::from(is_done(self.folded()) && !is_done(self.folded_back()))
    }

    fn note_end(&mut self, outcome: Option<&Result<Ended, OpError>>) {
        let text = match outcome {
            None => "died".to_owned(),
            Some(Ok(ended)) => format!("{ended:?}"),
            Some(Err(error)) => error.to_string(),
        };
        self.trace.note(self.now_ms, "mover", &text, 0);
        match outcome {
            Some(Ok(Ended::Stuck { trouble })) => {
                self.counts.deed("stuck");
                let id = self.names.id.clone();
                self.stuck(&id, &trouble.code, &trouble.why);
            }
            Some(Ok(Ended::Paused)) => self.counts.deed("paused"),
            Some(Ok(Ended::Completed { .. })) => self.counts.deed("said to be completed"),
            Some(Ok(Ended::Aborted { .. })) => self.counts.deed("said to be aborted"),
            _ => {}
        }
        if matches!(outcome, Some(Ok(Ended::Completed { .. } | Ended::Aborted { .. }))) && !self.look_over() {
            self.violate("a mover said that it is over, and the journal does not");
        }
    }

    /// What a move may be stuck with in a world where writers keep to their fences and tables stay.
    pub(crate) fn stuck(&mut self, id: &MoveId, code: &str, why: &str) {
        if code == "cutover-too-slow" {
            // As the hint says.
            let orders = &mut self.kept(id).orders;
            orders.version += 1;
            orders.abort = Some("it takes too long".to_owned());
        } else {
            self.violate(format!("stuck without reason: {code}: {why}"));
        }
    }

    /// How long it takes until somebody runs the move again.
    pub(crate) fn rest_after(&mut self, outcome: Option<&Result<Ended, OpError>>) -> u64 {
        match outcome {
            None if self.drawn.outage && self.rng.bool() => {
                self.counts.deed("outages of more than a day");
                OUTAGE_MS
            }
            None => self.up_to(&[1_000, 100_000, 700_000]),
            Some(Err(error)) if error.kind == ErrorKind::Locked => self.rng.u64(5_000..90_000),
            _ => self.rng.u64(0..20_000),
        }
    }
}

/// The cells' names by number.
pub(crate) fn cell_named(task: &Task, number: usize) -> &CellId {
    if number == 0 { &task.plan.source.cell } else { &task.plan.target.cell }
}
