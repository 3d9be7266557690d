//! The state machine of a move: total, forward only after FLIP, never without an end, and the fold of its journal.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::event::{Entry, Event};
use super::machine::{Move, Stage, Step};
use super::orders::Orders;
use super::receipt::{Gap, Proof, Receipt};
use super::{FenceLevel, Options, Plan};

const LEVELS: [FenceLevel; 3] = [FenceLevel::Lease, FenceLevel::Strict, FenceLevel::Guarded];

fn plan(fence: FenceLevel) -> Plan {
    let end = |cell: &str| json!({ "cell": cell, "place": { "region": "eu-central-1" }, "fenceTable": format!("{cell}-fences"), "shards": 2 });
    let options = json!({
        "fence": fence, "writeGapMaxMs": 500, "holdCutover": false, "leaseMs": 1, "requestMs": 1, "soakMs": 0,
        "cutoversMax": 2,
    });
    let plan = json!({
        "format": 1, "id": "acme:12", "source": end("cell-1"), "target": end("cell-2"), "epoch": 7, "tables": [],
        "queues": [], "options": options, "onePlace": true, "atMs": 1,
    });
    serde_json::from_value(plan).expect("a plan")
}

fn gap() -> Gap {
    Gap { from_ms: 1, to_ms: 2, length_us: 900, keys: 3 }
}

fn receipt(plan: &Plan) -> Receipt {
    Receipt {
        id: plan.id.clone(),
        source: plan.source.cell.clone(),
        target: plan.target.cell.clone(),
        epoch_before: 7,
        epoch: 8,
        fence: plan.options.fence,
        planned_at_ms: 1,
        completed_at_ms: 2,
        items_copied: 1,
        bytes_copied: 1,
        keys_reconciled: 1,
        keys_repaired: 0,
        capture_gaps: 0,
        takeovers: 0,
        cutovers: 1,
        tables: Vec::new(),
        gap: gap(),
        proof: Proof::Notes,
        messages: 0,
        items_cleaned: 1,
        kept: None,
    }
}

/// One event of each kind.
fn events(plan: &Plan) -> Vec<Event> {
    let why = || "because".to_owned();
    vec![
        Event::Planned { plan: Box::new(plan.clone()) },
        Event::TakenOver { bulk_until_ms: 5 },
        Event::Reserved,
        Event::CaptureStarted,
        Event::GapFound { table: "orders".to_owned(), what: "a shard".to_owned() },
        Event::Copied { items: 1, bytes: 1 },
        Event::Barred { waited_ms: 1 },
        Event::Reconciled { rounds: 1, keys: 1 },
        Event::Guarded,
        Event::Verified { tables: Vec::new(), repaired: 0, passes: 1, keys: 0 },
        Event::CutoverStarted { deadline_ms: 9, keys: 0 },
        Event::Reopened { epoch: 9, why: why() },
        Event::Flipped { gap: gap(), proof: Proof::Compared },
        Event::Landed,
        Event::QueuesMoved { messages: 1 },
        Event::Soaked,
        Event::Kept { why: why() },
        Event::Cleaned { items: 1 },
        Event::Completed { receipt: Box::new(receipt(plan)) },
        Event::AbortStarted { why: why() },
        Event::Cleared { items: 1 },
        Event::Aborted,
        Event::Stuck { code: "full".to_owned(), why: why(), hint: why() },
        Event::Resumed,
        Event::Paused,
    ]
}

fn entry(seq: u64, event: Event) -> Entry {
    Entry { seq, at_ms: i64::try_from(seq).expect("small"), by: "somebody".to_owned(), token: 1, event }
}

fn first(plan: &Plan) -> Entry {
    entry(1, Event::Planned { plan: Box::new(plan.clone()) })
}

/// What decides how a move goes on: states that agree in it behave alike.
type Kind = (Stage, bool, bool, bool);

fn kind(state: &Move) -> Kind {
    (state.stage, state.paused, state.trouble.is_some(), state.owes_comparison)
}

/// Every kind of state that can be reached, with those that follow it.
fn reachable(plan: &Plan) -> BTreeMap<Kind, (Move, Vec<Kind>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![Move::begin(&first(plan)).expect("the first entry")];
    while let Some(state) = left.pop() {
        if found.contains_key(&kind(&state)) {
            continue;
        }
        let after = |event| state.clone().apply(&entry(state.seq + 1, event)).ok();
        let next: Vec<Move> = events(plan).into_iter().filter_map(after).collect();
        found.insert(kind(&state), (state, next.iter().map(kind).collect()));
        left.extend(next);
    }
    found
}

