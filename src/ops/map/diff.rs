//! What differs between two states of the map.
//!
//! Constraint kept: both are read once, side by side in the order of names; neither is held.

use std::cmp::Ordering;
use std::io::BufRead;

use serde::Serialize;

use crate::domain::ids::TenantId;
use crate::domain::snapshot::EntryLine;
use crate::ops::error::OpError;

use super::file::Snapshot;
use super::stream::Entries;

/// A state of the map.
pub enum Source<R> {
    /// As a snapshot has it.
    File(Box<Snapshot<R>>),
    /// As it is now.
    Live(Entries),
}

impl<R: BufRead> Source<R> {
    async fn next(&mut self) -> Result<Option<EntryLine>, OpError> {
        match self {
            Self::File(snapshot) => snapshot.next(),
            Self::Live(entries) => Ok(entries.next_present().await?.map(EntryLine::from)),
        }
    }
}

/// What happened to a tenant between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is in the new one only.
    Added,
    /// It is in the old one only.
    Removed,
    /// It is in another cell.
    Moved,
    /// It is in the same cell, with something else changed.
    Changed,
}

/// A tenant that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What happened.
    pub kind: Kind,
    /// The tenant.
    pub tenant: TenantId,
    /// Fields that differ, as they stand in a snapshot.
    pub fields: Vec<&'static str>,
    /// As it was.
    pub from: Option<EntryLine>,
    /// As it is.
    pub to: Option<EntryLine>,
}

/// How many tenants differ, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// In the new one only.
    pub added: u64,
    /// In the old one only.
    pub removed: u64,
    /// In another cell.
    pub moved: u64,
    /// In the same cell, with something else changed.
    pub changed: u64,
    /// The same in both.
    pub equal: u64,
}

impl Counts {
    /// How many differ.
    pub fn differing(&self) -> u64 {
        self.added + self.removed + self.moved + self.changed
    }

    fn count(&mut self, kind: Kind) {
        let counter = match kind {
            Kind::Added => &mut self.added,
            Kind::Removed => &mut self.removed,
            Kind::Moved => &mut self.moved,
            Kind::Changed => &mut self.changed,
        };
        *counter += 1;
    }
}

/// Compares two states of the map; `told` gets each tenant that differs, in the order of names.
pub async fn diff<A: BufRead, B: BufRead>(
    old: &mut Source<A>,
    new: &mut Source<B>,
    mut told: impl FnMut(Difference),
) -> Result<Counts, OpError> {
    let mut counts = Counts::default();
    let (mut before, mut after) = (old.next().await?, new.next().await?);
    while before.is_some() || after.is_some() {
        let order = compare(before.as_ref(), after.as_ref());
        let from = if order == Ordering::Greater { None } else { before.take() };
        let to = if order == Ordering::Less { None } else { after.take() };
        if from.is_some() {
            before = old.next().await?;
        }
        if to.is_some() {
            after = new.next().await?;
        }
        match difference(from, to) {
            Some(difference) => {
                counts.count(difference.kind);
                told(difference);
            }
            None => counts.equal += 1,
        }
    }
    Ok(counts)
}

/// Which of the two comes first; a side that is at its end comes last.
fn compare(before: Option<&EntryLine>, after: Option<&EntryLine>) -> Ordering {
    match (before, after) {
        (Some(before), Some(after)) => before.tenant.cmp(&after.tenant),
        (Some(_), None) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// How one tenant differs, if it does. At least one of the two is there.
fn difference(from: Option<EntryLine>, to: Option<EntryLine>) -> Option<Difference> {
    let tenant = from.as_ref().or(to.as_ref())?.tenant.clone();
    let (kind, fields) = match (&from, &to) {
        (Some(from), Some(to)) => {
            let fields = from.differences(to);
            if fields.is_empty() {
                return None;
            }
            (if from.cell == to.cell { Kind::Changed } else { Kind::Moved }, fields)
        }
        (Some(_), None) => (Kind::Removed, Vec::new()),
        (None, _) => (Kind::Added, Vec::new()),
    };
    Some(Difference { kind, tenant, fields, from, to })
}
