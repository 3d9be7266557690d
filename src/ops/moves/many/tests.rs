//! Tests of running many moves: limits, others, stops, exit codes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::moves::estimate::Estimate;
use crate::domain::moves::machine::{Stage, Trouble};
use crate::domain::moves::samples;
use crate::ops::moves::carrier::Carrier;
use crate::ports::moves::Summary;

use super::*;

struct Paused;

#[async_trait]
impl Clock for Paused {
    fn now_ms(&self) -> i64 {
        0
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> f64 {
        0.5
    }
}

fn planned(tenant: &str, from: &str, to: &str) -> Planned {
    let estimate = Estimate {
        items: 0,
        bytes: 0,
        counted: true,
        write_units: 0,
        read_units: 0,
        copy_s: 0,
        gap_ms: 0,
        cost_usd: 0.0,
    };
    Planned { plan: samples::plan(tenant, from, to), estimate, warnings: Vec::new(), resumes: false }
}

fn ended(planned: &Planned, outcome: Ended) -> Run {
    let plan = &planned.plan;
    Run { tenant: plan.tenant().clone(), id: Some(plan.id.clone()), outcome: Some(outcome), failure: None }
}

fn completed(planned: &Planned) -> Run {
    ended(planned, Ended::Completed { receipt: Box::new(samples::receipt()) })
}

fn listed(tenant: &str, from: &str, to: &str, paused: bool) -> Listed {
    let plan = samples::plan(tenant, from, to);
    let summary = Summary {
        id: plan.id,
        source: plan.source.cell,
        target: plan.target.cell,
        stage: Stage::Copied,
        stuck: None,
        paused,
        planned_at_ms: 0,
        at_ms: 0,
    };
    let carrier = Some(Carrier { holder: "ann@desk".to_owned(), since_ms: 0 });
    Listed { summary, carrier, hint: None }
}

/// Moves under way, and the most there ever were: in all, and by cell.
#[derive(Default)]
struct Seen {
    now: BTreeMap<String, usize>,
    most: BTreeMap<String, usize>,
}

impl Seen {
    fn count(&mut self, plan: &Plan, up: bool) {
        for name in ["all", plan.source.cell.as_str(), plan.target.cell.as_str()] {
            let now = self.now.entry(name.to_owned()).or_default();
            *now = if up { *now + 1 } else { *now - 1 };
            let most = self.most.entry(name.to_owned()).or_default();
            *most = (*most).max(*now);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_moves_go_on_than_the_limits_say() {
    let moves: Vec<Planned> =
        (0..12).map(|n| planned(&format!("t{n}"), &format!("from-{}", n / 6), &format!("to-{}", n % 4))).collect();
    let seen = RefCell::new(Seen::default());
    let carry = async |planned: Planned| {
        seen.borrow_mut().count(&planned.plan, true);
        tokio::time::sleep(Duration::from_millis(planned.plan.id.to_string().len() as u64)).await;
        seen.borrow_mut().count(&planned.plan, false);
        completed(&planned)
    };
    let (_sender, stop) = watch::channel(false);
    let queue = Queue::new(moves, Limits { at_once: 3, per_cell: 2 });
    let runs = drive(queue, stop, &Paused, async || Some(Vec::new()), carry, |_| {}).await;
    assert_eq!((runs.len(), exit_code(&runs)), (12, 0));
    let most = seen.into_inner().most;
    assert_eq!(most["all"], 3);
    assert!(most.iter().filter(|(name, _)| *name != "all").all(|(_, most)| *most <= 2), "{most:?}");
    assert!(most.values().any(|most| *most == 2), "{most:?}");
}

#[tokio::test(start_paused = true)]
async fn a_move_waits_for_those_of_others_and_says_so_once() {
    let mut queue = Queue::new(vec![planned("acme", "a", "b")], Limits { at_once: 4, per_cell: 1 });
    let other = listed("zeta", "b", "c", false);
    queue.see(std::slice::from_ref(&other));
    let looks = RefCell::new(vec![Some(vec![]), None, Some(vec![other])]);
    let told = RefCell::new(Vec::new());
    let (_sender, stop) = watch::channel(false);
    let look = async || looks.borrow_mut().pop().expect("three looks at the most");
    let carry = async |planned: Planned| completed(&planned);
    let runs = drive(queue, stop, &Paused, look, carry, |text| told.borrow_mut().push(text)).await;
    assert_eq!((runs.len(), looks.into_inner().len()), (1, 0));
    let wanted =
        "move acme:12 waits: cell b has as many moves under way as --per-cell allows; `cellctl move list` shows them";
    assert_eq!(told.into_inner(), [wanted]);
}

#[test]
fn a_move_that_is_paused_or_of_this_run_or_that_nobody_carries_on_takes_nothing() {
    let mut queue = Queue::new(vec![planned("acme", "a", "b")], Limits { at_once: 4, per_cell: 1 });
    let alone = Listed { carrier: None, ..listed("hooli", "a", "b", false) };
    queue.see(&[listed("acme", "a", "b", false), listed("zeta", "a", "b", true), alone]);
    assert!(queue.next(0).is_some());
    let mut queue = Queue::new(vec![planned("acme", "a", "b")], Limits { at_once: 4, per_cell: 1 });
    queue.see(&[listed("hooli", "a", "b", false)]);
    assert!(queue.next(0).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_go_of_what_runs_and_begins_nothing() {
    let moves = vec![planned("one", "a", "b"), planned("two", "a", "b")];
    let (sender, stop) = watch::channel(false);
    let carry = async |planned: Planned| {
        sender.send_replace(true);
        ended(&planned, Ended::Stopped)
    };
    let queue = Queue::new(moves, Limits { at_once: 1, per_cell: 1 });
    let mut runs = drive(queue, stop, &Paused, async || None, carry, |_| {}).await;
    runs.sort_by_key(|run| run.tenant.clone());
    assert_eq!(exit_code(&runs), 10);
    let [one, two] = &runs[..] else { panic!("two") };
    assert_eq!((one.outcome.as_ref(), two.outcome.as_ref(), two.id.as_ref()), (Some(&Ended::Stopped), None, None));
}

#[test]
fn the_exit_code_is_theirs_or_says_partly_done() {
    let acme = planned("acme", "a", "b");
    let refused = || Run::refused("zeta".parse().expect("a tenant"), &OpError::new(ErrorKind::Refused, "full"));
    let aborted = || ended(&acme, Ended::Aborted { why: String::new() });
    let trouble = Trouble { code: "x".to_owned(), why: String::new(), hint: String::new() };
    let stuck = || ended(&acme, Ended::Stuck { trouble: trouble.clone() });
    for (runs, code) in [
        (vec![], 0),
        (vec![completed(&acme)], 0),
        (vec![aborted()], 4),
        (vec![stuck()], 10),
        (vec![refused(), refused()], 7),
        (vec![completed(&acme), refused()], 9),
        (vec![completed(&acme), stuck()], 9),
        (vec![completed(&acme), refused(), ended(&acme, Ended::Stopped)], 10),
    ] {
        assert_eq!(exit_code(&runs), code, "{runs:?}");
    }
}
