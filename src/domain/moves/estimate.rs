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
    /// Whether items and bytes were counted, and not reckoned from a part and what the service knows of the whole table,
    /// which is up to six hours old.
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

/// How much a move is expected to copy. The tenant is in use meanwhile, so that it is about that much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Items.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<&Estimate> for Volume {
    fn from(estimate: &Estimate) -> Self {
        Self { items: estimate.items, bytes: estimate.bytes }
    }
}

/// Percent of `all` that `done` is, 99 at the most: what is under way is not done. None where there was more than was
/// expected, so that nothing can be told.
pub fn percent(done: u64, all: u64) -> Option<u64> {
    let percent = u64::try_from(u128::from(done) * 100 / u128::from(all.max(1))).unwrap_or(u64::MAX);
    (done <= all && all > 0).then_some(percent.min(99))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_never_said_to_be_done() {
        let said = [percent(0, 3), percent(2, 3), percent(3, 3), percent(u64::MAX - 1, u64::MAX)];
        assert_eq!(said, [Some(0), Some(66), Some(99), Some(99)]);
        assert_eq!([percent(4, 3), percent(0, 0)], [None, None]);
    }
}
