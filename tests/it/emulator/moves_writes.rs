//! Writes to a cell's tables: in bulk under a permit, and in transactions under a fence.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cellctl::domain::data::find::Find;
use cellctl::domain::data::{Item, Value};
use cellctl::domain::moves::fence::{Guard, Hold};
use cellctl::domain::tenant::fence::FenceMode;
use cellctl::ports::CallErrorKind;
use cellctl::ports::data::{Segment, TableRef, TenantData, WRITES_MAX, Write};
use hyper::body::Bytes;
use serde_json::json;

use crate::support::emulator::movable::{Movable, item, permit, schema, share, text};
use crate::support::emulator::{Proxy, Seen};

const BULK: &str = "BatchWriteItem";
const WRITE: &str = "TransactWriteItems";
/// A throttled call of the others is tried again for minutes; here nothing waits.
const AT_ONCE: Duration = Duration::from_secs(10);

fn order(n: usize) -> Item {
    item("acme", &format!("{n:03}"), "acme", [("n", Value::N(n.to_string()))])
}

fn put(table: &TableRef, item: &Item) -> Write {
    Write::Put { table: table.clone(), item: item.clone(), key: key_of(item) }
}

fn delete(table: &TableRef, item: &Item, only_if: Option<&str>) -> Write {
    let only_if = only_if.map(|owner| ("owner".to_owned(), owner.to_owned()));
    Write::Delete { table: table.clone(), key: key_of(item), only_if }
}

fn key_of(item: &Item) -> Item {
    schema().attributes(&schema().key_of(item).expect("has one"))
}

async fn items(movable: &Movable, table: &TableRef) -> Vec<Item> {
    let segment = Segment { index: 0, of: 1 };
    let page = movable.adapter.page(&share(table, Find::PartitionKey), segment, None).await.expect("read");
    assert_eq!(page.next, None);
    page.items
}

fn throttled(seen: &Seen, action: &str) -> Option<(u16, Bytes)> {
    let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
    (seen.action == action).then(|| (400, json!({ "__type": code, "message": "slower" }).to_string().into()))
}

/// Loses the first answer to an action.
fn lose_first(proxy: &Proxy, action: &'static str) {
    let answered = AtomicUsize::new(0);
    proxy.spoil(move |seen, body| {
        let is_first = seen.action == action && answered.fetch_add(1, Ordering::SeqCst) == 0;
        (!is_first).then_some(body)
    });
}

#[tokio::test]
async fn a_bulk_request_without_a_permit_is_not_sent() {
    let movable = Movable::make("permit").await;
    let table = movable.make_table("orders").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    let adapter = movable.through(&proxy);
    let (given, permit) = permit(false);
    let error = adapter.put_bulk(&table, vec![order(1)], &permit).await.expect_err("refused");
    assert_eq!(error.kind, CallErrorKind::Conflict);
    assert!(error.message.contains("the lease is no longer held"), "{error}");
    assert_eq!((proxy.count(BULK), given.asked.load(Ordering::SeqCst)), (0, 1));
    given.valid.store(true, Ordering::SeqCst);
    assert_eq!(adapter.put_bulk(&table, vec![order(1)], &permit).await, Ok(Vec::new()));
    assert_eq!(items(&movable, &table).await, [order(1)]);
    assert_eq!((proxy.count(BULK), given.asked.load(Ordering::SeqCst)), (1, 2));
}

#[tokio::test]
async fn the_permit_is_asked_before_each_attempt_and_one_without_an_answer_is_told() {
    let movable = Movable::make("permits").await;
    let table = movable.make_table("orders").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    lose_first(&proxy, BULK);
    let (given, permit) = permit(true);
    let error = movable.through(&proxy).put_bulk(&table, vec![order(1)], &permit).await.expect_err("a lost answer");
    assert_eq!(error.kind, CallErrorKind::InDoubt, "the one after it says nothing of when the first counts");
    assert_eq!((proxy.count(BULK), given.asked.load(Ordering::SeqCst)), (2, 2));
    assert_eq!(items(&movable, &table).await, [order(1)]);
}

