//! The serverless template over cells of many shapes.

use serde_json::{Value, json};

use super::{cell, code, fleet, parse, source};
use crate::domain::doc::Node;
use crate::domain::template::{RenderedStack, Renderer};

const SERVERLESS: &str = include_str!("../../../../templates/serverless/template.yaml.j2");

fn render(spec: Value) -> RenderedStack {
    let fleet = fleet(vec![cell("cell-1", spec)]);
    let renderer = Renderer::new([source("template.yaml.j2", SERVERLESS)], parse);
    match renderer.render(&fleet, &fleet.cells[0], &code()) {
        Ok(stack) => stack,
        Err(findings) => panic!("{findings:#?}"),
    }
}

fn orders() -> Value {
    json!({
        "tables": { "orders": { "partitionKey": "tenantId", "sortKey": "orderId", "indexes": { "byCustomer": { "partitionKey": "customerId" } } } },
        "queues": { "orders": {} },
        "functions": { "processor": {
            "runtime": "python3.13", "handler": "index.handler", "code": "functions/processor",
            "consumes": ["orders"], "writes": ["orders"], "environment": { "GREETING": "say: \"hello\" # there" },
        } },
    })
}

#[test]
fn an_order_cell_has_what_its_definition_lists() {
    let stack = render(orders());
    assert_eq!(stack.tables, ["shop-cell-1-fences", "shop-cell-1-orders"]);
    assert_eq!(stack.queues, ["shop-cell-1-moved", "shop-cell-1-orders", "shop-cell-1-orders-dead-letters"]);
    assert_eq!(stack.template.injected, [], "the template itself says what the guards ask for");
    let document = parse(&stack.template.body).expect("parses");
    let variables = ["Resources", "ProcessorFunction", "Properties", "Environment", "Variables", "GREETING"];
    assert_eq!(document.follow(&variables).0.as_str(), Some("say: \"hello\" # there"));
    assert!(document.get("Outputs").is_some_and(|o| o.get("OrdersTableStreamArn").is_some()));
}

#[test]
fn every_shape_renders() {
    let function = |more: Value| {
        let mut all = json!({ "runtime": "python3.13", "handler": "index.handler", "code": "functions/processor" });
        all.as_object_mut().expect("a mapping").extend(more.as_object().expect("a mapping").clone());
        all
    };
    let many: Value =
        (0..60).map(|i| (format!("t{i}"), json!({ "partitionKey": "pk" }))).collect::<serde_json::Map<_, _>>().into();
    for spec in [
        json!({}),
        json!({ "queues": { "jobs": { "fifo": true }, "plain": { "delay": "1m" } } }),
        json!({ "tables": many }),
        json!({ "functions": { "idle": function(json!({})) }, "alarmTopic": "arn:aws:sns:eu-central-1:111122223333:ops" }),
        json!({
            "tables": { "a-b": { "partitionKey": "p", "sortKey": "s", "attributes": { "s": "N" }, "timeToLive": "ttl" } },
            "queues": { "jobs": { "fifo": true } },
            "functions": { "f": function(json!({ "streams": ["a-b"], "reads": ["a-b"], "consumes": ["jobs"], "sends": ["jobs"], "batchSize": 100, "reservedConcurrency": 0 })) },
        }),
    ] {
        render(spec);
    }
}

/// Otherwise a cell that is to take more tenants would be a cell to be changed.
#[test]
fn what_placement_alone_reads_changes_no_digest() {
    let plain = render(orders());
    for (field, value) in [
        ("capacity", json!({ "tenants": 11, "weight": 5 })),
        ("tiers", json!(["enterprise"])),
        ("reservedFor", json!(["acme"])),
    ] {
        let mut spec = orders();
        spec[field] = value;
        assert_eq!(render(spec).digest, plain.digest, "{field}");
    }
    let mut fleet = fleet(vec![cell("cell-1", orders())]);
    fleet.residency.insert("eu".parse().expect("a name"), ["eu-central-1".parse().expect("a Region")].into());
    let renderer = Renderer::new([source("template.yaml.j2", SERVERLESS)], parse);
    assert_eq!(renderer.render(&fleet, &fleet.cells[0], &code()).expect("renders").digest, plain.digest);
}

#[test]
fn the_order_in_a_definition_changes_nothing() {
    let spec = |names: [&str; 2]| {
        let tables: serde_json::Map<_, _> =
            names.map(|n| (n.to_owned(), json!({ "partitionKey": "p" }))).into_iter().collect();
        json!({ "tables": tables })
    };
    assert_eq!(render(spec(["a", "b"])).digest, render(spec(["b", "a"])).digest);
}

#[test]
fn a_function_may_touch_its_own_atoms_only() {
    let document = parse(&render(orders()).template.body).expect("parses");
    let policy = document.follow(&["Resources", "ProcessorRole", "Properties", "Policies"]).0.items()[0].clone();
    let statements = policy.follow(&["PolicyDocument", "Statement"]).0.items().to_vec();
    let resources = statements
        .iter()
        .filter_map(|s| s.get("Resource"))
        .flat_map(|r| if r.items().is_empty() { vec![r.clone()] } else { r.items().to_vec() });
    let names: Vec<String> = resources.filter_map(|r: Node| r.as_str().map(str::to_owned)).collect();
    assert_eq!(
        names,
        [
            "ProcessorLogs.Arn",
            "OrdersQueue.Arn",
            "MovedQueue.Arn",
            "OrdersTable.Arn",
            "${OrdersTable.Arn}/index/*",
            "FenceTable.Arn"
        ]
    );
}

#[test]
fn functions_and_outputs_have_the_number_of_shards() {
    for (given, expected) in [(Value::Null, "1"), (json!(4), "4")] {
        let mut spec = orders();
        spec["fenceShards"] = given;
        let document = parse(&render(spec).template.body).expect("parses");
        let variables = ["Resources", "ProcessorFunction", "Properties", "Environment", "Variables"];
        for path in [&[&variables[..], &["FENCE_SHARDS"]].concat()[..], &["Outputs", "FenceShards", "Value"]] {
            assert_eq!(document.follow(path).0.as_str(), Some(expected), "{path:?}");
        }
    }
}

#[test]
fn a_cell_without_queues_has_none_for_moved_messages() {
    let stack = render(json!({}));
    let body = &stack.template.body;
    assert!(!body.contains("Moved"), "{body}");
}
