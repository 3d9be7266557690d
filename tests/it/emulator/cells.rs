//! `cellctl cell`: single cells from their making to their end.

use serde_json::Value;

use crate::support::emulator::{Engine, Shop, small_cell};

#[tokio::test]
async fn a_new_cell_is_written_after_another_one() {
    let shop = Shop::small("cell_like", &["cell-1"]).await;
    let model = format!("# How cells look here.\n{}", small_cell("cell-1").replace("30s }", "30s } # seconds"));
    shop.write("cells/cell-1.yaml", &model);
    let shop = shop.ready().await;
    shop.run(&["cell", "create", "cell-9", "--like", "cell-1", "--yes"]).await.exits(0).says("1 done");
    assert_eq!(shop.read("cells/cell-9.yaml"), model.replace("name: cell-1", "name: cell-9"));
    assert_eq!(shop.aws.status(&shop.stack("cell-9")).await.as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(shop.aws.status(&shop.stack("cell-1")).await, None, "only the new cell is made");
    let again = shop.run(&["cell", "create", "cell-9", "--like", "cell-1", "--yes"]).await.exits(7);
    let _ = again.says("has a definition already").says("cellctl cell create cell-9");
    shop.run(&["cell", "create", "cell-9", "--yes"]).await.exits(0).says("No changes.");

    shop.run(&["cell", "create", "cell-10", "--like", "cell-1", "--definition-only"])
        .await
        .exits(0)
        .says("cell-10.yaml");
    assert_eq!(shop.aws.status(&shop.stack("cell-10")).await, None);
    shop.run(&["cell", "create", "cell-11", "--like", "cell-7"]).await.exits(1).says("no cell cell-7");
    assert!(!shop.path("cells/cell-11.yaml").exists());
}

#[tokio::test]
async fn cells_are_listed_and_shown() {
    let shop = Shop::small("cell_show", &["cell-1", "cell-2"]).await.ready().await;
    shop.run(&["cell", "create", "cell-1", "--yes"]).await.exits(0);
    let list = shop.run(&["cell", "list"]).await.exits(0).says("CREATE_COMPLETE").says("not provisioned");
    assert_eq!(list.stderr, "");
    let rows = shop.run(&["cell", "list", "--output", "json"]).await.exits(0).json();
    assert_eq!(rows["data"][0]["cell"], "cell-1");
    assert_eq!(rows["data"][0]["status"], "CREATE_COMPLETE");
    assert_eq!(rows["data"][1]["status"], Value::Null);
    shop.run(&["cell", "list", "--select", "name=cell-2"]).await.exits(0).does_not_say("cell-1");
    shop.run(&["cell", "show", "cell-1"]).await.exits(0).says("OrdersTable").says("active");
    let shown = shop.run(&["cell", "show", "cell-1", "--output", "json"]).await.exits(0).json();
    let table = format!("{}-orders", shop.stack("cell-1"));
    let outputs = shown["data"]["outputs"].as_object().expect("outputs");
    assert!(outputs.values().any(|value| value.as_str().is_some_and(|value| value.contains(&table))), "{outputs:?}");
    shop.run(&["cell", "show", "cel-1"]).await.exits(1).says("did you mean cell-1?");
    shop.run(&["cell", "show", "cell-2"]).await.exits(0).says("not provisioned");
}

#[tokio::test]
async fn a_cell_is_cordoned_and_opened_again() {
    let shop = Shop::small("cell_cordon", &["cell-1"]).await.ready().await;
    shop.run(&["cell", "cordon", "cell-1", "--yes"]).await.exits(1).says("cellctl cell create cell-1");
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.run(&["cell", "cordon", "cell-1"]).await.exits(7).says("--yes");
    shop.run(&["cell", "cordon", "cell-1", "--yes"]).await.exits(0).says("is cordoned now, it was active");
    shop.run(&["cell", "cordon", "cell-1", "--yes"]).await.exits(0).says("is cordoned already");
    shop.run(&["cell", "list"]).await.exits(0).says("cordoned");
    // An apply keeps the state.
    shop.edit("cells/cell-1.yaml", "30s", "45s");
    shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
    shop.run(&["cell", "list"]).await.exits(0).says("cordoned");
    shop.run(&["cell", "uncordon", "cell-1", "--yes"]).await.exits(0).says("is active now");
    shop.run(&["cell", "cordon", "cell-7", "--yes"]).await.exits(1).says("no cell cell-7");
}

#[tokio::test]
async fn deleting_a_cell_has_guards_and_leaves_its_data() {
    let shop = Shop::small("cell_delete", &["cell-1"]).await.applied().await;
    let table = format!("{}-orders", shop.stack("cell-1"));
    shop.aws.put(&table, &[("pk", "a"), ("sk", "1")]).await;
    let delete = ["cell", "delete", "cell-1", "--yes"];
    shop.run(&delete).await.exits(7).says("cellctl cell cordon cell-1");
    shop.run(&["cell", "cordon", "cell-1", "--yes"]).await.exits(0);
    shop.set_tenants("cell-1", 3).await;
    shop.run(&delete).await.exits(7).says("3 tenants");
    shop.set_tenants("cell-1", 0).await;
    shop.run(&["cell", "delete", "cell-1"]).await.exits(7).says("--yes");
    assert_eq!(shop.aws.status(&shop.stack("cell-1")).await.as_deref(), Some("CREATE_COMPLETE"));

    shop.run(&delete).await.exits(0).says("cell cell-1 is deleted").says(&format!("{table} (AWS::DynamoDB::Table)"));
    assert!(matches!(shop.aws.status(&shop.stack("cell-1")).await.as_deref(), None | Some("DELETE_COMPLETE")));
    assert_eq!(shop.aws.items(&table).await.len(), 1);
    let records = shop.aws.items(&shop.control_table()).await;
    assert!(!records.iter().any(|item| item["pk"].as_s().is_ok_and(|pk| pk == "CELL")), "the record is gone");
    shop.run(&["cell", "delete", "cell-1", "--yes"]).await.exits(1).says("has not been provisioned");
    shop.run(&["cell", "create", "cell-1", "--yes"]).await.exits(7).says(&table).says("leaves its tables behind");
    assert_eq!(shop.aws.items(&table).await.len(), 1);
}

#[tokio::test]
async fn cell_zero_is_deleted_by_its_own_flag_only() {
    let shop = Shop::small("cell_zero", &["cell-0"]).await;
    shop.edit("cells/cell-0.yaml", "type: shared", "type: zero");
    let shop = shop.applied().await;
    shop.run(&["cell", "cordon", "cell-0", "--yes"]).await.exits(0);
    shop.run(&["cell", "delete", "cell-0", "--yes"]).await.exits(7).says("--cell-zero");
    shop.run(&["cell", "delete", "cell-0", "--yes", "--cell-zero"]).await.exits(0).says("is deleted");
}

#[tokio::test]
async fn a_cell_without_a_definition_is_left_alone_and_can_be_deleted() {
    let shop = Shop::small("cell_orphan", &["cell-1", "cell-2"]).await.applied().await;
    std::fs::remove_file(shop.path("cells/cell-2.yaml")).expect("removed");
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
    shop.run(&["plan"]).await.exits(0).says("cell-2 has no definition any more");
    assert_eq!(shop.aws.status(&shop.stack("cell-2")).await.as_deref(), Some("CREATE_COMPLETE"));
    shop.run(&["cell", "cordon", "cell-2", "--yes"]).await.exits(0);
    shop.run(&["cell", "delete", "cell-2", "--yes"]).await.exits(0).says("is deleted");
    shop.run(&["cell", "show", "cell-2"]).await.exits(1).says("did you mean cell-1?");
}

#[tokio::test]
async fn drift_is_looked_for_and_nothing_is_reverted() {
    let shop = Shop::small("cell_drift", &["cell-1", "cell-2"]).await.ready().await;
    shop.run(&["cell", "create", "cell-1", "--yes"]).await.exits(0);
    let proxy = shop.proxy().await;
    let output = shop.run_through(&proxy, &["cell", "drift", "--output", "json"]).await;
    match shop.engine {
        Engine::MiniStack => {
            let found = output.exits(0).json();
            assert_eq!(found["data"][0]["cell"], "cell-1");
            assert_eq!(found["data"][1]["status"], "NOT_PROVISIONED");
        }
        // It has no drift detection, and says so.
        Engine::LocalStack => {
            let _ = output.exits(1).says("cloudformation:DetectStackDrift");
        }
    }
    assert_eq!((proxy.count("CreateChangeSet"), proxy.count("UpdateStack")), (0, 0));
    shop.run(&["cell", "drift", "cell-3"]).await.exits(1).says("no cell cell-3");
}

#[tokio::test]
async fn the_doctor_makes_every_check() {
    let shop = Shop::small("cell_doctor", &["cell-1"]).await;
    let report = shop.run(&["doctor", "--output", "json"]).await;
    let checks = |report: &Value| -> Vec<(String, String)> {
        let checks = report["data"].as_array().expect("checks").iter();
        checks.map(|c| (c["name"].as_str().unwrap_or_default().to_owned(), c["health"].to_string())).collect()
    };
    let before = checks(&report.json());
    let names = [
        "credentials",
        "clock",
        "CloudFormation",
        "permissions",
        "quota of stacks",
        "quota of tables",
        "control",
        "lock",
    ];
    for name in names {
        assert!(before.iter().any(|(check, _)| check.starts_with(name)), "no check of {name}: {before:?}");
    }
    let failed = before.iter().any(|(_, health)| health == "\"fail\"");
    let report = report.exits(i32::from(failed));
    assert!(report.stdout.contains("cellctl init"), "{report}");
    let shop = shop.ready().await;
    let after = checks(&shop.run(&["doctor", "--output", "json"]).await.json());
    assert!(after.contains(&("control table".to_owned(), "\"ok\"".to_owned())), "{after:?}");
    for (name, health) in &after {
        let essential = ["credentials", "clock", "CloudFormation", "control", "lock"];
        assert!(!essential.iter().any(|e| name.starts_with(e)) || health == "\"ok\"", "{name}: {health}");
    }
}
