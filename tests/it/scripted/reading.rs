//! What the reading actions show.

use std::time::Duration;

use aws_sdk_cloudformation::types::{Parameter, StackStatus, Tag};

use super::{TEMPLATE, TIME, client as client_of, create, created, events, refusal, start, update};
use crate::support::scripted::{Drift, Preload, Scripted};

#[tokio::test]
async fn a_stack_shows_what_it_was_given_and_what_it_made() {
    let (endpoint, client) = start(|b| b);
    let stage = Parameter::builder().parameter_key("Stage").parameter_value("prod").build();
    let tag = Tag::builder().key("cellctl:cell").value("cell-3 <&>").build();
    let request = client.create_stack().stack_name("a").template_body(TEMPLATE).parameters(stage).tags(tag);
    request.enable_termination_protection(true).send().await.expect("created");
    endpoint.advance(TIME);
    let shown = client.describe_stacks().stack_name("a").send().await.expect("described");
    let stack = &shown.stacks()[0];
    assert_eq!(stack.parameters()[0].parameter_value.as_deref(), Some("prod"));
    assert_eq!(stack.tags()[0].value.as_deref(), Some("cell-3 <&>"));
    assert_eq!(stack.enable_termination_protection, Some(true));
    let output = |name: &str| {
        let found = stack.outputs().iter().find(|output| output.output_key.as_deref() == Some(name));
        found.and_then(|output| output.output_value.clone()).expect("an output")
    };
    assert_eq!(output("Table"), "arn:aws:dynamodb:eu-central-1:111122223333:table/a-orders");
    assert!(output("Queue").starts_with("https://sqs.eu-central-1.amazonaws.com/111122223333/a-OrdersQueue-"));
    assert_eq!(output("Literal"), "a < b & c");
    let resources = client.list_stack_resources().stack_name("a").send().await.expect("resources");
    assert_eq!(resources.stack_resource_summaries().len(), 3);
    let template = client.get_template().stack_name("a").send().await.expect("template");
    assert_eq!(template.template_body.as_deref(), Some(TEMPLATE));
}

#[tokio::test]
async fn thousands_of_stacks_are_read_a_page_at_a_time() {
    let (endpoint, client) = start(|b| b);
    for number in 0..2_050 {
        endpoint.preload(Preload::new(format!("cell-{number}"), TEMPLATE)).expect("preloads");
    }
    let pages = client.describe_stacks().into_paginator().send().collect::<Result<Vec<_>, _>>().await.expect("pages");
    assert_eq!(pages.len(), 21);
    assert!(pages.iter().all(|page| page.stacks().len() <= 100));
    let names: std::collections::HashSet<_> = pages
        .iter()
        .flat_map(aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput::stacks)
        .map(|s| &s.stack_name)
        .collect();
    assert_eq!(names.len(), 2_050);
    assert_eq!(endpoint.count("DescribeStacks"), 21);
    assert!(endpoint.writes().is_empty());
}

#[tokio::test]
async fn a_list_is_filtered_by_status_and_has_deleted_stacks() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE)).expect("preloads");
    endpoint.preload(Preload::new("b", TEMPLATE).status("DELETE_COMPLETE")).expect("preloads");
    let all = client.list_stacks().send().await.expect("lists");
    assert_eq!(all.stack_summaries().len(), 2);
    let alive = client.list_stacks().stack_status_filter(StackStatus::CreateComplete).send().await.expect("lists");
    assert_eq!(alive.stack_summaries()[0].stack_name.as_deref(), Some("a"));
    assert_eq!(client.describe_stacks().send().await.expect("described").stacks().len(), 1);
}

#[tokio::test]
async fn pages_of_events_do_not_shift_when_more_happens() {
    let (endpoint, client) = start(|b| b.page_size(4));
    created(&endpoint, &client, "a").await;
    let first = client.describe_stack_events().stack_name("a").send().await.expect("events");
    assert_eq!(first.stack_events().len(), 4);
    update(&client, "a").await;
    endpoint.advance(TIME);
    let token = first.next_token.clone().expect("a second page");
    let second = client.describe_stack_events().stack_name("a").next_token(token).send().await.expect("events");
    let ids = |page: &[aws_sdk_cloudformation::types::StackEvent]| -> Vec<_> {
        page.iter().map(|event| event.event_id.clone()).collect()
    };
    let newest = events(&client, "a").await;
    let old: Vec<_> = newest[3..11].iter().rev().map(|event| event.event_id.clone()).collect();
    assert_eq!([ids(first.stack_events()), ids(second.stack_events())].concat(), old);
}

#[tokio::test]
async fn regions_and_accounts_do_not_see_each_other() {
    let (endpoint, client) = start(|b| b);
    create(&client, "a").await;
    let other = client_of(&endpoint, "444455556666", "us-east-1");
    assert!(other.describe_stacks().send().await.expect("described").stacks().is_empty());
    let id = create(&other, "a").await;
    assert!(id.starts_with("arn:aws:cloudformation:us-east-1:444455556666:stack/a/"), "{id}");
}

