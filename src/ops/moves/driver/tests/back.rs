//! Going back: a move that ends without deleting anything, and one that does not copy.

use super::*;
use crate::domain::data::Value;
use crate::ops::moves::testing::{item, key};

async fn warm() -> Stage {
    let mut stage = Stage::new().await;
    stage.plan.options.warm = true;
    set(&stage, "cell-2-fences", Shard::held(2, FenceMode::Incoming, stage.context().hold()));
    stage
}

#[tokio::test(start_paused = true)]
async fn an_order_to_keep_ends_the_cleaning_where_it_is() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    set(&stage, "cell-1-fences", sent_away(&stage));
    (1..=4_000).for_each(|number| stage.lock().put("source", number, "a"));
    stage.lock().before.insert("write_guarded", vec![Box::new(|inner| inner.orders.keep = Some("back".to_owned()))]);
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Soaked, None));
    driver.take_hold().await.expect("no failure");
    let halt = driver.step(Step::Clean).await.expect_err("it is told to end");
    assert!(driver.halted(halt).await.expect("no failure").is_none());
    let left = stage.lock().table("source").len();
    assert!(driver.state.stage == At::Cleaned && (1..4_000).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_source_is_not_cleaned_once_it_is_to_be_kept() {
    let stage = Stage::new().await;
    let (fleet, actor) = (fleet(&stage), actor());
    set(&stage, "cell-1-fences", sent_away(&stage));
    stage.lock().put("source", 1, "a");
    stage.lock().orders.keep = Some("back".to_owned());
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Soaked, None));
    driver.take_hold().await.expect("no failure");
    let halt = driver.step(Step::Clean).await.expect_err("it is told to end");
    assert!(driver.halted(halt).await.expect("no failure").is_none());
    assert_eq!((driver.state.stage, driver.state.tally.kept.as_deref()), (At::Cleaned, Some("back")));
    assert_eq!(stage.lock().table("source").len(), 1);
    let reaches = |stage: At| {
        driver.context.obey_keep(stage == At::Soaked);
        driver.context.check().is_err()
    };
    assert_eq!([At::Landed, At::QueuesMoved, At::Soaked, At::Cleaned].map(reaches), [false, false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_warm_copy_carries_over_what_differs_and_nothing_else() {
    let stage = warm().await;
    let (fleet, actor) = (fleet(&stage), actor());
    (1..=40).for_each(|number| {
        stage.lock().put("source", number, "a");
        stage.lock().put("target", number, "a");
    });
    stage.lock().put("source", 3, "changed");
    stage.lock().put("source", 50, "new");
    stage.lock().put("target", 51, "deleted since");
    let mut expired = item(52, "deleted since, and past its time");
    expired.0.insert("expires".to_owned(), Value::N("1".to_owned()));
    stage.lock().table("target").insert(key(52), expired);
    let mut driver = driver(&stage, (&fleet, &actor), at(&stage, At::Capturing, None));
    assert!(matches!(driver.copy_warm().await, Ok(Event::Copied { items: 0, bytes: 0 })));
    {
        let mut inner = stage.lock();
        let wanted = inner.table("source").clone();
        assert_eq!(*inner.table("target"), wanted);
        assert!(!inner.calls.contains(&"put_bulk"));
    }
    driver.state.stage = At::Barred;
    assert!(matches!(driver.work(Step::Reconcile).await, Ok(Event::Reconciled { keys: 4, .. })));
}

#[tokio::test(start_paused = true)]
async fn where_too_much_differs_the_target_is_emptied_and_everything_copied() {
    let stage = warm().await;
    let (fleet, actor) = (fleet(&stage), actor());
    (1..=40).for_each(|number| stage.lock().put("source", number, "a"));
    stage.lock().put("target", 51, "deleted since");
    stage.lock().ledger.insert("cold".to_owned(), "true".to_owned());
    let driver = driver(&stage, (&fleet, &actor), at(&stage, At::Capturing, None));
    let before = driver.context.hold();
    assert!(matches!(driver.copy_warm().await, Ok(Event::Copied { items: 40, .. })));
    {
        let mut inner = stage.lock();
        let wanted = inner.table("source").clone();
        assert_eq!(*inner.table("target"), wanted);
        // A delete that comes late finds another token.
        assert!(inner.fences["cell-2-fences"][&0].hold.as_ref().is_some_and(|hold| hold.token > before.token));
    }
    stage.lock().put("target", 60, "copied by an earlier run");
    driver.copy_warm().await.expect("no failure");
    assert!(stage.lock().table("target").contains_key(&key(60)), "it is not emptied once a page was copied");
}