#[tokio::test]
async fn what_the_service_leaves_of_a_bulk_request_comes_back() {
    let movable = Movable::make("leftitems").await;
    let table = movable.make_table("orders").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    let name = table.name.clone();
    proxy.spoil(move |seen, body| {
        let left = json!({ "PutRequest": { "Item": {
            "pk": { "S": "acme" }, "sk": { "S": "002" }, "owner": { "S": "acme" }, "n": { "N": "2" },
        } } });
        let answer = json!({ "UnprocessedItems": { name.as_str(): [left] } }).to_string();
        Some(if seen.action == BULK { answer.into() } else { body })
    });
    let (_, permit) = permit(true);
    let asked = (0..4).map(order).collect();
    assert_eq!(movable.through(&proxy).put_bulk(&table, asked, &permit).await, Ok(vec![order(2)]));
    assert_eq!(proxy.count(BULK), 1, "whoever sets the pace sends it again");
}

#[tokio::test]
async fn a_throttled_bulk_request_comes_back_whole_and_at_once() {
    let movable = Movable::make("slowbulk").await;
    let table = movable.make_table("orders").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    proxy.refuse(|seen| throttled(seen, BULK));
    let (_, permit) = permit(true);
    let (asked, began) = ((0..4).map(order).collect::<Vec<_>>(), Instant::now());
    assert_eq!(movable.through(&proxy).put_bulk(&table, asked.clone(), &permit).await, Ok(asked));
    assert_eq!(proxy.count(BULK), 1);
    assert!(began.elapsed() < AT_ONCE);
    assert_eq!(movable.adapter.put_bulk(&table, Vec::new(), &permit).await, Ok(Vec::new()));
}

#[tokio::test]
async fn writes_go_through_while_the_fence_is_as_the_guard_says() {
    let movable = Movable::make("guarded").await;
    let table = movable.make_table("orders").await;
    let guard = movable.guarded("one").await;
    let adapter = &movable.adapter;
    let puts: Vec<Write> = (0..WRITES_MAX).map(|n| put(&table, &order(n))).collect();
    assert_eq!(adapter.write_guarded(&guard, &puts, &movable.token("puts")).await, Ok(true));
    assert_eq!(items(&movable, &table).await.len(), WRITES_MAX);
    let others = [
        Guard { epoch: guard.epoch + 1, ..guard.clone() },
        Guard { mode: FenceMode::Out, ..guard.clone() },
        Guard { hold: Hold { token: guard.hold.token + 1, ..guard.hold.clone() }, ..guard.clone() },
        Guard { hold: Hold { id: "acme:8".parse().expect("valid"), ..guard.hold.clone() }, ..guard.clone() },
        Guard { shard: 1, ..guard.clone() },
        Guard { tenant: "zeta".parse().expect("valid"), ..guard.clone() },
    ];
    for (at, other) in others.iter().enumerate() {
        let writes = [delete(&table, &order(0), None), put(&table, &order(500))];
        assert_eq!(
            adapter.write_guarded(other, &writes, &movable.token(&format!("other-{at}"))).await,
            Ok(false),
            "{other:?}"
        );
    }
    let left = items(&movable, &table).await;
    assert_eq!((left.len(), &left[0]), (WRITES_MAX, &order(0)));
    let deletes: Vec<Write> = (0..WRITES_MAX).map(|n| delete(&table, &order(n), None)).collect();
    assert_eq!(adapter.write_guarded(&guard, &deletes, &movable.token("deletes")).await, Ok(true));
    assert_eq!(items(&movable, &table).await, []);
}

#[tokio::test]
async fn a_delete_of_what_is_somebody_elses_is_left_out() {
    let movable = Movable::make("onlyif").await;
    let table = movable.make_table("orders").await;
    let guard = movable.guarded("one").await;
    let adapter = &movable.adapter;
    let foreign = item("acme", "900", "zeta", []);
    let first = [put(&table, &order(1)), put(&table, &foreign)];
    assert_eq!(adapter.write_guarded(&guard, &first, &movable.token("first")).await, Ok(true));
    let writes = [
        delete(&table, &foreign, Some("acme")),
        delete(&table, &order(1), Some("acme")),
        delete(&table, &order(2), Some("acme")),
        put(&table, &order(3)),
    ];
    let proxy = Proxy::start(&movable.tables.url).await;
    assert_eq!(movable.through(&proxy).write_guarded(&guard, &writes, &movable.token("mixed")).await, Ok(true));
    assert_eq!(proxy.count(WRITE), 2, "all of it, then without the one; what is gone already is no reason");
    assert_eq!(items(&movable, &table).await, [order(3), foreign.clone()]);
    // The only write, left out: the fence was looked at nevertheless.
    let alone = [delete(&table, &foreign, Some("acme"))];
    assert_eq!(adapter.write_guarded(&guard, &alone, &movable.token("alone")).await, Ok(true));
    let other = Guard { epoch: 9, ..guard.clone() };
    assert_eq!(adapter.write_guarded(&other, &alone, &movable.token("fenced")).await, Ok(false));
    assert_eq!(items(&movable, &table).await.len(), 2);
}

