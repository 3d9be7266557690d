//! Whoever runs pilots and answers for the rollout, and people with wishes.

use std::sync::Arc;
use std::time::Duration;

use cellctl::domain::definition::Rollback;
use cellctl::domain::fleet::Fleet;
use cellctl::domain::record::CellState;
use cellctl::domain::rollout::RolloutId;
use cellctl::domain::rollout::machine::Stage;
use cellctl::domain::rollout::orders::{Orders, Word};
use cellctl::ops::OpError;
use cellctl::ops::rollout::{Ended, Pilot, Planned};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::drawn::{Drawn, Faults, Wish};
use super::gate::{Seat, pause};
use super::scene::actor;
use super::state::Sim;

/// Pilots that are run until it must be over.
const PILOTS_MAX: u32 = 80;
/// Pilots after which nothing goes wrong any more.
const TROUBLED: u32 = 25;
/// Longer than any lease, signature, or process that stands still, in milliseconds.
pub(crate) const LONG_MS: u64 = 1_500_000;
const BUCKET: &str = "cellctl-shop";

/// What everybody needs.
pub(crate) struct Task {
    pub(crate) planned: Planned,
    pub(crate) fleet: Fleet,
    pub(crate) drawn: Drawn,
}

/// How a pilot ended; none where it died.
type Outcome = Option<Result<Ended, OpError>>;

async fn attempt(task: &Task, seat: &Arc<Seat>, number: u32) -> Result<Ended, OpError> {
    let (world, actor) = (seat.world(), actor(number));
    let pilot = Pilot { world: &world, fleet: &task.fleet, actor: &actor, bucket_prefix: BUCKET };
    let known =
        seat.sim.with(|state| state.rollouts.iter().rfind(|(_, kept)| !kept.journal.is_empty()).map(|(id, _)| *id));
    let id = match known {
        Some(id) => id,
        None => pilot.begin(&task.planned).await?,
    };
    pilot.run(id, watch::channel(false).1).await
}

fn launch(sim: &Arc<Sim>, task: &Arc<Task>, number: u32) -> JoinHandle<Outcome> {
    let (seat, task) = (Seat::new(sim, number), Arc::clone(task));
    tokio::task::spawn_local(async move {
        tokio::select! {
            biased;
            () = seat.death() => None,
            outcome = attempt(&task, &seat, number) => Some(outcome),
        }
    })
}

/// Gives an order as a person does, to whom nothing happens.
async fn order(sim: &Arc<Sim>, task: &Task, change: impl Fn(&mut Orders) + Send + Sync) {
    let (seat, actor) = (Seat::new(sim, 0), actor(0));
    let world = seat.world();
    let pilot = Pilot { world: &world, fleet: &task.fleet, actor: &actor, bucket_prefix: BUCKET };
    let given = pilot.order(RolloutId(1), change).await;
    sim.with(|state| state.note(if given.is_ok() { "ordered" } else { "order refused" }, 0));
}

fn word(wave: usize) -> Word {
    Word { wave, by: "person".to_owned() }
}

/// Runs pilots until nobody has to act any more.
pub(crate) async fn operate(sim: Arc<Sim>, task: Arc<Task>) {
    let mut loose = Vec::new();
    let mut regrets = task.drawn.regret;
    for number in 1..=PILOTS_MAX {
        if number == TROUBLED {
            sim.with(|state| state.faults = Faults::default());
        }
        let mut pilot = launch(&sim, &task, number);
        let patience = Duration::from_millis(task.drawn.patience_ms);
        let Ok(outcome) = tokio::time::timeout(patience, &mut pilot).await else {
            // It may stand still: another one is started beside it.
            loose.push(pilot);
            continue;
        };
        let outcome = outcome.ok().flatten();
        sim.with(|state| state.note(&told(outcome.as_ref()), u64::from(number)));
        if answer(&sim, &task, outcome, &mut regrets).await {
            break;
        }
    }
    for pilot in loose {
        let _ = tokio::time::timeout(Duration::from_millis(100 * LONG_MS), pilot).await;
    }
}

