//! What the commands on moves print, and how they end: documents, orders, Ctrl-C, refusals, terminals of any width.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::emulator::Shop;

use super::tenant_output::on_terminal;

/// A shop with two cells and a tenant in the first.
async fn one(test: &str) -> Shop {
    let shop = Shop::small(test, &["cell-1", "cell-2"]).await.applied().await;
    shop.run(&["tenant", "add", "acme", "--to", "cell-1", "--yes"]).await.exits(0);
    shop
}

fn keys(data: &Value) -> BTreeSet<&str> {
    data.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

const RECEIPT: [&str; 20] = [
    "id",
    "source",
    "target",
    "epochBefore",
    "epoch",
    "fence",
    "plannedAtMs",
    "completedAtMs",
    "itemsCopied",
    "bytesCopied",
    "keysReconciled",
    "keysRepaired",
    "captureGaps",
    "takeovers",
    "cutovers",
    "tables",
    "gap",
    "proof",
    "messages",
    "itemsCleaned",
];

#[tokio::test]
async fn every_command_on_moves_has_a_document_with_stable_names() {
    let shop = one("move_json").await;
    let json = async |line: &[&str], schema: &str| {
        let document = shop.run(&[line, &["--output", "json"]].concat()).await.exits(0).json();
        assert_eq!(document["schema"], schema, "{line:?}");
        document["data"].clone()
    };
    let plans = json(&["tenant", "move", "acme", "--to", "cell-2", "--dry-run"], "cellctl.move-plan/v1").await;
    assert_eq!(keys(&plans), ["plans", "refused"].into());
    assert_eq!(keys(&plans["plans"][0]), ["plan", "estimate", "warnings", "resumes"].into());
    assert_eq!(json(&["move", "list"], "cellctl.move-list/v1").await, serde_json::json!([]));

    let ended = json(&["tenant", "move", "acme", "--to", "cell-2", "--yes"], "cellctl.move-ended/v1").await;
    assert_eq!(keys(&ended[0]), ["tenant", "id", "outcome", "failure"].into());
    assert_eq!((&ended[0]["outcome"]["ended"], &ended[0]["failure"]), (&"completed".into(), &Value::Null));

    let list = json(&["move", "list", "--all"], "cellctl.move-list/v1").await;
    let summary = ["id", "source", "target", "stage", "stuck", "paused", "plannedAtMs", "atMs", "carrier", "hint"];
    assert_eq!((keys(&list[0]), &list[0]["stage"]), (summary.into(), &"completed".into()));
    let shown = json(&["move", "show", "acme"], "cellctl.move/v1").await;
    assert_eq!(keys(&shown), ["state", "journal", "orders", "lease", "carrier", "hint", "progress"].into());
    assert_eq!(json(&["move", "watch", "acme"], "cellctl.move/v1").await["state"]["stage"], "completed");
    let receipt = json(&["move", "receipt", "acme"], "cellctl.move-receipt/v1").await;
    assert_eq!(keys(&receipt), RECEIPT.into());
    assert_eq!(receipt, ended[0]["outcome"]["receipt"]);

    for columns in [80, 40] {
        for command in ["move list --all", "move show acme", "move receipt acme"] {
            let lines = on_terminal(&shop, columns, &format!("{command} --color never")).await;
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= usize::from(columns), "{command} is {widest} wide on {columns}:\n{}", lines.join("\n"));
        }
    }
}

#[tokio::test]
async fn a_move_that_is_held_is_stopped_told_and_given_up() {
    let shop = one("move_orders").await;
    let line = ["tenant", "move", "acme", "--to", "cell-2", "--hold-cutover", "--yes"];
    let mut running = shop.start(&line, |_| {});
    running.until_it_says(": reconciled").await;
    shop.run(&["move", "list"]).await.exits(0).says("reconciled");
    shop.run(&["move", "show", "acme"]).await.exits(0).says("lets it cut over").says("tester@bench");
    shop.run(&["move", "throttle", "acme", "--rate", "5"]).await.exits(0).says("at most 5 write units a second");
    shop.run(&line).await.exits(6);
    running.signal(Signal::INT);
    running.end().await.exits(10).says("go on with `cellctl move resume acme:").says("has stopped where it was");

    shop.run(&["move", "show", "acme"]).await.exits(0).says("nobody carries it on");
    let list = shop.run(&["move", "list", "--output", "json"]).await.exits(0).json();
    assert_eq!(list["data"][0]["carrier"], Value::Null);
    assert!(list["data"][0]["hint"].as_str().is_some_and(|hint| hint.contains("cellctl move resume acme:")), "{list}");
    shop.run(&["move", "list"]).await.exits(0).says("nobody");
    shop.run(&["move", "receipt", "acme"]).await.exits(1).says("has no receipt");
    shop.run(&["move", "pause", "acme"]).await.exits(0).says("nobody carries it on");
    shop.run(&["move", "abort", "acme"]).await.exits(7).says("no terminal to ask on");
    shop.run(&["move", "abort", "acme", "--reason", "mistake", "--yes"]).await.exits(0).says("given up (mistake)");
    shop.run(&["tenant", "show", "acme"]).await.exits(0).says("cell-1");
    shop.run(&["move", "watch", "acme"]).await.exits(4).says("tries again");
    shop.run(&["move", "list"]).await.exits(0).says("No move is under way");
    shop.run(&["move", "list", "--all"]).await.exits(0).says("aborted");
}

#[tokio::test]
async fn a_move_that_is_paused_goes_on_when_it_is_resumed_and_let_cut_over() {
    let shop = one("move_pause").await;
    let line = ["tenant", "move", "acme", "--to", "cell-2", "--hold-cutover", "--yes"];
    let mut running = shop.start(&line, |_| {});
    running.until_it_says(": reconciled").await;
    shop.run(&["move", "pause", "acme"]).await.exits(0).says("paused");
    running.end().await.exits(10).says("somebody paused the move");
    let mut resumed = shop.start(&["move", "resume", "acme", "--yes"], |_| {});
    resumed.until_it_says(": resumed").await;
    shop.run(&["move", "cutover", "acme", "--yes"]).await.exits(0).says("in cell-2; it was");
    resumed.end().await.exits(0).says("acme is in cell-2 now");
    shop.run(&["move", "abort", "acme", "--yes"]).await.exits(7).says("past its flip");
}

#[tokio::test]
async fn what_cannot_be_moved_is_refused_with_the_reason() {
    let shop = one("move_refused").await;
    shop.run(&["tenant", "move", "acme", "--to", "cell-1", "--yes"]).await.exits(7);
    shop.run(&["tenant", "move", "acme", "acme", "--to", "cell-2"]).await.exits(64).says("named twice");
    shop.run(&["tenant", "move", "acme", "--to", "cell-2"]).await.exits(7).says("no terminal to ask on");
    shop.run(&["move", "show", "nobody"]).await.says("nobody");
    shop.run(&["tenant", "add", "zeta", "--to", "cell-1", "--yes"]).await.exits(0);
    shop.run(&["tenant", "pin", "zeta", "--yes"]).await.exits(0);
    let both = ["tenant", "move", "acme", "zeta", "--to", "cell-2"];
    shop.run(&[&both[..], &["--dry-run"]].concat()).await.exits(9).says("zeta:");
    shop.run(&[&both[..], &["--yes"]].concat()).await.exits(9).says("1 of 2 moves completed.");
    shop.run(&["tenant", "show", "acme"]).await.exits(0).says("cell-2");
}
