//! Tests of judging: each kind of gate, metrics, and looks in a row.

use std::collections::BTreeMap;

use super::metric::{Side, compare};
use super::*;
use crate::domain::definition::Worse;
use crate::domain::rollout::gate::{Check, Metric};
use crate::domain::stack::StackStatus;

fn cell() -> CellId {
    "cell-3".parse().expect("valid")
}

fn gate(fail_after: u32) -> Gate {
    Gate { name: "g".to_owned(), fail_after, check: Check::Alarms }
}

fn one(verdict: Verdict) -> Vec<Seen> {
    vec![seen(&cell(), verdict, "x")]
}

fn metric(worse: Worse, tolerance_percent: u32) -> Metric {
    Metric {
        namespace: "AWS/Lambda".to_owned(),
        name: "Errors".to_owned(),
        statistic: "Sum".to_owned(),
        dimensions: Vec::new(),
        worse,
        tolerance_percent,
        points_min: 5,
        period_s: 60,
    }
}

fn side(points: &[f64]) -> Side {
    Side { cells: 2, points: points.to_vec() }
}

/// Ten points around `level`.
fn around(level: f64) -> Side {
    side(&[-0.5, 0.4, -0.3, 0.2, -0.1, 0.0, 0.1, -0.2, 0.3, 0.5].map(|by| level + by))
}

#[test]
fn a_gate_fails_after_so_many_looks_in_a_row() {
    let first = look(&gate(2), one(Verdict::Fail), 1, None, false);
    assert_eq!((first.failed_in_row, first.failed), (1, false));
    let second = look(&gate(2), one(Verdict::Fail), 1, Some(&first), false);
    assert_eq!((second.failed_in_row, second.failed), (2, true));
    let good = look(&gate(2), one(Verdict::Pass), 1, Some(&first), false);
    assert_eq!((good.failed_in_row, good.failed), (0, false));
}

#[test]
fn missing_data_fail_at_the_end_only_and_end_no_row() {
    let failed = look(&gate(2), one(Verdict::Fail), 1, None, false);
    let missing = look(&gate(2), one(Verdict::Missing), 1, Some(&failed), false);
    assert_eq!((missing.failed_in_row, missing.failed), (1, false));
    assert!(look(&gate(2), one(Verdict::Fail), 1, Some(&missing), false).failed);
    assert!(!look(&gate(1), one(Verdict::Missing), 1, Some(&failed), false).failed);
    assert!(look(&gate(1), one(Verdict::Missing), 1, None, true).failed);
    let unsure = look(&gate(2), one(Verdict::Missing), 1, None, true);
    assert!(!unsure.failed);
    assert!(look(&gate(2), one(Verdict::Missing), 1, Some(&unsure), true).failed);
}

#[test]
fn the_worst_comes_first_and_a_journal_entry_stays_small() {
    let mut all: Vec<Seen> = (0..50).map(|_| seen(&cell(), Verdict::Pass, "fine")).collect();
    all.push(seen(&cell(), Verdict::Missing, "unknown"));
    all.push(seen(&cell(), Verdict::Fail, "ä".repeat(10_000)));
    let look = look(&gate(1), all, 52, None, false);
    let verdicts: Vec<Verdict> = look.seen.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Fail, Verdict::Missing, Verdict::Pass, Verdict::Pass, Verdict::Pass]);
    assert_eq!((look.verdict, look.cells), (Verdict::Fail, 52));
    assert!(look.seen[0].what.chars().count() <= WHAT_CHARS_MAX + 1);
}

#[test]
fn nothing_seen_is_no_good_news_unless_there_is_no_cell() {
    assert_eq!(look(&gate(1), Vec::new(), 3, None, false).verdict, Verdict::Missing);
    assert_eq!(look(&gate(1), Vec::new(), 0, None, false).verdict, Verdict::Pass);
}

fn summary(status: &str, changed_at_ms: i64) -> StackSummary {
    StackSummary {
        name: "shop-cell-3".parse().expect("valid"),
        id: "arn:1".to_owned(),
        status: StackStatus::new(status),
        reason: None,
        changed_at_ms,
    }
}

