//! Which cells are in which wave.
//!
//! Owns: the rules of `docs/rollouts.md`, "Waves". Constraints kept: every cell of the fleet is in exactly one wave, or a
//! problem names it; the same cells give the same waves, in whatever order they come.

mod gates;
mod places;
mod taking;
#[cfg(test)]
mod tests;
mod wanted;

use crate::domain::definition::{RolloutSpec, Seconds};
use crate::domain::fleet::Cell;
use crate::domain::ids::CellId;

use super::Wave;
use taking::Taking;

pub use gates::{STACK_GATE, resolve};

/// For how long gates are looked at where nothing is written.
pub const BAKE_DEFAULT: Seconds = Seconds(600);

/// A wave and its cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The wave, its cells and tenants counted.
    pub wave: Wave,
    /// Its cells: those with the fewest tenants first, ties by name.
    pub cells: Vec<CellId>,
}

/// Why waves and cells do not fit, or what is worth knowing where they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The wave that it is about, by its place in `spec.rollout.waves`; none where it is about all of them.
    pub wave: Option<usize>,
    /// What is wrong, with the cells and waves named.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// The waves of a fleet as far as they could be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arranged {
    /// The waves, in their order; of use only without problems.
    pub made: Vec<Made>,
    /// Why they cannot be used.
    pub problems: Vec<Problem>,
    /// What is worth knowing: waves that are left out, as earlier ones take all their cells.
    pub notes: Vec<Problem>,
}

/// The waves of a fleet: its cells with the number of their tenants. The problems, all at once, where they do not fit.
pub fn make(cells: &[(&Cell, u64)], spec: &RolloutSpec) -> Result<Vec<Made>, Vec<Problem>> {
    let Arranged { made, problems, .. } = arrange(cells, spec);
    if problems.is_empty() { Ok(made) } else { Err(problems) }
}

/// As `make`, with what is worth knowing. A fleet without cells has no waves, and nothing to complain about.
pub fn arrange(cells: &[(&Cell, u64)], spec: &RolloutSpec) -> Arranged {
    if cells.is_empty() {
        return Arranged::default();
    }
    let wanted = match wanted::of(spec) {
        Ok(wanted) => wanted,
        Err(problems) => return Arranged { problems, ..Arranged::default() },
    };
    let mut taking = Taking::new(cells, spec.first_regions.unwrap_or_default());
    for (index, wave) in wanted.iter().enumerate() {
        taking.take(wave, &wanted[index + 1..]);
    }
    taking.finish()
}
