//! The tenant map's calls when answers are lost, are cut short, or speak of throttling.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cellctl::domain::audit::Subject;
use cellctl::domain::ids::TenantId;
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::Attributes;
use cellctl::domain::tenant::change::{self, Change};
use cellctl::domain::tenant::load::{CellLoad, Limits};
use cellctl::ports::CallErrorKind;
use cellctl::ports::tenants::{AuditLog, TenantMap, Written};
use hyper::body::Bytes;
use serde_json::{Value as Json, json};

use crate::support::emulator::{Proxy, Tables, cell_record};
use crate::support::samples::{chosen, stamp};

const WRITE: &str = "TransactWriteItems";
const READ: &str = "BatchGetItem";

fn tenant(n: usize) -> TenantId {
    format!("tenant-{n:03}").parse().expect("valid")
}

/// Adds a tenant to the one cell, which has room for two.
fn add(n: usize, load: &CellLoad) -> Change {
    let target = chosen(load.clone(), Limits { tenants: 2, weight: None });
    change::add(&tenant(n), Attributes::default(), &target, None, 0, &stamp(1_700_000_000_000))
}

/// A fleet with one cell, behind a proxy.
async fn stage(test: &str) -> (Tables, Proxy, CellLoad) {
    let tables = Tables::make(test).await;
    let (control, lease) = tables.control().await;
    let (record, audit) = cell_record("cell-1");
    cellctl::ports::Control::put_record(&control, record, &lease, &audit).await.expect("written");
    let load = tables.tenants().load(&"cell-1".parse().expect("valid")).await.expect("read").expect("is there");
    assert_eq!((load.state, load.tenants), (CellState::Active, 0));
    let proxy = Proxy::start(&tables.url).await;
    (tables, proxy, load)
}

/// An answer of the endpoint, changed as JSON.
fn edited(body: &Bytes, edit: impl FnOnce(&mut Json)) -> Bytes {
    let mut answer: Json = serde_json::from_slice(body).expect("JSON");
    edit(&mut answer);
    Bytes::from(answer.to_string())
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_once() {
    let (tables, proxy, load) = stage("lostwrite").await;
    let map = tables.tenants_through(&proxy);
    let mut answered = 0;
    proxy.spoil(move |seen, body| {
        answered += usize::from(seen.action == WRITE);
        (seen.action != WRITE || answered > 1).then_some(body)
    });
    assert_eq!(map.write(&[add(1, &load)]).await.expect("answered"), Written::Done);
    assert_eq!(proxy.count(WRITE), 2, "the lost request and its repeat");
    let now = map.load(&load.cell).await.expect("read").expect("is there");
    assert_eq!((now.tenants, now.writes), (1, 1));
    let chain = map.chain(&Subject::Tenant(tenant(1)), 1, 10).await.expect("read");
    assert_eq!(chain.len(), 1);
}

#[tokio::test]
async fn a_repeat_that_the_service_takes_for_a_new_request_finds_its_own_write() {
    let (tables, _, load) = stage("forgotten").await;
    let changes = [add(1, &load), add(2, &load)];
    assert_eq!(tables.tenants().write(&changes).await.expect("answered"), Written::Done);
    // The service forgets tokens after ten minutes: another token stands for that. The cell is full by now.
    let again = [changes[0].clone()];
    assert_eq!(tables.tenants().write(&again).await.expect("answered"), Written::Done);
    let other = [add(3, &load)];
    assert_eq!(tables.tenants().write(&other).await.expect("answered"), Written::CellRefused(load.cell.clone()));
    let now = tables.tenants().load(&load.cell).await.expect("read").expect("is there");
    assert_eq!((now.tenants, now.writes), (2, 2));
}

#[tokio::test]
async fn a_write_without_any_answer_is_in_doubt() {
    let (tables, proxy, load) = stage("noanswer").await;
    proxy.spoil(|seen, body| (seen.action != WRITE).then_some(body));
    let map = tables.tenants_through(&proxy);
    let error = map.write(&[add(1, &load)]).await.expect_err("nobody answers");
    assert_eq!(error.kind, CallErrorKind::InDoubt);
    assert_eq!(error.operation, "dynamodb:TransactWriteItems");
    assert!(map.entry(&tenant(1)).await.expect("read").is_some(), "it happened");
}

#[tokio::test]
async fn what_the_service_leaves_of_a_batch_is_asked_for_again() {
    let (tables, proxy, load) = stage("leftover").await;
    let map = tables.tenants_through(&proxy);
    let (free, stamp) = (chosen(load, Limits { tenants: 999, weight: None }), stamp(1));
    let names: Vec<TenantId> = (0..120).map(tenant).collect();
    for some in names.chunks(30) {
        let changes: Vec<Change> =
            some.iter().map(|name| change::add(name, Attributes::default(), &free, None, 0, &stamp)).collect();
        assert_eq!(map.write(&changes).await.expect("answered"), Written::Done);
    }
    let table = format!("cellctl-{}-tenants", tables.fleet);
    let spoilt = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&spoilt);
    // Each of the first answers lacks half of its items.
    proxy.spoil(move |seen, body| {
        if seen.action != READ || count.fetch_add(1, Ordering::SeqCst) >= 3 {
            return Some(body);
        }
        Some(edited(&body, |answer| {
            let items = answer["Responses"][&table].as_array_mut().expect("items");
            let left = items.split_off(items.len() / 2);
            let key = |item: &Json| json!({ "pk": item["pk"], "sk": item["sk"] });
            let keys: Vec<Json> = left.iter().map(key).collect();
            answer["UnprocessedKeys"] = json!({ table.as_str(): { "Keys": keys, "ConsistentRead": true } });
        }))
    });
    let found = map.entries(&names).await.expect("read");
    assert_eq!(found.into_keys().collect::<Vec<_>>(), names);
    assert!(spoilt.load(Ordering::SeqCst) > 3, "two batches, and what was left of them");
}

#[tokio::test]
async fn an_entry_of_a_newer_format_is_not_touched() {
    let (tables, proxy, load) = stage("newer").await;
    let map = tables.tenants_through(&proxy);
    let added = add(1, &load);
    assert_eq!(map.write(std::slice::from_ref(&added)).await.expect("answered"), Written::Done);
    proxy.spoil(|seen, body| match seen.action.as_str() {
        "GetItem" => Some(edited(&body, |answer| answer["Item"]["format"] = json!({ "N": "9" }))),
        "Query" => Some(edited(&body, |answer| answer["Items"][0]["format"] = json!({ "N": "9" }))),
        _ => Some(body),
    });
    let error = map.entry(&tenant(1)).await.expect_err("too new");
    assert!(error.message.contains("written by a newer cellctl"), "{error}");
    let error = map.load(&load.cell).await.expect_err("too new");
    assert!(error.message.contains("upgrade cellctl"), "{error}");
    let page = map.page(tenant(1).bucket(), None, 10, None).await.expect("a page");
    assert_eq!((page.entries.len(), &page.unreadable[0].of, page.unreadable[0].newer), (0, &tenant(1), Some(9)));
    let seen = map.seen_loads().await.expect("loads");
    assert_eq!((seen.loads.len(), &seen.unreadable[0].of, seen.unreadable[0].newer), (0, &load.cell, Some(9)));
    map.loads().await.expect_err("too new");
}
