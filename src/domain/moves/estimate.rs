//! What a move will take: items, bytes, time, cost, and how long writes will stop.
//!
//! Constraint kept: an estimate says what it is made of, so that a measured value can be put in its place.

use serde::{Deserialize, Serialize};

/// What a move will take, about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Items, as counted or as the service says.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether items and bytes were counted, not taken from what the service knows of the whole table.
    pub counted: bool,
    /// Write units that the copy takes.
    pub write_units: u64,
    /// Read units that the copy and the comparison take.
    pub read_units: u64,
    /// How long the copy takes, in seconds.
    pub copy_s: u64,
    /// How long writes stop, in milliseconds.
    pub gap_ms: u64,
    /// What the requests cost, in US dollars, at list prices of us-east-1 for on-demand tables.
    pub cost_usd: f64,
}

/// How long what is left takes to drain: `dirty` keys at `keys_per_s`, while `new_per_s` more become dirty. None: it does
/// not get smaller.
pub fn drain_ms(dirty: u64, keys_per_s: f64, new_per_s: f64) -> Option<u64> {
    let net = keys_per_s - new_per_s;
    if dirty == 0 {
        return Some(0);
    }
    if net <= 0.0 {
        return None;
    }
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    let ms = (dirty as f64 / net * 1000.0).ceil() as u64;
    Some(ms)
}
