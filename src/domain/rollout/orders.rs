//! What people tell a rollout that is under way. Whoever carries it on looks at it every second.

use serde::{Deserialize, Serialize};

use crate::domain::definition::Rollback;

/// Orders. The last ones stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orders {
    /// Number of changes: every write is conditional on it.
    pub version: u64,
    /// Whether it is to stop where it is and let go.
    #[serde(default)]
    pub pause: bool,
    /// The wave whose bake is to be cut short, or whose failure is to be overlooked, and who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote: Option<Word>,
    /// The last wave that may begin although it needs approval, and who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<Word>,
    /// Whether it is to be ended with every cell left as it is: who says so, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<String>,
    /// Whether it is to be taken back, and how much of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_by: Option<String>,
}

/// What somebody says about a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// Number of the wave, from 0.
    pub wave: usize,
    /// Who says so.
    pub by: String,
}
