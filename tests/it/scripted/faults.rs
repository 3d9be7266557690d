//! Refusals, throttles, lost answers and tokens.

use std::time::Duration;

use aws_sdk_cloudformation::types::Capability;

use super::{TEMPLATE, TIME, client as client_of, create, created, events, path, refusal, start};
use crate::support::scripted::{ErrorKind, External, Group, Outcome, Preload};

#[tokio::test]
async fn errors_come_as_ordered_with_the_codes_of_the_service() {
    let orders = [
        (ErrorKind::Throttling, "Throttling"),
        (ErrorKind::ExpiredToken, "ExpiredToken"),
        (ErrorKind::AccessDenied, "AccessDenied"),
        (ErrorKind::SignatureDoesNotMatch, "SignatureDoesNotMatch"),
        (ErrorKind::ServiceUnavailable, "ServiceUnavailable"),
        (ErrorKind::InternalFailure, "InternalFailure"),
        (ErrorKind::LimitExceeded, "LimitExceededException"),
        (ErrorKind::OperationInProgress, "OperationInProgressException"),
    ];
    let (endpoint, client) = start(|b| b);
    for (nth, (kind, code)) in (1..).zip(orders) {
        endpoint.fail("CreateStack", nth, kind);
        let refused = refusal(client.create_stack().stack_name("a").template_body(TEMPLATE).send().await);
        assert_eq!(refused.0, code);
        if kind == ErrorKind::AccessDenied {
            assert!(
                refused.1.contains("cloudformation:CreateStack on resource: arn:aws:cloudformation:"),
                "{}",
                refused.1
            );
        }
    }
    assert_eq!(endpoint.status("a"), None);
    assert_eq!(endpoint.writes().len(), 8);
}

#[tokio::test]
async fn a_lost_answer_has_had_its_effect_and_its_token_finds_it() {
    let (endpoint, client) = start(|b| b.lose_response("CreateStack", 1));
    let create = || client.create_stack().stack_name("a").template_body(TEMPLATE).client_request_token("t-1").send();
    assert_eq!(refusal(create().await).0, "no answer");
    assert_eq!(endpoint.status("a"), Some("CREATE_IN_PROGRESS"));
    let id = create().await.expect("the same answer").stack_id.expect("an id");
    let outcomes: Vec<Outcome> = endpoint.writes().iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, [Outcome::Lost, Outcome::Answered]);
    let shown = client.describe_stacks().stack_name("a").send().await.expect("described");
    assert_eq!(shown.stacks()[0].stack_id.as_deref(), Some(id.as_str()));
    assert!(events(&client, "a").await.iter().all(|event| event.client_request_token.as_deref() == Some("t-1")));
    endpoint.advance(TIME);
    let other = client.delete_stack().stack_name("a").client_request_token("t-1").send().await;
    assert_eq!(refusal(other).0, "TokenAlreadyExistsException");
    let without = client.create_stack().stack_name("a").template_body(TEMPLATE).send().await;
    assert_eq!(refusal(without), ("AlreadyExistsException".to_owned(), "Stack [a] already exists".to_owned()));
}

#[tokio::test]
async fn the_rate_is_limited_by_account_region_and_group() {
    let (endpoint, client) = start(|b| b.rate_of(Group::Read, 2.0, 3));
    let list = || client.list_stacks().send();
    for _ in 0..3 {
        list().await.expect("within the burst");
    }
    assert_eq!(refusal(list().await), ("Throttling".to_owned(), "Rate exceeded".to_owned()));
    create(&client, "a").await;
    client_of(&endpoint, "test", "us-east-1").list_stacks().send().await.expect("another Region");
    endpoint.advance(Duration::from_millis(500));
    list().await.expect("a token came back");
    assert_eq!(refusal(list().await).0, "Throttling");
    assert_eq!(endpoint.calls().iter().filter(|call| call.outcome == Outcome::Throttled).count(), 2);
}

#[tokio::test]
async fn chance_throttles_the_same_requests_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (endpoint, client) = start(|b| b.rate(1_000.0, 1_000).throttle_fraction(0.5, 7));
        for _ in 0..60 {
            // Either answer will do here; which one it was is in the record.
            let _ = client.list_stacks().send().await;
        }
        runs.push(endpoint.calls().iter().map(|call| call.outcome == Outcome::Throttled).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    let throttled = runs[0].iter().filter(|throttled| **throttled).count();
    assert!((20..=40).contains(&throttled), "{throttled} of 60");
}

#[tokio::test]
async fn events_can_be_late() {
    let (endpoint, client) = start(|b| b.delay_events(Duration::from_secs(5)));
    created(&endpoint, &client, "a").await;
    assert_eq!(path(&client, "a").await, ["CREATE_IN_PROGRESS"]);
    endpoint.advance(Duration::from_secs(5));
    assert_eq!(path(&client, "a").await, ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);
}

