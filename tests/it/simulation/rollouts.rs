//! The real engine of a rollout over the world in memory: hundreds of schedules from seeds, and every fault at every call.
//!
//! What must hold is in `tests/support/rollouts/truth.rs`. A seed that fails is printed with the command that repeats it.

use std::collections::BTreeMap;

use cellctl::domain::rollout::machine::Stage;

use crate::support::rollouts::drawn::{Drawn, Harm, Wish};
use crate::support::rollouts::gate::Strike;
use crate::support::rollouts::schedule::{Outcome, run, run_seed};

/// Schedules in `cargo test`.
const SCHEDULES: u64 = 240;
/// Threads that run them.
const THREADS: u64 = 4;
/// Names a seed for `one_seed`.
const SEED: &str = "CELLCTL_SIM_SEED";

fn again(seed: u64) -> String {
    format!("{SEED}={seed} cargo test --test it simulation::rollouts::one_seed -- --nocapture")
}

/// What was broken in some schedules, each with its seed; what they counted; how they ended.
type Some = (Vec<String>, BTreeMap<&'static str, u64>, BTreeMap<&'static str, u64>);

fn some(first: u64, step: u64) -> Some {
    let (mut broken, mut counted, mut ends) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for seed in (first..SCHEDULES).step_by(usize::try_from(step).expect("few")) {
        let outcome = run_seed(seed, None);
        for (name, count) in &outcome.counted {
            *counted.entry(*name).or_default() += count;
        }
        *ends.entry(outcome.stage.map_or("none", Stage::as_str)).or_default() += 1;
        broken.extend(outcome.broken.first().map(|what| format!("seed {seed}: {what}\n  {}", again(seed))));
    }
    (broken, counted, ends)
}

#[test]
fn a_bad_version_stays_in_its_waves_in_any_schedule() {
    let threads: Vec<_> = (0..THREADS).map(|first| std::thread::spawn(move || some(first, THREADS))).collect();
    let (mut broken, mut counted, mut ends) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for thread in threads {
        let (theirs, counts, ended) = thread.join().expect("a thread");
        broken.extend(theirs);
        for (name, count) in counts {
            *counted.entry(name).or_insert(0) += count;
        }
        for (name, count) in ended {
            *ends.entry(name).or_insert(0) += count;
        }
    }
    println!("{SCHEDULES} schedules: {ends:?}; {counted:?}");
    assert!(broken.is_empty(), "{} of {SCHEDULES}:\n{}", broken.len(), broken.join("\n"));
    for stage in ["completed", "rolled-back", "aborted", "halted"] {
        assert!(ends.get(stage).is_some_and(|count| *count >= 5), "few end as {stage}: {ends:?}");
    }
    for kind in [
        "throttled",
        "unreachable",
        "lost answer",
        "lost request",
        "late effect",
        "crash before",
        "crash after",
        "frozen",
    ] {
        assert!(counted.get(kind).is_some_and(|count| *count > 10), "{kind} hardly occurs: {counted:?}");
    }
}

/// Repeats the schedule of a seed and shows it line by line.
#[test]
fn one_seed() {
    let seed = std::env::vars().find(|(name, _)| name == SEED).and_then(|(_, text)| text.parse().ok()).unwrap_or(1);
    let outcome = run(&Drawn::of(seed, None), None, true);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
}

/// Seeds that showed a fault of the engine once, as long as the schedules are drawn as they were then.
#[test]
fn seeds_that_once_failed_pass() {
    let seed = 225;
    let outcome = run_seed(seed, None);
    assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    for seed in 0..20 {
        let (first, second) = (run_seed(seed, None), run_seed(seed, None));
        assert_eq!((first.digest, &first.counted), (second.digest, &second.counted), "seed {seed}");
    }
    assert_ne!(run_seed(1, None).digest, run_seed(2, None).digest);
}

