//! Fences are changed from what the protocol says, and from nothing else.

use crate::domain::moves::fence::{Hold, Shard};
use crate::domain::tenant::fence::FenceMode;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::testing::Stage;

const SOURCE: &str = "cell-1-fences";
const TARGET: &str = "cell-2-fences";

fn set(stage: &Stage, table: &str, shards: &[Shard]) {
    let shards = (0..).zip(shards.iter().cloned()).collect();
    stage.lock().fences.insert(table.to_owned(), shards);
}

fn shards(stage: &Stage, table: &str) -> Vec<Shard> {
    stage.lock().fences[table].values().cloned().collect()
}

/// The hold of an earlier mover of the same move.
fn earlier(stage: &Stage) -> Hold {
    let mine = stage.context().hold();
    Hold { token: mine.token - 1, ..mine }
}

#[tokio::test(start_paused = true)]
async fn a_guard_of_an_earlier_mover_that_came_late_is_taken_over() {
    let stage = Stage::new().await;
    set(&stage, SOURCE, &[Shard::held(1, FenceMode::Guarded, earlier(&stage))]);
    assert!(stage.context().guard_source(1).await.expect("no failure"));
    assert_eq!(shards(&stage, SOURCE), [Shard::held(1, FenceMode::Guarded, stage.context().hold())]);
}

#[tokio::test(start_paused = true)]
async fn a_guard_of_a_later_mover_or_of_another_move_stands() {
    let stage = Stage::new().await;
    let mine = stage.context().hold();
    let later = Hold { token: mine.token + 1, ..mine.clone() };
    let other = Hold { id: "acme:99".parse().expect("valid"), token: 1 };
    for hold in [later, other] {
        set(&stage, SOURCE, &[Shard::held(1, FenceMode::Guarded, hold)]);
        assert!(!stage.context().guard_source(1).await.expect("no failure"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_a_later_mover_holds_for_another_epoch_is_not_opened() {
    let stage = Stage::new().await;
    let there = Shard::held(4, FenceMode::Incoming, stage.context().hold());
    set(&stage, TARGET, std::slice::from_ref(&there));
    assert!(matches!(stage.context().open_target(2).await, Err(Halt::Stuck(_))));
    assert_eq!(shards(&stage, TARGET), [there]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lacks_a_shard_is_opened_all_the_same() {
    let mut stage = Stage::new().await;
    stage.plan.source.shards = 2;
    set(&stage, SOURCE, &[Shard::held(1, FenceMode::Sealed, stage.context().hold())]);
    assert_eq!(stage.context().reopen_source(1).await.expect("no failure"), Some(3));
    assert_eq!(shards(&stage, SOURCE), [Shard::free(3, FenceMode::Open)]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_a_move_has_left_behind_is_taken_and_one_of_a_later_time_is_not() {
    let stage = Stage::new().await;
    let other =
        |epoch| Shard::held(epoch, FenceMode::Incoming, Hold { id: "acme:0".parse().expect("valid"), token: 9 });
    set(&stage, TARGET, &[other(2)]);
    stage.context().hold_target(2).await.expect("no failure");
    assert_eq!(shards(&stage, TARGET), [Shard::held(2, FenceMode::Incoming, stage.context().hold())]);
    set(&stage, TARGET, &[other(3)]);
    assert!(matches!(stage.context().hold_target(2).await, Err(Halt::Stuck(_))));
}
