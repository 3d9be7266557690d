//! What the commands on rollouts print, and how they end: documents, orders, Ctrl-C, refusals, terminals of any width.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::emulator::Shop;

use super::tenant_output::on_terminal;

/// A shop with two cells that are as they should be, and waves of one cell each.
async fn two(test: &str, first: &str, second: &str) -> Shop {
    let shop = Shop::small(test, &["cell-1", "cell-2"]).await;
    let fleet = shop.read("cells/fleet.yaml");
    let without = fleet.split("\n  rollout:").next().expect("a part");
    let first = format!("name: first, select: name=cell-1, {first}");
    let waves =
        format!("{without}\n  rollout:\n    waves:\n      - {{ {first} }}\n      - {{ name: second, {second} }}\n");
    shop.write("cells/fleet.yaml", &waves);
    shop.applied().await
}

/// Changes both cells.
fn change(shop: &Shop, from: &str, to: &str) {
    for cell in ["cell-1", "cell-2"] {
        let [from, to] = [from, to].map(|time| format!("visibilityTimeout: {time}"));
        shop.edit(&format!("cells/{cell}.yaml"), &from, &to);
    }
}

fn keys(data: &Value) -> BTreeSet<&str> {
    data.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[tokio::test]
async fn every_command_on_rollouts_has_a_document_with_stable_names() {
    let shop = two("rollout_json", "bake: 1s", "bake: 1s").await;
    let json = async |line: &[&str], schema: &str| {
        let document = shop.run(&[line, &["--output", "json"]].concat()).await.exits(0).json();
        assert_eq!(document["schema"], schema, "{line:?}");
        document["data"].clone()
    };
    assert_eq!(json(&["rollout", "list"], "cellctl.rollout-list/v1").await, serde_json::json!([]));
    shop.run(&["rollout", "status"]).await.exits(1).says("there has been no rollout yet");
    change(&shop, "30s", "40s");
    let commit = ["--commit", "8d1c0ffee"];
    let plan = json(&[&["rollout", "plan"][..], &commit].concat(), "cellctl.rollout-plan/v1").await;
    let wave = ["name", "cells", "tenants", "share", "shareSoFar", "bakeMs", "gates", "maxInFlight", "maxFailures"];
    assert_eq!(keys(&plan["waves"][0]), wave.into_iter().chain(["approval"]).collect());
    assert_eq!((&plan["waves"][1]["cells"], &plan["commit"]), (&serde_json::json!(["cell-2"]), &"8d1c0ffee".into()));
    shop.run(&["rollout", "plan", "--detailed-exitcode"]).await.exits(2).says("Plan: 2 to update.");

    let start = [&["rollout", "start", "--yes"][..], &commit].concat();
    let ended = json(&start, "cellctl.rollout-ended/v1").await;
    assert_eq!(keys(&ended), ["id", "outcome", "state"].into());
    assert_eq!((&ended["id"], &ended["outcome"]["ended"]), (&1.into(), &"completed".into()));
    assert_eq!(json(&start, "cellctl.rollout-plan/v1").await["hasChanges"], false);
    shop.run(&["rollout", "start", "--yes"]).await.exits(0).says("Nothing to roll out.");

    let shown = json(&["rollout", "status"], "cellctl.rollout/v1").await;
    assert_eq!(keys(&shown), ["state", "journal", "orders", "lease", "progress"].into());
    assert_eq!(json(&["rollout", "watch", "1"], "cellctl.rollout/v1").await["state"]["stage"], "completed");
    let list = json(&["rollout", "list"], "cellctl.rollout-list/v1").await;
    assert_eq!((&list[0]["stage"], &list[0]["commit"]), (&"completed".into(), &"8d1c0ffee".into()));
    for columns in [120, 80, 60] {
        for command in ["rollout list", "rollout status"] {
            let lines = on_terminal(&shop, columns, &format!("{command} --color never")).await;
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= usize::from(columns), "{command} is {widest} wide on {columns}:\n{}", lines.join("\n"));
        }
    }
}

#[tokio::test]
async fn a_rollout_that_is_stopped_goes_on_and_is_taken_back() {
    let shop = two("rollout_stop", "bake: 1h", "bake: 1s").await;
    change(&shop, "30s", "40s");
    shop.run(&["rollout", "start"]).await.exits(7).says("no terminal to ask on");
    let mut running = shop.start(&["rollout", "start", "--yes", "--commit", "aaaaaaa1"], |_| {});
    running.until_it_says("first: wave-changed").await;
    shop.run(&["rollout", "status"]).await.exits(0).says("baking").says("tester@bench");
    shop.run(&["rollout", "start", "--yes"]).await.exits(6);
    shop.run(&["apply", "--yes"]).await.exits(7).says("--during-rollout");
    running.signal(Signal::INT);
    running.end().await.exits(10).says("has stopped where it was").says("go on with `cellctl rollout resume 1 --yes`");

    shop.run(&["rollout", "status"]).await.exits(0).says("nobody carries it on: `cellctl rollout resume 1`");
    change(&shop, "40s", "50s");
    let other = shop.run(&["rollout", "start", "--yes", "--commit", "bbbbbbb2"]).await.exits(7);
    other.says("aaaaaaa1").says("bbbbbbb2").says("cellctl rollout rollback 1");
    change(&shop, "50s", "40s");
    shop.run(&["rollout", "promote", "--yes"]).await.exits(0).says("promote first, says tester@bench");
    let again = shop.run(&["rollout", "start", "--yes"]).await.exits(0);
    again.says("going on with it").says("promoted by tester@bench").says("every wave is good");

    shop.run(&["rollout", "abort", "--yes"]).await.exits(7).says("is over");
    shop.run(&["rollout", "rollback", "--yes"]).await.exits(0).says("taken back");
    shop.run(&["rollout", "watch"]).await.exits(4).says("rolled-back");
    shop.run(&["rollout", "rollback", "--yes"]).await.exits(7).says("nothing of rollout 1 to take back");
    change(&shop, "40s", "30s");
    shop.run(&["plan", "--detailed-exitcode"]).await.exits(0).says("No changes.");
}

#[tokio::test]
async fn a_wave_that_needs_approval_waits_for_it_outside_of_a_process() {
    let shop = two("rollout_approve", "bake: 1s", "bake: 1s, approval: true").await;
    change(&shop, "30s", "40s");
    let waits = shop.run(&["rollout", "start", "--yes"]).await.exits(10);
    waits
        .says("waits for approval: wave second")
        .says("approve it with `cellctl rollout approve 1 --wave second --yes`");
    shop.run(&["rollout", "approve", "--wave", "first", "--yes"]).await.exits(7).says("these do: second");
    shop.run(&["rollout", "watch"]).await.exits(10).says("waits for approval");
    shop.run(&["rollout", "pause"]).await.exits(0).says("stands still already");
    shop.run(&["rollout", "approve", "--yes"]).await.exits(0).says("approve second, says tester@bench");
    shop.run(&["rollout", "resume", "--yes"]).await.exits(0).says("every wave is good");

    change(&shop, "40s", "50s");
    shop.run(&["rollout", "start", "--yes"]).await.exits(10);
    let aborted = shop.run(&["rollout", "abort", "--why", "a mistake", "--yes"]).await.exits(0);
    aborted.says("given up (tester@bench: a mistake)");
    shop.run(&["rollout", "rollback", "--scope", "wave", "--yes"]).await.exits(0).says("taken back");
}
