//! What a fleet costs in calls, and operations under hard throttling.

use std::sync::Arc;

use crate::support::fast::{self, Operations};
use crate::support::scripted::Scripted;
use crate::support::stage::{STATELESS, Stage};

#[test]
fn a_fleet_that_needs_nothing_costs_ten_calls_at_most_and_no_write() {
    let names: Vec<String> = (0..200).map(|n| format!("cell-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::new(&names, |b, _| b);
    stage.template("plain", STATELESS);
    stage.apply(&["--quiet"]).ends(0).says(&["200 done"]);
    let (calls, items) = (stage.cloudformation.calls().len(), stage.control_items());
    stage.apply(&[]).ends(0).says(&["No changes."]);
    let again = &stage.cloudformation.calls()[calls..];
    assert!(again.len() <= 10, "{again:?}");
    assert!(again.iter().all(|call| !call.is_write()), "{again:?}");
    assert_eq!(stage.control_items(), items);
}

#[test]
fn a_rate_like_that_of_aws_fails_nothing() {
    let names: Vec<String> = (0..15).map(|n| format!("cell-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::new(&names, |b, _| b.rate(10.0, 10));
    stage.template("plain", STATELESS);
    stage.apply(&["--concurrency", "15"]).ends(0).says(&["15 done"]);
    assert_eq!(stage.effects("CreateStack"), 15);
}

#[test]
fn a_thousand_operations_go_through_when_half_of_all_calls_are_throttled() {
    let endpoint = Scripted::builder().throttle_fraction(0.5, 11).start().expect("an endpoint");
    let clock = Arc::new(fast::FastClock::new(5));
    let done = Operations::new(&endpoint, clock).run(1_000);
    assert_eq!(done.failed, Vec::<String>::new());
    assert!(done.waited_ms > 0);
    assert!(done.calls > 1_800, "{} calls: half of them should have been throttled", done.calls);
}