fn told(outcome: Option<&Result<Ended, OpError>>) -> String {
    match outcome {
        None => "died".to_owned(),
        Some(Ok(ended)) => format!("{ended:?}").chars().take(300).collect(),
        Some(Err(error)) => format!("{:?}: {error}", error.kind),
    }
}

/// What whoever runs pilots does after one has ended; true: it is over, or left as it is.
async fn answer(sim: &Arc<Sim>, task: &Task, outcome: Outcome, regrets: &mut bool) -> bool {
    let wait_ms = sim.with(|state| state.rng.u64(1_000..200_000));
    pause(wait_ms).await;
    let Some(Ok(ended)) = outcome else { return false };
    let wave = sim.with(|state| state.open_journal().map_or(0, |state| state.wave));
    match ended {
        Ended::Completed if *regrets => {
            *regrets = false;
            order(sim, task, |orders| orders.rollback = Some(Rollback::All)).await;
            false
        }
        Ended::Completed | Ended::RolledBack { .. } | Ended::Aborted { .. } => true,
        Ended::AwaitsApproval { .. } => {
            order(sim, task, |orders| orders.approve = Some(word(wave))).await;
            false
        }
        Ended::BackFailed { .. } => {
            recover(sim);
            order(sim, task, |orders| orders.rollback = Some(Rollback::All)).await;
            false
        }
        Ended::Halted { .. } => after_halt(sim, task, wave).await,
        Ended::Paused | Ended::Stopped => false,
    }
}

async fn after_halt(sim: &Arc<Sim>, task: &Task, wave: usize) -> bool {
    match sim.with(|state| state.rng.u8(..4)) {
        0 => return true,
        1 => {
            sim.with(|state| state.truth.promoted = true);
            order(sim, task, |orders| orders.promote = Some(word(wave))).await;
        }
        2 => order(sim, task, |orders| orders.abort = Some("a person".to_owned())).await,
        _ => order(sim, task, |orders| orders.rollback = Some(Rollback::All)).await,
    }
    false
}

/// `cell recover` of every stuck stack: it has the old version again.
fn recover(sim: &Arc<Sim>) {
    sim.with(|state| {
        let now_ms = state.now_ms;
        for stack in state.stacks.values_mut() {
            stack.settle(now_ms);
            if stack.status == "UPDATE_ROLLBACK_FAILED" {
                (stack.status, stack.changed_at_ms) = ("UPDATE_ROLLBACK_COMPLETE", now_ms);
            }
        }
    });
}

/// Somebody who orders something without being asked.
pub(crate) async fn person(sim: Arc<Sim>, task: Arc<Task>) {
    pause(task.drawn.wish_ms).await;
    let Some(state) = sim.with(|state| state.open_journal()) else { return };
    match task.drawn.wish {
        Wish::Pause => order(&sim, &task, |orders| orders.pause = true).await,
        Wish::Abort => order(&sim, &task, |orders| orders.abort = Some("a person".to_owned())).await,
        Wish::Rollback => order(&sim, &task, |orders| orders.rollback = Some(Rollback::Wave)).await,
        Wish::Promote if state.stage == Stage::Baking => {
            sim.with(|state| state.truth.promoted = true);
            order(&sim, &task, |orders| orders.promote = Some(word(state.wave))).await;
        }
        Wish::Promote | Wish::Nothing => {}
    }
}

/// Somebody deletes cells of the last wave.
pub(crate) async fn deleter(sim: Arc<Sim>, task: Arc<Task>) {
    if task.drawn.deleted == 0 {
        return;
    }
    pause(task.drawn.deleted_ms).await;
    sim.with(|state| {
        let mut names: Vec<String> = state.stacks.keys().cloned().collect();
        names.sort();
        let at = state.rng.usize(..names.len());
        let Some(stack) = state.stacks.get_mut(&names[at]).filter(|stack| stack.operation.is_none()) else { return };
        stack.gone = true;
        let cell = stack.cell.clone();
        if let Some(record) = state.records.get_mut(&cell) {
            (record.state, record.applied) = (CellState::Deleted, None);
            record.version += 1;
        }
        state.note("deleted", at as u64);
    });
}