#[test]
fn only_a_complete_stack_that_nobody_touched_is_good() {
    let judged = |found: Option<&StackSummary>, left: Option<&(String, i64)>| stack(&cell(), "s", found, left).verdict;
    let left = ("arn:1".to_owned(), 7);
    assert_eq!(judged(Some(&summary("UPDATE_COMPLETE", 7)), Some(&left)), Verdict::Pass);
    assert_eq!(judged(Some(&summary("UPDATE_COMPLETE", 7)), None), Verdict::Pass);
    assert_eq!(judged(Some(&summary("UPDATE_COMPLETE", 8)), Some(&left)), Verdict::Fail);
    assert_eq!(judged(None, None), Verdict::Fail);
    for status in ["DELETE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"] {
        assert_eq!(judged(Some(&summary(status, 7)), Some(&left)), Verdict::Fail, "{status}");
    }
    for status in ["UPDATE_IN_PROGRESS", "SOMETHING_NEW"] {
        assert_eq!(judged(Some(&summary(status, 7)), Some(&left)), Verdict::Missing, "{status}");
    }
}

#[test]
fn alarms_are_good_only_when_all_say_so() {
    let names: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
    let judged = |state: &str| {
        let states = [("a", "OK"), ("b", state)].map(|(name, state)| (name.to_owned(), (state.to_owned(), None)));
        alarms(&cell(), &names, &BTreeMap::from(states))
    };
    assert_eq!(judged("OK"), [seen(&cell(), Verdict::Pass, "2 alarms OK")]);
    assert_eq!(judged("ALARM"), [seen(&cell(), Verdict::Fail, "alarm b is in alarm")]);
    assert_eq!(judged("INSUFFICIENT_DATA"), [seen(&cell(), Verdict::Missing, "alarm b has no data")]);
    assert_eq!(judged("SOMETHING_NEW")[0].verdict, Verdict::Missing);
    assert_eq!(alarms(&cell(), &names, &BTreeMap::new()).len(), 2);
    let none = alarms(&cell(), &[], &BTreeMap::new());
    assert_eq!(none[0].verdict, Verdict::Missing);
    assert!(none[0].what.contains("the stack of cell-3 has no alarm; leave the gate out"));
}

#[test]
fn queues_count_what_they_hold_and_dead_letters_what_came_since() {
    let depths = [("q".to_owned(), Some(5)), ("r".to_owned(), Some(3))];
    assert_eq!(queues(&cell(), &depths, 5)[0].verdict, Verdict::Pass);
    let what = "queue q holds 5 messages, allowed are 4";
    assert_eq!(queues(&cell(), &depths, 4), [seen(&cell(), Verdict::Fail, what)]);
    let gone = queues(&cell(), &[("q".to_owned(), None)], 4);
    assert_eq!(gone, [seen(&cell(), Verdict::Missing, "queue q is not there")]);
    assert_eq!(queues(&cell(), &[], 4)[0].verdict, Verdict::Missing);
    let before = BTreeMap::from([("q".to_owned(), 5), ("r".to_owned(), 2)]);
    assert_eq!(dead_letters(&cell(), &depths, &before, 1)[0].verdict, Verdict::Pass);
    let more = dead_letters(&cell(), &depths, &before, 0);
    assert_eq!(more.len(), 1);
    assert_eq!(more[0].what, "queue r holds 3 messages, and held 2 before the wave; allowed are 0 more");
    assert_eq!(dead_letters(&cell(), &depths, &BTreeMap::new(), 4)[0].verdict, Verdict::Fail);
}

#[test]
fn dead_letter_queues_are_known_by_their_names() {
    for queue in ["shop-cell-1-orders-dead-letters", "s-orders-dead-letters.fifo", "s-f-stream-failures", "x-dlq"] {
        assert!(is_for_dead_letters(queue), "{queue}");
    }
    for queue in ["shop-cell-1-orders", "shop-cell-1-moved", "s-orders.fifo"] {
        assert!(!is_for_dead_letters(queue), "{queue}");
    }
}

#[test]
fn a_probe_says_what_it_met() {
    let told = |answer| command(&cell(), "check", &answer);
    let good = told(Answer::Got((Some(0), String::new())));
    assert_eq!((good.verdict, good.what.as_str()), (Verdict::Pass, "check ended with exit code 0"));
    let bad = told(Answer::Got((Some(3), "no orders".to_owned())));
    assert_eq!((bad.verdict, bad.what.as_str()), (Verdict::Fail, "check ended with exit code 3: no orders"));
    assert_eq!(told(Answer::Got((None, String::new()))).verdict, Verdict::Fail);
    assert_eq!(told(Answer::Late(10_000)).what, "check did not end within 10 s");
    assert_eq!(told(Answer::Broken("not found".to_owned())).verdict, Verdict::Fail);
    let asked = |answer| http(&cell(), "https://x/health?token=secret", 200, &answer);
    assert_eq!(asked(Answer::Got(200)).what, "https://x/health answered 200");
    assert_eq!(asked(Answer::Got(503)), seen(&cell(), Verdict::Fail, "https://x/health answered 503, not 200"));
    assert_eq!(asked(Answer::Late(1_500)).what, "https://x/health did not answer within 1500 ms");
    assert_eq!(asked(Answer::Broken("refused".to_owned())).verdict, Verdict::Fail);
}