#[tokio::test]
async fn a_guarded_write_whose_answer_is_lost_is_one_transaction() {
    let movable = Movable::make("lostguard").await;
    let table = movable.make_table("orders").await;
    let guard = movable.guarded("one").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    lose_first(&proxy, WRITE);
    let writes = [put(&table, &order(1))];
    assert_eq!(movable.through(&proxy).write_guarded(&guard, &writes, &movable.token("lost")).await, Ok(true));
    assert_eq!(proxy.count(WRITE), 2);
    // Whoever repeats it later changes nothing: it was done.
    let later = Item([("note".to_owned(), text("later"))].into_iter().chain(order(1).0).collect());
    assert_eq!(movable.adapter.write_guarded(&guard, &[put(&table, &later)], &movable.token("later")).await, Ok(true));
    assert_eq!(movable.adapter.write_guarded(&guard, &writes, &movable.token("lost")).await, Ok(true));
    assert_eq!(items(&movable, &table).await, [later]);
}

#[tokio::test]
async fn a_guarded_write_that_nobody_answers_is_in_doubt() {
    let movable = Movable::make("muteguard").await;
    let table = movable.make_table("orders").await;
    let guard = movable.guarded("one").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    proxy.spoil(|seen, body| (seen.action != WRITE).then_some(body));
    let writes = [put(&table, &order(1))];
    let error = movable
        .through(&proxy)
        .write_guarded(&guard, &writes, &movable.token("mute"))
        .await
        .expect_err("nobody answers");
    assert_eq!(error.kind, CallErrorKind::InDoubt);
}

#[tokio::test]
async fn a_throttled_guarded_write_comes_back_at_once() {
    let movable = Movable::make("slowguard").await;
    let table = movable.make_table("orders").await;
    let guard = movable.guarded("one").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    proxy.refuse(|seen| throttled(seen, WRITE));
    let writes = [put(&table, &order(1))];
    let (adapter, began) = (movable.through(&proxy), Instant::now());
    let error = adapter.write_guarded(&guard, &writes, &movable.token("slow")).await.expect_err("throttled");
    assert_eq!((error.kind, proxy.count(WRITE)), (CallErrorKind::Throttled, 1));
    assert!(began.elapsed() < AT_ONCE);
    // After a lost answer a throttle does not mean that nothing was written.
    let sent = AtomicUsize::new(0);
    proxy.spoil(|seen, body| (seen.action != WRITE).then_some(body));
    proxy.refuse(move |seen| {
        if seen.action == WRITE && sent.fetch_add(1, Ordering::SeqCst) > 0 { throttled(seen, WRITE) } else { None }
    });
    let error = adapter.write_guarded(&guard, &writes, &movable.token("lostslow")).await.expect_err("throttled");
    assert_eq!(error.kind, CallErrorKind::InDoubt);
    assert_eq!(items(&movable, &table).await, [order(1)], "it happened");
}

#[tokio::test]
async fn a_transaction_conflict_is_tried_again() {
    let movable = Movable::make("collide").await;
    let table = movable.make_table("orders").await;
    let guard = movable.guarded("one").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    let refused = AtomicUsize::new(0);
    proxy.refuse(move |seen| {
        let collides = seen.action == WRITE && refused.fetch_add(1, Ordering::SeqCst) < 3;
        let reasons = json!([{ "Code": "TransactionConflict" }, { "Code": "None" }]);
        let answer = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict, None]",
            "CancellationReasons": reasons,
        });
        collides.then(|| (400, answer.to_string().into()))
    });
    let writes = [put(&table, &order(1))];
    assert_eq!(movable.through(&proxy).write_guarded(&guard, &writes, &movable.token("collide")).await, Ok(true));
    assert_eq!(proxy.count(WRITE), 4);
}