/// Strikes every write of a small rollout, and some of its many looks, with a fault, each in a schedule of its own.
fn strike_everywhere(drawn: &Drawn, strike: Strike, stages: &[Stage]) {
    let drawn = Drawn { in_flight: Some(2), patience_ms: 200_000, ..drawn.clone() };
    let ends_well = |outcome: &Outcome| outcome.stage.is_some_and(|stage| stages.contains(&stage));
    let is_fine = |outcome: &Outcome| outcome.broken.is_empty() && ends_well(outcome);
    let undisturbed = run(&drawn, Some((u64::MAX, strike)), true);
    assert!(is_fine(&undisturbed), "{:?} {:#?}", undisturbed.stage, undisturbed.broken);
    for call in struck(&undisturbed) {
        let one_machine = call % 2 == 0;
        let outcome = run(&Drawn { one_machine, ..drawn.clone() }, Some((call, strike)), false);
        assert!(is_fine(&outcome), "{strike:?} at call {call}: {:?} {:#?}", outcome.stage, outcome.broken);
    }
}

/// Numbers of the calls that are worth a strike.
fn struck(undisturbed: &Outcome) -> Vec<u64> {
    let name = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let is_call = |line: &&String| name(line) == "GET" || (name(line).contains(':') && !name(line).ends_with(':'));
    let calls: Vec<&String> = undisturbed.lines.iter().filter(is_call).collect();
    assert_eq!(calls.len() as u64, undisturbed.calls, "a line is taken for a call");
    let calls = calls.into_iter().zip(1_u64..);
    let writes = |line: &str| line.contains("TransactWriteItems") || line.contains("ChangeSet");
    calls.filter(|(line, call)| writes(line) || call % LOOKS == 0).map(|(_, call)| call).collect()
}

/// Of so many looks one is struck.
const LOOKS: u64 = 41;

fn small(harm: Harm) -> Drawn {
    Drawn { harm, ..Drawn::plain(3, vec![1, 2, 2]) }
}

const UNWELL: Harm = Harm::Unwell { wave: 1, after_ms: 0 };

#[test]
fn a_rollout_survives_a_crash_at_every_call() {
    strike_everywhere(&small(Harm::None), Strike::CrashAfter, &[Stage::Completed]);
}

#[test]
fn a_rollback_survives_a_crash_at_every_call() {
    strike_everywhere(&small(UNWELL), Strike::CrashAfter, &[Stage::RolledBack]);
}

#[test]
fn a_rollback_survives_a_process_that_stands_still_at_every_call() {
    strike_everywhere(&small(UNWELL), Strike::Freeze, &[Stage::RolledBack]);
}

#[test]
fn a_rollback_survives_an_effect_that_is_late_or_unanswered_at_every_call() {
    strike_everywhere(&small(UNWELL), Strike::Late, &[Stage::RolledBack]);
    strike_everywhere(&small(UNWELL), Strike::LostAnswer, &[Stage::RolledBack]);
}

#[test]
fn a_machine_that_sleeps_at_any_call_changes_nothing_when_it_wakes() {
    let drawn = Drawn { wish: Wish::Rollback, wish_ms: 100_000, ..small(Harm::None) };
    // One that sleeps before it has begun anything begins when it wakes.
    strike_everywhere(&drawn, Strike::Sleep, &[Stage::RolledBack, Stage::Aborted, Stage::Completed]);
}

#[test]
fn an_order_to_take_back_what_was_not_begun_ends_it() {
    let drawn = Drawn { approval: Some(0), wish: Wish::Rollback, wish_ms: 500, ..Drawn::plain(1, vec![1, 2]) };
    let outcome = run(&drawn, None, false);
    assert_eq!((outcome.stage, outcome.spread, outcome.broken), (Some(Stage::Aborted), 0, vec![]));
}

#[test]
fn a_rollback_begins_a_poll_and_a_second_after_the_first_sign() {
    let drawn = Drawn { harm: Harm::Unwell { wave: 0, after_ms: 20_000 }, ..Drawn::plain(1, vec![2, 3]) };
    let outcome = run(&drawn, None, false);
    let poll_ms = drawn.bake_ms.cast_signed() / 20;
    assert!(outcome.reaction_ms.is_some_and(|ms| ms <= poll_ms + 1_000), "{:?}", outcome.reaction_ms);
    assert_eq!(outcome.stage, Some(Stage::RolledBack), "{:?}", outcome.broken);
}

#[test]
fn what_a_bake_costs_does_not_grow_with_the_finished_cells() {
    let calls = |finished| run(&Drawn::plain(1, vec![finished, 2]), None, false).baking_calls;
    assert_eq!(calls(2), calls(60));
}