/// The event with which a step ends.
fn ends_with(step: Step) -> Option<&'static str> {
    let name = match step {
        Step::Reserve => "reserved",
        Step::Capture => "capture-started",
        Step::Copy => "copied",
        Step::Bar => "barred",
        Step::Reconcile => "reconciled",
        Step::Guard => "guarded",
        Step::Verify => "verified",
        Step::CutOver => "cutover-started",
        Step::Settle => "reopened",
        Step::Land => "landed",
        Step::MoveQueues => "queues-moved",
        Step::Soak => "soaked",
        Step::Clean => "cleaned",
        Step::Complete => "completed",
        Step::Clear => "cleared",
        Step::EndAbort => "aborted",
        Step::Wait => "resumed",
        Step::Rest => return None,
    };
    Some(name)
}

#[test]
fn every_event_has_an_answer_in_every_state() {
    for plan in LEVELS.map(plan) {
        for (state, _) in reachable(&plan).into_values() {
            for event in events(&plan) {
                let name = event.name();
                match state.clone().apply(&entry(state.seq + 1, event)) {
                    Ok(next) => assert_eq!(next.seq, state.seq + 1),
                    Err(illegal) => assert_eq!((illegal.event, illegal.seq), (name, state.seq + 1)),
                }
            }
        }
    }
}

#[test]
fn all_stages_but_guarded_are_reached_at_every_level() {
    for plan in LEVELS.map(plan) {
        let stages: std::collections::BTreeSet<Stage> = reachable(&plan).into_keys().map(|kind| kind.0).collect();
        assert_eq!(stages.len(), if plan.options.fence.has_notes() { 18 } else { 17 }, "{stages:?}");
    }
}

#[test]
fn the_next_step_ends_with_an_entry_that_fits() {
    for plan in LEVELS.map(plan) {
        for (state, _) in reachable(&plan).into_values() {
            let Some(name) = ends_with(state.next()) else {
                assert!(state.stage.is_over());
                continue;
            };
            let event = events(&plan).into_iter().find(|event| event.name() == name).expect("an event");
            let after = state.clone().apply(&entry(state.seq + 1, event));
            assert!(after.is_ok(), "{:?} says {:?}: {after:?}", state.stage, state.next());
        }
    }
}

#[test]
fn after_flip_there_is_only_forward() {
    for plan in LEVELS.map(plan) {
        let all = reachable(&plan);
        let past: Vec<_> = all.values().filter(|(state, _)| state.stage.is_past_flip()).collect();
        assert!(!past.is_empty());
        for (state, after) in past {
            assert!(after.iter().all(|next| next.0.is_past_flip() && next.0 >= state.stage), "{:?}", state.stage);
        }
    }
}

#[test]
fn every_state_has_a_way_to_an_end() {
    for plan in LEVELS.map(plan) {
        let all = reachable(&plan);
        let mut good: Vec<Kind> = all.keys().copied().filter(|kind| kind.0.is_over()).collect();
        assert!(good.iter().any(|kind| kind.0 == Stage::Completed) && good.iter().any(|kind| kind.0 == Stage::Aborted));
        let mut at = 0;
        while at < good.len() {
            let end = good[at];
            let before = all.iter().filter(|(kind, (_, after))| after.contains(&end) && !good.contains(kind));
            let before: Vec<Kind> = before.map(|(kind, _)| *kind).collect();
            good.extend(before);
            at += 1;
        }
        assert_eq!(good.len(), all.len(), "states without an end: {:?}", all.keys().filter(|k| !good.contains(k)));
    }
}

#[test]
fn what_is_over_takes_no_entry() {
    let plan = plan(FenceLevel::Strict);
    for (state, after) in reachable(&plan).into_values() {
        assert_eq!(state.stage.is_over(), after.is_empty(), "{:?}", state.stage);
    }
}

#[test]
fn an_entry_out_of_order_is_refused() {
    let plan = plan(FenceLevel::Strict);
    let state = Move::begin(&first(&plan)).expect("the first entry");
    for seq in [0, 1, 3] {
        assert!(state.clone().apply(&entry(seq, Event::Reserved)).is_err(), "{seq}");
    }
    assert!(Move::begin(&entry(2, Event::Planned { plan: Box::new(plan) })).is_err());
    assert!(Move::begin(&entry(1, Event::Reserved)).is_err());
}

