//! Every path through a stack's life.

use aws_sdk_cloudformation::types::OnFailure as Ordered;

use super::{TEMPLATE, TIME, create, created, events, path, refusal, start, update};
use crate::support::scripted::{Fate, OnFailure, Preload};

const REASON: &str = "Table already exists: shop-cell-3-orders";

#[tokio::test]
async fn a_create_takes_its_time_and_makes_one_resource_after_another() {
    let (endpoint, client) = start(|b| b);
    create(&client, "a").await;
    assert_eq!(endpoint.status("a"), Some("CREATE_IN_PROGRESS"));
    endpoint.advance(TIME / 2);
    let seen = events(&client, "a").await;
    assert!(seen.len() > 3 && seen.len() < 11, "{} events half-way", seen.len());
    assert!(seen.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
    endpoint.advance(TIME / 2);
    assert_eq!(path(&client, "a").await, ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);
    assert_eq!(events(&client, "a").await.len(), 11);
}

#[tokio::test]
async fn each_stack_can_take_a_time_of_its_own_and_meet_its_fate_later() {
    let (endpoint, client) = start(|b| b.stack_time_of("slow", TIME * 2));
    create(&client, "quick").await;
    create(&client, "slow").await;
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("quick"), Some("CREATE_COMPLETE"));
    assert_eq!(endpoint.status("slow"), Some("CREATE_IN_PROGRESS"));
    endpoint.on("quick", Fate::DeleteFails { resource: "Worker", reason: REASON });
    client.delete_stack().stack_name("quick").send().await.expect("deletes");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("quick"), Some("DELETE_FAILED"));
    assert_eq!(endpoint.status("slow"), Some("CREATE_COMPLETE"));
}

#[tokio::test]
async fn a_failed_create_ends_as_ordered() {
    for (ordered, end) in [
        (None, "ROLLBACK_COMPLETE"),
        (Some(Ordered::Rollback), "ROLLBACK_COMPLETE"),
        (Some(Ordered::DoNothing), "CREATE_FAILED"),
        (Some(Ordered::Delete), "DELETE_COMPLETE"),
    ] {
        let fate = Fate::CreateFails { resource: "OrdersQueue", reason: REASON, on_failure: None };
        let (endpoint, client) = start(|b| b.on("a", fate));
        let request = client.create_stack().stack_name("a").template_body(TEMPLATE);
        let id = request.set_on_failure(ordered).send().await.expect("created").stack_id.expect("id");
        endpoint.advance(TIME);
        assert_eq!(path(&client, &id).await.last().map(String::as_str), Some(end));
        let failed =
            events(&client, &id).await.into_iter().find(|e| e.resource_status_reason.as_deref() == Some(REASON));
        assert_eq!(failed.expect("the failure").logical_resource_id.as_deref(), Some("OrdersQueue"));
    }
}

#[tokio::test]
async fn a_rolled_back_create_keeps_what_it_was_told_to_retain_and_can_only_be_deleted() {
    let fate = Fate::CreateFails { resource: "Worker", reason: REASON, on_failure: Some(OnFailure::Rollback) };
    let (endpoint, client) = start(|b| b.on("a", fate));
    let id = create(&client, "a").await;
    endpoint.advance(TIME);
    let kept = client.describe_stack_resources().stack_name("a").send().await.expect("resources");
    let status = |name: &str| {
        let found = kept.stack_resources().iter().find(|r| r.logical_resource_id.as_deref() == Some(name));
        found.and_then(|r| r.resource_status.as_ref()).map(|s| s.as_str().to_owned())
    };
    assert_eq!(status("OrdersTable").as_deref(), Some("DELETE_SKIPPED"));
    assert_eq!(status("OrdersQueue").as_deref(), Some("DELETE_COMPLETE"));
    let refused = refusal(client.update_stack().stack_name("a").template_body(TEMPLATE).send().await);
    let text = format!("Stack:{id} is in ROLLBACK_COMPLETE state and can not be updated.");
    assert_eq!(refused, ("ValidationError".to_owned(), text));
    client.delete_stack().stack_name("a").send().await.expect("deletes");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("DELETE_COMPLETE"));
}

