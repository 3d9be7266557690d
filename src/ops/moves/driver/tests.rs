//! What ends a step and what does not, and what a cutover is not begun without.

mod back;
mod soak;

use std::sync::atomic::AtomicU64;

use super::Driver;
use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::domain::moves::event::Event;
use crate::domain::moves::fence::Hold;
use crate::domain::moves::fence::Shard;
use crate::domain::moves::machine::{Move, Stage as At, Step};
use crate::domain::tenant::fence::FenceMode;
use crate::ops::moves::dirty::Dirty;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::lease_of::Held;
use crate::ops::moves::meter::Meter;
use crate::ops::moves::notes::Notes;
use crate::ops::moves::testing::{Inner, Stage};
use crate::ports::CallErrorKind;

fn actor() -> Actor {
    Actor { identity: "arn:me".to_owned(), user: "me".to_owned(), ci_url: None }
}

fn fleet(stage: &Stage) -> Fleet {
    Fleet {
        name: "shop".parse().expect("valid"),
        labels: [].into(),
        control: stage.plan.source.place.clone(),
        tags: [].into(),
        concurrency: None,
        max_failures: None,
        rollout: crate::domain::definition::RolloutSpec::default(),
        residency: [].into(),
        cells: Vec::new(),
    }
}

/// A move of the stage's plan that has come so far.
fn at(stage: &Stage, at: At, deadline_ms: Option<i64>) -> Move {
    let event = Event::Planned { plan: Box::new(stage.plan.clone()) };
    let entry = crate::domain::moves::event::Entry { seq: 1, at_ms: 0, by: "me".to_owned(), token: 1, event };
    Move { stage: at, deadline_ms, ..Move::begin(&entry).expect("a plan") }
}

fn driver<'a>(stage: &'a Stage, (fleet, actor): (&'a Fleet, &'a Actor), state: Move) -> Driver<'a> {
    let context = stage.context();
    let token = context.hold().token;
    Driver {
        context,
        held: Held { lease: &stage.lease, actor },
        fleet,
        meter: Meter::new(state.stage),
        state,
        dirty: Dirty::default(),
        capture: None,
        notes: Notes::default(),
        token,
        compared_in_ms: AtomicU64::new(1),
    }
}

fn set(stage: &Stage, table: &str, shard: Shard) {
    stage.lock().fences.insert(table.to_owned(), [(0, shard)].into());
}

/// The tenant's entry while it is in the move.
fn moving() -> crate::domain::tenant::Entry {
    let entry = serde_json::json!({
        "format": 1, "tenant": "acme", "cell": "cell-1", "epoch": 1, "state": "moving", "attributes": {},
        "moving": { "id": "acme:1", "other": "cell-2" }, "addedAtMs": 0, "changedAtMs": 0, "version": 2,
        "head": "0".repeat(64),
    });
    serde_json::from_value(entry).expect("an entry")
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_sent_away_is_let_in_whatever_is_ordered() {
    let mut stage = Stage::new().await;
    stage.stop = tokio::sync::watch::channel(true).1;
    stage.lock().orders.pause = true;
    let (fleet, actor) = (fleet(&stage), actor());
    set(&stage, "cell-2-fences", Shard::held(2, FenceMode::Incoming, stage.context().hold()));
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Flipped, None));
    // There is no map here, so that this is all that it comes to.
    let ended = driver.step(Step::Land).await;
    assert!(matches!(ended, Err(Halt::Stuck(trouble)) if trouble.code == "entry-lost"));
    assert_eq!(stage.lock().fences["cell-2-fences"][&0], Shard::free(2, FenceMode::Open));
    assert!(matches!(driver.step(Step::MoveQueues).await, Err(Halt::Paused)));
}

