//! What is done about a finding.
//!
//! Constraint kept: only what `Finding::is_safe` names, each by a conditional write; what did not happen is told as left.

use crate::domain::tenant::Entry;
use crate::domain::tenant::change::{self, FenceWrite};
use crate::domain::tenant::fence::FenceTable;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::verify::Finding;
use crate::ops::tenants::Desk;
use crate::ports::{CallErrorKind, Called};

use super::{Inspector, Outcome, Told};

impl Outcome {
    /// A repair that happened, or one that somebody else was faster than.
    fn of(happened: bool, done: impl Into<String>) -> Self {
        if happened {
            return Self::Repaired { done: done.into() };
        }
        Self::Left { reason: "somebody else changed it meanwhile".to_owned() }
    }

    /// The same, where the call may have failed.
    pub(super) fn of_call<E: std::fmt::Display>(happened: Result<bool, E>, done: impl Into<String>) -> Self {
        match happened {
            Ok(happened) => Self::of(happened, done),
            Err(error) => Self::Left { reason: error.to_string() },
        }
    }
}

impl Inspector<'_> {
    /// Repairs what was found about an entry and its fence.
    pub(super) async fn settle(&self, finding: Finding, entry: &Entry, load: Option<&CellLoad>) -> Told {
        let outcome = match (&self.desk, &finding) {
            (Some(desk), Finding::StuckOpening { .. }) => {
                let opened = desk.finish_opening(entry.clone()).await;
                Outcome::of_call(opened.map(|_| true), "the add was finished")
            }
            (Some(desk), Finding::StuckClosing { .. }) => {
                Outcome::of_call(desk.finish_closing(entry).await, "the removal was finished")
            }
            (Some(desk), Finding::FenceMissing { .. } | Finding::FenceBehind { .. }) => {
                match load.and_then(|load| Some((load.fences()?, load.fence_shards))) {
                    Some((table, shards)) => {
                        let opened = put(desk, &change::open(table, entry).over(shards)).await;
                        Outcome::of_call(opened, format!("the fence was opened at epoch {}", entry.epoch))
                    }
                    None => Outcome::Found,
                }
            }
            _ => Outcome::Found,
        };
        Told::new(finding, outcome)
    }

    /// Repairs what was found about a fence in a cell that does not serve its tenant.
    pub(super) async fn settle_fence(
        &self,
        finding: Finding,
        entry: Option<&Entry>,
        write_to: (&FenceTable, u8),
    ) -> Told {
        let outcome = match (&self.desk, entry) {
            (Some(desk), Some(entry)) if finding.is_safe() => {
                let closed = put(desk, &change::close(write_to.0.clone(), entry).over(write_to.1)).await;
                Outcome::of_call(closed, format!("the fence was closed at epoch {}", entry.epoch))
            }
            _ => Outcome::Found,
        };
        Told::new(finding, outcome)
    }
}

/// Writes a fence; in doubt the fence itself tells.
async fn put(desk: &Desk<'_>, write: &FenceWrite) -> Called<bool> {
    match desk.world.fences.put(write).await {
        Err(error) if error.kind == CallErrorKind::InDoubt => {
            let tenant = &write.fence.tenant;
            let there = desk.world.fences.fences(&write.table, std::slice::from_ref(tenant)).await?;
            Ok(there.get(tenant) == Some(&write.fence))
        }
        other => other,
    }
}