#[test]
fn giving_up_does_not_wait_for_a_resume() {
    let plan = plan(FenceLevel::Strict);
    let paused = Move::fold(&[first(&plan), entry(2, Event::Paused)]).expect("legal").expect("a move");
    assert_eq!(paused.next(), Step::Wait);
    let aborting = paused.apply(&entry(3, Event::AbortStarted { why: "because".to_owned() })).expect("it fits");
    assert_eq!(aborting.next(), Step::Clear);
}

#[test]
fn a_gap_after_the_comparison_asks_for_another_one() {
    for plan in LEVELS.map(plan) {
        let verified =
            reachable(&plan).into_values().find(|(state, _)| kind(state) == (Stage::Verified, false, false, false));
        let (state, _) = verified.expect("a state that is verified");
        let gap = Event::GapFound { table: "orders".to_owned(), what: "a shard".to_owned() };
        let state = state.clone().apply(&entry(state.seq + 1, gap)).expect("a gap fits");
        assert!(state.owes_comparison);
        assert_eq!(state.next(), Step::Verify);
    }
}

#[test]
fn every_event_is_read_back_as_it_was_written() {
    let plan = plan(FenceLevel::Strict);
    let mut names = std::collections::BTreeSet::new();
    for (seq, event) in (1..).zip(events(&plan)) {
        let written = entry(seq, event);
        let text = serde_json::to_value(&written).expect("it is written");
        assert_eq!(text["event"]["event"], written.event.name());
        assert_eq!(serde_json::from_value::<Entry>(text).expect("it is read"), written);
        names.insert(written.event.name());
    }
    assert_eq!(names.len(), 25, "one of each kind");
}

#[test]
fn a_source_may_be_kept_only_between_the_messages_and_the_end_of_the_cleaning() {
    for plan in LEVELS.map(plan) {
        let kept = Event::Kept { why: "back".to_owned() };
        for (state, _) in reachable(&plan).into_values() {
            let after = state.clone().apply(&entry(state.seq + 1, kept.clone())).ok();
            let fits = matches!(state.stage, Stage::QueuesMoved | Stage::Soaked);
            assert_eq!(after.is_some(), fits, "{:?}", state.stage);
            let Some(after) = after else { continue };
            assert_eq!((after.stage, after.tally.kept.as_deref()), (Stage::Cleaned, Some("back")));
        }
    }
}

#[test]
fn what_was_written_before_there_was_a_way_back_is_read() {
    let plan = plan(FenceLevel::Strict);
    let text = serde_json::to_value((&receipt(&plan), &plan.options, Orders::default())).expect("it is written");
    for name in ["kept", "warm", "backOf", "keep"] {
        assert!(!text.to_string().contains(&format!("\"{name}\"")), "{name}");
    }
    let read: (Receipt, Options, Orders) = serde_json::from_value(text).expect("it is read");
    assert_eq!(read, (receipt(&plan), plan.options, Orders::default()));
}

/// A journal of legal entries: each number picks one of those that fit.
fn journal(plan: &Plan, picks: &[usize]) -> Vec<Entry> {
    let mut entries = vec![first(plan)];
    let mut state = Move::begin(&entries[0]).expect("the first entry");
    for pick in picks {
        let fits = |event: &Event| state.clone().apply(&entry(state.seq + 1, event.clone())).is_ok();
        let legal: Vec<Event> = events(plan).into_iter().filter(fits).collect();
        if legal.is_empty() {
            break;
        }
        let next = entry(state.seq + 1, legal[pick % legal.len()].clone());
        state = state.apply(&next).expect("it fits");
        entries.push(next);
    }
    entries
}

proptest! {
    #[test]
    fn a_journal_may_be_folded_in_two_parts(level in 0..3_usize, picks in prop::collection::vec(0..100_usize, 0..40)) {
        let entries = journal(&plan(LEVELS[level]), &picks);
        let whole = Move::fold(&entries).expect("a legal journal");
        for cut in 1..=entries.len() {
            let part = Move::fold(&entries[..cut]).expect("a legal journal").expect("a move");
            let both = entries[cut..].iter().try_fold(part, Move::apply).expect("a legal journal");
            prop_assert_eq!(Some(both), whole.clone());
        }
    }

    #[test]
    fn the_epoch_only_grows_by_what_is_journalled(picks in prop::collection::vec(0..100_usize, 0..40)) {
        let entries = journal(&plan(FenceLevel::Strict), &picks);
        let state = Move::fold(&entries).expect("a legal journal").expect("a move");
        let reopened = entries.iter().any(|entry| matches!(entry.event, Event::Reopened { .. }));
        prop_assert_eq!(state.epoch, if reopened { 9 } else { 7 });
    }
}
