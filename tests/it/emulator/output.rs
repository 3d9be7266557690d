//! What is printed, where, and in which form.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::process::Command;

use crate::support::emulator::{Engine, Output, Shop};

/// The schema of a document and the keys of its data, or of the first entry of it.
fn shape(output: &Output) -> (String, BTreeSet<String>) {
    let document = output.json();
    let outer: Vec<&String> = document.as_object().expect("an object").keys().collect();
    assert_eq!(outer, ["data", "schema"]);
    (document["schema"].as_str().expect("a name").to_owned(), keys(&document["data"]))
}

fn keys(data: &Value) -> BTreeSet<String> {
    match data {
        Value::Array(entries) => entries.first().map(keys).unwrap_or_default(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// A command, its exit code, and the document that it prints.
type Expected<'a> = (&'a [&'a str], i32, &'a str, &'a [&'a str]);

const ROW: [&str; 15] = [
    "cell",
    "cellType",
    "state",
    "region",
    "stack",
    "status",
    "template",
    "applied",
    "failed",
    "tenants",
    "weight",
    "capacity",
    "weightCapacity",
    "share",
    "headroom",
];

/// In an order in which each finds what it needs. A key that is renamed or removed needs a new version of its schema.
const DOCUMENTS: [Expected<'static>; 13] = [
    (&["validate"], 0, "cellctl.validate/v1", &["valid", "cells", "findings"]),
    (&["config", "show"], 0, "cellctl.config/v1", &["name", "value", "source"]),
    (
        &["render", "cell-1"],
        0,
        "cellctl.render/v1",
        &["cell", "stack", "region", "digest", "parameters", "tags", "capabilities", "template"],
    ),
    (&["init", "--yes"], 0, "cellctl.init/v1", &["stack", "region", "action", "outputs"]),
    (
        &["plan", "--detailed-exitcode"],
        2,
        "cellctl.plan-summary/v1",
        &["fleet", "digest", "hasChanges", "unchanged", "expiresAtMs", "orphans", "groups"],
    ),
    (&["apply", "--yes"], 0, "cellctl.apply/v1", &["plan", "unchanged", "cells", "stopped", "lockLost"]),
    (&["cell", "list"], 0, "cellctl.cell-list/v1", &ROW),
    (
        &["cell", "show", "cell-1"],
        0,
        "cellctl.cell/v1",
        &["summary", "outputs", "resources", "plan", "appliedAtMs", "protected"],
    ),
    (&["lock", "show"], 0, "cellctl.lock/v1", &["held", "lease"]),
    (
        &["cell", "recover", "cell-1"],
        0,
        "cellctl.cell-recovery/v1",
        &["cell", "stack", "status", "meaning", "remedy", "remaining"],
    ),
    (
        &["cell", "create", "cell-1", "--yes"],
        0,
        "cellctl.apply/v1",
        &["plan", "unchanged", "cells", "stopped", "lockLost"],
    ),
    (&["cell", "cordon", "cell-1", "--yes"], 0, "cellctl.cell-state/v1", &["cell", "from", "to"]),
    (&["cell", "delete", "cell-1", "--yes"], 0, "cellctl.cell-deleted/v1", &["cell", "stack", "leftBehind"]),
];

#[tokio::test]
async fn every_command_has_a_document_with_stable_names() {
    let shop = Shop::small("out_json", &["cell-1"]).await;
    for (command, code, schema, names) in DOCUMENTS {
        let output = shop.run(&[command, &["--output", "json"]].concat()).await.exits(code);
        let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(shape(&output), (schema.to_owned(), wanted), "{command:?}");
    }
    if shop.engine == Engine::MiniStack {
        let drift = shop.run(&["cell", "drift", "--output", "json"]).await.exits(0);
        assert_eq!(
            shape(&drift),
            ("cellctl.drift/v1".to_owned(), ["cell", "status", "resources"].map(String::from).into())
        );
    }
    // JSON Schemas are documents of their own.
    let schema = shop.run(&["schema", "cell", "--output", "json"]).await.exits(0).json();
    assert!(schema["properties"]["spec"].is_object());
}

#[tokio::test]
async fn errors_are_documents_too_and_go_to_stderr() {
    let shop = Shop::small("out_error", &["cell-1"]).await;
    let failed = shop.run(&["plan", "--output", "json"]).await.exits(1);
    assert_eq!(failed.stdout, "");
    let error: Value = serde_json::from_str(&failed.stderr).expect("one document");
    assert_eq!(error["schema"], "cellctl.error/v1");
    assert_eq!(keys(&error["data"]), ["kind", "message", "hint", "findings", "exitCode"].map(String::from).into());
    assert_eq!(error["data"]["exitCode"], 1);
    shop.edit("cells/cell-1.yaml", "capacity", "capasity");
    let failed = shop.run(&["plan", "--output", "json"]).await.exits(1);
    let error: Value = serde_json::from_str(&failed.stderr).expect("one document");
    let finding = &error["data"]["findings"][0];
    assert_eq!((&finding["line"], finding["file"].as_str()), (&Value::from(6), Some("cells/cell-1.yaml")));
}

#[tokio::test]
async fn an_apply_tells_its_events_line_by_line() {
    let shop = Shop::small("out_events", &["cell-1", "cell-2"]).await.ready().await;
    let output = shop.run(&["apply", "--yes", "--output", "ndjson"]).await.exits(0);
    let lines: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect();
    let (last, events) = lines.split_last().expect("lines");
    assert_eq!(last["schema"], "cellctl.apply/v1");
    assert!(events.iter().all(|event| event["schema"] == "cellctl.event/v1"));
    let names: Vec<&str> = events.iter().filter_map(|event| event["data"]["event"].as_str()).collect();
    assert_eq!(names.first(), Some(&"applyStarted"));
    for name in ["cellStarted", "cellFinished"] {
        assert_eq!(names.iter().filter(|n| **n == name).count(), 2, "{names:?}");
    }
    assert_eq!(output.stderr, "");
}

#[tokio::test]
async fn data_goes_to_stdout_and_everything_else_to_stderr() {
    let shop = Shop::small("out_streams", &["cell-1", "cell-2"]).await.ready().await;
    let output = shop.run(&["apply", "--yes", "--output", "json", "--select", "name=cell-1"]).await.exits(0);
    assert_eq!(output.json()["data"]["cells"][0]["outcome"], "done");
    assert!(output.stderr.contains("cell-1: create done"), "{output}");
    let quiet = shop.run(&["apply", "--yes", "--quiet"]).await.exits(0);
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("Applied: 1 done, 1 unchanged."), "{quiet}");
    let failed = shop.run(&["cell", "show", "cell-7", "--quiet"]).await.exits(1);
    assert!(failed.stderr.contains("no cell cell-7") && failed.stdout.is_empty(), "{failed}");
}

#[tokio::test]
async fn colours_are_for_terminals_and_those_who_ask() {
    let shop = Shop::small("out_colour", &["cell-1"]).await.ready().await;
    let escape = '\u{1b}';
    let plain = shop.run(&["plan"]).await.exits(0);
    assert!(!plain.to_string().contains(escape), "{plain}");
    let asked = shop.run(&["plan", "--color", "always"]).await.exits(0);
    assert!(asked.stdout.contains(escape));
    let no_color = |command: &mut Command| {
        command.env("NO_COLOR", "1");
    };
    let never = shop.start(&["plan"], no_color).end().await.exits(0);
    assert!(!never.to_string().contains(escape), "{never}");
}

#[tokio::test]
async fn a_wrong_command_line_is_64_with_help() {
    let shop = Shop::small("out_usage", &["cell-1"]).await;
    shop.run(&["aply"]).await.exits(64).says("apply");
    shop.run(&["apply", "--concurrency", "none"]).await.exits(64).says("write auto, or a number from 1 to 1000");
    shop.run(&["plan", "--select", "name=cell-9"]).await.exits(64).says("matches none of the 1 cells");
}