#[test]
fn a_metric_fails_where_it_is_worse_surely_and_by_more_than_allowed() {
    let verdict = |m: &Metric, new: &Side, old: &Side| compare(m, new, old).verdict;
    let more = metric(Worse::Higher, 10);
    assert_eq!(verdict(&more, &around(130.0), &around(100.0)), Verdict::Fail);
    assert_eq!(verdict(&more, &around(105.0), &around(100.0)), Verdict::Pass, "within the tolerance");
    assert_eq!(verdict(&more, &around(70.0), &around(100.0)), Verdict::Pass, "better");
    let less = metric(Worse::Lower, 10);
    assert_eq!(verdict(&less, &around(70.0), &around(100.0)), Verdict::Fail);
    assert_eq!(verdict(&less, &around(95.0), &around(100.0)), Verdict::Pass);
    assert_eq!(verdict(&less, &around(130.0), &around(100.0)), Verdict::Pass);
    // Far apart, but as chance has it: the values of both are spread widely.
    let wide = [10.0, 250.0, 30.0, 180.0, 90.0, 120.0];
    assert_eq!(verdict(&more, &side(&wide.map(|v| v + 30.0)), &side(&wide)), Verdict::Pass, "not surely");
}

#[test]
fn a_metric_without_enough_points_is_missing_and_says_how_many_there_are() {
    let told = |new: &[f64], old: &[f64]| compare(&metric(Worse::Higher, 10), &side(new), &side(old));
    let none = told(&[], &[]);
    assert_eq!(none.verdict, Verdict::Missing);
    assert_eq!(none.what, "metric Errors of namespace AWS/Lambda has no data points: does it exist?");
    let few = told(&[1.0; 4], &[1.0; 9]);
    assert_eq!(few.verdict, Verdict::Missing);
    assert_eq!(few.what, "metric Errors has 4 data points in changed cells and 9 in others; each side needs 5");
    assert_eq!(told(&[1.0; 9], &[]).verdict, Verdict::Missing);
    assert_eq!(told(&[f64::NAN; 9], &[1.0; 9]).verdict, Verdict::Missing);
    let alone = compare(&metric(Worse::Higher, 10), &around(1.0), &Side::default());
    assert_eq!(alone.verdict, Verdict::Missing);
    assert!(alone.what.starts_with("no cell with the old version is left"), "{}", alone.what);
}

#[test]
fn points_that_cannot_show_a_difference_are_too_few_whatever_is_asked_for() {
    let lenient = Metric { points_min: 3, ..metric(Worse::Higher, 10) };
    let found = compare(&lenient, &side(&[900.0, 901.0, 902.0]), &side(&[1.0, 2.0, 3.0]));
    assert_eq!(found.verdict, Verdict::Missing);
    assert!(found.what.ends_with("too few to tell any difference from chance"), "{}", found.what);
}

#[test]
fn any_error_counts_where_the_others_have_none() {
    let told = |new: &[f64]| compare(&metric(Worse::Higher, 500), &side(new), &side(&[0.0; 20]));
    assert_eq!(told(&[0.0; 5]).verdict, Verdict::Pass);
    let bad = told(&[0.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(bad.verdict, Verdict::Fail);
    assert!(bad.what.ends_with("1 of 5 data points are worse than 0"), "{}", bad.what);
    let throughput = compare(&metric(Worse::Lower, 10), &side(&[0.0; 5]), &side(&[0.0; 5]));
    assert_eq!(throughput.verdict, Verdict::Missing);
    assert_eq!(compare(&metric(Worse::Lower, 10), &side(&[4.0; 5]), &side(&[0.0; 5])).verdict, Verdict::Pass);
}

#[test]
fn rare_errors_are_compared_by_their_means() {
    let rare: Vec<f64> = (0..100).map(|n| if n % 20 == 0 { 1.0 } else { 0.0 }).collect();
    let often: Vec<f64> = (0..100).map(|n| if n % 3 == 0 { 1.0 } else { 0.0 }).collect();
    let told = |new: &[f64], old: &[f64]| compare(&metric(Worse::Higher, 50), &side(new), &side(old)).verdict;
    assert_eq!(told(&often, &rare), Verdict::Fail);
    assert_eq!(told(&rare, &rare), Verdict::Pass);
    assert_eq!(told(&rare, &often), Verdict::Pass);
}
