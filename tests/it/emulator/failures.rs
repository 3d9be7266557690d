//! Stacks that fail: never a success, the cause named, and a way out.
//!
//! MiniStack rolls back as AWS does. LocalStack leaves a failed create as `CREATE_FAILED`, and an update that failed in
//! `ROLLBACK_COMPLETE`, which on AWS follows a create only.

use aws_sdk_sqs::types::QueueAttributeName::{DelaySeconds, VisibilityTimeout};

use crate::support::emulator::{Engine, Shop};

/// A queue whose name, time-out and number of tries the cell gives.
const QUEUE: &str = r#"
Parameters: { Name: { Type: String, Default: jobs }, Seconds: { Type: Number }, Tries: { Type: Number, Default: 5 } }
Resources:
  Dead:
    Type: AWS::SQS::Queue
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Metadata: { cellctl: { allow: [deletion-policy] } }
    Properties: { QueueName: !Sub "${AWS::StackName}-dead" }
  Jobs:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      QueueName: !Sub "${AWS::StackName}-${Name}"
      VisibilityTimeout: !Ref Seconds
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: !Ref Tries }
"#;

/// What SQS takes for no queue: it allows 1,000 tries and no such name. MiniStack looks at the first, LocalStack at the
/// second.
const BROKEN: &str = "Seconds: '70', Tries: '5000', Name: 'jobs!'";
/// The same for a queue that is there.
const BROKEN_UPDATE: &str = "Seconds: '70', Tries: '5000'";

/// A wait for a signal that nobody sends, if the cell says so.
const WAIT: &str = r#"
Parameters: { Waits: { Type: String } }
Conditions: { Waits: !Equals [!Ref Waits, "yes"] }
Resources:
  Handle: { Type: AWS::CloudFormation::WaitConditionHandle }
  Signal:
    Type: AWS::CloudFormation::WaitCondition
    Condition: Waits
    Properties: { Handle: !Ref Handle, Timeout: "1", Count: 1 }
"#;

fn cell(template: &str, parameter: &str) -> String {
    format!(
        "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: cell-1 }}\nspec:\n  type: shared\n  \
         template: {template}\n  capacity: {{ tenants: 10 }}\n  parameters: {{ {parameter} }}\n"
    )
}

async fn shop(test: &str, name: &str, template: &str, parameter: &str) -> Shop {
    let shop = Shop::empty(test).await;
    shop.write(&format!("templates/{name}/template.yaml"), template);
    shop.write("cells/cell-1.yaml", &cell(name, parameter));
    shop.ready().await
}

/// After a failed create: the way out, per engine, and the mended cell.
async fn recover_and_mend(shop: &Shop, mended: &str) {
    let stack = shop.stack("cell-1");
    shop.run(&["plan"]).await.exits(0).says("1 blocked").says("cellctl cell recover cell-1");
    shop.run(&["apply", "--yes"]).await.exits(7).says("is stuck");
    match shop.engine {
        Engine::MiniStack => {
            assert_eq!(shop.aws.status(&stack).await.as_deref(), Some("ROLLBACK_COMPLETE"));
            shop.run(&["cell", "recover", "cell-1"]).await.exits(7).says("is deleted").says("--yes");
            shop.run(&["cell", "recover", "cell-1", "--yes"]).await.exits(0).says("DELETE_COMPLETE");
        }
        Engine::LocalStack => {
            assert_eq!(shop.aws.status(&stack).await.as_deref(), Some("CREATE_FAILED"));
            shop.run(&["cell", "recover", "cell-1", "--yes"])
                .await
                .exits(7)
                .says("never deletes a stack in this state");
            assert_eq!(shop.aws.status(&stack).await.as_deref(), Some("CREATE_FAILED"));
            shop.aws.cloudformation.delete_stack().stack_name(&stack).send().await.expect("deleted by hand");
            shop.aws.until_gone(&stack).await;
        }
    }
    shop.write("cells/cell-1.yaml", mended);
    shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
    assert_eq!(shop.aws.status(&stack).await.as_deref(), Some("CREATE_COMPLETE"));
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
}