#[tokio::test]
async fn capabilities_have_to_be_granted() {
    let (_endpoint, client) = start(|b| b);
    let template = "Resources: { R: { Type: 'AWS::IAM::Role', Properties: { RoleName: r } } }";
    let request = || client.create_stack().stack_name("a").template_body(template);
    let refused = refusal(request().capabilities(Capability::CapabilityIam).send().await);
    let text = "Requires capabilities : [CAPABILITY_NAMED_IAM]";
    assert_eq!(refused, ("InsufficientCapabilitiesException".to_owned(), text.to_owned()));
    request().capabilities(Capability::CapabilityNamedIam).send().await.expect("granted");
}

#[tokio::test]
async fn templates_have_a_size_and_larger_ones_come_by_url() {
    let large = format!("{TEMPLATE}\n#{}", "x".repeat(51_200));
    let served = large.clone();
    let (endpoint, client) = start(|b| b.resolve_urls(move |url| url.ends_with("/large").then(|| served.clone())));
    let (code, text) = refusal(client.create_stack().stack_name("a").template_body(&large).send().await);
    assert_eq!(code, "ValidationError");
    let rule = "at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200";
    assert!(text.contains(rule), "{text}");
    let missing = client.create_stack().stack_name("a").template_url("https://bucket/none").send().await;
    assert_eq!(refusal(missing).1, "S3 error: The specified key does not exist.");
    client.create_stack().stack_name("a").template_url("https://bucket/large").send().await.expect("created");
    assert_eq!(endpoint.template("a"), Some(large));
}

#[tokio::test]
async fn an_account_may_be_full() {
    let (_endpoint, client) = start(|b| b.stacks_max(1));
    create(&client, "a").await;
    let refused = refusal(client.create_stack().stack_name("b").template_body(TEMPLATE).send().await);
    assert_eq!(refused.0, "LimitExceededException");
}

#[tokio::test]
async fn an_error_ordered_in_advance_hits_the_nth_request_only() {
    let (endpoint, client) = start(|b| b.fail("ListStacks", 2, ErrorKind::ServiceUnavailable));
    let list = || client.list_stacks().send();
    list().await.expect("the first");
    assert_eq!(refusal(list().await).0, "ServiceUnavailable");
    list().await.expect("the third");
    assert_eq!(endpoint.calls()[1].outcome, Outcome::Refused("ServiceUnavailable"));
}

#[tokio::test]
async fn requests_are_recorded_with_what_they_said_and_when() {
    let (endpoint, client) = start(|b| b);
    endpoint.advance(TIME);
    create(&client, "a").await;
    client.describe_stacks().stack_name("a").send().await.expect("described");
    let writes = endpoint.writes();
    assert_eq!((writes.len(), writes[0].stack(), writes[0].at), (1, Some("a"), TIME));
    assert_eq!((writes[0].action.as_str(), writes[0].region.as_str()), ("CreateStack", "eu-central-1"));
    let template = writes[0].params.get("TemplateBody").expect("a template");
    assert!(template.ends_with(&format!("… ({} bytes)", TEMPLATE.len())), "{template}");
    assert_eq!(endpoint.calls().len(), 2);
}

#[tokio::test]
async fn answers_can_take_their_time() {
    let latency = Duration::from_millis(40);
    let (_endpoint, client) = start(|b| b.latency(latency));
    let began = std::time::Instant::now();
    client.list_stacks().send().await.expect("lists");
    assert!(began.elapsed() >= latency);
}

#[tokio::test]
async fn an_unknown_action_is_an_invalid_one() {
    let (endpoint, client) = start(|b| b);
    let error = client.list_exports().send().await.expect_err("refused");
    assert!(aws_sdk_cloudformation::operation::RequestId::request_id(&error).is_some());
    assert_eq!(refusal(client.list_exports().send().await).0, "InvalidAction");
    assert_eq!(endpoint.count("ListExports"), 2);
}

#[tokio::test]
async fn others_change_stacks_without_a_request() {
    let (endpoint, client) = start(|b| b);
    endpoint.preload(Preload::new("a", TEMPLATE).tag("cell", "a").output("Url", "https://a")).expect("preloads");
    let change = External::default().template(TEMPLATE.replace("Timeout: 30", "Timeout: 90")).parameter("Stage", "x");
    endpoint.change_externally("a", change.status("UPDATE_ROLLBACK_FAILED")).expect("changes");
    assert_eq!(endpoint.status("a"), Some("UPDATE_ROLLBACK_FAILED"));
    endpoint.delete_externally("a").expect("deletes");
    assert_eq!(refusal(client.describe_stacks().stack_name("a").send().await).0, "ValidationError");
    assert!(endpoint.writes().is_empty());
}
