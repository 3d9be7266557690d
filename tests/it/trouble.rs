//! Bad days: no rights, no credentials, no endpoint, the wrong place, and stacks that somebody else has a hand in.

use std::time::{Duration, Instant};

use crate::support::scripted::{Builder, Drift, ErrorKind, External, Preload};
use crate::support::stage::{Ran, STATELESS, Stage, TEMPLATE};

fn plain(builder: Builder, _: &str) -> Builder {
    builder
}

#[test]
fn a_denied_action_is_named_with_what_it_was_about() {
    let stage = Stage::of_one(STATELESS, |b, _| b.fail("CreateStack", 1, ErrorKind::AccessDenied));
    let subject = format!("cloudformation:CreateStack on {}", stage.stack("one"));
    let ran = stage.apply(&[]).ends(1);
    ran.says(&[&subject, "is not authorized to perform", "hint: give the caller the action", "cellctl doctor"]);
}

#[test]
fn expired_credentials_say_how_to_renew_them() {
    let stage = Stage::of_one(STATELESS, |b, _| b.fail("ListStacks", 1, ErrorKind::ExpiredToken));
    let ran = stage.apply(&[]).ends(1);
    ran.says(&["cloudformation:ListStacks", "security token included in the request is expired", "sign in again"]);
    assert!(stage.cloudformation.writes().is_empty());
}

#[test]
fn a_dead_endpoint_is_told_soon() {
    let stage = Stage::of_one(STATELESS, plain);
    let began = Instant::now();
    let mut command = stage.command(&["apply", "--yes"]);
    command.env("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://127.0.0.1:9");
    let ran = Ran::from(command.output().expect("the binary runs")).ends(1);
    ran.says(&["cloudformation:ListStacks", "AWS_ENDPOINT_URL", "doctor"]);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn another_region_has_no_control_table() {
    let stage = Stage::of_one(STATELESS, plain);
    let fleet = std::fs::read_to_string(stage.path("cells/fleet.yaml")).expect("a file");
    stage.write("cells/fleet.yaml", &fleet.replace("eu-central-1", "eu-west-1"));
    stage.apply(&[]).ends(1).says(&["no control table", "cellctl init", "Region"]);
}

#[test]
fn another_account_than_the_definitions_name_is_refused() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.cell_with("one", "template: plain, account: \"999988887777\"");
    stage.apply(&[]).ends(7).says(&["account 111122223333", "account 999988887777", "AWS_PROFILE"]);
    assert!(stage.cloudformation.calls().is_empty());
}

#[test]
fn a_stack_of_somebody_else_is_left_alone() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.cloudformation.preload(Preload::new(stage.stack("one"), STATELESS)).expect("a stack");
    stage.run(&["plan"]).ends(0).says(&["blocked", "lacks cellctl's tags"]);
    stage.apply(&[]).ends(7).says(&["rename the cell"]);
    assert!(stage.cloudformation.writes().is_empty());
}

#[test]
fn a_change_by_somebody_else_is_taken_back() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.apply(&[]).ends(0);
    let other = External::default().template(STATELESS.replace("DisplayName: one", "DisplayName: odd"));
    stage.cloudformation.change_externally(&stage.stack("one"), other).expect("a change");
    stage.run(&["plan", "--detailed-exitcode"]).ends(2).says(&["changed outside cellctl"]);
    stage.apply(&[]).ends(0);
    let template = stage.cloudformation.template(&stage.stack("one")).expect("a template");
    assert!(!template.contains("odd"), "{template}");
    stage.apply(&[]).ends(0).says(&["No changes."]);
}

#[test]
fn an_operation_of_another_run_is_waited_for() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.preload("one", STATELESS, "UPDATE_IN_PROGRESS");
    let mut command = stage.command(&["apply", "--yes"]);
    let running = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let running = running.expect("the binary starts");
    // It looks for the plan, for whether the plan still fits, and then again and again.
    let deadline = Instant::now() + Duration::from_secs(20);
    while stage.cloudformation.count("DescribeStacks") < 4 {
        assert!(Instant::now() < deadline, "{:?}", stage.cloudformation.calls());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(stage.cloudformation.writes().is_empty());
    let ended = External::default().status("UPDATE_COMPLETE");
    stage.cloudformation.change_externally(&stage.stack("one"), ended).expect("a change");
    let ran = Ran::from(running.wait_with_output().expect("the binary ends")).ends(0);
    ran.says(&["to wait for", "settled"]);
    stage.apply(&[]).ends(0).says(&["No changes."]);
}

