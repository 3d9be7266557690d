//! Values that many tests and benchmarks begin with. Constraint kept: each is the plainest of its kind; what matters to a
//! test is set by the test.

#![allow(clippy::expect_used, reason = "a helper that fails is a test that fails")]

use cellctl::domain::audit::{Actor, Stamp};
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::CellId;
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::change::Target;
use cellctl::domain::tenant::load::{CellLoad, Limits};

/// A Region of the account that everything is in.
pub(crate) fn place(region: &str) -> Place {
    Place { region: region.parse().expect("valid"), account: None, role_arn: None }
}

/// An active cell that holds nobody and has no fences.
pub(crate) fn empty(cell: CellId, place: Place) -> CellLoad {
    CellLoad {
        cell,
        state: CellState::Active,
        place,
        cell_type: None,
        fence_table: None,
        fence_shards: 1,
        tenants: 0,
        weight: 0,
        writes: 0,
        audit: None,
        changing: None,
    }
}

/// A cell as the target that placement has chosen, beside the control state.
pub(crate) fn chosen(load: CellLoad, limits: Limits) -> Target {
    Target { load, limits, local: true, by_hand: false }
}

/// Who does what tests do.
pub(crate) fn actor() -> Actor {
    Actor { identity: "arn:aws:iam::111122223333:user/ann".to_owned(), user: "ann@bench".to_owned(), ci_url: None }
}

/// Done by them, at this time in milliseconds since 1970.
pub(crate) fn stamp(at_ms: i64) -> Stamp {
    Stamp { at_ms, actor: actor() }
}
