//! Calls that go wrong on the way: lost answers, throttles, late events, and the tokens that make repeats harmless.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::scripted::ErrorKind;
use crate::support::stage::{STATELESS, Stage};

/// What makes each request of an action the same as its repeat: the token, or the name of the change set.
fn tokens(stage: &Stage, action: &str) -> Vec<String> {
    let key = if action == "CreateChangeSet" { "ChangeSetName" } else { "ClientRequestToken" };
    let calls = stage.cloudformation.calls().into_iter().filter(|call| call.action == action);
    calls.filter_map(|call| call.params.get(key).cloned()).collect()
}

fn change(stage: &Stage) {
    stage.template("plain", &STATELESS.replace("DisplayName: one", "DisplayName: two"));
}

/// The lost request and its repeat are the same.
#[track_caller]
fn was_repeated(stage: &Stage, action: &str) {
    let tokens = tokens(stage, action);
    assert_eq!(tokens.len(), 2, "{action}: the lost request and its repeat");
    assert_eq!(tokens[0], tokens[1], "{action}");
}

#[test]
fn a_create_whose_answer_is_lost_makes_one_stack() {
    let stage = Stage::of_one(STATELESS, |b, _| b.lose_response("CreateStack", 1));
    stage.apply(&[]).ends(0).says(&["1 done"]);
    was_repeated(&stage, "CreateStack");
    assert_eq!(stage.status("one"), Some("CREATE_COMPLETE"));
}

#[test]
fn an_update_whose_answers_are_lost_is_made_once() {
    for action in ["CreateChangeSet", "ExecuteChangeSet"] {
        let stage = Stage::of_one(STATELESS, |b, _| b.lose_response(action, 1));
        stage.cloudformation.preload(stage.own_stack("one", STATELESS)).expect("a stack");
        change(&stage);
        stage.apply(&[]).ends(0).says(&["1 done"]);
        was_repeated(&stage, action);
        assert_eq!(stage.status("one"), Some("UPDATE_COMPLETE"), "{action}");
        assert_eq!(stage.effects("ExecuteChangeSet"), stage.cloudformation.count("ExecuteChangeSet"), "{action}");
    }
}

#[test]
fn a_delete_whose_answer_is_lost_deletes_once() {
    let stage = Stage::of_one(STATELESS, |b, _| b.lose_response("DeleteStack", 1));
    stage.apply(&[]).ends(0);
    stage.run(&["cell", "cordon", "one", "--yes"]).ends(0);
    stage.run(&["cell", "delete", "one", "--yes"]).ends(0);
    was_repeated(&stage, "DeleteStack");
    assert_eq!(stage.status("one"), Some("DELETE_COMPLETE"));
}

#[test]
fn each_attempt_has_a_token_of_its_own() {
    let stage = Stage::of_one(STATELESS, |b, _| {
        let denied = ErrorKind::AccessDenied;
        b.fail("CreateStack", 1, denied).fail("ExecuteChangeSet", 1, denied)
    });
    stage.apply(&[]).ends(1);
    stage.apply(&[]).ends(0);
    change(&stage);
    stage.apply(&[]).ends(1);
    stage.apply(&[]).ends(0);
    for action in ["CreateStack", "ExecuteChangeSet"] {
        let tokens = tokens(&stage, action);
        assert_eq!((tokens.len(), tokens.iter().collect::<BTreeSet<_>>().len()), (2, 2), "{action}: {tokens:?}");
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(tokens.iter().all(|token| token.len() <= 128 && token.chars().all(fits)), "{tokens:?}");
    }
}

#[test]
fn throttled_polls_do_not_change_the_outcome() {
    let stage = Stage::of_one(STATELESS, |b, _| {
        let actions = ["ListStacks", "DescribeStacks", "DescribeStackEvents", "DescribeChangeSet"];
        actions.into_iter().fold(b, |b, action| (1..=4).fold(b, |b, n| b.fail(action, n, ErrorKind::Throttling)))
    });
    stage.apply(&[]).ends(0);
    change(&stage);
    stage.apply(&[]).ends(0);
    assert_eq!(stage.status("one"), Some("UPDATE_COMPLETE"));
}

#[test]
fn a_service_that_fails_for_a_moment_does_not_change_the_outcome() {
    let stage = Stage::of_one(STATELESS, |b, _| {
        let b = b.fail("CreateStack", 1, ErrorKind::ServiceUnavailable);
        b.fail("DescribeStacks", 1, ErrorKind::InternalFailure).fail("ListStacks", 1, ErrorKind::InternalFailure)
    });
    stage.apply(&[]).ends(0);
    assert_eq!(stage.effects("CreateStack"), 1);
}

#[test]
fn late_events_do_not_change_the_outcome() {
    let stage = Stage::of_one(STATELESS, |b, _| b.delay_events(Duration::from_mins(1)));
    stage.apply(&[]).ends(0);
    change(&stage);
    stage.apply(&[]).ends(0);
    let fails = crate::support::scripted::Fate::UpdateRollsBack { resource: "Alerts", reason: "a bad name" };
    stage.cloudformation.on(&stage.stack("one"), fails);
    stage.template("plain", STATELESS);
    // The cause is not to be seen yet; the stack's own reason names the resource.
    stage.apply(&[]).ends(4).says(&["UPDATE_ROLLBACK_COMPLETE"]);
}

#[test]
fn half_of_all_calls_throttled_fails_nothing() {
    let stage = Stage::new(&["a", "b", "c"], |b, _| b.throttle_fraction(0.5, 7));
    stage.template("plain", STATELESS);
    stage.apply(&[]).ends(0).says(&["3 done"]);
    assert_eq!(stage.effects("CreateStack"), 3);
}