#[tokio::test(start_paused = true)]
async fn what_the_streams_have_lost_is_told_before_a_cutover_begins() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    let long_ago_ms = stage.context().world.clock.now_ms() - 48 * 3_600_000;
    stage.lock().ledger.insert("caught".to_owned(), long_ago_ms.to_string());
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Verified, None));
    assert!(matches!(driver.step(Step::CutOver).await, Err(Halt::Gap { .. })));
    assert!(stage.lock().journal.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_reservation_leaves_no_fence_after_an_abort() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    set(&stage, "cell-1-fences", Shard::free(1, FenceMode::Open));
    set(&stage, "cell-2-fences", Shard::held(2, FenceMode::Incoming, stage.context().hold()));
    stage.lock().entry = Some(moving());
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Cleared, None));
    driver.step(Step::EndAbort).await.expect("no failure");
    let inner = stage.lock();
    assert_eq!(inner.fences["cell-1-fences"][&0], Shard::free(3, FenceMode::Open));
    assert_eq!(inner.fences["cell-2-fences"][&0], Shard::free(2, FenceMode::Closed));
    assert!(inner.entry.as_ref().is_some_and(|entry| entry.moving.is_none() && entry.epoch == 3));
}

/// Two items of which that on the target is never what it should be.
fn spoil(inner: &mut Inner) {
    inner.put("source", 1, "a");
    inner.put("target", 1, "b");
    inner.before.insert("page", vec![Box::new(spoil)]);
}

#[tokio::test(start_paused = true)]
async fn two_sides_that_differ_under_the_seal_to_the_last_are_not_cut_over() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    spoil(&mut stage.lock());
    let driver = driver(&stage, (&fleet, &actor), at(&stage, At::CuttingOver, Some(i64::MAX)));
    let drained = driver.compare_under_seal(0).await.expect("no failure");
    assert!(matches!(drained, super::super::cutover::Drained::Not(_)));
}

#[tokio::test(start_paused = true)]
async fn a_source_is_not_sealed_for_a_target_that_cannot_be_opened() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    stage.lock().entry = Some(moving());
    let mine = stage.context().hold();
    set(&stage, "cell-1-fences", Shard::held(1, FenceMode::Guarded, mine.clone()));
    let older = Shard::held(0, FenceMode::Incoming, mine);
    for target in [None, Some(older)] {
        stage.lock().fences.insert("cell-2-fences".to_owned(), target.map(|shard| (0, shard)).into_iter().collect());
        let driver = driver(&stage, (&fleet, &actor), at(&stage, At::CuttingOver, Some(i64::MAX)));
        assert!(matches!(driver.sealed().await, Ok(Event::Reopened { epoch: 3, .. })));
        set(&stage, "cell-1-fences", Shard::held(1, FenceMode::Guarded, stage.context().hold()));
    }
}

/// The source as an earlier mover has sent the tenant away from it.
fn sent_away(stage: &Stage) -> Shard {
    let mine = stage.context().hold();
    let hold = Hold { token: mine.token - 1, ..mine };
    Shard { to: Some(stage.plan.target.cell.clone()), ..Shard::held(2, FenceMode::Out, hold) }
}

#[tokio::test(start_paused = true)]
async fn a_target_is_opened_although_the_source_is_out_of_reach() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    set(&stage, "cell-1-fences", sent_away(&stage));
    stage.lock().fail("shift", CallErrorKind::Other, false);
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Flipped, None));
    driver.take_hold().await.expect("nothing is needed of it");
}

#[tokio::test(start_paused = true)]
async fn a_flip_that_is_found_after_a_failure_is_landed_before_the_mover_ends() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    set(&stage, "cell-1-fences", sent_away(&stage));
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::CuttingOver, Some(i64::MAX)));
    assert!(driver.halted(Halt::Paused).await.expect("no failure").is_none());
    assert_eq!((driver.state.stage, driver.state.next()), (At::Flipped, Step::Land));
}

#[tokio::test(start_paused = true)]
async fn who_cleans_the_source_takes_its_fence_first() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    set(&stage, "cell-1-fences", sent_away(&stage));
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Soaked, None));
    driver.step(Step::Clean).await.expect("no failure");
    assert_eq!(stage.lock().fences["cell-1-fences"][&0].hold, Some(stage.context().hold()));
}
