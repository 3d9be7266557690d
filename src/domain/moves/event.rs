//! What happens to a move: the entries of its journal.

use serde::{Deserialize, Serialize};

use crate::domain::data::digest::TableDigest;

use super::Plan;
use super::receipt::{Gap, Proof, Receipt};

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The user and machine of the mover.
    pub by: String,
    /// Fencing token of the mover's lease.
    pub token: u64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// The move was planned.
    Planned {
        /// The plan.
        plan: Box<Plan>,
    },
    /// A mover has taken the lease of another, or its own again.
    TakenOver {
        /// Until when bulk requests of the one before may still count, in milliseconds since 1970; 0 where it gave its
        /// lease back.
        bulk_until_ms: i64,
    },
    /// Room is taken, and the target's fence is held.
    Reserved,
    /// The streams are read, from this moment on.
    CaptureStarted,
    /// The streams have lost records, or more keys were dirty than fit: a comparison of everything is owed.
    GapFound {
        /// The table.
        table: String,
        /// What was lost.
        what: String,
    },
    /// Everything was copied.
    Copied {
        /// Number of items.
        items: u64,
        /// Their bytes, about.
        bytes: u64,
    },
    /// No bulk request can count any more.
    Barred {
        /// How long that was waited for, in milliseconds.
        waited_ms: u64,
    },
    /// What is dirty fits into the budget.
    Reconciled {
        /// Rounds that it took.
        rounds: u32,
        /// Keys that were reconciled.
        keys: u64,
    },
    /// Writers leave notes.
    Guarded,
    /// Both sides hold the same.
    Verified {
        /// The digest of each table.
        tables: Vec<TableDigest>,
        /// Keys that differed, and were repaired.
        repaired: u64,
        /// Passes that it took.
        passes: u32,
        /// Keys that were reconciled meanwhile, the repaired ones included.
        #[serde(default)]
        keys: u64,
    },
    /// The source is about to be sealed.
    CutoverStarted {
        /// The deadline, in milliseconds since 1970.
        deadline_ms: i64,
        /// Keys that were reconciled right before.
        #[serde(default)]
        keys: u64,
    },
    /// The source is open again.
    Reopened {
        /// Its epoch now.
        epoch: u64,
        /// Why.
        why: String,
    },
    /// The source has sent the tenant away: the point of no return.
    Flipped {
        /// The gap in the writes.
        gap: Gap,
        /// What shows that all writes are on the target.
        proof: Proof,
    },
    /// The target is open and the map says so.
    Landed,
    /// Messages of the tenant were carried over.
    QueuesMoved {
        /// How many.
        messages: u64,
    },
    /// The grace period is over.
    Soaked,
    /// The move is to end with what the source still holds: nothing more is deleted there.
    Kept {
        /// Why.
        why: String,
    },
    /// The tenant's items are gone from the source.
    Cleaned {
        /// How many.
        items: u64,
    },
    /// The move is done.
    Completed {
        /// The receipt.
        receipt: Box<Receipt>,
    },
    /// The move is given up.
    AbortStarted {
        /// Why.
        why: String,
    },
    /// What was copied is gone from the target.
    Cleared {
        /// How many items.
        items: u64,
    },
    /// The move was given up.
    Aborted,
    /// Somebody has to act before it can go on.
    Stuck {
        /// Why, as one word.
        code: String,
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// It goes on.
    Resumed,
    /// It waits for `cellctl move resume`.
    Paused,
}

impl Event {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Planned { .. } => "planned",
            Self::TakenOver { .. } => "taken-over",
            Self::Reserved => "reserved",
            Self::CaptureStarted => "capture-started",
            Self::GapFound { .. } => "gap-found",
            Self::Copied { .. } => "copied",
            Self::Barred { .. } => "barred",
            Self::Reconciled { .. } => "reconciled",
            Self::Guarded => "guarded",
            Self::Verified { .. } => "verified",
            Self::CutoverStarted { .. } => "cutover-started",
            Self::Reopened { .. } => "reopened",
            Self::Flipped { .. } => "flipped",
            Self::Landed => "landed",
            Self::QueuesMoved { .. } => "queues-moved",
            Self::Soaked => "soaked",
            Self::Kept { .. } => "kept",
            Self::Cleaned { .. } => "cleaned",
            Self::Completed { .. } => "completed",
            Self::AbortStarted { .. } => "abort-started",
            Self::Cleared { .. } => "cleared",
            Self::Aborted => "aborted",
            Self::Stuck { .. } => "stuck",
            Self::Resumed => "resumed",
            Self::Paused => "paused",
        }
    }

    /// The facts of it, where there are any, in a few words.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::GapFound { table, what } => Some(format!("{table}: {what}")),
            Self::Copied { items, bytes } => Some(format!("{}, {}", many(*items, "item"), many(*bytes, "byte"))),
            Self::Barred { waited_ms } if *waited_ms > 0 => Some(format!("after {waited_ms} ms")),
            Self::Reconciled { rounds, keys } => {
                Some(format!("{} in {}", many(*keys, "key"), many(u64::from(*rounds), "round")))
            }
            Self::Verified { tables, repaired, passes, .. } => {
                let items: u64 = tables.iter().map(|table| table.items).sum();
                let comparisons = many(u64::from(*passes), "comparison");
                Some(format!("{} equal, {repaired} repaired, {comparisons}", many(items, "item")))
            }
            Self::Reopened { epoch, why } => Some(format!("epoch {epoch}: {why}")),
            Self::Flipped { gap, .. } if gap.length_us > 0 => {
                Some(format!("writes stopped for {}.{:03} ms", gap.length_us / 1000, gap.length_us % 1000))
            }
            Self::QueuesMoved { messages } => Some(many(*messages, "message")),
            Self::Cleaned { items } | Self::Cleared { items } => Some(many(*items, "item")),
            Self::Kept { why } | Self::AbortStarted { why } | Self::Stuck { why, .. } => Some(why.clone()),
            _ => None,
        }
    }
}

/// "1 item", "2 items".
fn many(number: u64, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}
