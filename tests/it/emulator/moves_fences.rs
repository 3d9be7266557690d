//! Fences with several shards: changed all or none, found again after a lost answer; and the notes of writers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use cellctl::domain::moves::fence::{Hold, NOTES_FROM, SHARDS_MAX, Shard, Shift};
use cellctl::domain::tenant::fence::{FenceMode, FenceTable};
use cellctl::ports::CallErrorKind;
use cellctl::ports::moves::MoveFences;
use cellctl::ports::tenants::Fences;

use crate::support::emulator::Proxy;
use crate::support::emulator::movable::{Movable, item, text};

const WRITES: [&str; 2] = ["PutItem", "TransactWriteItems"];

fn hold(token: u64) -> Hold {
    Hold { id: "acme:7".parse().expect("valid"), token }
}

/// A change of the first `shards` shards.
fn shift(table: &FenceTable, shards: u8, from: Option<&Shard>, to: &Shard) -> Shift {
    let from = (0..shards).map(|shard| (shard, from.cloned())).collect();
    Shift { table: table.clone(), tenant: "acme".parse().expect("valid"), from, to: to.clone() }
}

async fn shards(movable: &Movable, table: &FenceTable) -> BTreeMap<u8, Shard> {
    movable.adapter.shards(table, &"acme".parse().expect("valid")).await.expect("read")
}

/// Leaves a note, as a writer does.
async fn leave(movable: &Movable, table: &FenceTable, number: u64, keys: AttributeValue) {
    let request = movable.aws.dynamodb.put_item().table_name(&table.name);
    let request = request.item("tenant", AttributeValue::S("acme".to_owned()));
    let request = request.item("shard", AttributeValue::N(number.to_string()));
    request.item("keys", keys).send().await.expect("written");
}

fn noted(table: &str, pk: &str) -> AttributeValue {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let key = AttributeValue::M(HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text("1"))]));
    AttributeValue::M(HashMap::from([("table".to_owned(), text(table)), ("key".to_owned(), key)]))
}

