//! The life of change sets.

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{ChangeSetType, ResourceToImport};

use super::{TEMPLATE, TIME, created, refusal, start};
use crate::support::scripted::{External, Preload};

async fn propose(client: &Client, kind: ChangeSetType, name: &str, template: &str) -> String {
    let request = client.create_change_set().stack_name("a").change_set_name(name).change_set_type(kind);
    request.template_body(template).send().await.expect("created").id.expect("an id")
}

async fn describe(client: &Client, name: &str) -> DescribeChangeSetOutput {
    client.describe_change_set().stack_name("a").change_set_name(name).send().await.expect("described")
}

/// Action, logical id and replacement of each change.
fn changes(set: &DescribeChangeSetOutput) -> Vec<(String, String, String)> {
    let shown = set.changes().iter().filter_map(|change| change.resource_change.as_ref()).map(|change| {
        let replacement =
            change.replacement.as_ref().map(aws_sdk_cloudformation::types::Replacement::as_str).unwrap_or_default();
        let action =
            change.action.as_ref().map(aws_sdk_cloudformation::types::ChangeAction::as_str).unwrap_or_default();
        (action.to_owned(), change.logical_resource_id.clone().unwrap_or_default(), replacement.to_owned())
    });
    shown.collect()
}

fn triple(action: &str, name: &str, replacement: &str) -> (String, String, String) {
    (action.to_owned(), name.to_owned(), replacement.to_owned())
}

#[tokio::test]
async fn a_stack_can_be_reviewed_before_it_is_made() {
    let (endpoint, client) = start(|b| b.change_set_time(TIME));
    let id = propose(&client, ChangeSetType::Create, "c", TEMPLATE).await;
    assert_eq!(endpoint.status("a"), Some("REVIEW_IN_PROGRESS"));
    let early = refusal(client.execute_change_set().change_set_name(&id).send().await);
    let text = format!("ChangeSet [{id}] cannot be executed in its current status of [CREATE_IN_PROGRESS]");
    assert_eq!(early, ("InvalidChangeSetStatus".to_owned(), text));
    endpoint.advance(TIME);
    let set = describe(&client, "c").await;
    assert_eq!(
        set.execution_status.as_ref().map(aws_sdk_cloudformation::types::ExecutionStatus::as_str),
        Some("AVAILABLE")
    );
    assert_eq!(changes(&set)[0], triple("Add", "OrdersTable", ""));
    client.execute_change_set().change_set_name("c").stack_name("a").send().await.expect("executed");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("CREATE_COMPLETE"));
    let done = client.describe_change_set().change_set_name(&id).send().await.expect("by ARN");
    assert_eq!(
        done.execution_status.as_ref().map(aws_sdk_cloudformation::types::ExecutionStatus::as_str),
        Some("EXECUTE_COMPLETE")
    );
    assert!(client.list_change_sets().stack_name("a").send().await.expect("lists").summaries().is_empty());
    let again = client.create_change_set().stack_name("a").change_set_name("d").change_set_type(ChangeSetType::Create);
    let (_, text) = refusal(again.template_body(TEMPLATE).send().await);
    assert_eq!(text, "Stack [a] already exists and cannot be created again with the changeSet [d].");
}

#[tokio::test]
async fn no_change_is_a_failed_change_set() {
    let (endpoint, client) = start(|b| b);
    created(&endpoint, &client, "a").await;
    propose(&client, ChangeSetType::Update, "c", TEMPLATE).await;
    let set = describe(&client, "c").await;
    assert_eq!(set.status.as_ref().map(aws_sdk_cloudformation::types::ChangeSetStatus::as_str), Some("FAILED"));
    let text = "The submitted information didn't contain changes. Submit different information to create a change set.";
    assert_eq!(set.status_reason.as_deref(), Some(text));
    client.delete_change_set().stack_name("a").change_set_name("c").send().await.expect("deleted");
    let gone = refusal(client.describe_change_set().stack_name("a").change_set_name("c").send().await);
    assert_eq!(gone, ("ChangeSetNotFound".to_owned(), "ChangeSet [c] does not exist".to_owned()));
}

