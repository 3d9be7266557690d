//! Bad input and bad days of a move, on an endpoint: what is refused, what stops a move midway, and how one goes on.
//!
//! Constraint kept: a refusal has changed nothing in the control tables and fences; after every trouble the tenant is served
//! by one cell, and the move can be ended or made. Faults of the network, crashes and clocks are the simulation's.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType, TimeToLiveSpecification,
};
use rustix::process::Signal;

use crate::support::emulator::{Output, Shop};

/// Items of the tenant in the source.
const ITEMS: usize = 30;
/// The table of a cell that a tenant can be moved to.
const ORDERS: &str = "orders: { partitionKey: tenantId, sortKey: id, indexes: { byOwner: { partitionKey: owner } }, \
                      tenant: { by: partitionKey } }";

fn cell(name: &str, spec: &str, tables: &str) -> String {
    format!(
        "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: {name} }}\nspec:\n  type: shared\n  {spec}\n  tables:\n    \
         {tables}\n"
    )
}

/// Cells 1 and 2 are alike, and `others` as the test says: name, spec, tables. A tenant with items is in the first.
async fn shop(test: &str, others: &[(&str, &str, &str)]) -> Shop {
    let shop = Shop::empty(test).await;
    let room = "capacity: { tenants: 10 }";
    let alike = [("cell-1", room, ORDERS), ("cell-2", room, ORDERS)];
    for (name, spec, tables) in alike.iter().chain(others) {
        shop.write(&format!("cells/{name}.yaml"), &cell(name, spec, tables));
    }
    let shop = shop.applied().await;
    shop.run(&["tenant", "add", "acme", "--to", "cell-1", "--residency", "eu", "--yes"]).await.exits(0);
    for number in 0..ITEMS {
        put(&shop, "cell-1", &format!("{number:03}")).await;
    }
    shop
}

fn orders(shop: &Shop, cell: &str) -> String {
    format!("{}-orders", shop.stack(cell))
}

async fn put(shop: &Shop, cell: &str, id: &str) {
    shop.aws.put(&orders(shop, cell), &[("tenantId", "acme"), ("id", id), ("owner", "ann")]).await;
}

async fn dry(shop: &Shop, to: &str, more: &[&str]) -> Output {
    shop.run(&[&["tenant", "move", "acme", "--to", to, "--dry-run"], more].concat()).await
}

async fn moved(shop: &Shop, to: &str) {
    shop.run(&["tenant", "move", "acme", "--to", to, "--yes"]).await.exits(0).says("acme is in cell-");
    assert_eq!(shop.aws.items(&orders(shop, to)).await.len(), ITEMS);
}

/// Everything that a refusal must leave as it is, in an order of its own.
async fn state(shop: &Shop) -> BTreeSet<String> {
    let fences = ["cell-1", "cell-2"].map(|cell| format!("{}-fences", shop.stack(cell)));
    let mut found = BTreeSet::new();
    for table in [shop.control_table(), shop.tenants_table()].into_iter().chain(fences) {
        for item in shop.aws.items(&table).await {
            let item: std::collections::BTreeMap<_, _> = item.into_iter().collect();
            found.insert(format!("{table} {item:?}"));
        }
    }
    found
}

/// The move is refused for these reasons, and nothing has changed.
async fn refused(shop: &Shop, to: &str, more: &[&str], reasons: &[&str]) {
    let before = state(shop).await;
    for last in ["--dry-run", "--yes"] {
        let line = [&["tenant", "move", "acme", "--to", to], more, &[last]].concat();
        let output = shop.run(&line).await.exits(7);
        reasons.iter().fold(output, |output, reason| output.says(reason)).says("hint: ");
    }
    assert_eq!(state(shop).await, before, "{to}");
}

