//! Reading a tenant's items: what a table is like, pages by each way of finding them, and items by key.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::TimeToLiveSpecification;
use cellctl::domain::data::find::Find;
use cellctl::domain::data::{Item, Value};
use cellctl::ports::CallErrorKind;
use cellctl::ports::data::{Segment, Share, TableRef, TenantData};

use crate::support::emulator::movable::{INDEX, Movable, item, key, permit, schema, share, text};
use crate::support::emulator::{Proxy, Tables};

/// Values of every type, with what is easily lost on the way.
fn values() -> Vec<(&'static str, Value)> {
    let number = |text: &str| Value::N(text.to_owned());
    let nested = Value::M(BTreeMap::from([
        ("list".to_owned(), Value::L(vec![Value::Null, Value::Bool(false), Value::L(Vec::new())])),
        ("map".to_owned(), Value::M(BTreeMap::new())),
        ("bytes".to_owned(), Value::B(vec![0, 255, 10])),
    ]));
    vec![
        ("empty", text("")),
        ("unicode", text("grüße 🦀 \u{0}\"\\")),
        ("digits38", number("12345678901234567890123456789012345678")),
        ("negative", number("-0.00012345678901234567890123456789012345678")),
        ("bytes", Value::B((0..=255).collect())),
        ("noBytes", Value::B(Vec::new())),
        ("yes", Value::Bool(true)),
        ("no", Value::Bool(false)),
        ("nothing", Value::Null),
        ("texts", Value::Ss(BTreeSet::from(["a".to_owned(), "B".to_owned(), "ä".to_owned()]))),
        ("numbers", Value::Ns(BTreeSet::from(["1".to_owned(), "2.5".to_owned(), "-3".to_owned()]))),
        ("parts", Value::Bs(BTreeSet::from([vec![0], vec![255, 0]]))),
        ("list", Value::L(vec![text("x"), number("0"), nested.clone()])),
        ("emptyList", Value::L(Vec::new())),
        ("map", nested),
        ("emptyMap", Value::M(BTreeMap::new())),
    ]
}

async fn put(movable: &Movable, table: &TableRef, items: &[Item]) {
    let (_, permit) = permit(true);
    for chunk in items.chunks(20) {
        let left = movable.adapter.put_bulk(table, chunk.to_vec(), &permit).await.expect("answered");
        assert_eq!(left, []);
    }
}

/// All pages of a segment: the items, and how many pages there were.
async fn read(movable: &Movable, share: &Share, segment: Segment) -> (Vec<Item>, usize) {
    let (mut found, mut pages, mut from) = (Vec::new(), 0, None::<String>);
    loop {
        // Another machine goes on from where the first one was.
        let adapter = movable.again();
        let page = adapter.page(share, segment, from.as_deref()).await.expect("read");
        found.extend(page.items);
        pages += 1;
        from = page.next;
        if from.is_none() {
            return (found, pages);
        }
    }
}

const WHOLE: Segment = Segment { index: 0, of: 1 };

#[tokio::test]
async fn a_table_is_as_the_service_describes_it() {
    let movable = Movable::make("shape").await;
    let table = movable.make_table("orders").await;
    let shape = movable.adapter.shape(&table).await.expect("read").expect("is there");
    assert_eq!((&shape.key, shape.time_to_live.as_deref()), (&schema(), None));
    let index = &shape.indexes[INDEX];
    assert_eq!((index.partition.name.as_str(), index.sort.as_ref().map(|s| s.name.as_str())), ("owner", Some("sk")));
    let stream = shape.stream.expect("is on");
    assert!(stream.images && stream.arn.contains(&table.name), "{stream:?}");

    let expires = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires").build();
    let request = movable.aws.dynamodb.update_time_to_live().table_name(&table.name);
    request.time_to_live_specification(expires.expect("complete")).send().await.expect("set");
    let shape = movable.adapter.shape(&table).await.expect("read").expect("is there");
    assert_eq!(shape.time_to_live.as_deref(), Some("expires"));

    let fences = movable.tables.make_fences("one").await;
    let plain = TableRef { place: Tables::place(), name: fences.name };
    let shape = movable.adapter.shape(&plain).await.expect("read").expect("is there");
    assert_eq!((shape.stream, shape.indexes.len()), (None, 0));
    let none = TableRef { name: "not-there".to_owned(), ..plain };
    assert_eq!(movable.adapter.shape(&none).await, Ok(None));
}

#[tokio::test]
async fn items_of_every_type_come_back_as_they_were() {
    let movable = Movable::make("types").await;
    let (source, target) = (movable.make_table("source").await, movable.make_table("target").await);
    let original = item("acme", "1", "acme", values());
    put(&movable, &source, std::slice::from_ref(&original)).await;
    // Once across and back, by all ways to read.
    for (from, to) in [(&source, &target), (&target, &source)] {
        let (found, _) = read(&movable, &share(from, Find::PartitionKey), WHOLE).await;
        assert_eq!(found, std::slice::from_ref(&original));
        put(&movable, to, &found).await;
        let by_key = movable.adapter.get(to, &schema(), &[key("acme", "1")]).await.expect("read");
        assert_eq!(by_key, BTreeMap::from([(key("acme", "1"), original.clone())]));
    }
}