#[tokio::test]
async fn a_failed_rollback_of_a_create_is_a_state_of_its_own() {
    let fate = Fate::RollbackFails { resource: "Worker", reason: REASON, stuck: "OrdersQueue" };
    let (endpoint, client) = start(|b| b.on("a", fate));
    create(&client, "a").await;
    endpoint.advance(TIME);
    assert_eq!(path(&client, "a").await, ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED"]);
}

#[tokio::test]
async fn an_update_passes_through_cleanup() {
    let (endpoint, client) = start(|b| b);
    created(&endpoint, &client, "a").await;
    update(&client, "a").await;
    assert_eq!(endpoint.status("a"), Some("UPDATE_IN_PROGRESS"));
    endpoint.advance(TIME);
    let all = path(&client, "a").await;
    assert_eq!(all[2..], ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]);
    let again = client.update_stack().stack_name("a").use_previous_template(true).send().await;
    assert_eq!(refusal(again), ("ValidationError".to_owned(), "No updates are to be performed.".to_owned()));
}

#[tokio::test]
async fn a_failed_update_is_rolled_back_to_what_was() {
    let (endpoint, client) = start(|b| b.on("a", Fate::UpdateRollsBack { resource: "OrdersQueue", reason: REASON }));
    created(&endpoint, &client, "a").await;
    update(&client, "a").await;
    assert!(endpoint.template("a").expect("template").contains("VisibilityTimeout: 60"));
    endpoint.advance(TIME);
    let all = path(&client, "a").await;
    let end =
        ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"];
    assert_eq!(all[3..], end);
    assert_eq!(endpoint.template("a").as_deref(), Some(TEMPLATE));
    update(&client, "a").await;
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_COMPLETE"));
}

#[tokio::test]
async fn a_failed_rollback_is_continued_with_the_stuck_resource_skipped() {
    let stuck = Fate::RollbackFails { resource: "Worker", reason: REASON, stuck: "OrdersQueue" };
    let again = Fate::ContinueFails { resource: "OrdersQueue", reason: REASON };
    let (endpoint, client) = start(|b| b.on("a", stuck).on("a", again));
    endpoint.preload(Preload::new("a", TEMPLATE)).expect("preloads");
    update(&client, "a").await;
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_FAILED"));
    client.continue_update_rollback().stack_name("a").send().await.expect("continues");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_FAILED"));
    let wrong = client.continue_update_rollback().stack_name("a").resources_to_skip("OrdersTable").send().await;
    assert_eq!(refusal(wrong).0, "ValidationError");
    client.continue_update_rollback().stack_name("a").resources_to_skip("OrdersQueue").send().await.expect("skips");
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_IN_PROGRESS"));
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_COMPLETE"));
    assert_eq!(endpoint.template("a").as_deref(), Some(TEMPLATE));
}

#[tokio::test]
async fn a_failure_without_rollback_is_rolled_back_on_request() {
    let (endpoint, client) = start(|b| b.on("a", Fate::UpdateRollsBack { resource: "OrdersQueue", reason: REASON }));
    created(&endpoint, &client, "a").await;
    let template = TEMPLATE.replace("VisibilityTimeout: 30", "VisibilityTimeout: 60");
    let request = client.update_stack().stack_name("a").template_body(template).disable_rollback(true);
    request.send().await.expect("updates");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_FAILED"));
    client.rollback_stack().stack_name("a").send().await.expect("rolls back");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_COMPLETE"));
    let refused = refusal(client.rollback_stack().stack_name("a").send().await);
    assert!(refused.1.contains("is in UPDATE_ROLLBACK_COMPLETE state"), "{refused:?}");
}

