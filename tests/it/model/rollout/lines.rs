//! Entries as the real machine gets them; without a guard, as it would get them then.

use cellctl::domain::definition::Rollback;
use cellctl::domain::rollout::event::{Changed, Entry, Event};
use cellctl::domain::rollout::gate::{Look, Verdict};
use cellctl::domain::rollout::machine::{Rollout, Stage};

use super::mutants::Mutant;
use super::plan::{BAKE_MS, GATE};
use super::protocol::Protocol;
use super::state::{Line, Sign};

/// The state after an entry; none where the machine refuses it.
pub(super) fn apply(protocol: &Protocol, state: &Rollout, line: Line) -> Option<Rollout> {
    let state = tampered(protocol, state, line);
    let event = event(protocol, &state, line)?;
    let (seq, by) = (state.seq + 1, String::new());
    state.apply(&Entry { seq, at_ms: 0, by, token: 0, event }).ok()
}

/// Without a guard of the machine: the state in which it lets the entry pass.
fn tampered(protocol: &Protocol, state: &Rollout, line: Line) -> Rollout {
    let mut state = state.clone();
    match line {
        Line::Started if protocol.has(Mutant::NoApproval) => state.approved = state.wave + 1,
        Line::Started if protocol.has(Mutant::BeginUnpassed) && state.stage == Stage::Baking => {
            (state.stage, state.wave) = (Stage::Ready, state.wave + 1);
        }
        _ => {}
    }
    state
}

fn event(protocol: &Protocol, state: &Rollout, line: Line) -> Option<Event> {
    let (wave, who, why) = (state.wave, String::new(), "told".to_owned());
    Some(match line {
        Line::TakenOver { late } => Event::TakenOver { calls_until_ms: i64::from(late) },
        Line::Resumed => Event::Resumed,
        Line::Paused => Event::Paused { who },
        Line::Approved { wave } => Event::Approved { wave, who },
        Line::Started => Event::WaveStarted { wave },
        Line::Changed { failed, not_begun } => {
            let not_begun = if protocol.has(Mutant::NotBegunIsDone) { 0 } else { not_begun };
            Event::WaveChanged { wave, changed: Changed { failed, not_begun, ..Changed::default() } }
        }
        Line::Baked { baked } => Event::Baked { wave, baked_ms: baked.into(), looks: 1, gates: looks(Verdict::Pass) },
        Line::GatesFailed { baked } => Event::GatesFailed { wave, baked_ms: baked.into(), gates: looks(Verdict::Fail) },
        Line::Passed { promoted, baked, sign } => Event::WavePassed {
            wave,
            baked_ms: if protocol.has(Mutant::PassEarly) { BAKE_MS } else { baked.into() },
            promoted_by: promoted.then_some(who),
            gates: looks(verdict(protocol, sign)),
        },
        Line::Completed => Event::Completed,
        Line::Halted => {
            let why = if protocol.has(Mutant::HaltMute) { String::new() } else { why };
            Event::Halted { hint: why.clone(), why }
        }
        Line::TakeBack { scope, ordered } => {
            Event::RollbackStarted { first: first(protocol, state, scope)?, why, who: ordered.then_some(who) }
        }
        Line::Back { failed } => Event::WaveBack { wave, changed: Changed { failed, ..Changed::default() } },
        Line::BackFailed => Event::RollbackFailed { hint: why.clone(), why },
        Line::RolledBack => Event::RolledBack { kept: Vec::new() },
        Line::Aborted => Event::Aborted { why },
    })
}

fn first(protocol: &Protocol, state: &Rollout, scope: Rollback) -> Option<usize> {
    let scope = if protocol.has(Mutant::BackLastOnly) { Rollback::Wave } else { scope };
    state.back_from(scope)
}

/// What a pilot makes of what a gate says.
pub(super) fn verdict(protocol: &Protocol, sign: Sign) -> Verdict {
    match sign {
        Sign::Good => Verdict::Pass,
        Sign::Missing if protocol.has(Mutant::MissingPasses) => Verdict::Pass,
        Sign::Missing => Verdict::Missing,
        Sign::Bad if protocol.has(Mutant::FailurePasses) => Verdict::Pass,
        Sign::Bad => Verdict::Fail,
    }
}

fn looks(verdict: Verdict) -> Vec<Look> {
    let failed = verdict == Verdict::Fail;
    vec![Look { gate: GATE.to_owned(), verdict, failed_in_row: u32::from(failed), failed, seen: Vec::new(), cells: 1 }]
}