#[tokio::test]
async fn a_target_that_cannot_take_the_tenant_is_refused_and_nothing_is_left_behind() {
    let room = "capacity: { tenants: 10 }";
    let number = ORDERS.replace("sortKey: id", "sortKey: number");
    let plain = ORDERS.replace(" indexes: { byOwner: { partitionKey: owner } },", "");
    let others = [
        ("key", room, number.as_str()),
        ("index", room, plain.as_str()),
        ("expiry", room, ORDERS),
        ("table", room, "others: { partitionKey: tenantId, tenant: { by: partitionKey } }"),
        ("full", "capacity: { tenants: 1 }", ORDERS),
        ("abroad", "region: us-east-1\n  capacity: { tenants: 10 }", ORDERS),
    ];
    let shop = shop("trouble_target", &others).await;
    shop.run(&["tenant", "add", "filler", "--to", "full", "--yes"]).await.exits(0);
    shop.write("cells/new.yaml", &cell("new", room, ORDERS));
    let expiry = TimeToLiveSpecification::builder().attribute_name("expires").enabled(true).build();
    let request = shop.aws.dynamodb.update_time_to_live().table_name(orders(&shop, "expiry"));
    request.time_to_live_specification(expiry.expect("complete")).send().await.expect("turned on");

    refused(&shop, "cell-1", &[], &["tenant acme is in cell cell-1 already"]).await;
    refused(&shop, "new", &[], &["cell new is not provisioned", "cellctl cell create new"]).await;
    refused(&shop, "full", &[], &["cell full does not take tenant acme", "1 of 1 tenants", "raise its capacity"]).await;
    refused(&shop, "abroad", &[], &["it is in us-east-1", "residency has no override"]).await;
    refused(&shop, "table", &[], &["cell table has no table orders", "bring their definitions together"]).await;
    let key = ["another key than that of cell cell-1: tenantId (S) and number (S) instead of tenantId (S) and id (S)"];
    refused(&shop, "key", &[], &key).await;
    refused(&shop, "key", &["--schema-check", "keys"], &key).await;
    refused(&shop, "index", &[], &["they differ in byOwner", "--schema-check keys"]).await;
    refused(&shop, "expiry", &[], &["expires instead of none", "--schema-check keys"]).await;
    for alike_enough in ["index", "expiry"] {
        dry(&shop, alike_enough, &["--schema-check", "keys"]).await.exits(0).says("acme: from cell-1");
    }
    dry(&shop, "nowhere", &[]).await.exits(1).says("has no cell nowhere");

    shop.run(&["cell", "cordon", "cell-2", "--yes"]).await.exits(0);
    refused(&shop, "cell-2", &[], &["it is cordoned", "cellctl cell uncordon cell-2"]).await;
    shop.run(&["cell", "uncordon", "cell-2", "--yes"]).await.exits(0);
    put(&shop, "cell-2", "left").await;
    refused(&shop, "cell-2", &[], &["cell cell-2 holds items of tenant acme already", "deleted by hand"]).await;
    forget(&shop, "cell-2", "left").await;
    shop.run(&["tenant", "pin", "acme", "--reason", "audit", "--yes"]).await.exits(0);
    refused(&shop, "cell-2", &[], &["pinned to cell cell-1: audit", "cellctl tenant unpin acme"]).await;
    shop.run(&["tenant", "unpin", "acme", "--yes"]).await.exits(0);
    moved(&shop, "cell-2").await;
}

async fn forget(shop: &Shop, cell: &str, id: &str) {
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let request = shop.aws.dynamodb.delete_item().table_name(orders(shop, cell)).key("tenantId", text("acme"));
    request.key("id", text(id)).send().await.expect("deleted");
}

/// Turns the stream of the source's table on or off.
async fn stream(shop: &Shop, on: bool) {
    let view = on.then_some(StreamViewType::NewAndOldImages);
    let wanted = StreamSpecification::builder().stream_enabled(on).set_stream_view_type(view);
    let request = shop.aws.dynamodb.update_table().table_name(orders(shop, "cell-1"));
    request.stream_specification(wanted.build().expect("complete")).send().await.expect("turned");
}

/// Deletes the source's table, as somebody does who had to turn its protection off first.
async fn lose_table(shop: &Shop) {
    let (name, client) = (orders(shop, "cell-1"), &shop.aws.dynamodb);
    let request = client.update_table().table_name(&name).deletion_protection_enabled(false);
    request.send().await.expect("not protected");
    client.delete_table().table_name(&name).send().await.expect("deleted");
}

/// Makes it again, empty, and without a stream.
async fn make_table(shop: &Shop) {
    let attribute = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        attribute.build().expect("complete")
    };
    let key =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("complete");
    let request = shop.aws.dynamodb.create_table().table_name(orders(shop, "cell-1"));
    let request = request.attribute_definitions(attribute("tenantId")).attribute_definitions(attribute("id"));
    let request = request.key_schema(key("tenantId", KeyType::Hash)).key_schema(key("id", KeyType::Range));
    request.billing_mode(BillingMode::PayPerRequest).send().await.expect("made");
}

