//! Snapshots of the tenant map: what routers load, and what a map is restored from.
//!
//! Owns: the format `cellctl.map/v1`, which `docs/map-format.md` describes: JSON lines, a header first, then each tenant
//! in the order of names and each cell right before the first tenant that names it, and a trailer with a checksum.
//! Constraints kept: one state of the map gives one text, the time in the header aside; both directions work a line at
//! a time, so that memory does not grow with the map; a file that was cut off or edited is never taken for a whole one.

mod decode;
mod encode;
mod error;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{CellId, Digest, FleetName, Region, Residency, TenantId, Tier};
use super::record::CellState;
use super::tenant::load::CellLoad;
use super::tenant::{Attributes, Entry, EntryState, Moving, Pin, WEIGHT_DEFAULT};

pub use decode::{Decoder, Item};
pub use encode::{Encoder, OutOfOrder};
pub use error::{Fault, SnapshotError};
pub use schema::schema;

/// Name of the format, in the header.
pub const SCHEMA: &str = "cellctl.map/v1";
/// Number of the format that this version writes. A reader refuses a higher one.
pub const FORMAT: u32 = 1;
/// Longest line, in bytes: an item of the map has at most 400 KiB (`DynamoDB` developer guide, "Service quotas"), and its
/// line is shorter than its body.
pub const LINE_BYTES_MAX: usize = 400 * 1024;
/// Most cells in one snapshot: ten times the largest fleet that cellctl is made for.
pub const CELLS_MAX: usize = 100_000;

/// First line: what the file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Name of the format: always cellctl.map/v1.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// Number of the format. A reader that knows only lower ones must refuse the file.
    pub format: u32,
    /// The fleet.
    #[schemars(with = "String")]
    pub fleet: FleetName,
    /// When reading the map began, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A cell, told right before the first tenant that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellLine {
    /// Name of the cell.
    #[schemars(with = "String")]
    pub cell: CellId,
    /// Region of its stack. Absent: the control table does not know the cell, and its tenants cannot be served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub region: Option<Region>,
    /// Type of the cell, where it is known.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub cell_type: Option<String>,
    /// State of the cell, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("enum" = ["active", "cordoned", "draining", "deleted"]))]
    pub state: Option<CellState>,
}

impl CellLine {
    /// A cell as its load says; one without a load is unknown.
    pub fn of(cell: &CellId, load: Option<&CellLoad>) -> Self {
        Self {
            cell: cell.clone(),
            region: load.map(|load| load.place.region.clone()),
            cell_type: load.and_then(|load| load.cell_type.clone()),
            state: load.map(|load| load.state),
        }
    }
}

/// A tenant that takes room in a cell. Removed tenants have no line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryLine {
    /// Name of the tenant. Names ascend from line to line, byte by byte.
    #[schemars(with = "String", length(min = 1, max = 128))]
    pub tenant: TenantId,
    /// The cell that serves it.
    #[schemars(with = "String")]
    pub cell: CellId,
    /// Grows with every change of the cell and with every removal.
    pub epoch: u64,
    /// Where the tenant is in its life; active when absent. One that is being moved is active.
    #[serde(default = "active", skip_serializing_if = "is_active")]
    #[schemars(with = "String", extend("enum" = ["opening", "active", "closing"]))]
    pub state: EntryState,
    /// Tier of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tier: Option<Tier>,
    /// Name of the set of Regions that may hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub residency: Option<Residency>,
    /// Regions that may hold it; any when absent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub regions: BTreeSet<Region>,
    /// Whether it needs a dedicated cell; false when absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dedicated: bool,
    /// Whether it may be served by a canary cell; false when absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// Share of the cell that it takes; 1 when absent.
    #[serde(default = "weight_default", skip_serializing_if = "is_weight_default")]
    pub weight: u64,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Why it must stay in its cell; absent when it need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PinLine>")]
    pub pin: Option<Pin>,
    /// The move that it is in; absent when it is in none.
    #[serde(default, rename = "move", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<MoveLine>")]
    pub moving: Option<Moving>,
    /// When it was added, in milliseconds since 1970.
    pub added_at_ms: i64,
}

/// Shape of a move, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is there for its schema: `Moving` belongs to the entries")]
struct MoveLine {
    /// Its id.
    id: String,
    /// The cell beside the one that serves the tenant. It need not have a line.
    other: String,
}

/// Shape of a pin, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is there for its schema: `Pin` belongs to the entries")]
struct PinLine {
    /// For people.
    #[serde(default)]
    reason: Option<String>,
    /// Since when, in milliseconds since 1970.
    at_ms: i64,
}

/// Last line: what a whole file must add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trailer {
    /// Number of tenants.
    pub entries: u64,
    /// Version of the map: the sum of the versions of all its entries, removed ones included. It grows with every write.
    pub version: u64,
    /// SHA-256 of every byte of the file before this value: all but the last 67.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Digest,
}

impl From<Entry> for EntryLine {
    fn from(entry: Entry) -> Self {
        let Attributes { tier, residency, regions, dedicated, canary, weight, labels } = entry.attributes;
        // A reader of format 1 knows no state `moving`, and the tenant is served like any other.
        let state = if entry.state == EntryState::Moving { EntryState::Active } else { entry.state };
        Self {
            tenant: entry.tenant,
            cell: entry.cell,
            epoch: entry.epoch,
            state,
            tier,
            residency,
            regions,
            dedicated,
            canary,
            weight,
            labels,
            pin: entry.pin,
            moving: entry.moving,
            added_at_ms: entry.added_at_ms,
        }
    }
}

impl EntryLine {
    /// What is known of the tenant beside where it is.
    pub fn attributes(&self) -> Attributes {
        Attributes {
            tier: self.tier.clone(),
            residency: self.residency.clone(),
            regions: self.regions.clone(),
            dedicated: self.dedicated,
            canary: self.canary,
            weight: self.weight,
            labels: self.labels.clone(),
        }
    }

    /// Names of the fields in which two lines of a tenant differ, as they stand in the file.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = [
            ("cell", self.cell == other.cell),
            ("epoch", self.epoch == other.epoch),
            ("state", self.state == other.state),
            ("tier", self.tier == other.tier),
            ("residency", self.residency == other.residency),
            ("regions", self.regions == other.regions),
            ("dedicated", self.dedicated == other.dedicated),
            ("canary", self.canary == other.canary),
            ("weight", self.weight == other.weight),
            ("labels", self.labels == other.labels),
            ("pin", self.pin == other.pin),
            ("move", self.moving == other.moving),
            ("addedAtMs", self.added_at_ms == other.added_at_ms),
        ];
        pairs.into_iter().filter(|(_, equal)| !equal).map(|(name, _)| name).collect()
    }
}

fn active() -> EntryState {
    EntryState::Active
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_active(state: &EntryState) -> bool {
    *state == EntryState::Active
}

fn weight_default() -> u64 {
    WEIGHT_DEFAULT
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_weight_default(weight: &u64) -> bool {
    *weight == WEIGHT_DEFAULT
}
