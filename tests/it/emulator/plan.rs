//! `cellctl plan` and `cellctl apply`: what is to be done, done once, and nothing more.

use aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;

use crate::support::emulator::{Seen, Shop};

#[tokio::test]
async fn before_init_it_says_what_is_missing() {
    let shop = Shop::small("plan_early", &["cell-1"]).await;
    for command in [&["plan"][..], &["apply", "--yes"], &["cell", "list"], &["lock", "show"]] {
        shop.run(command).await.exits(1).says("cellctl init");
    }
}

#[tokio::test]
async fn a_stored_plan_is_carried_out_once() {
    let shop = Shop::small("plan_stored", &["cell-1", "cell-2"]).await.ready().await;
    shop.run(&["plan", "-o", "plan.json", "--detailed-exitcode"]).await.exits(2).says("2 to create");
    assert_eq!(shop.aws.status(&shop.stack("cell-1")).await, None);
    shop.run(&["apply", "plan.json", "--yes"]).await.exits(0).says("2 done");
    for cell in ["cell-1", "cell-2"] {
        assert_eq!(shop.aws.status(&shop.stack(cell)).await.as_deref(), Some("CREATE_COMPLETE"));
    }
    shop.run(&["apply", "plan.json", "--yes"]).await.exits(0).says("2 done before");
    shop.run(&["plan", "--detailed-exitcode"]).await.exits(0).says("No changes.");
}

#[tokio::test]
async fn a_fleet_that_needs_nothing_costs_no_write() {
    let shop =
        Shop::example("plan_nothing", &["canary-1", "cell-0", "cell-1", "cell-2", "cell-3"]).await.applied().await;
    let proxy = shop.proxy().await;
    shop.run_through(&proxy, &["apply", "--yes"]).await.exits(0).says("No changes. All 5 cells");
    let seen = proxy.seen();
    let writes: Vec<&Seen> = seen.iter().filter(|seen| seen.writes()).collect();
    assert!(writes.is_empty(), "{writes:?}");
    let calls = seen.iter().filter(|seen| seen.service == "cloudformation").count();
    assert!((1..=10).contains(&calls), "{calls} calls: {seen:?}");
}

#[tokio::test]
async fn a_changed_definition_changes_its_cell_only() {
    let shop = Shop::small("plan_change", &["cell-1", "cell-2"]).await.applied().await;
    let before = shop.aws.stack(&shop.stack("cell-2")).await.expect("is there");
    shop.edit("cells/cell-1.yaml", "30s", "45s");
    shop.run(&["plan", "--detailed-exitcode"]).await.exits(2).says("update cell-1").says("1 unchanged");
    let proxy = shop.proxy().await;
    shop.run_through(&proxy, &["apply", "--yes"]).await.exits(0).says("1 done, 1 unchanged");
    assert_eq!(proxy.count("ExecuteChangeSet"), 1);
    let timeout = async |cell: &str| shop.aws.queue(&format!("{}-orders", shop.stack(cell)), VisibilityTimeout).await;
    assert_eq!(timeout("cell-1").await.as_deref(), Some("45"));
    assert_eq!(timeout("cell-2").await.as_deref(), Some("30"));
    let after = shop.aws.stack(&shop.stack("cell-2")).await.expect("is there");
    assert_eq!(before.last_updated_time, after.last_updated_time);
}

#[tokio::test]
async fn changed_code_is_uploaded_once_and_reaches_the_function() {
    let shop = Shop::example("plan_code", &["cell-1", "cell-2"]).await.applied().await;
    let before = shop.aws.objects(&shop.bucket()).await;
    assert_eq!(before.values().collect::<Vec<_>>(), [&1]);
    let source = shop.read("functions/processor/index.py") + "\n# changed\n";
    shop.write("functions/processor/index.py", &source);
    shop.run(&["plan", "--detailed-exitcode"]).await.exits(2).says("2 to update");
    shop.run(&["apply", "--yes"]).await.exits(0).says("2 done");
    let after = shop.aws.objects(&shop.bucket()).await;
    assert_eq!(after.values().collect::<Vec<_>>(), [&1, &1], "{after:?}");
    let new = after.keys().find(|key| !before.contains_key(*key)).expect("a new object");
    let template = shop.aws.cloudformation.get_template().stack_name(shop.stack("cell-1")).send().await;
    assert!(template.expect("a template").template_body.expect("a text").contains(new.as_str()));
}

#[tokio::test]
async fn a_definition_may_go_back_and_forth() {
    let shop = Shop::small("plan_flip", &["cell-1"]).await.applied().await;
    let name = format!("{}-orders", shop.stack("cell-1"));
    for (old, new) in [("30", "45"), ("45", "30"), ("30", "45"), ("45", "30")] {
        shop.edit("cells/cell-1.yaml", &format!("{old}s"), &format!("{new}s"));
        shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
        assert_eq!(shop.aws.queue(&name, VisibilityTimeout).await.as_deref(), Some(new));
    }
}
