//! One transaction for several tenants of a cell.
//!
//! Constraint kept: a write in doubt is read back before anything else; what was refused is left to be decided anew,
//! and does not keep the others from being written.

use crate::domain::ids::TenantId;
use crate::domain::tenant::change::Change;
use crate::ops::error::OpError;
use crate::ports::tenants::Written;
use crate::ports::{CallErrorKind, Called};

use super::super::Desk;

/// Changes with the indices of their rows.
#[derive(Default)]
pub(super) struct Batch {
    /// The rows.
    pub(super) rows: Vec<usize>,
    /// Their changes, in the same order.
    pub(super) changes: Vec<Change>,
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Settled {
    /// What was written.
    pub(super) done: Batch,
    /// Rows to be decided anew.
    pub(super) again: Vec<usize>,
    /// Whether the cell does not take them: then the rest of its rows must be decided anew as well.
    pub(super) cell_refused: bool,
}

impl Batch {
    pub(super) fn push(&mut self, row: usize, change: Change) {
        self.rows.push(row);
        self.changes.push(change);
    }

    /// Takes a tenant out; gives its row.
    fn take_out(&mut self, tenant: &TenantId) -> Option<usize> {
        let at = self.changes.iter().position(|change| change.after.tenant == *tenant)?;
        self.changes.remove(at);
        Some(self.rows.remove(at))
    }
}

impl Desk<'_> {
    /// Writes a batch, without those that are refused one by one.
    pub(super) async fn land_batch(&self, mut batch: Batch) -> Result<Settled, OpError> {
        let (mut again, mut attempt) = (Vec::new(), 0);
        while let Some(first) = batch.changes.first() {
            let asked = match self.world.map.write(&batch.changes).await {
                Ok(Written::Done) => break,
                Ok(Written::CellRefused(_)) => {
                    again.extend(batch.rows);
                    return Ok(Settled { again, cell_refused: true, ..Settled::default() });
                }
                Ok(Written::EntryChanged(tenant) | Written::FenceAhead(tenant)) => Some(tenant),
                Err(error) if matches!(error.kind, CallErrorKind::InDoubt | CallErrorKind::Conflict) => {
                    tracing::debug!(%error, "reading back");
                    None
                }
                Err(error) => return Err(error.into()),
            };
            let tenant = asked.clone().unwrap_or_else(|| first.after.tenant.clone());
            if self.is_ours(&batch, &tenant).await? {
                break;
            }
            match asked.and_then(|tenant| batch.take_out(&tenant)) {
                Some(row) => again.push(row),
                None => self.again(&tenant, &mut attempt).await?,
            }
        }
        Ok(Settled { done: batch, again, cell_refused: false })
    }

    /// Whether the batch was written after all: all of it was if one tenant's entry says so.
    async fn is_ours(&self, batch: &Batch, tenant: &TenantId) -> Called<bool> {
        let there = self.world.map.entry(tenant).await?;
        let change = batch.changes.iter().find(|change| change.after.tenant == *tenant);
        Ok(there
            .zip(change)
            .is_some_and(|(entry, change)| entry.version == change.after.version && entry.head == change.after.head))
    }
}
