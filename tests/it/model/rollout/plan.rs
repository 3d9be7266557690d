//! The plan that the model's rollout has, for the real machine.

use cellctl::domain::ids::Digest;
use cellctl::domain::rollout::event::{Entry, Event};
use cellctl::domain::rollout::gate::{Check, Gate};
use cellctl::domain::rollout::machine::Rollout;
use cellctl::domain::rollout::{Plan, ROLLOUT_FORMAT, RolloutId, Wave};

use super::protocol::Bounds;
use super::state::Folded;

/// How long a bake is, in looks.
pub(super) const BAKE_MS: u64 = 2;
/// The one gate.
pub(super) const GATE: &str = "gate";

fn wave(number: usize, bounds: &Bounds) -> Wave {
    Wave {
        name: format!("wave-{number}"),
        cells: bounds.cells[number],
        tenants: 0,
        bake_ms: BAKE_MS,
        gates: vec![Gate { name: GATE.to_owned(), fail_after: 1, check: Check::Stack }],
        max_in_flight: Some(bounds.in_flight),
        max_failures: bounds.max_failures,
        approval: bounds.approval == Some(number),
    }
}

/// The journal after its first entry.
pub(super) fn begun(bounds: &Bounds) -> Folded {
    let plan = Plan {
        format: ROLLOUT_FORMAT,
        id: RolloutId(1),
        fleet: "shop".to_owned(),
        at_ms: 0,
        change: Digest::of(b"change"),
        selection: None,
        commit: None,
        rollback: bounds.scope,
        gate_dry_run: false,
        waves: (0..bounds.cells.len()).map(|number| wave(number, bounds)).collect(),
        tenants: 0,
    };
    let event = Event::Planned { plan: Box::new(plan) };
    let entry = Entry { seq: 1, at_ms: 0, by: String::new(), token: 1, event };
    Folded::new(Rollout::begin(&entry).expect("the first entry"))
}
