//! Gates: what is looked at during a bake, what was seen, and what that means.
//!
//! Constraint kept: what could not be seen is never good news: it is `Missing`, and a gate that is missing at the end of the
//! bake has failed.

use serde::{Deserialize, Serialize};

use crate::domain::definition::Worse;
use crate::domain::ids::CellId;

/// A gate of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// Looks in a row that must fail.
    pub fail_after: u32,
    /// What it looks at.
    pub check: Check,
}

/// What a gate looks at. `${cell}`, `${stack}` and `${region}` stand for the cell's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Check {
    /// Every stack of the wave is complete, and as it was left.
    Stack,
    /// No alarm of the cell's stack is in alarm.
    Alarms,
    /// A metric is not worse than that of cells with the old version.
    Metric(Metric),
    /// No queue of the cell holds more messages.
    Queues {
        /// Messages at the most.
        max: u64,
    },
    /// No dead-letter queue of the cell has got more messages since the wave began.
    DeadLetters {
        /// Messages at the most.
        max: u64,
    },
    /// A command ends with exit code 0.
    Command {
        /// The program and its arguments.
        run: Vec<String>,
        /// For how long is waited, in milliseconds.
        timeout_ms: u64,
    },
    /// An address answers with a status.
    Http {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// For how long is waited, in milliseconds.
        timeout_ms: u64,
    },
}

/// A metric and how it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The statistic.
    pub statistic: String,
    /// Its dimensions, in their order.
    pub dimensions: Vec<(String, String)>,
    /// In which direction it is worse.
    pub worse: Worse,
    /// By how much it may be worse, in per cent of what the other cells have.
    pub tolerance_percent: u32,
    /// Data points that each side must have.
    pub points_min: u32,
    /// Length of a data point, in seconds.
    pub period_s: u32,
}

/// What a look at a gate came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It cannot be told: data are missing.
    Missing,
    /// It does not hold.
    Fail,
}

/// What was seen in one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The cell; none for what is seen of all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<CellId>,
    /// What it came to.
    pub verdict: Verdict,
    /// What was seen, for people: `alarm shop-canary-1-errors is in alarm`.
    pub what: String,
}

/// A look at one gate: the verdict is the worst of what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// The gate.
    pub gate: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Looks in a row that have failed, this one included.
    pub failed_in_row: u32,
    /// Whether that is enough for the gate to have failed.
    pub failed: bool,
    /// What was seen, the worst first, at most `SEEN_MAX`.
    pub seen: Vec<Seen>,
    /// Cells that were looked at.
    pub cells: usize,
}

/// What is kept of a look: the journal's entries must stay small.
pub const SEEN_MAX: usize = 5;