#[tokio::test]
async fn shards_change_all_or_none() {
    let movable = Movable::make("shards").await;
    let table = movable.tables.make_fences("one").await;
    let fences = &movable.adapter;
    let open = Shard::free(5, FenceMode::Open);
    let guarded = Shard::held(5, FenceMode::Guarded, hold(1 << 20));
    let sealed = Shard { deadline_ms: Some(9_000), ..Shard::held(5, FenceMode::Sealed, hold(1 << 20)) };
    let out = Shard { to: Some("cell-2".parse().expect("valid")), ..Shard::held(6, FenceMode::Out, hold(1 << 20)) };
    for count in [1, 2, SHARDS_MAX] {
        let table = movable.tables.make_fences(&format!("of-{count}")).await;
        assert_eq!(shards(&movable, &table).await, BTreeMap::new());
        for (from, to) in [(None, &open), (Some(&open), &guarded), (Some(&guarded), &sealed), (Some(&sealed), &out)] {
            assert_eq!(fences.shift(&shift(&table, count, from, to)).await, Ok(true), "{count}: {to:?}");
            let expected: BTreeMap<u8, Shard> = (0..count).map(|shard| (shard, to.clone())).collect();
            assert_eq!(shards(&movable, &table).await, expected);
        }
    }
    // One shard that is not as it was seen, in any attribute, and none changes.
    assert_eq!(fences.shift(&shift(&table, 3, None, &sealed)).await, Ok(true));
    let reopened = Shard::free(7, FenceMode::Open);
    assert_eq!(fences.shift(&shift(&table, 1, Some(&sealed), &reopened)).await, Ok(true));
    assert_eq!(fences.shift(&shift(&table, 3, Some(&sealed), &out)).await, Ok(false));
    let other = Shard { hold: Some(hold(2 << 20)), ..sealed.clone() };
    let mut change = shift(&table, 3, Some(&other), &out);
    change.from.remove(0);
    assert_eq!(fences.shift(&change).await, Ok(false));
    let expected = BTreeMap::from([(0, reopened), (1, sealed.clone()), (2, sealed)]);
    assert_eq!(shards(&movable, &table).await, expected);
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_found_again() {
    for count in [1, 4] {
        let movable = Movable::make(&format!("lostshift{count}")).await;
        let table = movable.tables.make_fences("one").await;
        let proxy = Proxy::start(&movable.tables.url).await;
        let answered = AtomicUsize::new(0);
        proxy.spoil(move |seen, body| {
            let is_first = WRITES.contains(&seen.action.as_str()) && answered.fetch_add(1, Ordering::SeqCst) == 0;
            (!is_first).then_some(body)
        });
        let guarded = Shard::held(5, FenceMode::Guarded, hold(1 << 20));
        let change = shift(&table, count, None, &guarded);
        assert_eq!(movable.through(&proxy).shift(&change).await, Ok(true));
        let sent: usize = WRITES.iter().map(|action| proxy.count(action)).sum();
        assert_eq!(sent, 2, "the lost request and its repeat");
    }
}

#[tokio::test]
async fn a_change_that_nobody_answers_is_read_back_where_that_can_be() {
    let movable = Movable::make("mutefence").await;
    let table = movable.tables.make_fences("one").await;
    let (open, closed) = (Shard::free(5, FenceMode::Open), Shard::free(5, FenceMode::Closed));
    let proxy = Proxy::start(&movable.tables.url).await;
    proxy.spoil(|seen, body| (seen.action != "PutItem").then_some(body));
    let fences = movable.through(&proxy);
    assert_eq!(fences.shift(&shift(&table, 1, None, &open)).await, Ok(true), "it happened");
    // The endpoint never sees these, for all that the caller knows they may come yet.
    proxy.refuse(|seen| (seen.action == "PutItem").then(|| (500, hyper::body::Bytes::new())));
    let error = fences.shift(&shift(&table, 1, Some(&open), &closed)).await.expect_err("it may come yet");
    assert_eq!(error.kind, CallErrorKind::InDoubt);
    // From what is not there it cannot come any more.
    let guarded = Shard::held(5, FenceMode::Guarded, hold(1 << 20));
    assert_eq!(fences.shift(&shift(&table, 1, Some(&guarded), &closed)).await, Ok(false));
    proxy.spoil(|_, _| None);
    let error = fences.shift(&shift(&table, 1, Some(&guarded), &closed)).await.expect_err("it cannot be read");
    assert_eq!(error.kind, CallErrorKind::InDoubt);
}

#[tokio::test]
async fn notes_are_read_in_order_and_forgotten() {
    let movable = Movable::make("notes").await;
    let table = movable.tables.make_fences("one").await;
    let tenant = "acme".parse().expect("valid");
    let open = Shard::free(5, FenceMode::Guarded);
    assert_eq!(movable.adapter.shift(&shift(&table, 2, None, &open)).await, Ok(true));
    let numbers: Vec<u64> = (0..60).map(|number| NOTES_FROM + number * 7_000_000_001).collect();
    for number in &numbers {
        let keys = vec![noted("orders", &format!("n{number}")), noted("carts", "x")];
        leave(&movable, &table, *number, AttributeValue::L(keys)).await;
    }
    let page = movable.adapter.notes(&table, &tenant, 0).await.expect("read");
    assert_eq!(page.notes.iter().map(|note| note.number).collect::<Vec<_>>(), numbers);
    assert!(!page.more);
    let mut key = item(&format!("n{}", numbers[3]), "1", "", []);
    key.0.remove("owner");
    assert_eq!(page.notes[3].keys[0], ("orders".to_owned(), key));
    assert_eq!(page.notes[3].keys[1].1.get("pk"), Some(&text("x")));
    let later = movable.adapter.notes(&table, &tenant, numbers[57]).await.expect("read");
    assert_eq!(later.notes.iter().map(|note| note.number).collect::<Vec<_>>(), numbers[58..]);
    // Notes are no shards, neither for a move nor for the map; shards are no notes.
    assert_eq!(shards(&movable, &table).await.len(), 2);
    let found = movable.tables.tenants().page(&table, None).await.expect("read");
    assert_eq!(found.shards.len(), 2);
    let twice: Vec<u64> = numbers[..59].iter().chain(&numbers[..2]).copied().chain([0, 1]).collect();
    movable.adapter.forget(&table, &tenant, &twice).await.expect("deleted");
    let left = movable.adapter.notes(&table, &tenant, 0).await.expect("read").notes;
    assert_eq!(left.iter().map(|note| note.number).collect::<Vec<_>>(), numbers[59..]);
    assert_eq!(shards(&movable, &table).await.len(), 2);
}

#[tokio::test]
async fn notes_come_in_pages() {
    let movable = Movable::make("manynotes").await;
    let table = movable.tables.make_fences("one").await;
    let tenant = "acme".parse().expect("valid");
    let long = "x".repeat(300_000);
    for number in 0..5 {
        let keys = AttributeValue::L(vec![noted("orders", &long)]);
        leave(&movable, &table, NOTES_FROM + number, keys).await;
    }
    let mut seen = BTreeSet::new();
    let mut after = 0;
    let mut pages = 0;
    loop {
        let page = movable.adapter.notes(&table, &tenant, after).await.expect("read");
        after = page.notes.last().expect("a page has notes").number;
        seen.extend(page.notes.iter().map(|note| note.number));
        pages += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, (0..5).map(|number| NOTES_FROM + number).collect());
    assert!(pages > 1, "1.5 MB come in several pages");
}

#[tokio::test]
async fn a_note_that_cannot_be_read_is_not_passed_over() {
    let movable = Movable::make("badnote").await;
    let table = movable.tables.make_fences("one").await;
    let tenant = "acme".parse().expect("valid");
    let keys = AttributeValue::L(vec![noted("orders", "a"), AttributeValue::S("carts".to_owned())]);
    leave(&movable, &table, NOTES_FROM + 1, keys).await;
    let error = movable.adapter.notes(&table, &tenant, 0).await.expect_err("unreadable");
    assert_eq!(error.kind, CallErrorKind::Invalid);
    assert!(error.message.contains("note"), "{error}");
}

#[tokio::test]
async fn notes_that_the_service_leaves_are_deleted_in_the_end() {
    let movable = Movable::make("leftnotes").await;
    let table = movable.tables.make_fences("one").await;
    let tenant = "acme".parse().expect("valid");
    let numbers: Vec<u64> = (0..5).map(|number| NOTES_FROM + number).collect();
    for number in &numbers {
        leave(&movable, &table, *number, AttributeValue::L(vec![noted("orders", "a")])).await;
    }
    let proxy = Proxy::start(&movable.tables.url).await;
    let (name, refused) = (table.name.clone(), AtomicUsize::new(0));
    proxy.refuse(move |seen| {
        let is_first = seen.action == "BatchWriteItem" && refused.fetch_add(1, Ordering::SeqCst) == 0;
        let delete = |number: u64| {
            let key = serde_json::json!({ "tenant": { "S": "acme" }, "shard": { "N": number.to_string() } });
            serde_json::json!({ "DeleteRequest": { "Key": key } })
        };
        let left: Vec<_> = (0..5).map(|number| delete(NOTES_FROM + number)).collect();
        is_first.then(|| (200, serde_json::json!({ "UnprocessedItems": { name.as_str(): left } }).to_string().into()))
    });
    movable.through(&proxy).forget(&table, &tenant, &numbers).await.expect("deleted");
    assert_eq!(proxy.count("BatchWriteItem"), 2);
    assert!(movable.adapter.notes(&table, &tenant, 0).await.expect("read").notes.is_empty());
}