/// LocalStack's failed update looks like a failed create. The record knows better: the stack of a cell that was complete
/// once is not deleted as if it were an empty shell. The way out is by hand, with the queue that a delete retains.
async fn unstick(shop: &Shop) {
    let stack = shop.stack("cell-1");
    assert_eq!(shop.aws.status(&stack).await.as_deref(), Some("ROLLBACK_COMPLETE"));
    shop.run(&["apply", "--yes"]).await.exits(7).says("cellctl cell recover cell-1");
    shop.run(&["cell", "recover", "cell-1", "--yes"]).await.exits(7).says("was complete once");
    assert_eq!(shop.aws.status(&stack).await.as_deref(), Some("ROLLBACK_COMPLETE"));
    shop.aws.cloudformation.delete_stack().stack_name(&stack).send().await.expect("deleted by hand");
    shop.aws.until_gone(&stack).await;
    let queue = shop.aws.sqs.get_queue_url().queue_name(format!("{stack}-jobs")).send().await.expect("retained");
    shop.aws.sqs.delete_queue().set_queue_url(queue.queue_url).send().await.expect("deleted by hand");
}

fn exit_code_of_a_failed_create(shop: &Shop) -> i32 {
    match shop.engine {
        Engine::MiniStack => 4,
        Engine::LocalStack => 5,
    }
}

#[tokio::test]
async fn a_create_that_fails_on_a_value() {
    let shop = shop("fail_value", "queue", QUEUE, BROKEN).await;
    let code = exit_code_of_a_failed_create(&shop);
    shop.run(&["apply", "--yes"]).await.exits(code).says("Jobs (AWS::SQS::Queue)").says("cellctl cell recover cell-1");
    recover_and_mend(&shop, &cell("queue", "Seconds: '60'")).await;
    let seconds = shop.aws.queue(&format!("{}-jobs", shop.stack("cell-1")), VisibilityTimeout).await;
    assert_eq!(seconds.as_deref(), Some("60"));
}

#[tokio::test]
async fn a_create_that_fails_by_waiting() {
    let shop = shop("fail_wait", "wait", WAIT, "Waits: 'yes'").await;
    let applied = shop.run(&["apply", "--yes"]).await;
    match shop.engine {
        Engine::MiniStack => {
            let _ = applied.exits(4).says("Signal (AWS::CloudFormation::WaitCondition)");
            recover_and_mend(&shop, &cell("wait", "Waits: 'no'")).await;
        }
        // It does not wait, so that there is nothing to fail.
        Engine::LocalStack => {
            let _ = applied.exits(0);
        }
    }
}

#[tokio::test]
async fn the_failure_is_remembered_until_it_is_mended() {
    let shop = shop("fail_note", "queue", QUEUE, "Seconds: '60'").await;
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.write("cells/cell-1.yaml", &cell("queue", BROKEN_UPDATE));
    assert_ne!(shop.run(&["apply", "--yes"]).await.code, Some(0));
    shop.run(&["cell", "list"]).await.exits(0).says("last change failed");
    shop.run(&["cell", "show", "cell-1"]).await.exits(0).says("failed:").says("Jobs");
    if shop.engine == Engine::LocalStack {
        unstick(&shop).await;
    }
    shop.write("cells/cell-1.yaml", &cell("queue", "Seconds: '61'"));
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.run(&["cell", "list"]).await.exits(0).does_not_say("last change failed");
}

