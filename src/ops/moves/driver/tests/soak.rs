//! The grace period: what it sees, and for how long, whoever carries the move on.

use super::*;
use crate::domain::data::Value;
use crate::ops::moves::testing::{item, key};

/// For how long the source is watched, in milliseconds.
const SOAK_MS: u64 = 60_000;

async fn soaking() -> Stage {
    let mut stage = Stage::new().await;
    stage.plan.options.soak_ms = SOAK_MS;
    stage.lock().put("source", 1, "a");
    set(&stage, "cell-1-fences", sent_away(&stage));
    stage
}

/// A mover of its own, at that stage.
async fn soaks(stage: &Stage, stage_of: At) -> Result<Event, Halt> {
    let (fleet, actor) = (fleet(stage), actor());
    let driver = driver(stage, (&fleet, &actor), at(stage, stage_of, None));
    driver.look().await?;
    driver.mark();
    match stage_of {
        At::Landed => driver.move_queues().await,
        _ => driver.soak().await,
    }
}

fn is_stuck(ended: &Result<Event, Halt>) -> bool {
    matches!(ended, Err(Halt::Stuck(trouble)) if trouble.code == "write-after-cutover")
}

#[tokio::test(start_paused = true)]
async fn a_write_that_came_through_before_the_mover_died_is_seen_by_the_next_one() {
    let stage = soaking().await;
    soaks(&stage, At::Landed).await.expect("no failure");
    stage.lock().put("source", 2, "came through");
    assert!(is_stuck(&soaks(&stage, At::QueuesMoved).await));
}

#[tokio::test(start_paused = true)]
async fn the_grace_period_counts_from_its_first_beginning() {
    let stage = soaking().await;
    soaks(&stage, At::Landed).await.expect("no failure");
    tokio::time::sleep(std::time::Duration::from_millis(SOAK_MS - 10_000)).await;
    let began = tokio::time::Instant::now();
    assert!(matches!(soaks(&stage, At::QueuesMoved).await, Ok(Event::Soaked)));
    let took = began.elapsed().as_millis();
    assert!((9_000..12_000).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn an_order_to_keep_ends_it_unless_something_was_written() {
    let stage = soaking().await;
    soaks(&stage, At::Landed).await.expect("no failure");
    stage.lock().orders.keep = Some("back".to_owned());
    // It comes before an order to pause.
    stage.lock().orders.pause = true;
    let began = tokio::time::Instant::now();
    assert!(matches!(soaks(&stage, At::QueuesMoved).await, Ok(Event::Kept { why }) if why == "back"));
    assert!(began.elapsed().as_millis() < 5_000);
    stage.lock().put("source", 2, "came through");
    assert!(is_stuck(&soaks(&stage, At::QueuesMoved).await));
}

#[tokio::test(start_paused = true)]
async fn what_expires_meanwhile_is_no_write_that_came_through() {
    let stage = soaking().await;
    let expiring = |number, in_s: i64| {
        let mut item = item(number, "short");
        let at_s = stage.context().world.clock.now_ms() / 1_000 + in_s;
        item.0.insert("expires".to_owned(), Value::N(at_s.to_string()));
        item
    };
    stage.lock().table("source").insert(key(2), expiring(2, 30));
    stage.lock().table("source").insert(key(3), expiring(3, 40_000));
    soaks(&stage, At::Landed).await.expect("no failure");
    stage.lock().table("source").remove(&key(2));
    assert!(matches!(soaks(&stage, At::QueuesMoved).await, Ok(Event::Soaked)));
    let third = stage.lock().table("source").remove(&key(3)).expect("there");
    assert!(is_stuck(&soaks(&stage, At::QueuesMoved).await));
    // A mover that comes that late cannot tell whether it was the service.
    tokio::time::sleep(std::time::Duration::from_secs(50_000)).await;
    assert!(matches!(soaks(&stage, At::QueuesMoved).await, Ok(Event::Soaked)));
    stage.lock().table("source").insert(key(3), third);
    stage.lock().put("source", 4, "came through");
    assert!(is_stuck(&soaks(&stage, At::QueuesMoved).await));
}