#[tokio::test]
async fn a_failed_create_is_rolled_back_on_request() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE).status("CREATE_FAILED").reason(REASON)).expect("preloads");
    client.rollback_stack().stack_name("a").send().await.expect("rolls back");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("ROLLBACK_COMPLETE"));
}

#[tokio::test]
async fn a_preloaded_stack_can_be_helped_out_of_where_it_is_stuck() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE).status("UPDATE_ROLLBACK_FAILED").reason(REASON)).expect("preloads");
    client.continue_update_rollback().stack_name("a").resources_to_skip("OrdersTable").send().await.expect("skips");
    endpoint.preload(Preload::new("b", TEMPLATE).status("CREATE_FAILED").reason(REASON)).expect("preloads");
    client.update_stack().stack_name("b").template_body(TEMPLATE).send().await.expect("tries again");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_COMPLETE"));
    assert_eq!(endpoint.status("b"), Some("UPDATE_COMPLETE"));
    let made = client.describe_stack_resources().stack_name("b").logical_resource_id("Worker").send().await;
    let status = made.expect("resources").stack_resources()[0].resource_status.clone();
    assert_eq!(status.expect("a status").as_str(), "CREATE_COMPLETE");
}

#[tokio::test]
async fn a_cancelled_update_goes_back() {
    let (endpoint, client) = start(|b| b);
    created(&endpoint, &client, "a").await;
    update(&client, "a").await;
    endpoint.advance(TIME / 3);
    client.cancel_update_stack().stack_name("a").send().await.expect("cancels");
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_IN_PROGRESS"));
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_COMPLETE"));
    assert_eq!(endpoint.template("a").as_deref(), Some(TEMPLATE));
    let refused = refusal(client.cancel_update_stack().stack_name("a").send().await);
    assert_eq!(refused.1, "CancelUpdateStack cannot be called from current stack status");
}

#[tokio::test]
async fn a_failed_deletion_goes_through_once_the_resource_is_retained() {
    let (endpoint, client) = start(|b| b.on("a", Fate::DeleteFails { resource: "OrdersQueue", reason: REASON }));
    let id = created(&endpoint, &client, "a").await;
    client.delete_stack().stack_name("a").send().await.expect("deletes");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("DELETE_FAILED"));
    client.delete_stack().stack_name("a").retain_resources("OrdersQueue").send().await.expect("deletes");
    endpoint.advance(TIME);
    let gone = refusal(client.describe_stacks().stack_name("a").send().await);
    assert_eq!(gone, ("ValidationError".to_owned(), "Stack with id a does not exist".to_owned()));
    let known = client.describe_stacks().stack_name(&id).send().await.expect("by id");
    assert_eq!(
        known.stacks()[0].stack_status.as_ref().map(aws_sdk_cloudformation::types::StackStatus::as_str),
        Some("DELETE_COMPLETE")
    );
    client.delete_stack().stack_name("a").send().await.expect("deleting nothing is fine");
    create(&client, "a").await;
}

#[tokio::test]
async fn termination_protection_is_enforced() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE).protected()).expect("preloads");
    let text = "Stack [a] cannot be deleted while TerminationProtection is enabled";
    assert_eq!(refusal(client.delete_stack().stack_name("a").send().await).1, text);
    let request = client.update_termination_protection().stack_name("a").enable_termination_protection(false);
    request.send().await.expect("takes it off");
    client.delete_stack().stack_name("a").send().await.expect("deletes");
}

#[tokio::test]
async fn stacks_can_be_there_in_every_state() {
    let (endpoint, client) = start(|b| b);
    for status in aws_sdk_cloudformation::types::StackStatus::values() {
        let name = status.to_ascii_lowercase().replace('_', "-");
        let id = endpoint.preload(Preload::new(&name, TEMPLATE).status(status)).expect("preloads");
        let known = client.describe_stacks().stack_name(id).send().await.expect("described");
        assert_eq!(
            known.stacks()[0].stack_status.as_ref().map(aws_sdk_cloudformation::types::StackStatus::as_str),
            Some(*status)
        );
    }
}
