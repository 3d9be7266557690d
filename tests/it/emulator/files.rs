//! Plan files that no longer fit, and disks that are full: nothing is begun, and the old file stays.

use serde_json::Value;

use crate::support::emulator::Shop;

/// A fleet with a plan to create its cell.
async fn planned(test: &str) -> Shop {
    let shop = Shop::small(test, &["cell-1"]).await.ready().await;
    shop.run(&["plan", "-o", "plan.json"]).await.exits(0);
    shop
}

/// Applies a plan that must be refused.
async fn refused(shop: &Shop, why: &str) {
    let proxy = shop.proxy().await;
    let output = shop.run_through(&proxy, &["apply", "plan.json", "--yes"]).await.exits(8).says(why);
    let _ = output.says("hint:").says("plan");
    assert_eq!(proxy.count("CreateStack") + proxy.count("CreateChangeSet"), 0);
}

/// The plan as somebody writes it who knows the format: with a digest that matches.
fn forge(shop: &Shop, change: impl FnOnce(&mut Value)) {
    let mut file: Value = serde_json::from_str(&shop.read("plan.json")).expect("a plan");
    change(&mut file["plan"]);
    let digest = cellctl::domain::ids::Digest::of(file["plan"].to_string().as_bytes());
    file["digest"] = digest.as_str().into();
    shop.write("plan.json", &file.to_string());
}

#[tokio::test]
async fn a_plan_that_was_edited_or_cut_off_is_refused() {
    let shop = planned("file_edited").await;
    let plan = shop.read("plan.json");
    shop.edit("plan.json", "cell-1", "cell-2");
    refused(&shop, "it was altered after it was made").await;
    shop.write("plan.json", &plan[..plan.len() / 2]);
    refused(&shop, "it was cut off").await;
    shop.write("plan.json", &plan.replace("cellctl.plan/v1", "cellctl.plan/v9"));
    refused(&shop, "it has format \"cellctl.plan/v9\"").await;
    shop.write("plan.json", &plan);
    shop.run(&["apply", "plan.json", "--yes"]).await.exits(0).says("1 done");
    shop.run(&["apply", "nowhere.json", "--yes"]).await.exits(1).says("cannot read the plan nowhere.json");
}

#[tokio::test]
async fn a_plan_that_expired_or_was_made_offline_is_refused() {
    let shop = planned("file_expired").await;
    forge(&shop, |plan| plan["expiresAtMs"] = 1_000.into());
    refused(&shop, "the plan expired").await;
    shop.run(&["plan", "--offline", "-o", "plan.json"]).await.exits(0);
    refused(&shop, "made offline").await;
}

#[tokio::test]
async fn a_plan_of_another_fleet_is_refused() {
    let (shop, other) = (planned("file_fleet").await, planned("file_other").await);
    shop.write("plan.json", &other.read("plan.json"));
    refused(&shop, &other.fleet).await;
}

#[tokio::test]
async fn a_plan_is_stale_once_somebody_else_has_changed_a_stack() {
    let shop = Shop::small("file_stale", &["cell-1", "cell-2"]).await.applied().await;
    for cell in ["cell-1", "cell-2"] {
        shop.edit(&format!("cells/{cell}.yaml"), "30s", "45s");
    }
    shop.run(&["plan", "-o", "plan.json"]).await.exits(0).says("2 to update");
    shop.change_queue_past_us("cell-1").await;
    refused(&shop, "the plan is stale: cell-1 changed since it was made; nothing was begun").await;
    shop.run(&["apply", "--yes"]).await.exits(0).says("2 done");
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
}

#[tokio::test]
async fn a_plan_is_stale_once_the_code_has_changed() {
    let shop = Shop::example("file_code", &["cell-1"]).await.ready().await;
    shop.run(&["plan", "-o", "plan.json"]).await.exits(0);
    shop.write("functions/processor/index.py", "def handler(event, context):\n    return None\n");
    refused(&shop, "functions/processor has changed since it was made").await;
}

#[tokio::test]
async fn a_stored_plan_takes_no_other_orders() {
    let shop = planned("file_orders").await;
    let output = shop.run(&["apply", "plan.json", "--yes", "--select", "name=cell-1"]).await;
    let _ = output.exits(64).says("a stored plan is carried out as it is");
}

#[tokio::test]
async fn a_full_disk_keeps_the_old_plan() {
    let shop = planned("file_full").await;
    let plan = shop.read("plan.json");
    // A limit on the size of files: the signal is ignored, so that the write fails as it does on a full disk.
    let full = shop.shell("trap '' XFSZ; ulimit -f 1; exec \"$CELLCTL\" plan -o plan.json").await.exits(1);
    let _ = full.says("cannot write plan.json").says("nothing was written");
    assert_eq!(shop.read("plan.json"), plan);
    let names = std::fs::read_dir(shop.path("")).expect("a folder").flatten();
    let left: Vec<_> = names.filter(|e| e.file_name().to_string_lossy().starts_with(".cellctl-")).collect();
    assert!(left.is_empty(), "{left:?}");
    shop.run(&["plan", "-o", "missing/plan.json"]).await.exits(1).says("make the folder first");
    shop.run(&["apply", "plan.json", "--yes"]).await.exits(0);
}
