//! A row of an import: what somebody wants a tenant to be.
//!
//! Owns: the row, and the complaint about a bad one. Constraint kept: what a row does not give is not changed, so that
//! a file with fewer columns takes nothing away.

mod fields;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::doc::Position;
use crate::domain::finding::Finding;
use crate::domain::ids::{CellId, Region, Residency, TenantId, Tier};

use super::Attributes;

pub use fields::{FIELDS, LABEL_PREFIX, interpret, unknown_field};
pub use values::Value;

/// Most labels of a tenant.
pub const LABELS_MAX: usize = 50;

/// A row that can be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it stands.
    pub at: At,
    /// The tenant.
    pub tenant: TenantId,
    /// What it gives of the tenant's attributes.
    pub wishes: Wishes,
    /// The cell that it names.
    pub cell: Option<CellId>,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct At {
    /// Number of the row, from 1, a header line not counted; 0 for the file itself.
    pub row: u64,
    /// Line where it begins, from 1; 0 for the whole file.
    pub line: u64,
}

/// The attributes that a row gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Tier of service.
    pub tier: Option<Tier>,
    /// Set of Regions, by name.
    pub residency: Option<Residency>,
    /// Regions that may hold the tenant.
    pub regions: Option<BTreeSet<Region>>,
    /// Whether it needs a cell of type dedicated.
    pub dedicated: Option<bool>,
    /// Whether it is willing to be served by a canary cell.
    pub canary: Option<bool>,
    /// Share of a cell that it takes.
    pub weight: Option<u64>,
    /// Labels to set; others stay.
    pub labels: BTreeMap<String, String>,
}

impl Wishes {
    /// The attributes of a tenant that has `known` ones: what is given replaces, what is not given stays.
    pub fn over(&self, known: &Attributes) -> Attributes {
        let mut labels = known.labels.clone();
        labels.extend(self.labels.clone());
        Attributes {
            tier: self.tier.clone().or_else(|| known.tier.clone()),
            residency: self.residency.clone().or_else(|| known.residency.clone()),
            regions: self.regions.clone().unwrap_or_else(|| known.regions.clone()),
            dedicated: self.dedicated.unwrap_or(known.dedicated),
            canary: self.canary.unwrap_or(known.canary),
            weight: self.weight.unwrap_or(known.weight),
            labels,
        }
    }
}

/// What is wrong with a row, or with one value in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BadRow {
    /// Where the row stands.
    #[serde(flatten)]
    pub at: At,
    /// The tenant as written, where the row names one.
    pub tenant: Option<String>,
    /// The field or column.
    pub field: Option<String>,
    /// A stable code for machines, such as `unknown-cell`.
    pub code: &'static str,
    /// What is wrong, with the offending value in it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl BadRow {
    /// A complaint about a whole row; the others narrow it down.
    pub fn new(at: At, code: &'static str, message: impl Into<String>) -> Self {
        Self { at, tenant: None, field: None, code, message: message.into(), hint: None }
    }

    /// Names the tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(shortened(tenant));
        self
    }

    /// Names the field.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.field = Some(shortened(field));
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it is about the file itself, so that no row of it can be trusted.
    pub fn is_about_file(&self) -> bool {
        self.at.row == 0
    }

    /// The complaint as a finding about a file.
    pub fn finding(&self, file: &str) -> Finding {
        let row = if self.is_about_file() { String::new() } else { format!("row {}: ", self.at.row) };
        let field = self.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
        let mut finding = Finding::error(self.code, file, format!("{row}{field}{}", self.message));
        let line = u32::try_from(self.at.line).unwrap_or(u32::MAX);
        finding = finding.at(Position { line, column: 0 }, "");
        finding.hint.clone_from(&self.hint);
        finding
    }
}

/// Cuts a value to a length that fits a message.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    let cut: String = text.chars().take(CHARS_MAX).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests;
