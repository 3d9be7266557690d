//! Stacks that got stuck: seen, left alone, and got going again.

use crate::support::scripted::{Builder, Fate};
use crate::support::stage::{STATELESS, Stage, TEMPLATE};

fn plain(builder: Builder, _: &str) -> Builder {
    builder
}

/// A plan shows the stack as stuck, and an apply refuses and leaves it alone.
#[track_caller]
fn is_blocked(stage: &Stage) {
    stage.run(&["plan"]).ends(0).says(&["blocked", "stuck", "cellctl cell recover one"]);
    stage.apply(&[]).ends(7).says(&["cellctl cell recover one"]);
    assert!(stage.cloudformation.writes().is_empty(), "{:?}", stage.cloudformation.writes());
}

/// `--dry-run` tells and does nothing.
#[track_caller]
fn only_says(stage: &Stage, remedy: &str) {
    let before = stage.cloudformation.writes().len();
    stage.run(&["cell", "recover", "one", "--dry-run"]).ends(0).says(&[remedy]);
    assert_eq!(stage.cloudformation.writes().len(), before);
}

/// The changing requests since `from`, by action.
fn written(stage: &Stage, from: usize) -> Vec<String> {
    stage.cloudformation.writes()[from..].iter().map(|call| call.action.clone()).collect()
}

#[test]
fn an_empty_shell_is_deleted_and_the_cell_made_again() {
    for status in ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"] {
        let stage = Stage::of_one(STATELESS, plain);
        stage.preload("one", STATELESS, status);
        is_blocked(&stage);
        only_says(&stage, "is deleted so that the cell can be created again");
        stage.run(&["cell", "recover", "one"]).ends(7);
        stage.run(&["cell", "recover", "one", "--yes"]).ends(0).says(&["DELETE_COMPLETE"]);
        assert_eq!(written(&stage, 0), ["UpdateTerminationProtection", "DeleteStack"], "{status}");
        stage.apply(&[]).ends(0);
        assert_eq!(stage.status("one"), Some("CREATE_COMPLETE"), "{status}");
    }
}

#[test]
fn what_may_hold_data_is_left_to_a_person() {
    let table = TEMPLATE.replace("    DeletionPolicy: Retain\n", "");
    let cases = [
        ("ROLLBACK_FAILED", "does not retain everything that holds data"),
        ("DELETE_FAILED", "OrdersTable may hold data: leave it behind with --retain OrdersTable"),
    ];
    for (status, word) in cases {
        let stage = Stage::of_one(TEMPLATE, plain);
        stage.preload("one", &table, status);
        is_blocked(&stage);
        only_says(&stage, word);
        stage.run(&["cell", "recover", "one", "--yes"]).ends(7).says(&[word]);
        assert!(stage.cloudformation.writes().is_empty(), "{status}");
    }
}

#[test]
fn a_shell_that_still_holds_something_is_left_to_a_person() {
    let stage = Stage::of_one(TEMPLATE, plain);
    stage.preload("one", TEMPLATE, "ROLLBACK_COMPLETE");
    let table = format!("{}-orders", stage.stack("one"));
    stage.make_table(&table);
    stage.put_item(&table);
    is_blocked(&stage);
    only_says(&stage, "the stack still holds OrdersTable");
    stage.run(&["cell", "recover", "one", "--yes"]).ends(7).says(&["OrdersTable"]);
    assert!(stage.cloudformation.writes().is_empty());
    assert!(stage.has_table(&table));
}

#[test]
fn an_empty_table_that_a_failed_create_left_behind_goes_with_the_shell() {
    let stage = Stage::of_one(TEMPLATE, plain);
    stage.preload("one", TEMPLATE, "ROLLBACK_COMPLETE");
    let table = format!("{}-orders", stage.stack("one"));
    stage.make_table(&table);
    only_says(&stage, "together with what it left behind empty (OrdersTable), so that the cell can be created again");
    stage.run(&["cell", "recover", "one", "--yes"]).ends(0).says(&["DELETE_COMPLETE"]);
    assert!(!stage.has_table(&table));
    stage.apply(&[]).ends(0);
}