#[tokio::test]
async fn large_items_come_in_pages() {
    let movable = Movable::make("largeitems").await;
    let table = movable.make_table("orders").await;
    // 400 KB, names and all.
    let large = text(&"x".repeat(400 * 1024 - 40));
    let items: Vec<Item> = (0..6).map(|n| item("acme", &n.to_string(), "acme", [("load", large.clone())])).collect();
    for item in &items {
        put(&movable, &table, std::slice::from_ref(item)).await;
    }
    let (found, pages) = read(&movable, &share(&table, Find::PartitionKey), WHOLE).await;
    assert!(found == items && pages > 1, "{} items in {pages} pages", found.len());
    let keys: Vec<_> = (0..6).map(|n| key("acme", &n.to_string())).collect();
    assert_eq!(movable.adapter.get(&table, &schema(), &keys).await.expect("read").len(), 6);
}

#[tokio::test]
async fn the_items_of_a_tenant_are_found_in_each_way() {
    let movable = Movable::make("finding").await;
    let table = movable.make_table("orders").await;
    let mut items = Vec::new();
    for n in 0..130 {
        let sk = format!("{n:03}");
        items.push(item("acme", &sk, "zeta", []));
        items.push(item(&format!("acme#{n}"), &sk, "acme", []));
        items.push(item(&format!("acmeister#{n}"), &sk, "acmeister", []));
    }
    put(&movable, &table, &items).await;
    let ours = |is_ours: fn(&Item) -> bool| items.iter().filter(|item| is_ours(item)).cloned().collect::<BTreeSet<_>>();
    let pk = |item: &Item| item.get("pk").and_then(Value::as_text).unwrap_or_default().to_owned();
    let owned = |item: &Item| item.get("owner") == Some(&text("acme"));
    let owner = || "owner".to_owned();
    let cases = [
        (Find::PartitionKey, 1, ours(|item| item.get("pk") == Some(&text("acme")))),
        (
            Find::Prefix { separator: "#".to_owned() },
            3,
            items.iter().filter(|i| pk(i).starts_with("acme#")).cloned().collect(),
        ),
        (Find::Attribute { attribute: owner() }, 3, items.iter().filter(|i| owned(i)).cloned().collect()),
        (
            Find::Index { index: INDEX.to_owned(), attribute: owner() },
            1,
            items.iter().filter(|i| owned(i)).cloned().collect(),
        ),
    ];
    for (find, of, expected) in cases {
        assert_eq!(expected.len(), 130);
        let mut found = Vec::new();
        for index in 0..of {
            found.extend(read(&movable, &share(&table, find.clone()), Segment { index, of }).await.0);
        }
        assert_eq!(found.len(), 130, "{find:?}: each once");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{find:?}");
    }
}

#[tokio::test]
async fn an_index_leads_to_items_in_pages() {
    let movable = Movable::make("indexpages").await;
    let table = movable.make_table("orders").await;
    let items: Vec<Item> = (0..450).map(|n| item(&format!("p{n}"), &format!("{n:03}"), "acme", [])).collect();
    put(&movable, &table, &items).await;
    let find = Find::Index { index: INDEX.to_owned(), attribute: "owner".to_owned() };
    let (found, pages) = read(&movable, &share(&table, find), WHOLE).await;
    assert_eq!((found.len(), pages), (450, 3));
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), items.into_iter().collect());
}

#[tokio::test]
async fn items_are_read_by_key_whoever_s_they_are() {
    let movable = Movable::make("bykey").await;
    let table = movable.make_table("orders").await;
    let items: Vec<Item> = (0..250).map(|n| item(&format!("p{n}"), "1", "zeta", [])).collect();
    put(&movable, &table, &items).await;
    let mut keys: Vec<_> = (0..300).map(|n| key(&format!("p{n}"), "1")).collect();
    keys.push(key("p0", "1"));
    let found = movable.adapter.get(&table, &schema(), &keys).await.expect("read");
    assert!(found.len() == 250 && found[&key("p7", "1")] == items[7], "{}", found.len());
    assert_eq!(movable.adapter.get(&table, &schema(), &[]).await.expect("read"), BTreeMap::new());
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused() {
    let movable = Movable::make("cursor").await;
    let table = movable.make_table("orders").await;
    let error = movable.adapter.page(&share(&table, Find::PartitionKey), WHOLE, Some("x")).await.expect_err("refused");
    assert_eq!(error.kind, CallErrorKind::Invalid);
}

#[tokio::test]
async fn a_value_of_a_type_that_is_not_known_is_not_left_out() {
    let movable = Movable::make("newtype").await;
    let table = movable.make_table("orders").await;
    put(&movable, &table, &[item("acme", "1", "acme", [])]).await;
    let proxy = Proxy::start(&movable.tables.url).await;
    proxy.spoil(|seen, body| {
        let mut answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        if seen.action == "Query" {
            answer["Items"][0]["new"] = serde_json::json!({ "L": [{ "Z": "1" }] });
        }
        Some(answer.to_string().into())
    });
    let page = movable.through(&proxy).page(&share(&table, Find::PartitionKey), WHOLE, None).await;
    let error = page.expect_err("unreadable");
    assert!(error.message.contains("a type that this cellctl does not know"), "{error}");
}