#[tokio::test]
async fn an_update_that_fails_is_never_a_success() {
    let shop = shop("fail_update", "queue", QUEUE, "Seconds: '60'").await;
    let queue = format!("{}-jobs", shop.stack("cell-1"));
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.write("cells/cell-1.yaml", &cell("queue", BROKEN_UPDATE));
    let failed = shop.run(&["apply", "--yes"]).await.says("Jobs (AWS::SQS::Queue)").says("hint:");
    match shop.engine {
        Engine::MiniStack => {
            let _ = failed.exits(4);
            assert_eq!(shop.aws.status(&shop.stack("cell-1")).await.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
            assert_eq!(shop.aws.queue(&queue, VisibilityTimeout).await.as_deref(), Some("60"));
        }
        Engine::LocalStack => {
            let _ = failed.exits(4);
            unstick(&shop).await;
        }
    }
    shop.write("cells/cell-1.yaml", &cell("queue", "Seconds: '90'"));
    shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
    assert_eq!(shop.aws.queue(&queue, VisibilityTimeout).await.as_deref(), Some("90"));
}

#[tokio::test]
async fn going_back_after_a_clean_rollback_needs_nothing() {
    let shop = shop("fail_back", "queue", QUEUE, "Seconds: '60'").await;
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.write("cells/cell-1.yaml", &cell("queue", BROKEN_UPDATE));
    assert_ne!(shop.run(&["apply", "--yes"]).await.code, Some(0));
    shop.write("cells/cell-1.yaml", &cell("queue", "Seconds: '60'"));
    match shop.engine {
        Engine::MiniStack => {
            shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
        }
        Engine::LocalStack => {
            unstick(&shop).await;
            shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
            shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
        }
    }
    let queue = format!("{}-jobs", shop.stack("cell-1"));
    assert_eq!(shop.aws.queue(&queue, VisibilityTimeout).await.as_deref(), Some("60"));
}

#[tokio::test]
async fn after_the_first_failure_nothing_new_is_begun() {
    let shop = shop("fail_first", "queue", QUEUE, BROKEN).await;
    for name in ["cell-2", "cell-3"] {
        let text = cell("queue", "Seconds: '60'").replace("cell-1", name);
        shop.write(&format!("cells/{name}.yaml"), &text);
    }
    let code = exit_code_of_a_failed_create(&shop);
    let stopped = shop.run(&["apply", "--yes", "--concurrency", "1"]).await.exits(code);
    let _ = stopped.says("2 not begun");
    assert_eq!(shop.aws.status(&shop.stack("cell-2")).await, None);
    shop.run(&["apply", "--yes", "--max-failures", "1"]).await.exits(7).says("2 done, 1 refused");
    let delay = shop.aws.queue(&format!("{}-jobs", shop.stack("cell-3")), DelaySeconds).await;
    assert_eq!(delay.as_deref(), Some("0"));
}

/// A table before the queue.
fn table() -> String {
    let table = r#"
  Orders:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      TableName: !Sub "${AWS::StackName}-orders"
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }, { AttributeName: sk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: sk, KeyType: RANGE }]
  Jobs:
    DependsOn: Orders"#;
    QUEUE.replace("\n  Jobs:", table)
}

#[tokio::test]
async fn what_a_failed_create_left_behind_is_not_lost() {
    let shop = shop("fail_left", "table", &table(), BROKEN).await;
    let table = format!("{}-orders", shop.stack("cell-1"));
    shop.run(&["apply", "--yes"]).await.exits(exit_code_of_a_failed_create(&shop)).says("Jobs");
    shop.aws.put(&table, &[("pk", "a"), ("sk", "1")]).await;
    match shop.engine {
        // MiniStack lists nothing of a stack that was rolled back, so that the table is found by its name only.
        Engine::MiniStack => {
            shop.run(&["cell", "recover", "cell-1", "--yes"]).await.exits(0);
            shop.write("cells/cell-1.yaml", &cell("table", "Seconds: '60'"));
            shop.run(&["apply", "--yes"]).await.exits(7).says(&table);
        }
        Engine::LocalStack => {
            shop.run(&["cell", "recover", "cell-1", "--yes"])
                .await
                .exits(7)
                .says("never deletes a stack in this state");
        }
    }
    assert_eq!(shop.aws.items(&table).await.len(), 1);
}
