//! Somebody who takes the tenant back, once the target serves it: again and again, until it is there.
//!
//! Constraint kept: as the command does it: the move that is undone ends, then the one back is planned by the real planning.

use std::sync::Arc;

use cellctl::domain::moves::Options;
use cellctl::domain::moves::machine::Stage;
use cellctl::ops::OpError;
use cellctl::ops::moves::{Ended, Mover, SchemaCheck};
use tokio::sync::watch;

use super::gate::{Seat, pause};
use super::movers::{FAULTY_RUNS_MAX, RUNS_MAX, Task};
use super::scene::{actor, tenant};
use super::state::{Sim, State};

/// Numbers of its processes begin here.
const NUMBERS: u32 = 5_000;

/// Takes the tenant back.
pub(crate) async fn returner(sim: Arc<Sim>, task: Arc<Task>) {
    if !until_landed(&sim).await {
        return;
    }
    let wait_ms = sim.with(|state| state.up_to(&[1_000, 30_000, 240_000]));
    pause(wait_ms).await;
    for run in 0..RUNS_MAX {
        if run >= FAULTY_RUNS_MAX {
            sim.with(State::calm);
        }
        let outcome = once(&sim, &task, NUMBERS + run).await;
        sim.with(|state| state.note_back(outcome.as_ref()));
        if sim.with(|state| state.look_over() && state.wish.over) {
            return;
        }
        let wait_ms = sim.with(|state| state.rest_after(outcome.as_ref()));
        pause(wait_ms).await;
    }
    sim.with(|state| {
        let stands = state.folded_back().map(|back| (back.stage, back.trouble, back.paused));
        state.violate(format!("not back after {RUNS_MAX} runs: {stands:?}"));
        state.wish.over = true;
    });
}

/// False: the move was given up.
async fn until_landed(sim: &Arc<Sim>) -> bool {
    loop {
        match sim.with(|state| state.folded().map(|folded| folded.stage)) {
            Some(Stage::Aborted) => return false,
            Some(stage) if stage.is_past_flip() && stage != Stage::Flipped => return true,
            _ if sim.with(|state| state.wish.over) => return false,
            _ => pause(500).await,
        }
    }
}

/// One process: none where it died.
async fn once(sim: &Arc<Sim>, task: &Task, number: u32) -> Option<Result<Ended, OpError>> {
    let seat = Seat::new(sim, number);
    let (world, actor) = (seat.world(), actor(number));
    let (_stop, stopped) = watch::channel(false);
    let work = async {
        let mover = Mover { world: &world, fleet: &task.fleet, actor: &actor };
        let mut back = mover.way_back(&tenant()).await?;
        if back.ends_a_move() {
            match mover.end_for_back(&back, stopped.clone()).await? {
                Ended::Completed { .. } => back = mover.way_back(&tenant()).await?,
                other => return Ok(other),
            }
        }
        let options = Options { soak_ms: 0, hold_cutover: false, ..back.options.clone() };
        let planned = mover.plan_back(&back, &options, SchemaCheck::Exact).await?;
        sim.with(|state| {
            state.counts.deed(if planned.plan.options.warm { "ways back, warm" } else { "ways back, cold" });
            state.back = Some(planned.plan.id.clone());
        });
        let id = mover.begin(&planned.plan).await?;
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
    fn note_back(&mut self, outcome: Option<&Result<Ended, OpError>>) {
        let text = outcome.map_or_else(|| "died".to_owned(), |outcome| format!("{outcome:?}"));
        self.trace.note(self.now_ms, "returner", &text, 0);
        if let (Some(Ok(Ended::Stuck { trouble })), Some(id)) = (outcome, self.back.clone()) {
            self.stuck(&id, &trouble.code, &trouble.why);
        }
    }
}
