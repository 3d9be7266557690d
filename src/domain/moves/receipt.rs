//! What is left of a move: counts, digests, epochs, times, the gap.

use serde::{Deserialize, Serialize};

use crate::domain::data::digest::TableDigest;
use crate::domain::ids::CellId;

use super::{FenceLevel, MoveId};

/// What shows that every write of the source is on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Writers left notes, which a consistent query gave.
    Notes,
    /// Every item was compared under the seal.
    Compared,
    /// The streams were read to their ends under the seal.
    Quiet,
}

/// The time without writes. Times are in milliseconds since 1970, as the mover's clock said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Right before the first shard was sealed.
    pub from_ms: i64,
    /// When the target was known to be open.
    pub to_ms: i64,
    /// How long, by a clock that does not jump, in microseconds. 0 where the mover did not see both ends.
    pub length_us: u64,
    /// Keys that were reconciled in that time.
    pub keys: u64,
}

/// The receipt of a move that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The move.
    pub id: MoveId,
    /// Where the tenant was.
    pub source: CellId,
    /// Where it is.
    pub target: CellId,
    /// Epoch at the start.
    pub epoch_before: u64,
    /// Epoch now.
    pub epoch: u64,
    /// What writers kept to.
    pub fence: FenceLevel,
    /// When it was planned, in milliseconds since 1970.
    pub planned_at_ms: i64,
    /// When it was done, in milliseconds since 1970.
    pub completed_at_ms: i64,
    /// Items that were copied.
    pub items_copied: u64,
    /// Their bytes, about.
    pub bytes_copied: u64,
    /// Keys that were reconciled, each as often as it was.
    pub keys_reconciled: u64,
    /// Keys that a comparison found, and that were repaired.
    pub keys_repaired: u64,
    /// Gaps in the streams, each repaired by a comparison.
    pub capture_gaps: u32,
    /// How often it was taken over.
    pub takeovers: u32,
    /// How often it was cut over: the last one succeeded.
    pub cutovers: u32,
    /// The digest of each table, as it was compared last.
    pub tables: Vec<TableDigest>,
    /// The gap in the writes.
    pub gap: Gap,
    /// What shows that all writes are on the target.
    pub proof: Proof,
    /// Messages that were carried over.
    pub messages: u64,
    /// Items that were deleted on the source.
    pub items_cleaned: u64,
    /// Why what the source held was kept, for a move back; none where it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}
