//! What people tell a move that is under way. The mover looks at it every second.

use serde::{Deserialize, Serialize};

/// Orders. The last ones stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orders {
    /// Number of changes: every write is conditional on it.
    pub version: u64,
    /// Whether it is to stop where it is and let go.
    #[serde(default)]
    pub pause: bool,
    /// Whether a cutover that is held may begin.
    #[serde(default)]
    pub cutover: bool,
    /// Whether it is to be given up, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<String>,
    /// Whether it is to end without deleting anything at the source, past FLIP, and why. Once given it stands: no order to
    /// pause comes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// Write units a second, instead of those of the plan; 0 for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
}
