//! The tenant map: which cell serves which tenant.
//!
//! Owns: the entry of a tenant and the rules by which it changes. Constraint kept: a tenant's epoch only grows, also
//! over its removal: a removed tenant leaves a tombstone.

pub mod change;
pub mod fence;
pub mod label;
pub mod load;
pub mod placement;
pub mod row;
pub mod verify;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::audit::Head;
use super::ids::{CellId, Digest, InvalidId, Region, Residency, TenantId, Tier};
use super::moves::MoveId;

/// The format of the entries that this version writes. An entry of a newer format is never rewritten.
/// Format 2 goes with moves, which a cellctl that knows only format 1 would walk over.
pub const ENTRY_FORMAT: u32 = 2;

/// Weight of a tenant that names none.
pub const WEIGHT_DEFAULT: u64 = 1;
/// Largest weight of a tenant.
pub const WEIGHT_MAX: u64 = 1_000_000_000;

/// Largest epoch that a snapshot may give a tenant: 2^53, up to which every JSON reader keeps a number exact (RFC 8259,
/// section 6). No tenant comes near it by itself.
pub const EPOCH_MAX: u64 = 1 << 53;
/// Most characters of the reason of a pin.
pub const REASON_MAX: usize = 200;

/// What is known of a tenant beside where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// Tier of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Set of Regions, by the name that the fleet's definition gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency: Option<Residency>,
    /// Regions that may hold the tenant; none means that the tenant does not say.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<Region>,
    /// Whether it needs a cell of type dedicated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dedicated: bool,
    /// Whether it is willing to be served by a canary cell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// Share of a cell that it takes, in the unit of the cells' capacity; at least 1.
    #[serde(default = "weight_default")]
    pub weight: u64,
    /// Labels for people and filters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

fn weight_default() -> u64 {
    WEIGHT_DEFAULT
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            tier: None,
            residency: None,
            regions: BTreeSet::new(),
            dedicated: false,
            canary: false,
            weight: WEIGHT_DEFAULT,
            labels: BTreeMap::new(),
        }
    }
}

/// Where a tenant is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryState {
    /// Its room is reserved; its fence, in another account or Region, may not be open yet.
    Opening,
    /// It is served.
    Active,
    /// It is served, and a move is under way.
    Moving,
    /// It is being removed; its fence, in another account or Region, may not be closed yet.
    Closing,
    /// It is gone. What is left keeps its epoch.
    Removed,
}

impl EntryState {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Active => "active",
            Self::Moving => "moving",
            Self::Closing => "closing",
            Self::Removed => "removed",
        }
    }
}

/// Why a tenant must stay where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub at_ms: i64,
}

/// The move that a tenant is in. It takes room in both cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moving {
    /// The move.
    pub id: MoveId,
    /// The cell beside the one that serves the tenant: the target before the cutover, the source after it.
    pub other: CellId,
}

/// A tenant's entry in the map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Format of this item.
    pub format: u32,
    /// The tenant.
    pub tenant: TenantId,
    /// The cell that serves it; for a removed tenant, the one that did last.
    pub cell: CellId,
    /// Grows with every change of the cell and with every removal.
    pub epoch: u64,
    /// Where it is in its life.
    pub state: EntryState,
    /// What is known of it.
    pub attributes: Attributes,
    /// Whether it must stay where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// The move that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<Moving>,
    /// When it was added, in milliseconds since 1970.
    pub added_at_ms: i64,
    /// When the entry was changed last, in milliseconds since 1970.
    pub changed_at_ms: i64,
    /// Number of writes of this item, and number of the last record of its audit chain.
    pub version: u64,
    /// Hash of that record.
    pub head: Digest,
}

impl Pin {
    /// Checks the reason of a pin: at most `REASON_MAX` characters, none of them a control character.
    pub fn check_reason(reason: &str) -> Result<(), InvalidId> {
        if reason.chars().count() <= REASON_MAX && !reason.chars().any(char::is_control) {
            return Ok(());
        }
        let rule = "use at most 200 characters, none of control";
        Err(InvalidId { kind: "reason", value: reason.chars().take(80).collect(), rule })
    }
}

impl Entry {
    /// Whether the tenant takes room in its cell.
    pub fn is_present(&self) -> bool {
        self.state != EntryState::Removed
    }

    /// The cells in which it takes room: while it is moved there are two.
    pub fn rooms(&self) -> impl Iterator<Item = &CellId> {
        let other = self.moving.as_ref().map(|moving| &moving.other);
        std::iter::once(&self.cell).chain(other).filter(|_| self.is_present())
    }

    /// The end of the tenant's audit chain.
    pub fn audit_head(&self) -> Head {
        Head { seq: self.version, hash: self.head.clone() }
    }
}
