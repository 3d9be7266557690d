//! Everything is copied once, and what is in doubt is remembered.

use std::time::Duration;

use super::{Copied, batches, copy};
use crate::domain::data::Value;
use crate::domain::data::find::Find;
use crate::domain::moves::machine::Stage as At;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::meter::Meter;
use crate::ops::moves::testing::{Stage, item, key, send};
use crate::ports::CallErrorKind;

async fn stage(find: Find) -> Stage {
    let stage = Stage::with(find).await;
    (0..50).for_each(|number| stage.lock().put("source", number, "a"));
    stage
}

async fn run(stage: &Stage) -> Result<Copied, Halt> {
    send(copy(&stage.context(), &Meter::new(At::Capturing))).await
}

fn assert_same(stage: &Stage) {
    let mut inner = stage.lock();
    let source = inner.table("source").clone();
    assert_eq!(inner.table("target"), &source);
}

#[tokio::test(start_paused = true)]
async fn all_items_are_copied_whatever_passes_but_none_that_has_expired() {
    for find in [Find::PartitionKey, Find::Attribute { attribute: "tenant".to_owned() }] {
        let stage = stage(find).await;
        let mut expired = item(60, "old");
        expired.0.insert("expires".to_owned(), Value::N("1600000000".to_owned()));
        stage.lock().table("source").insert(key(60), expired);
        for kind in [CallErrorKind::Throttled, CallErrorKind::Unreachable] {
            stage.lock().fail("put_bulk", kind.clone(), false);
            stage.lock().fail("page", kind, false);
        }
        let copied = run(&stage).await.expect("all pass");
        assert_eq!((copied.items, copied.in_doubt_until_ms), (50, 0));
        assert!(stage.lock().table("source").remove(&key(60)).is_some());
        assert_same(&stage);
        // Once more: everything is there.
        stage.lock().calls.clear();
        assert_eq!(run(&stage).await.expect("nothing to do").items, 50);
        assert!(!stage.lock().calls.contains(&"put_bulk"));
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_behind_the_last_page_that_is_there() {
    let stage = stage(Find::PartitionKey).await;
    let cursor = "{\"from\":\"000009\",\"items\":10,\"bytes\":99,\"done\":false}";
    stage.lock().ledger.insert("copy/0/0".to_owned(), cursor.to_owned());
    assert_eq!(run(&stage).await.expect("no failure").items, 50);
    assert_eq!(stage.lock().table("target").keys().next(), Some(&key(10)));
}

#[tokio::test(start_paused = true)]
async fn the_cursor_never_passes_a_page_that_is_not_there() {
    // All pages are refused for so long that a cursor is due, then one fails for good.
    let stage = stage(Find::PartitionKey).await;
    for _ in 0..40 {
        stage.lock().fail("put_bulk", CallErrorKind::Throttled, false);
    }
    stage.lock().fail("put_bulk", CallErrorKind::Denied, false);
    assert!(matches!(run(&stage).await, Err(Halt::Failed(_))));
    run(&stage).await.expect("no failure");
    assert_same(&stage);
}

#[tokio::test(start_paused = true)]
async fn requests_that_need_the_same_lock_as_the_ledger_do_not_stop_the_copy() {
    let stage = stage(Find::PartitionKey).await;
    (50..5_000).for_each(|number| stage.lock().put("source", number, "a"));
    stage.lock().one_by_one = true;
    let (context, meter) = (stage.context(), Meter::new(At::Capturing));
    let copied = tokio::time::timeout(Duration::from_mins(10), send(copy(&context, &meter))).await;
    assert_eq!(copied.expect("it ends").expect("no failure").items, 5_000);
    let stores = stage.lock().calls.iter().filter(|call| **call == "put_ledger").count();
    assert!(stores > 1, "the cursor is stored under way: {stores}");
    assert_same(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_waited_for_by_the_barrier() {
    let stage = stage(Find::PartitionKey).await;
    stage.lock().fail("put_bulk", CallErrorKind::InDoubt, true);
    let context = stage.context();
    let copied = copy(&context, &Meter::new(At::Capturing)).await.expect("no failure");
    assert_eq!(copied.items, 50);
    assert!(copied.in_doubt_until_ms > context.world.clock.now_ms() + 200_000);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_is_waited_for_as_well() {
    let stage = stage(Find::PartitionKey).await;
    let (context, meter) = (stage.context(), Meter::new(At::Capturing));
    // The first page is there after a millisecond; then the first request is under way.
    let dropped = tokio::time::timeout(Duration::from_millis(1), copy(&context, &meter)).await;
    assert!(dropped.is_err());
    assert_eq!(stage.lock().table("target").len(), 0);
    assert!(context.doubt_until_ms() > context.world.clock.now_ms() + 200_000);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_refused_ends_it() {
    let stage = stage(Find::PartitionKey).await;
    stage.lock().fail("put_bulk", CallErrorKind::Conflict, false);
    assert!(matches!(run(&stage).await, Err(Halt::Lost)));
}

#[test]
fn a_batch_holds_no_more_than_a_request_takes() {
    let large = "x".repeat(390_000);
    let all = batches((0..60).map(|number| item(number, if number < 30 { &large } else { "a" })));
    assert!(all.iter().all(|batch| batch.items.len() <= 25 && batch.bytes <= super::BULK_BYTES_MAX));
    assert_eq!(all.iter().map(|batch| batch.items.len()).sum::<usize>(), 60);
    assert!(all.len() <= 4);
}