#[tokio::test]
async fn replacements_are_told_from_changes_in_place() {
    let (endpoint, client) = start(|b| b.replacement("a", "Worker", "Conditional"));
    created(&endpoint, &client, "a").await;
    let template = TEMPLATE.replace("AttributeName: id", "AttributeName: tenant").replace("Timeout: 30", "Timeout: 60");
    propose(&client, ChangeSetType::Update, "c", &template.replace("index.handler", "main.handler")).await;
    let set = describe(&client, "c").await;
    let expected = [
        triple("Modify", "OrdersTable", "True"),
        triple("Modify", "OrdersQueue", "False"),
        triple("Modify", "Worker", "Conditional"),
    ];
    assert_eq!(changes(&set), expected);
    let change = set.changes()[0].resource_change.as_ref().expect("a change");
    assert_eq!(change.scope()[0].as_str(), "Properties");
    let target = change.details()[0].target.as_ref().expect("a target");
    assert_eq!(target.name.as_deref(), Some("KeySchema"));
    assert_eq!(
        target.requires_recreation.as_ref().map(aws_sdk_cloudformation::types::RequiresRecreation::as_str),
        Some("Always")
    );
}

#[tokio::test]
async fn a_replaced_resource_has_another_id_and_takes_its_dependents_along() {
    let (endpoint, client) = start(|b| b);
    created(&endpoint, &client, "a").await;
    let queue = || async {
        let shown = client.describe_stack_resources().stack_name("a").logical_resource_id("OrdersQueue").send().await;
        shown.expect("resources").stack_resources()[0].physical_resource_id.clone()
    };
    let before = queue().await;
    let template = TEMPLATE.replace("VisibilityTimeout: 30", "FifoQueue: true");
    propose(&client, ChangeSetType::Update, "c", &template).await;
    let expected = [triple("Modify", "OrdersQueue", "True"), triple("Modify", "Worker", "False")];
    assert_eq!(changes(&describe(&client, "c").await), expected);
    client.execute_change_set().stack_name("a").change_set_name("c").send().await.expect("executed");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_COMPLETE"));
    assert_ne!(queue().await, before);
}

#[tokio::test]
async fn a_change_by_somebody_else_makes_a_change_set_obsolete() {
    let (endpoint, client) = start(|b| b);
    created(&endpoint, &client, "a").await;
    let id = propose(&client, ChangeSetType::Update, "c", &TEMPLATE.replace("Timeout: 30", "Timeout: 60")).await;
    endpoint.change_externally("a", External::default().tag("owner", "somebody")).expect("changes");
    let refused = refusal(client.execute_change_set().change_set_name(&id).send().await);
    let text = format!("ChangeSet [{id}] cannot be executed in its current execution status of [OBSOLETE]");
    assert_eq!(refused.1, text);
}

#[tokio::test]
async fn an_execution_whose_answer_was_lost_is_repeated_under_its_token() {
    let (endpoint, client) = start(|b| b.lose_response("ExecuteChangeSet", 1));
    let id = propose(&client, ChangeSetType::Create, "c", TEMPLATE).await;
    let execute = |token: &str| client.execute_change_set().change_set_name(&id).client_request_token(token).send();
    assert_eq!(refusal(execute("t-1").await).0, "no answer");
    assert_eq!(endpoint.status("a"), Some("CREATE_IN_PROGRESS"));
    execute("t-1").await.expect("the same answer");
    let (code, text) = refusal(execute("t-2").await);
    assert_eq!(code, "InvalidChangeSetStatus");
    assert!(text.ends_with("cannot be executed in its current execution status of [EXECUTE_IN_PROGRESS]"), "{text}");
}

#[tokio::test]
async fn existing_resources_can_be_imported() {
    let (endpoint, client) = start(|b| b);
    let table = ResourceToImport::builder().resource_type("AWS::DynamoDB::Table").logical_resource_id("OrdersTable");
    let table = table.resource_identifier("TableName", "old-orders").build();
    let request = client.create_change_set().stack_name("a").change_set_name("c").template_body(TEMPLATE);
    let request = request.change_set_type(ChangeSetType::Import).resources_to_import(table);
    request.send().await.expect("created");
    assert_eq!(changes(&describe(&client, "c").await)[0].0, "Import");
    client.execute_change_set().stack_name("a").change_set_name("c").send().await.expect("executed");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("IMPORT_COMPLETE"));
    let shown = client.describe_stack_resources().stack_name("a").send().await.expect("resources");
    assert_eq!(shown.stack_resources()[0].physical_resource_id.as_deref(), Some("old-orders"));
}

#[tokio::test]
async fn a_stack_that_runs_takes_no_change_set() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE).status("UPDATE_IN_PROGRESS")).expect("preloads");
    let request = client.create_change_set().stack_name("a").change_set_name("c").template_body(TEMPLATE);
    let (code, text) = refusal(request.send().await);
    assert_eq!(code, "ValidationError");
    assert!(text.ends_with("is in UPDATE_IN_PROGRESS state and can not be updated."), "{text}");
}
