//! The invariants of `docs/rollout-protocol.md` as properties, and what must be reachable so that they say something.

use cellctl::domain::definition::Rollback;
use cellctl::domain::rollout::machine::Stage;
use stateright::Property;

use super::protocol::{Bounds, Order, Protocol};
use super::state::{State, Version, WAVES};

pub(super) const R1: &str = "R1 the new version is in waves that were begun";
pub(super) const R1B: &str = "R1 a wave begins after all before it have passed";
pub(super) const R2: &str = "R2 a wave passes on gates that held, or on a word";
pub(super) const R3: &str = "R3 a wave that needs approval has it";
pub(super) const R4: &str = "R4 at most maxFailures and maxInFlight cells of a wave fail";
pub(super) const R4B: &str = "R4 nothing is begun once too many have failed";
pub(super) const R5: &str = "R5 what is taken back is as it was";
pub(super) const R6: &str = "R6 nothing of a pilot that lost its lease counts";
pub(super) const R7: &str = "R7 what stands still says why";
pub(super) const R7B: &str = "R7 an order to take back is not followed by a wave";

pub(super) fn always() -> Vec<Property<Protocol>> {
    vec![
        Property::always(R1, new_where_begun),
        Property::always(R1B, in_order),
        Property::always(R2, |_, s: &State| !s.truth.passed_foul),
        Property::always(R3, approved),
        Property::always(R4, few_fail),
        Property::always(R4B, |_, s: &State| !s.truth.begun_foul),
        Property::always(R5, as_it_was),
        Property::always(R6, |_, s: &State| !s.truth.foul),
        Property::always(R7, says_why),
        Property::always(R7B, |_, s: &State| !s.truth.defied),
    ]
}

fn is_begun(s: &State, wave: usize) -> bool {
    s.journal.waves[wave].started_at_ms.is_some()
}

fn new_where_begun(model: &Protocol, s: &State) -> bool {
    let spoilt = |wave: usize| model.cells_of(wave).any(|cell| s.cells[cell] != Version::Old);
    (0..WAVES).all(|wave| !spoilt(wave) || is_begun(s, wave))
}

fn in_order(_: &Protocol, s: &State) -> bool {
    let passed = |wave: usize| s.journal.waves[wave].passed_at_ms.is_some();
    (0..WAVES).filter(|wave| is_begun(s, *wave)).all(|wave| (0..wave).all(passed))
}

fn approved(model: &Protocol, s: &State) -> bool {
    model.bounds.approval.is_none_or(|wave| !is_begun(s, wave) || s.truth.approved[wave])
}

fn few_fail(model: &Protocol, s: &State) -> bool {
    let failed = |wave: usize| model.cells_of(wave).filter(|cell| s.truth.failed[*cell]).count();
    (0..WAVES).all(|wave| failed(wave) <= model.bounds.max_failures + model.bounds.in_flight)
}

fn as_it_was(model: &Protocol, s: &State) -> bool {
    let (Stage::RolledBack, Some(first)) = (s.journal.stage, s.truth.back_to) else {
        return s.journal.stage != Stage::RolledBack;
    };
    (first..WAVES).flat_map(|wave| model.cells_of(wave)).all(|cell| s.cells[cell] == Version::Old)
}

fn says_why(_: &Protocol, s: &State) -> bool {
    let (why, hint) = (s.journal.why.is_some(), s.journal.hint.is_some());
    match s.journal.stage {
        Stage::Halted | Stage::BackFailed => why && hint,
        Stage::TakingBack | Stage::TakenBack | Stage::RolledBack | Stage::Aborted => why,
        _ => true,
    }
}

/// What must be reachable within these bounds.
pub(super) fn sometimes(bounds: &Bounds) -> Vec<Property<Protocol>> {
    let mut properties =
        vec![Property::sometimes("a rollout completes", |_, s: &State| s.journal.stage == Stage::Completed)];
    let fails = bounds.bad_gates || bounds.failures > 0;
    if bounds.tokens > 1 {
        properties.push(Property::sometimes("another pilot completes it", |_, s: &State| {
            s.journal.stage == Stage::Completed && s.lease > 1
        }));
        properties.push(Property::sometimes("a call counts late", |_, s: &State| s.truth.late));
    }
    if fails && bounds.scope != Rollback::None {
        properties.push(Property::sometimes("a rollout is taken back from the last wave", |_, s: &State| {
            s.journal.stage == Stage::RolledBack && is_begun(s, WAVES - 1)
        }));
    }
    if bounds.tokens > 1 && fails {
        properties.push(Property::sometimes("a late call counts after its wave was taken back", |_, s: &State| {
            s.journal.stage == Stage::TakenBack && s.truth.late && s.cells.contains(&Version::New)
        }));
    }
    if bounds.failures > 1 {
        properties.push(Property::sometimes("a rollback fails", |_, s: &State| s.journal.stage == Stage::BackFailed));
    }
    if bounds.orders.contains(&Order::Promote) && bounds.scope == Rollback::None {
        properties.push(Property::sometimes("a rollout that halted is promoted", |_, s: &State| {
            s.journal.stage == Stage::Completed && s.truth.promoted != [false; WAVES]
        }));
    }
    if bounds.orders.contains(&Order::RollbackAll) {
        properties.push(Property::sometimes("a rollout that was completed is taken back", |_, s: &State| {
            s.journal.stage == Stage::RolledBack && s.journal.waves.iter().all(|wave| wave.passed_at_ms.is_some())
        }));
    }
    properties
}
