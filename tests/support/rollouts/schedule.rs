//! One schedule from its seed to its end.
//!
//! Constraint kept: the same seed gives the same schedule, to the last call.

use std::collections::BTreeMap;
use std::sync::Arc;

use cellctl::domain::rollout::machine::Stage;

use super::drawn::Drawn;
use super::gate::{Strike, pause};
use super::operator::{LONG_MS, Task, deleter, operate, person};
use super::scene::scene;
use super::state::Sim;

/// How a schedule went.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// What was broken; nothing, if all is well.
    pub(crate) broken: Vec<String>,
    /// Digest of everything that happened, in order.
    pub(crate) digest: u64,
    /// How the rollout ended; none where it never began.
    pub(crate) stage: Option<Stage>,
    /// Calls and faults, by name.
    pub(crate) counted: BTreeMap<&'static str, u64>,
    /// Calls of pilots.
    pub(crate) calls: u64,
    /// Cells that got the new version.
    pub(crate) spread: usize,
    /// From the first probe that was told of harm to the first call that takes a cell back, in milliseconds.
    pub(crate) reaction_ms: Option<i64>,
    /// Calls of the last bake that passed.
    pub(crate) baking_calls: u64,
    /// What happened, line by line, where it was asked for.
    pub(crate) lines: Vec<String>,
}

/// Runs the schedule of a seed.
pub(crate) fn run_seed(seed: u64, cells: Option<usize>) -> Outcome {
    run(&Drawn::of(seed, cells), None, false)
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
    let task = Arc::new(Task { planned: scene.planned, fleet: scene.fleet, drawn: drawn.clone() });
    let sim = Sim::new(scene.state);
    let around = [
        tokio::task::spawn_local(person(Arc::clone(&sim), Arc::clone(&task))),
        tokio::task::spawn_local(deleter(Arc::clone(&sim), Arc::clone(&task))),
    ];
    operate(Arc::clone(&sim), task).await;
    for one in around {
        one.abort();
    }
    // What is late comes, and is seen.
    pause(LONG_MS).await;
    sim.with(|state| {
        let stage = state.judge().map(|rollout| rollout.stage);
        let reaction_ms = state.truth.first_back_ms.zip(state.truth.unwell_ms).map(|(back, seen)| back - seen);
        Outcome {
            broken: std::mem::take(&mut state.truth.broken),
            digest: state.digest,
            stage,
            counted: std::mem::take(&mut state.counted),
            calls: state.calls,
            spread: state.truth.spread.len(),
            reaction_ms,
            baking_calls: state.truth.baking_calls,
            lines: state.lines.take().unwrap_or_default(),
        }
    })
}