#[test]
fn a_table_is_left_behind_when_a_failed_delete_is_tried_again() {
    let stage = Stage::of_one(TEMPLATE, plain);
    stage.preload("one", TEMPLATE, "DELETE_FAILED");
    let ran = stage.run(&["cell", "recover", "one", "--yes", "--retain", "OrdersTable"]).ends(0);
    ran.says(&["leaving OrdersTable as it is", "DELETE_COMPLETE"]);
    let delete = stage.cloudformation.writes().pop().expect("a delete");
    assert_eq!(delete.params.get("RetainResources.member.1").map(String::as_str), Some("OrdersTable"));
}

#[test]
fn a_failed_create_that_was_not_rolled_back_is_never_deleted() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.preload("one", STATELESS, "CREATE_FAILED");
    is_blocked(&stage);
    only_says(&stage, "nothing by itself");
    stage.run(&["cell", "recover", "one", "--yes"]).ends(7).says(&["never deletes", "CREATE_FAILED"]);
    assert!(stage.cloudformation.writes().is_empty());
    assert_eq!(stage.status("one"), Some("CREATE_FAILED"));
}

#[test]
fn a_failed_delete_is_tried_again() {
    for status in ["DELETE_FAILED", "ROLLBACK_FAILED"] {
        let stage = Stage::of_one(STATELESS, plain);
        stage.preload("one", STATELESS, status);
        is_blocked(&stage);
        only_says(&stage, "the delete is tried again");
        stage.run(&["cell", "recover", "one", "--yes"]).ends(0).says(&["DELETE_COMPLETE"]);
        assert_eq!(written(&stage, 0), ["UpdateTerminationProtection", "DeleteStack"], "{status}");
        stage.apply(&[]).ends(0);
        assert_eq!(stage.status("one"), Some("CREATE_COMPLETE"), "{status}");
    }
}

#[test]
fn a_delete_that_fails_again_names_what_to_retain() {
    let fails = Fate::DeleteFails { resource: "Alerts", reason: "the topic is in use" };
    let stage = Stage::of_one(STATELESS, |b, fleet| b.on(&format!("{fleet}-one"), fails));
    stage.preload("one", STATELESS, "DELETE_FAILED");
    let ran = stage.run(&["cell", "recover", "one", "--yes"]).ends(5);
    ran.says(&["DELETE_FAILED", "Alerts (AWS::SNS::Topic): the topic is in use", "--retain Alerts"]);
    stage.run(&["cell", "recover", "one", "--yes", "--retain", "Alerts"]).ends(0).says(&["DELETE_COMPLETE"]);
}

#[test]
fn a_failed_update_is_taken_back() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.preload("one", STATELESS, "UPDATE_FAILED");
    is_blocked(&stage);
    only_says(&stage, "the failed update is rolled back");
    stage.run(&["cell", "recover", "one", "--yes"]).ends(0).says(&["UPDATE_ROLLBACK_COMPLETE"]);
    assert_eq!(written(&stage, 0), ["RollbackStack"]);
    stage.apply(&[]).ends(0);
}

#[test]
fn a_failed_rollback_is_continued() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.preload("one", STATELESS, "UPDATE_ROLLBACK_FAILED");
    is_blocked(&stage);
    only_says(&stage, "the failed rollback is continued");
    stage.run(&["cell", "recover", "one", "--yes"]).ends(0).says(&["UPDATE_ROLLBACK_COMPLETE"]);
    assert_eq!(written(&stage, 0), ["ContinueUpdateRollback"]);
    stage.apply(&[]).ends(0);
}

#[test]
fn a_rollback_that_fails_again_says_what_to_skip() {
    let fails = Fate::ContinueFails { resource: "Alerts", reason: "the topic was deleted by hand" };
    let stage = Stage::of_one(STATELESS, |b, fleet| {
        let stack = format!("{fleet}-one");
        b.on(&stack, fails).on(&stack, fails)
    });
    stage.preload("one", STATELESS, "UPDATE_ROLLBACK_FAILED");
    let ran = stage.run(&["cell", "recover", "one", "--yes"]).ends(5);
    ran.says(&["UPDATE_ROLLBACK_FAILED", "Alerts (AWS::SNS::Topic): the topic was deleted by hand", "--skip Alerts"]);
    stage.run(&["cell", "recover", "one", "--yes", "--skip", "Alerts"]).ends(0).says(&["UPDATE_ROLLBACK_COMPLETE"]);
    let last = stage.cloudformation.writes().pop().expect("a write");
    assert_eq!(last.params.get("ResourcesToSkip.member.1").map(String::as_str), Some("Alerts"));
    stage.apply(&[]).ends(0);
}