#[tokio::test]
async fn a_stream_that_is_off_is_refused_and_one_that_is_turned_off_midway_stops_the_move() {
    let shop = shop("trouble_stream", &[]).await;
    stream(&shop, false).await;
    refused(&shop, "cell-2", &[], &["has no stream", "turn it on"]).await;
    stream(&shop, true).await;
    let held = ["tenant", "move", "acme", "--to", "cell-2", "--hold-cutover", "--yes"];
    let mut running = shop.start(&held, |_| {});
    running.until_it_says(": reconciled").await;
    stream(&shop, false).await;
    running.end().await.exits(10).says("it was turned off").says("go on with `cellctl move resume acme:");
    shop.run(&["move", "show", "acme"]).await.exits(0).says("stream-gone").says("abort the move, turn the stream on");
    shop.run(&["move", "watch", "acme"]).await.exits(10).says("stuck");
    stream(&shop, true).await;
    // The new stream says nothing of what was written in between.
    shop.run(&["move", "resume", "acme", "--yes"]).await.exits(10).says("the stream of table");
    shop.run(&["move", "abort", "acme", "--yes"]).await.exits(0).says("given up");
    assert!(shop.aws.items(&orders(&shop, "cell-2")).await.is_empty());
    moved(&shop, "cell-2").await;
}

#[tokio::test]
async fn a_table_that_is_lost_midway_stops_the_move_and_its_copy_is_kept() {
    let shop = shop("trouble_table", &[]).await;
    let held = ["tenant", "move", "acme", "--to", "cell-2", "--hold-cutover", "--yes"];
    let mut running = shop.start(&held, |_| {});
    running.until_it_says(": reconciled").await;
    running.signal(Signal::INT);
    running.end().await.exits(10);
    lose_table(&shop).await;
    shop.run(&["move", "cutover", "acme", "--yes"]).await.exits(0).says("nobody carries it on");
    shop.run(&["move", "resume", "acme", "--yes"]).await.exits(10).says("gone");
    shop.run(&["move", "show", "acme"]).await.exits(0).says("stuck").says("cellctl move abort acme:");
    let abort = ["move", "abort", "acme", "--reason", "lost", "--yes"];
    shop.run(&abort).await.exits(10).says("is gone; what was copied of it is kept").says("point-in-time recovery");
    assert_eq!(shop.aws.items(&orders(&shop, "cell-2")).await.len(), ITEMS, "the only copy");
    make_table(&shop).await;
    shop.run(&["move", "resume", "acme", "--yes"]).await.exits(4).says("given up (lost)");
    assert!(shop.aws.items(&orders(&shop, "cell-2")).await.is_empty());
    shop.run(&["tenant", "show", "acme"]).await.exits(0).says("cell-1").says("state:      active").says("OPEN");
    lose_table(&shop).await;
    refused(&shop, "cell-2", &[], &["table", "of cell cell-1 is not there", "cellctl cell drift cell-1"]).await;
}

#[tokio::test]
async fn a_tenant_is_in_one_move_at_a_time_also_when_its_mover_was_killed() {
    let shop = shop("trouble_twice", &[("cell-3", "capacity: { tenants: 10 }", ORDERS)]).await;
    let held = ["tenant", "move", "acme", "--to", "cell-2", "--hold-cutover", "--yes"];
    let mut running = shop.start(&held, |_| {});
    running.until_it_says(": reconciled").await;
    shop.run(&held).await.exits(6).says("cellctl move watch acme:").does_not_say("go on with");
    shop.run(&["tenant", "move", "acme", "--to", "cell-3", "--yes"])
        .await
        .exits(7)
        .says("to cell cell-2")
        .says("abort");
    shop.run(&["tenant", "pin", "acme", "--yes"]).await.exits(7).says("is in the move acme:");
    shop.run(&["move", "show", "acme"]).await.exits(0).says("it waits: `cellctl move cutover acme:");
    running.signal(Signal::KILL);
    running.end().await;
    shop.run(&["move", "show", "acme"]).await.exits(0).says("held by: nobody").says("cellctl move resume acme:");
    shop.run(&["tenant", "move", "acme", "--to", "cell-3", "--yes"]).await.exits(7).says("to cell cell-2");
    dry(&shop, "cell-2", &[]).await.exits(0).says("is under way already; this goes on with it");
    // The process is seen to be gone: nobody waits for its lease.
    shop.run(&["move", "abort", "acme", "--yes"]).await.exits(0).says("given up").does_not_say("waiting for that");
    moved(&shop, "cell-3").await;
}

#[tokio::test]
async fn a_target_that_is_throttled_slows_a_move_down_and_does_not_end_it() {
    let shop = shop("trouble_throttle", &[]).await;
    let proxy = shop.proxy().await;
    let seen = AtomicUsize::new(0);
    proxy.refuse(move |request| {
        let writes = request.action == "BatchWriteItem" && seen.fetch_add(1, Ordering::Relaxed) < 3;
        let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        let body = serde_json::json!({ "__type": code, "message": "too fast" }).to_string();
        writes.then(|| (400, body.into()))
    });
    let line = ["tenant", "move", "acme", "--to", "cell-2", "--yes"];
    shop.run_through(&proxy, &line).await.exits(0).says("acme is in cell-2 now");
    assert_eq!(shop.aws.items(&orders(&shop, "cell-2")).await.len(), ITEMS);
}