#[test]
fn a_cell_that_moved_to_another_region_is_blocked() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.apply(&[]).ends(0);
    stage.cell_with("one", "template: plain, region: eu-west-1");
    stage.run(&["plan"]).ends(0).says(&["blocked", "the stack is in eu-central-1", "a stack cannot move"]);
    let before = stage.cloudformation.writes().len();
    stage.apply(&[]).ends(7);
    assert_eq!(stage.cloudformation.writes().len(), before);
}

/// One cell, applied, whose table changes in a way that the service finds to replace it.
fn replacing(word: &'static str) -> Stage {
    let stage = Stage::of_one(TEMPLATE, |b, fleet| b.replacement(&format!("{fleet}-one"), "OrdersTable", word));
    stage.apply(&[]).ends(0);
    let changed = "BillingMode: PAY_PER_REQUEST\n      TableClass: STANDARD_INFREQUENT_ACCESS";
    stage.template("plain", &TEMPLATE.replace("BillingMode: PAY_PER_REQUEST", changed));
    stage
}

#[test]
fn what_the_service_would_replace_is_refused_unless_it_is_named() {
    for word in ["True", "Conditional"] {
        let stage = replacing(word);
        for _ in 0..2 {
            stage
                .apply(&[])
                .ends(7)
                .says(&["would be replaced or removed: OrdersTable", "--allow-replace one/OrdersTable"]);
        }
        assert_eq!(stage.cloudformation.count("ExecuteChangeSet"), 0, "{word}");
        assert_eq!(stage.cloudformation.count("DeleteChangeSet"), 2, "{word}");
        assert_eq!(stage.status("one"), Some("CREATE_COMPLETE"), "{word}");
        stage.apply(&["--allow-replace", "one/OrdersTable"]).ends(0);
        assert_eq!(stage.status("one"), Some("UPDATE_COMPLETE"), "{word}");
    }
}

/// A template of so many topics, each with that many bytes of metadata.
fn topics(number: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    let topic = |n| format!("  Topic{n}:\n    Type: AWS::SNS::Topic\n    Metadata: {{ note: {text} }}\n");
    format!("Resources:\n{}", (0..number).map(topic).collect::<String>())
}

#[test]
fn templates_beyond_the_quotas_are_refused_with_numbers() {
    let stage = Stage::of_one(&topics(501, 1), plain);
    stage.run(&["validate"]).ends(1).says(&["501 Resources; CloudFormation takes 500"]);
    stage.template("plain", &topics(400, 2_600));
    stage.run(&["validate"]).ends(1).says(&["bytes; CloudFormation takes 1000000"]);
    stage.apply(&[]).ends(1);
    assert!(stage.cloudformation.calls().is_empty());
}

#[test]
fn a_large_template_goes_through_the_bucket() {
    let large = topics(30, 2_000);
    let served = large.clone();
    let stage = Stage::of_one(&large, |b, _| b.resolve_urls(move |_| Some(served.clone())));
    stage.make_bucket();
    stage.apply(&[]).ends(0).says(&["stored templates/"]);
    let calls = stage.cloudformation.calls();
    let create = calls.iter().find(|call| call.action == "CreateStack").expect("a create");
    assert!(create.params["TemplateURL"].contains(&format!("cellctl-{}-111122223333-eu-central-1", stage.fleet)));
    assert!(!create.params.contains_key("TemplateBody"));
}

#[test]
fn drift_is_shown_with_its_values_and_nothing_is_reverted() {
    let stage = Stage::of_one(STATELESS, plain);
    stage.apply(&[]).ends(0);
    stage.run(&["cell", "drift"]).ends(0).says(&["one in sync"]);
    let difference = Some(("/DisplayName".to_owned(), "one".to_owned(), "mine".to_owned()));
    let drift = Drift { status: "MODIFIED", difference };
    stage.cloudformation.drift(&stage.stack("one"), "Alerts", drift).expect("a stack");
    let before = stage.cloudformation.writes().len();
    let ran = stage.run(&["cell", "drift", "one"]).ends(2);
    ran.says(&["one drifted", "Alerts", "/DisplayName: template one, actual mine", "Nothing was changed."]);
    assert_eq!(stage.cloudformation.writes().len(), before);
}

/// `/dev/full` takes nothing: what is printed there is lost, and the exit code says so.
#[test]
#[cfg(target_os = "linux")]
fn data_that_cannot_be_written_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cellctl"));
    let command = command.args(["schema", "cell"]).env_clear().stdout(full);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot write to stdout: No space left on device"), "{said}");
}