#[tokio::test]
async fn stacks_can_be_there_in_other_places_with_values_of_their_own() {
    let (endpoint, _client) = start(|b| b);
    let stack = Preload::new("a", TEMPLATE).place("444455556666", "us-east-1").parameter("Stage", "prod");
    endpoint.preload(stack.tag("cell", "a").output("Url", "https://a")).expect("preloads");
    let there = client_of(&endpoint, "444455556666", "us-east-1");
    let shown = there.describe_stacks().stack_name("a").send().await.expect("described");
    let stack = &shown.stacks()[0];
    assert_eq!(stack.parameters()[0].parameter_value.as_deref(), Some("prod"));
    assert_eq!(stack.outputs()[0].output_value.as_deref(), Some("https://a"));
    assert_eq!(stack.tags().len(), 1);
}

#[tokio::test]
async fn a_stack_policy_is_kept() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE)).expect("preloads");
    let policy = || client.get_stack_policy().stack_name("a").send();
    assert_eq!(policy().await.expect("none yet").stack_policy_body, None);
    client.set_stack_policy().stack_name("a").stack_policy_body("{}").send().await.expect("set");
    assert_eq!(policy().await.expect("one now").stack_policy_body.as_deref(), Some("{}"));
}

#[tokio::test]
async fn a_template_behind_a_url_is_opaque_without_a_resolver() {
    let (endpoint, client) = start(|b| b);
    client.create_stack().stack_name("a").template_url("https://bucket/1").send().await.expect("created");
    endpoint.advance(TIME);
    let update = |url: &str| client.update_stack().stack_name("a").template_url(url).send();
    assert_eq!(refusal(update("https://bucket/1").await).1, "No updates are to be performed.");
    update("https://bucket/2").await.expect("updates");
    endpoint.advance(TIME);
    assert_eq!(endpoint.status("a"), Some("UPDATE_COMPLETE"));
}

#[tokio::test]
async fn drift_is_found_by_a_detection() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE)).expect("preloads");
    let difference = Some(("/VisibilityTimeout".to_owned(), "30".to_owned(), "45".to_owned()));
    endpoint.drift("a", "OrdersQueue", Drift { status: "MODIFIED", difference }).expect("drifts");
    let begun = client.detect_stack_drift().stack_name("a").send().await.expect("begins");
    let id = begun.stack_drift_detection_id.expect("an id");
    let status = || client.describe_stack_drift_detection_status().stack_drift_detection_id(&id).send();
    assert_eq!(status().await.expect("status").detection_status.expect("status").as_str(), "DETECTION_IN_PROGRESS");
    endpoint.advance(TIME);
    let found = status().await.expect("status");
    assert_eq!(found.drifted_stack_resource_count, Some(1));
    let drifts = client.describe_stack_resource_drifts().stack_name("a").send().await.expect("drifts");
    let drifted =
        drifts.stack_resource_drifts().iter().find(|d| d.logical_resource_id.as_deref() == Some("OrdersQueue"));
    let difference = &drifted.expect("the queue").property_differences()[0];
    assert_eq!(difference.actual_value.as_deref(), Some("45"));
}

#[tokio::test]
async fn templates_are_checked_and_summed_up() {
    let (_endpoint, client) = start(|b| b);
    let valid = client.validate_template().template_body(TEMPLATE).send().await.expect("valid");
    assert_eq!(valid.parameters()[0].default_value.as_deref(), Some("test"));
    let summary = client.get_template_summary().template_body(TEMPLATE).send().await.expect("summary");
    assert_eq!(summary.resource_types().len(), 3);
    for (text, needle) in [
        ("a: [", "Template format error: YAML not well-formed."),
        ("Resources: {}", "At least one Resources member must be defined."),
        (
            "Resources: { A: { Type: 'X::Y::Z', Properties: { B: !Ref Nobody } } }",
            "Unresolved resource dependencies [Nobody]",
        ),
    ] {
        let (code, message) = refusal(client.validate_template().template_body(text).send().await);
        assert!(code == "ValidationError" && message.contains(needle), "{text:?}: {code} {message}");
    }
    assert_eq!(client.describe_account_limits().send().await.expect("limits").account_limits()[0].value, Some(2_000));
}

#[tokio::test]
async fn real_time_passes_by_itself() {
    let endpoint = Scripted::builder().stack_time(Duration::from_millis(30)).start().expect("starts");
    let client = client_of(&endpoint, "test", "eu-central-1");
    create(&client, "a").await;
    let began = endpoint.now();
    while endpoint.status("a") == Some("CREATE_IN_PROGRESS") {
        assert!(endpoint.now() < began + Duration::from_secs(10), "still in progress after ten seconds");
        client.describe_stacks().stack_name("a").send().await.expect("described");
    }
    assert_eq!(endpoint.status("a"), Some("CREATE_COMPLETE"));
}
