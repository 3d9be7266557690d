//! The content of a rollout: which cells are in which wave, what each is to be, and what it was before.
//!
//! Constraint kept: it is written once, before anything is changed, and never again; its digest is the change's, so that the
//! same change is the same rollout.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{CellId, Digest, StackName};
use crate::domain::plan::Desired;

/// A cell that a rollout changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CellChange {
    /// What its stack is to be.
    pub desired: Desired,
    /// Tenants in it when the rollout was planned.
    pub tenants: u64,
    /// Whether it has no stack yet: there is nothing to take it back to.
    pub is_new: bool,
    /// Atoms that hold data and that the operator allowed to be replaced or removed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allowed: BTreeSet<String>,
}

/// What a rollout is made of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// The cells of each wave.
    pub waves: Vec<Vec<CellChange>>,
    /// Bodies of the templates that they name.
    pub templates: BTreeMap<Digest, Arc<str>>,
}

/// What a cell was right before a rollout changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Earlier {
    /// The cell.
    pub cell: CellId,
    /// Its stack.
    pub stack: StackName,
    /// The stack's id.
    pub stack_id: String,
    /// Digest of all that was applied, as the record said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Digest>,
    /// Digest of the template's body.
    pub template: Digest,
    /// Values of its parameters, those left out that CloudFormation hides.
    pub parameters: BTreeMap<String, String>,
    /// Parameters whose values CloudFormation hides: they keep what they have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hidden: BTreeSet<String>,
    /// Tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// Messages in its dead-letter queues, where a gate counts them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead_letters: BTreeMap<String, u64>,
}

/// What the cells of a wave were before it: written once, right before the wave begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    /// The cells; those that are new are not in it.
    pub cells: Vec<Earlier>,
    /// Bodies of the templates that they name.
    pub templates: BTreeMap<Digest, Arc<str>>,
}
