//! One schedule from its seed to its end.
//!
//! Constraint kept: the same seed gives the same schedule, to the last call.

use std::sync::Arc;

use cellctl::domain::ids::CellId;
use cellctl::domain::moves::machine::Stage;
use cellctl::domain::tenant::EntryState;

use super::actors::{expiry, person, writer};
use super::back::returner;
use super::consumers::{consumer, producer};
use super::counts::Counts;
use super::drawn::{Drawn, Wish};
use super::gate::{Strike, pause};
use super::movers::{Task, cell_named, mover};
use super::scene::{scene, tenant};
use super::state::{Sim, State};

/// How a schedule went.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// What was broken; nothing, if all is well.
    pub(crate) broken: Vec<String>,
    /// Digest of everything that happened, in order.
    pub(crate) digest: u64,
    /// How the move ended.
    pub(crate) stage: Option<Stage>,
    /// How the move back ended, where there was one.
    pub(crate) back: Option<Stage>,
    /// Counts.
    pub(crate) counts: Counts,
    /// What happened, line by line, where it was asked for.
    pub(crate) lines: Vec<String>,
}

/// Runs the schedule of a seed.
pub(crate) fn run_seed(seed: u64) -> Outcome {
    run(&Drawn::of(seed), None, false)
}

/// Runs a schedule; with `strike`, that goes wrong at one call and nothing else.
pub(crate) fn run(drawn: &Drawn, strike: Option<(u64, Strike)>, verbose: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, play(drawn, strike, verbose)),
        Err(error) => unreachable!("a runtime of one thread: {error}"),
    }
}

async fn play(drawn: &Drawn, strike: Option<(u64, Strike)>, verbose: bool) -> Outcome {
    let scene = scene(drawn, strike, verbose);
    let task = Arc::new(Task { plan: scene.plan, fleet: scene.fleet });
    let sim = Sim::new(scene.state);
    let mut actors = Vec::new();
    for number in 0..drawn.writers as u64 {
        actors.push(tokio::spawn(writer(Arc::clone(&sim), number)));
    }
    if drawn.messages > 0 {
        actors.push(tokio::spawn(producer(Arc::clone(&sim))));
        actors.push(tokio::spawn(consumer(Arc::clone(&sim), 0)));
        actors.push(tokio::spawn(consumer(Arc::clone(&sim), 1)));
    }
    sim.with(|state| state.busy = actors.len());
    tokio::spawn(expiry(Arc::clone(&sim)));
    if drawn.wish != Wish::Nothing || drawn.hold_cutover {
        tokio::spawn(person(Arc::clone(&sim)));
    }
    let mut movers = vec![tokio::task::spawn_local(mover(Arc::clone(&sim), Arc::clone(&task), 0))];
    if drawn.second {
        movers.push(tokio::task::spawn_local(mover(Arc::clone(&sim), Arc::clone(&task), 1)));
    }
    if drawn.rollback {
        movers.push(tokio::task::spawn_local(returner(Arc::clone(&sim), Arc::clone(&task))));
    }
    for task in movers.into_iter().chain(actors) {
        if let Err(error) = task.await {
            sim.with(|state| {
                state.violate(format!("a panic: {error}"));
                state.wish.over = true;
            });
        }
    }
    // What is still under way lands now.
    pause(320_000).await;
    end(&sim, &task)
}

fn end(sim: &Sim, task: &Task) -> Outcome {
    sim.with(|state| {
        let serving = state.must_serve();
        if state.busy > 0 {
            state.violate(format!("{} actors did not end", state.busy));
        }
        state.check_end(serving);
        state.check_map(cell_named(task, serving), cell_named(task, 1 - serving), serving);
        let stage = state.folded().map(|folded| folded.stage);
        Outcome {
            broken: state.truth.broken.clone(),
            digest: state.trace.digest,
            stage,
            back: state.folded_back().map(|folded| folded.stage),
            counts: state.counts.clone(),
            lines: state.trace.lines.clone().unwrap_or_default(),
        }
    })
}

impl State {
    /// What the map must say at the end.
    fn check_map(&mut self, cell: &CellId, other: &CellId, serving: usize) {
        let entry = self.map.entries[&tenant()].clone();
        let epochs: Vec<u64> = self.fences[serving].shards.values().map(|shard| shard.epoch).collect();
        // A shard that a writer has reopened is ahead of the others until the fence is written as a whole again.
        let agrees = epochs.iter().all(|epoch| *epoch == entry.epoch);
        if entry.cell != *cell || entry.state != EntryState::Active || entry.moving.is_some() || !agrees {
            self.violate(format!("the map at the end: {entry:?}; epochs of the fence: {epochs:?}"));
        }
        let holds = |cell: &CellId| self.map.loads.get(cell).map_or((0, 0), |load| (load.tenants, load.weight));
        let (here, there) = (holds(cell), holds(other));
        if (here, there) != ((2, 14), (1, 7)) {
            self.violate(format!("rooms at the end: {here:?} where it is served, {there:?} in the other cell"));
        }
    }
}
