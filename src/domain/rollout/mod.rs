//! Bringing a change to a fleet, wave by wave: what a rollout is, and where it stands.
//!
//! Owns: the words of a rollout (`docs/rollout-protocol.md` is the protocol). Constraint kept: the state of a rollout is the
//! fold of its journal, nothing else; every function here is pure.

pub mod change;
pub mod compare;
pub mod event;
pub mod fill;
pub mod gate;
pub mod judge;
pub mod machine;
pub mod orders;
pub mod sample;
#[cfg(test)]
mod tests;
pub mod waves;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::definition::Rollback;
use crate::domain::ids::{Digest, InvalidId};

use gate::Gate;

/// The format of the journal that this version writes. A rollout of a newer format is never touched.
pub const ROLLOUT_FORMAT: u32 = 1;

/// The number of a rollout: one more than that of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(pub u64);

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RolloutId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| InvalidId {
            kind: "rollout",
            value: text.chars().take(80).collect(),
            rule: "use the number that `cellctl rollout list` shows, such as 12",
        })
    }
}

/// What a rollout is to do: its journal's first entry. The cells and what they are to be are in its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The format of the journal.
    pub format: u32,
    /// The rollout.
    pub id: RolloutId,
    /// Name of the fleet.
    pub fleet: String,
    /// When it was planned, in milliseconds since 1970.
    pub at_ms: i64,
    /// Digest of the change: the same definitions, templates and code give the same one.
    pub change: Digest,
    /// The selector, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// The commit that it comes from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What is taken back when a wave fails.
    pub rollback: Rollback,
    /// Whether gates report only: none fails a wave.
    #[serde(default)]
    pub gate_dry_run: bool,
    /// The waves, in their order.
    pub waves: Vec<Wave>,
    /// Tenants in all cells of the fleet.
    pub tenants: u64,
}

/// A wave of a rollout. Its cells are in the content, under the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// Its name.
    pub name: String,
    /// Number of cells to be changed.
    pub cells: usize,
    /// Tenants in these.
    pub tenants: u64,
    /// For how long the gates are looked at after it, in milliseconds.
    pub bake_ms: u64,
    /// What is looked at.
    pub gates: Vec<Gate>,
    /// Cells changed at a time; adaptive when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<usize>,
    /// Cells that may fail without the wave failing.
    pub max_failures: usize,
    /// Whether somebody has to approve it before it begins.
    pub approval: bool,
}
