//! What the control table remembers of a cell.
//!
//! Owns: the cell record and its life. Constraint kept: `applied` changes only after the stack has been seen to be
//! complete, so that a crash at any point leaves a record that is behind, never one that is ahead.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{AccountId, CellId, Digest, Region, StackName};

/// The format of the records that this version writes. A record of a newer format is never rewritten.
/// Format 2 goes with a load and an audit chain, which a cellctl that knows only format 1 would not keep up.
pub const RECORD_FORMAT: u32 = 2;

/// Whether a cell takes tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellState {
    /// Takes tenants.
    #[default]
    Active,
    /// Takes no new tenants.
    Cordoned,
    /// Is being emptied.
    Draining,
    /// Its stack is gone.
    Deleted,
}

impl CellState {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
            Self::Deleted => "deleted",
        }
    }

    /// The state of that word.
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Active, Self::Cordoned, Self::Draining, Self::Deleted];
        all.into_iter().find(|state| state.as_str() == word)
    }
}

/// The control table's item about one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CellRecord {
    /// Format of this item.
    pub format: u32,
    /// The cell.
    pub cell: CellId,
    /// Whether it takes tenants.
    #[serde(default)]
    pub state: CellState,
    /// Name of its stack.
    pub stack: StackName,
    /// Region of its stack.
    pub region: Region,
    /// Account of its stack, where the definition names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Role that reaches the account, where the definition names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Type of the cell, as its definition said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell_type: Option<String>,
    /// Template it was rendered from.
    pub template: String,
    /// What was applied last, and seen to be complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The last failed attempt since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// Number of writes of this item; every write is conditional on it.
    pub version: u64,
}

impl CellRecord {
    /// The state that placement sees: a cell whose stack has never been complete takes no tenant, whatever is said of it.
    pub fn load_state(&self) -> CellState {
        if self.applied.is_none() { CellState::Deleted } else { self.state }
    }
}

/// What a cell's stack was brought to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Digest of everything that was applied: template, parameters, tags and code.
    pub digest: Digest,
    /// Digest of the template alone.
    pub template: Digest,
    /// The stack's id.
    pub stack_id: String,
    /// The stack's time of last change, in milliseconds since 1970, as it was then. When the stack says another
    /// one, somebody else has changed it.
    pub changed_at_ms: i64,
    /// The plan that brought it there.
    pub plan: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Outputs of the stack.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
}

/// An attempt that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// What was to be applied.
    pub digest: Digest,
    /// Status in which the stack ended.
    pub status: String,
    /// The first cause that the service named.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}
