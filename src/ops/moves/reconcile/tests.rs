//! No key is lost, whatever fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Round, reconcile, settle};
use crate::domain::data::find::Find;
use crate::domain::data::{ItemKey, Value};
use crate::ops::moves::context::Context;
use crate::ops::moves::dirty::Dirty;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::ledger;
use crate::ops::moves::testing::{Stage, key, run, send};
use crate::ports::CallErrorKind;
use crate::ports::data::Write;

async fn round(context: &Context<'_>, dirty: &Dirty) -> Result<u64, Halt> {
    send(reconcile(context, 2, dirty, Round::ALL)).await.map(|done| done.keys)
}

#[derive(Debug, Clone, Copy)]
enum Bad {
    Throttled,
    Lost,
    Answerless,
    Down,
}

fn bad() -> impl Strategy<Value = Bad> {
    prop_oneof![Just(Bad::Throttled), Just(Bad::Lost), Just(Bad::Answerless), Just(Bad::Down)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn both_sides_are_the_same_in_the_end_whatever_fails(
        source in prop::collection::btree_map(0..300_u64, "[a-c]", 0..150),
        target in prop::collection::btree_map(0..300_u64, "[a-c]", 0..150),
        gets in prop::collection::vec(bad(), 0..20),
        writes in prop::collection::vec(bad(), 0..40),
    ) {
        run(async {
            let stage = Stage::new().await;
            let context = stage.context();
            let dirty = Dirty::default();
            {
                let mut inner = stage.lock();
                for (name, items) in [("source", &source), ("target", &target)] {
                    for (number, text) in items {
                        inner.put(name, *number, text);
                    }
                }
                for (name, bads) in [("get", gets), ("write_guarded", writes)] {
                    for bad in bads {
                        match bad {
                            Bad::Throttled => inner.fail(name, CallErrorKind::Throttled, false),
                            Bad::Lost => inner.fail(name, CallErrorKind::InDoubt, false),
                            Bad::Answerless => inner.fail(name, CallErrorKind::InDoubt, true),
                            Bad::Down => inner.fail(name, CallErrorKind::Other, false),
                        }
                    }
                }
            }
            (0..300).for_each(|number| _ = dirty.mark(0, key(number)));
            for _ in 0..100 {
                if round(&context, &dirty).await.is_ok() && dirty.len() == 0 {
                    break;
                }
            }
            assert_eq!(dirty.len(), 0);
            let mut inner = stage.lock();
            let expected = inner.table("source").clone();
            assert_eq!(inner.table("target"), &expected);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_while_it_is_written_stays_dirty() {
    let stage = Stage::new().await;
    let (context, dirty) = (stage.context(), Arc::new(Dirty::default()));
    stage.lock().put("source", 1, "old");
    dirty.mark(0, key(1));
    let marker = Arc::clone(&dirty);
    stage.lock().before.entry("write_guarded").or_default().push(Box::new(move |inner| {
        inner.put("source", 1, "new");
        marker.mark(0, key(1));
    }));
    assert_eq!(round(&context, &dirty).await.expect("no failure"), 1);
    assert_eq!(dirty.len(), 1);
    round(&context, &dirty).await.expect("no failure");
    assert_eq!(dirty.len(), 0);
    let mut inner = stage.lock();
    assert_eq!(inner.table("target")[&key(1)].get("text"), Some(&Value::S("new".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_in_doubt_keeps_its_token_and_costs_that_of_the_fence() {
    let stage = Stage::new().await;
    let (context, dirty) = (stage.context(), Dirty::default());
    stage.lock().put("source", 1, "a");
    dirty.mark(0, key(1));
    (0..10).for_each(|_| stage.lock().fail("write_guarded", CallErrorKind::InDoubt, true));
    let before = context.hold().token;
    assert!(matches!(round(&context, &dirty).await, Err(Halt::Failed(_))));
    assert_eq!((context.hold().token, dirty.len()), (before + 1, 1));
    assert_eq!(stage.lock().tokens.len(), 1);
    // What the service has refused was not left under way.
    stage.lock().fail("write_guarded", CallErrorKind::Denied, false);
    assert!(round(&context, &dirty).await.is_err());
    assert_eq!((context.hold().token, dirty.len()), (before + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_round_that_is_dropped_in_a_write_leaves_its_keys_dirty_and_costs_the_token() {
    let stage = Stage::new().await;
    let (context, dirty) = (stage.context(), Dirty::default());
    dirty.mark(0, key(1));
    (0..10).for_each(|_| stage.lock().fail("write_guarded", CallErrorKind::InDoubt, false));
    let before = context.hold().token;
    assert!(tokio::time::timeout(Duration::from_millis(100), round(&context, &dirty)).await.is_err());
    assert_eq!((context.hold().token, dirty.len()), (before + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_is_not_ours_ends_it_with_the_keys_dirty() {
    let stage = Stage::new().await;
    let (context, dirty) = (stage.context(), Dirty::default());
    stage.lock().guard_holds = false;
    dirty.mark(0, key(1));
    assert!(matches!(round(&context, &dirty).await, Err(Halt::Lost)));
    assert_eq!(dirty.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn chunks_go_after_a_full_round_only() {
    let stage = Stage::new().await;
    let context = stage.context();
    let keys: Vec<_> = (0..3).map(|number| (0, key(number))).collect();
    let mut number = 0..;
    let chunks = ledger::chunks(keys.iter(), || number.next().expect("endless")).expect("plain");
    ledger::write(&context, &chunks.into_iter().map(|(_, write)| write).collect::<Vec<_>>()).await.expect("written");
    let dirty = Dirty::load(&context).await.expect("read");
    reconcile(&context, 2, &dirty, Round { keys_max: 2 }).await.expect("no failure");
    assert_eq!((stage.lock().ledger.len(), dirty.len()), (1, 1));
    dirty.set_durable(false);
    dirty.mark(0, key(9));
    round(&context, &dirty).await.expect("no failure");
    assert_eq!((stage.lock().ledger.len(), dirty.len()), (1, 0));
    dirty.set_durable(true);
    round(&context, &dirty).await.expect("no failure");
    assert_eq!((stage.lock().ledger.len(), dirty.chunks().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_delete_looks_whose_the_item_is_where_the_key_does_not_tell() {
    let by_attribute = Find::Attribute { attribute: "tenant".to_owned() };
    for (find, only_if) in [(Find::PartitionKey, None), (by_attribute, Some(("tenant".to_owned(), "acme".to_owned())))]
    {
        let stage = Stage::with(find).await;
        let (context, dirty) = (stage.context(), Dirty::default());
        dirty.mark(0, key(1));
        round(&context, &dirty).await.expect("no failure");
        let inner = stage.lock();
        let write = &inner.tokens.values().next().expect("one")[0];
        assert!(matches!(write, Write::Delete { only_if: it, .. } if *it == only_if), "{write:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_tenant_is_left_alone() {
    let stage = Stage::new().await;
    let (context, dirty) = (stage.context(), Dirty::default());
    dirty.mark(0, ItemKey { partition: Value::S("other".to_owned()), sort: Some(Value::S("1".to_owned())) });
    round(&context, &dirty).await.expect("no failure");
    assert_eq!((stage.lock().tokens.len(), dirty.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn rounds_end_when_the_rest_fits_or_does_not_get_smaller() {
    let stage = Stage::new().await;
    let (context, dirty) = (stage.context(), Dirty::default());
    (0..500).for_each(|number| _ = dirty.mark(0, key(number)));
    let settled = send(settle(&context, 2, &dirty, 0)).await.expect("nobody writes");
    assert_eq!((settled.keys, settled.gap_ms), (500, 0));
    dirty.mark(0, key(0));
    let writer = async {
        for number in 0.. {
            dirty.mark(0, key(number));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = tokio::select! {
        ended = settle(&context, 2, &dirty, 0) => ended,
        () = writer => unreachable!("it writes for ever"),
    };
    assert!(matches!(ended, Err(Halt::Stuck(trouble)) if trouble.code == "not-converging"));
    assert!(settle(&context, 2, &dirty, 1_000).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn large_items_are_written_before_more_are_read() {
    for (bytes, expected) in [
        (10, vec!["get", "get", "get", "write_guarded"]),
        (100_000, vec!["get", "write_guarded", "get", "write_guarded", "get", "write_guarded"]),
    ] {
        let stage = Stage::new().await;
        let (context, dirty, text) = (stage.context(), Dirty::default(), "x".repeat(bytes));
        for number in 0..70 {
            stage.lock().put("source", number, &text);
            dirty.mark(0, key(number));
        }
        assert_eq!(round(&context, &dirty).await.expect("no failure"), 70);
        assert_eq!(stage.lock().calls, expected, "items of {bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn transactions_that_are_under_way_check_different_shards_and_use_them_all() {
    for shards in [1, 4] {
        let mut stage = Stage::new().await;
        stage.plan.target.shards = shards;
        let context = stage.context();
        let dirty = Dirty::default();
        (0..800).for_each(|number| _ = dirty.mark(0, key(number)));
        assert_eq!(round(&context, &dirty).await.expect("no failure"), 800);
        let together = stage.lock().guarded_together.clone();
        let is_apart = |under_way: &Vec<u8>| under_way.iter().collect::<BTreeSet<_>>().len() == under_way.len();
        assert!(together.len() >= 8 && together.iter().all(is_apart), "{together:?}");
        assert_eq!(together.iter().map(Vec::len).max(), Some(usize::from(shards)), "{together:?}");
    }
}
