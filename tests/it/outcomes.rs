//! Operations that fail: the exit code, the first cause, and what is begun afterwards.

use crate::support::scripted::{Builder, Fate};
use crate::support::stage::{STATELESS, Stage};

/// One cell whose stack meets these fates.
fn fated(fates: &[Fate]) -> Stage {
    Stage::of_one(STATELESS, |builder, fleet| {
        fates.iter().fold(builder, |builder: Builder, fate| builder.on(&format!("{fleet}-one"), *fate))
    })
}

/// The definition changes: both topics get another name.
fn change(stage: &Stage) {
    stage.template("plain", &STATELESS.replace("DisplayName: one", "DisplayName: two"));
}

#[test]
fn a_create_that_is_rolled_back_can_be_made_again() {
    let fails = Fate::CreateFails { resource: "Reports", reason: "the name is taken", on_failure: None };
    let stage = fated(&[fails]);
    let ran = stage.apply(&[]).ends(4);
    ran.says(&["Reports", "the name is taken", "ROLLBACK_COMPLETE", "cell recover one"]).never_says("cancelled");
    stage.apply(&[]).ends(7);
    stage.run(&["cell", "recover", "one", "--yes"]).ends(0);
    stage.apply(&[]).ends(0);
    assert_eq!(stage.status("one"), Some("CREATE_COMPLETE"));
}

#[test]
fn a_create_whose_rollback_fails_is_stuck() {
    let stage = fated(&[Fate::RollbackFails { resource: "Reports", reason: "a limit", stuck: "Alerts" }]);
    let ran = stage.apply(&[]).ends(5);
    ran.says(&["Reports (AWS::SNS::Topic): a limit", "ROLLBACK_FAILED", "cell recover one"]).never_says("cancelled");
}

#[test]
fn an_update_that_is_rolled_back_can_be_tried_again_at_once() {
    let stage = fated(&[Fate::UpdateRollsBack { resource: "Reports", reason: "a bad name" }]);
    stage.apply(&[]).ends(0);
    change(&stage);
    let ran = stage.apply(&[]).ends(4);
    ran.says(&["Reports (AWS::SNS::Topic): a bad name", "UPDATE_ROLLBACK_COMPLETE"]).never_says("cancelled");
    // Within the slack for clocks: the causes of the first attempt are not those of the second.
    stage.apply(&[]).ends(0);
    assert_eq!(stage.status("one"), Some("UPDATE_COMPLETE"));
    stage.apply(&[]).ends(0).says(&["No changes."]);
}

#[test]
fn an_update_whose_rollback_fails_is_stuck() {
    let stage = fated(&[Fate::RollbackFails { resource: "Reports", reason: "a bad name", stuck: "Alerts" }]);
    stage.cloudformation.preload(stage.own_stack("one", STATELESS)).expect("a stack");
    change(&stage);
    let ran = stage.apply(&[]).ends(5);
    ran.says(&["Reports (AWS::SNS::Topic): a bad name", "UPDATE_ROLLBACK_FAILED", "cell recover one"]);
    stage.run(&["cell", "recover", "one", "--yes"]).ends(0);
    stage.apply(&[]).ends(0);
}

#[test]
fn a_delete_that_fails_is_stuck() {
    let fails = Fate::DeleteFails { resource: "Reports", reason: "the topic is in use" };
    let stage = fated(&[fails, fails]);
    stage.apply(&[]).ends(0);
    stage.run(&["cell", "cordon", "one", "--yes"]).ends(0);
    let ran = stage.run(&["cell", "delete", "one", "--yes"]).ends(5);
    ran.says(&["DELETE_FAILED", "Reports (AWS::SNS::Topic): the topic is in use", "cell delete one"]);
    stage.run(&["cell", "delete", "one", "--yes"]).ends(5);
    // The third attempt begins in the same status as the second and is another one all the same.
    stage.run(&["cell", "delete", "one", "--yes"]).ends(0);
}

#[test]
fn a_deleted_cell_can_be_made_again() {
    let stage = fated(&[]);
    for _ in 0..3 {
        stage.apply(&[]).ends(0);
        stage.run(&["cell", "cordon", "one", "--yes"]).ends(0);
        stage.run(&["cell", "delete", "one", "--yes"]).ends(0);
        assert_eq!(stage.status("one"), Some("DELETE_COMPLETE"));
    }
}

/// Ten cells, of which the third fails.
fn ten() -> Stage {
    let names: Vec<String> = (0..10).map(|n| format!("cell-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fails = Fate::CreateFails { resource: "Reports", reason: "a limit", on_failure: None };
    let stage = Stage::new(&names, |b, fleet| b.on(&format!("{fleet}-cell-2"), fails));
    stage.template("plain", STATELESS);
    stage
}

#[test]
fn after_one_failure_too_many_nothing_new_is_begun() {
    let stage = ten();
    stage.apply(&["--concurrency", "1"]).ends(4).says(&["2 done", "1 rolled back", "7 not begun"]);
    assert_eq!(stage.effects("CreateStack"), 3);
}

#[test]
fn allowed_failures_do_not_stop_the_others() {
    let stage = ten();
    stage.apply(&["--concurrency", "1", "--max-failures", "1"]).ends(4).says(&["9 done", "1 rolled back"]);
    assert_eq!(stage.effects("CreateStack"), 10);
}

#[test]
fn a_call_that_is_refused_leaves_the_work_partly_done() {
    let stage = ten();
    stage.cloudformation.fail("CreateStack", 2, crate::support::scripted::ErrorKind::AccessDenied);
    stage.apply(&["--concurrency", "1"]).ends(9).says(&["1 done", "1 failed", "8 not begun"]);
    assert_eq!(stage.effects("CreateStack"), 1);
}
