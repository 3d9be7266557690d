//! A fleet whose definitions have been checked: typed names, defaults filled in, one entry a cell.
//!
//! Owns: what the rest of the program knows of a definition. Constraint kept: a value of these types is valid; it is
//! made by `definition::check` only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::definition::{CellSpec, RolloutSpec};
use super::ids::{AccountId, CellId, FleetName, Region, Residency, StackName, TemplateName};

/// Name of a fleet's control table.
pub fn control_table(fleet: &str) -> String {
    format!("cellctl-{fleet}-control")
}

/// Name of a fleet's tenant-map table.
pub fn tenants_table(fleet: &str) -> String {
    format!("cellctl-{fleet}-tenants")
}

/// A fleet and its cells, sorted by name.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Name of the fleet.
    pub name: FleetName,
    /// Labels of the fleet.
    pub labels: BTreeMap<String, String>,
    /// Where the control stack lives.
    pub control: Place,
    /// Tags on every stack.
    pub tags: BTreeMap<String, String>,
    /// Stacks changed at a time; adaptive when absent.
    pub concurrency: Option<u32>,
    /// Failed cells after which an apply starts no more; 0 when absent.
    pub max_failures: Option<u32>,
    /// How changes are brought to it.
    pub rollout: RolloutSpec,
    /// Sets of Regions that tenants may ask for.
    pub residency: BTreeMap<Residency, BTreeSet<Region>>,
    /// The cells, in the order of their names.
    pub cells: Vec<Cell>,
}

/// A Region of an account, and the role that reaches it. An absent account is that of the caller's credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The Region.
    pub region: Region,
    /// The account, where the definition names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The role to assume, where the definition names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// One cell, with the fleet's defaults filled in.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Name of the cell.
    pub id: CellId,
    /// Labels of the cell.
    pub labels: BTreeMap<String, String>,
    /// Where the cell lives.
    pub place: Place,
    /// The template that its stack is rendered from.
    pub template: TemplateName,
    /// The rest of the definition.
    pub spec: CellSpec,
    /// The file that it was read from, as the user would name it.
    pub file: String,
}

impl Place {
    /// The place as one word, for maps that are written to files.
    pub fn key(&self) -> String {
        format!("{} {}", self.region, self.role_arn.as_deref().unwrap_or("-"))
    }
}

impl Fleet {
    /// The cell of that name.
    pub fn cell(&self, id: &CellId) -> Option<&Cell> {
        self.cells.binary_search_by(|c| c.id.cmp(id)).ok().map(|index| &self.cells[index])
    }

    /// The name of a cell's stack.
    pub fn stack_of(&self, cell: &CellId) -> StackName {
        StackName::of_cell(&self.name, cell)
    }
}
