//! What holds data is neither replaced nor removed nor overwritten, unless it is named.

use aws_sdk_sqs::types::QueueAttributeName::QueueArn;

use crate::support::emulator::Shop;

const TABLE: &str = "    orders: { partitionKey: pk, sortKey: sk }\n";
const QUEUE: &str = "    orders: { visibilityTimeout: 30s }\n";

#[tokio::test]
async fn removing_a_table_has_to_be_allowed_and_leaves_it_there() {
    let shop = Shop::small("guard_table", &["cell-1"]).await;
    shop.edit("cells/cell-1.yaml", TABLE, &format!("{TABLE}    old: {{ partitionKey: pk, sortKey: sk }}\n"));
    let shop = shop.applied().await;
    let table = format!("{}-old", shop.stack("cell-1"));
    shop.aws.put(&table, &[("pk", "a"), ("sk", "1")]).await;
    let before = shop.aws.stack(&shop.stack("cell-1")).await.expect("is there");

    shop.edit("cells/cell-1.yaml", "    old: { partitionKey: pk, sortKey: sk }\n", "");
    let flag = "--allow-replace cell-1/OldTable";
    shop.run(&["apply", "--yes"]).await.exits(7).says("replaced or removed: OldTable").says(flag);
    let after = shop.aws.stack(&shop.stack("cell-1")).await.expect("is there");
    assert_eq!(before.last_updated_time, after.last_updated_time);

    shop.run(&["apply", "--yes", "--allow-replace", "cell-1/OldTable"]).await.exits(0).says("1 done");
    assert_eq!(shop.aws.items(&table).await.len(), 1, "the table and its items are still there");
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
}

#[tokio::test]
async fn removing_a_queue_has_to_be_allowed_by_the_name_of_each() {
    let shop = Shop::small("guard_queue", &["cell-1"]).await;
    shop.edit("cells/cell-1.yaml", QUEUE, &format!("{QUEUE}    old: {{}}\n"));
    let shop = shop.applied().await;
    shop.edit("cells/cell-1.yaml", "    old: {}\n", "");
    shop.run(&["apply", "--yes"]).await.exits(7).says("OldQueue").says("--allow-replace");
    shop.run(&["apply", "--yes", "--allow-replace", "cell-1/OldQueue"]).await.exits(7).says("OldDeadLetters");
    let both = ["apply", "--yes", "--allow-replace", "cell-1/OldQueue", "--allow-replace", "cell-1/OldDeadLetters"];
    shop.run(&both).await.exits(0);
    assert!(shop.aws.queue(&format!("{}-old", shop.stack("cell-1")), QueueArn).await.is_some());
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
}

#[tokio::test]
async fn a_table_of_somebody_else_is_refused_before_the_call() {
    let shop = Shop::small("guard_foreign", &["cell-1", "cell-2"]).await.ready().await;
    let table = format!("{}-orders", shop.stack("cell-1"));
    shop.aws.make_table(&table).await;
    shop.aws.put(&table, &[("pk", "precious"), ("sk", "1")]).await;
    shop.run(&["plan"]).await.exits(0).says("1 blocked").says(&table);
    shop.run(&["cell", "create", "cell-1", "--yes"]).await.exits(7).says(&table).says("not the stack's own");
    let proxy = shop.proxy().await;
    shop.run_through(&proxy, &["apply", "--yes"]).await.exits(7).says("1 done, 1 refused");
    assert_eq!(proxy.count("CreateStack"), 1, "the other cell is made, this one is not tried");
    assert_eq!(shop.aws.status(&shop.stack("cell-1")).await, None);
    assert_eq!(shop.aws.items(&table).await.len(), 1);
}

#[tokio::test]
async fn a_table_that_appears_between_plan_and_apply_is_refused_too() {
    let shop = Shop::small("guard_late", &["cell-1"]).await.ready().await;
    shop.run(&["plan", "-o", "plan.json"]).await.exits(0).says("1 to create");
    let table = format!("{}-orders", shop.stack("cell-1"));
    shop.aws.make_table(&table).await;
    shop.aws.put(&table, &[("pk", "precious"), ("sk", "1")]).await;
    shop.run(&["apply", "plan.json", "--yes"]).await.exits(7).says("not the stack's own");
    assert_eq!(shop.aws.items(&table).await.len(), 1);
}

#[tokio::test]
async fn a_stack_of_somebody_else_is_refused() {
    let shop = Shop::small("guard_stack", &["cell-1"]).await.ready().await;
    let template = "Resources: { Handle: { Type: AWS::CloudFormation::WaitConditionHandle } }";
    let made = shop.aws.cloudformation.create_stack().stack_name(shop.stack("cell-1")).template_body(template);
    made.send().await.expect("made");
    shop.run(&["apply", "--yes"]).await.exits(7).says("is not cell cell-1's");
    let template = shop.aws.cloudformation.get_template().stack_name(shop.stack("cell-1")).send().await;
    assert!(template.expect("a template").template_body.expect("a text").contains("WaitConditionHandle"));
}
