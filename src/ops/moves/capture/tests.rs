//! What is captured is marked, stored, and found again.

use std::time::Duration;

use super::Capture;
use crate::ops::moves::dirty::Dirty;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::testing::{Hook, Stage, key, send};
use crate::ports::CallErrorKind;
use crate::ports::data::{Change, From, ShardRead, StreamShard};

fn shard(id: &str, closed: bool) -> StreamShard {
    StreamShard { id: id.to_owned(), parent: None, closed }
}

/// A page with changes of these keys, now.
fn page(numbers: &[u64], next: Option<&str>) -> ShardRead {
    let change = |number: &u64| Change { seq: format!("s{number}"), at_ms: i64::MAX / 2, key: Some(key(*number)) };
    ShardRead::Page { changes: numbers.iter().map(change).collect(), next: next.map(str::to_owned) }
}

async fn stage(shards: Vec<StreamShard>) -> Stage {
    let stage = Stage::new().await;
    stage.lock().shards = shards;
    stage
}

fn will_read(stage: &Stage, shard: &str, reads: Vec<ShardRead>) {
    stage.lock().reads.entry(shard.to_owned()).or_default().extend(reads);
}

fn now_ms(stage: &Stage) -> i64 {
    stage.context().world.clock.now_ms()
}

/// Captures for so long, or until it halts.
async fn capture_for(stage: &Stage, capture: &Capture, dirty: &Dirty, ms: u64) -> Option<Halt> {
    let context = stage.context();
    tokio::time::timeout(Duration::from_millis(ms), send(capture.run(&context, dirty))).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_fresh_start_has_its_iterators_when_it_returns() {
    let stage = stage(vec![shard("closed", true), shard("open", false)]).await;
    will_read(&stage, "open", vec![page(&[], Some("first"))]);
    stage.lock().fail("read", CallErrorKind::Throttled, false);
    let dirty = Dirty::default();
    let capture = Capture::open(&stage.context(), &dirty, 0, true).await.expect("no failure");
    assert_eq!(stage.lock().read_from, [("open".to_owned(), From::Latest)]);
    assert_eq!(stage.lock().ledger["pos/0/closed"], "\"done\"");
    assert!(capture_for(&stage, &capture, &dirty, 500).await.is_none());
    assert_eq!(stage.lock().read_from[1], ("open".to_owned(), From::Iterator("first".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn keys_and_positions_outlive_the_mover_and_a_write_that_fails() {
    let stage = stage(vec![shard("a", false)]).await;
    will_read(&stage, "a", vec![page(&[1, 2], Some("x")), page(&[2, 3], Some("y"))]);
    let dirty = Dirty::default();
    let capture = Capture::open(&stage.context(), &dirty, now_ms(&stage), false).await.expect("no failure");
    stage.lock().fail("put_ledger", CallErrorKind::Denied, false);
    assert!(matches!(capture_for(&stage, &capture, &dirty, 5_000).await, Some(Halt::Failed(_))));
    assert!(stage.lock().ledger.is_empty());
    assert!(capture_for(&stage, &capture, &dirty, 5_000).await.is_none());
    assert_eq!((dirty.len(), stage.lock().ledger["pos/0/a"].as_str()), (3, "{\"after\":\"s3\"}"));

    let found = Dirty::load(&stage.context()).await.expect("no failure");
    assert_eq!(found.len(), 3);
    let capture = Capture::open(&stage.context(), &found, now_ms(&stage), false).await.expect("no failure");
    stage.lock().read_from.clear();
    assert!(capture_for(&stage, &capture, &found, 50).await.is_none());
    assert_eq!(stage.lock().read_from[0], ("a".to_owned(), From::After("s3".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn under_the_seal_nothing_is_stored() {
    let stage = stage(vec![shard("a", false)]).await;
    will_read(&stage, "a", vec![page(&[1], Some("x"))]);
    let dirty = Dirty::default();
    dirty.set_durable(false);
    let capture = Capture::open(&stage.context(), &dirty, now_ms(&stage), false).await.expect("no failure");
    assert!(capture_for(&stage, &capture, &dirty, 5_000).await.is_none());
    assert_eq!((dirty.len(), stage.lock().ledger.len()), (1, 0));
    dirty.set_durable(true);
    assert!(capture_for(&stage, &capture, &dirty, 5_000).await.is_none());
    assert!(stage.lock().ledger.contains_key("dirty/0000000000"));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_before_anything_behind_it_is_stored_and_the_rest_is_read() {
    let stage = stage(vec![shard("a", false)]).await;
    stage.lock().ledger.insert("pos/0/a".to_owned(), "{\"after\":\"s1\"}".to_owned());
    will_read(&stage, "a", vec![ShardRead::Trimmed, page(&[8], Some("x"))]);
    let dirty = Dirty::default();
    let from_ms = stage.context().world.clock.now_ms();
    let capture = Capture::open(&stage.context(), &dirty, from_ms, false).await.expect("no failure");
    let halt = capture_for(&stage, &capture, &dirty, 5_000).await;
    assert!(matches!(halt, Some(Halt::Gap { table, .. }) if table == "notes"));
    assert_eq!(stage.lock().ledger["pos/0/a"], "{\"after\":\"s1\"}");
    assert!(capture_for(&stage, &capture, &dirty, 5_000).await.is_none());
    assert_eq!(stage.lock().read_from[1], ("a".to_owned(), From::Oldest));
    assert_eq!((dirty.len(), stage.lock().ledger["pos/0/a"].as_str()), (1, "{\"after\":\"s8\"}"));
}

#[tokio::test(start_paused = true)]
async fn streams_that_nobody_read_for_a_day_have_a_gap() {
    let stage = stage(vec![shard("a", false)]).await;
    let dirty = Dirty::default();
    let from_ms = stage.context().world.clock.now_ms() - 24 * 3_600_000;
    let capture = Capture::open(&stage.context(), &dirty, from_ms, false).await.expect("no failure");
    assert!(matches!(capture_for(&stage, &capture, &dirty, 5_000).await, Some(Halt::Gap { .. })));
    assert!(capture_for(&stage, &capture, &dirty, 70_000).await.is_none());
    let again = Capture::open(&stage.context(), &dirty, from_ms, false).await.expect("no failure");
    assert!(capture_for(&stage, &again, &dirty, 5_000).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_gone_needs_somebody() {
    let stage = stage(Vec::new()).await;
    stage.lock().fail("shards", CallErrorKind::NotFound, false);
    let ended = Capture::open(&stage.context(), &Dirty::default(), 0, true).await;
    assert!(matches!(ended, Err(Halt::Stuck(trouble)) if trouble.code == "stream-gone"));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_ends_is_followed_by_its_child_and_quiet_waits_for_both() {
    let stage = stage(vec![shard("a", false)]).await;
    will_read(&stage, "a", vec![page(&[], Some("x")), page(&[1], Some("y")), page(&[2], None)]);
    will_read(&stage, "b", vec![page(&[3], Some("z")), page(&[4], Some("z"))]);
    let (context, dirty) = (stage.context(), Dirty::default());
    let capture = Capture::open(&context, &dirty, now_ms(&stage), false).await.expect("no failure");
    stage.lock().shards = vec![shard("a", true), StreamShard { parent: Some("a".to_owned()), ..shard("b", false) }];
    let began_ms = context.world.clock.monotonic_ms();
    tokio::select! {
        halt = capture.run(&context, &dirty) => unreachable!("{halt:?}"),
        quiet = send(capture.until_quiet(&context, 300, 60_000)) => assert!(quiet.expect("no failure")),
    }
    assert_eq!(dirty.len(), 4);
    let took_ms = context.world.clock.monotonic_ms() - began_ms;
    assert!((300..1_500).contains(&took_ms), "{took_ms}");
}

#[tokio::test(start_paused = true)]
async fn quiet_waits_for_what_follows_a_shard_that_ends_meanwhile() {
    let stage = stage(vec![shard("a", false)]).await;
    will_read(&stage, "a", vec![page(&[], Some("x")), page(&[], Some("y")), page(&[], None)]);
    will_read(&stage, "b", vec![page(&[3], Some("z"))]);
    let (context, dirty) = (stage.context(), Dirty::default());
    let capture = Capture::open(&context, &dirty, now_ms(&stage), false).await.expect("no failure");
    // The listing that is asked for at first does not have the one that follows; the next one does.
    let next: Hook = Box::new(|inner| {
        inner.shards = vec![shard("a", true), StreamShard { parent: Some("a".to_owned()), ..shard("b", false) }];
    });
    let first: Hook = Box::new(|inner| _ = inner.before.insert("shards", vec![next]));
    stage.lock().before.insert("shards", vec![first]);
    tokio::select! {
        halt = capture.run(&context, &dirty) => unreachable!("{halt:?}"),
        quiet = send(capture.until_quiet(&context, 300, 60_000)) => assert!(quiet.expect("no failure")),
    }
    assert_eq!(dirty.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn quiet_is_waited_for_no_longer_than_may_be() {
    let stage = stage(vec![shard("a", false)]).await;
    let busy = || ShardRead::Page {
        changes: vec![Change { seq: "s".to_owned(), at_ms: i64::MAX / 2, key: None }; super::FULL],
        next: Some("x".to_owned()),
    };
    will_read(&stage, "a", std::iter::repeat_with(busy).take(1_000).collect());
    let (context, dirty) = (stage.context(), Dirty::default());
    let capture = Capture::open(&context, &dirty, now_ms(&stage), false).await.expect("no failure");
    let began_ms = context.world.clock.monotonic_ms();
    tokio::select! {
        halt = capture.run(&context, &dirty) => unreachable!("{halt:?}"),
        quiet = send(capture.until_quiet(&context, 300, 500)) => assert!(!quiet.expect("no failure")),
    }
    assert!(context.world.clock.monotonic_ms() - began_ms < 600);
}

#[tokio::test(start_paused = true)]
async fn keys_that_do_not_fit_are_told_of_once_and_kept_nowhere() {
    let stage = stage(vec![shard("a", false)]).await;
    let dirty = Dirty::default();
    (0..super::DIRTY_MAX as u64).for_each(|number| assert!(dirty.mark(0, key(number + 1_000))));
    let capture = Capture::open(&stage.context(), &dirty, now_ms(&stage), false).await.expect("no failure");
    will_read(&stage, "a", vec![page(&[1], Some("x")), page(&[2], Some("x")), page(&[3], Some("x"))]);
    assert!(matches!(capture_for(&stage, &capture, &dirty, 5_000).await, Some(Halt::Gap { .. })));
    dirty.await_comparison(true);
    assert!(capture_for(&stage, &capture, &dirty, 5_000).await.is_none());
    assert_eq!(stage.lock().ledger.keys().filter(|name| name.starts_with("dirty/")).count(), 0);
    // Once the comparison has begun it may have passed them by.
    dirty.await_comparison(false);
    will_read(&stage, "a", vec![page(&[4], Some("x"))]);
    assert!(matches!(capture_for(&stage, &capture, &dirty, 5_000).await, Some(Halt::Gap { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_all_the_time_is_stored_once_for_each_time_it_is_taken() {
    let stage = stage(vec![shard("a", false)]).await;
    let chunks = || stage.lock().ledger.keys().filter(|name| name.starts_with("dirty/")).count();
    let dirty = Dirty::default();
    let capture = Capture::open(&stage.context(), &dirty, now_ms(&stage), false).await.expect("no failure");
    for (_, expected) in [(0, 1), (1, 2)] {
        will_read(&stage, "a", std::iter::repeat_with(|| page(&[1], Some("x"))).take(300).collect());
        assert!(capture_for(&stage, &capture, &dirty, 15_000).await.is_none());
        assert_eq!((chunks(), dirty.len()), (expected, 1));
        let taken = dirty.take(9);
        dirty.done(&taken);
    }
}
