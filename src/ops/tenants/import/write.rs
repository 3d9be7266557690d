//! One transaction for several tenants of a cell.
//!
//! Constraint kept: a write in doubt is read back before anything else; what was refused is left to be decided anew,
//! and does not keep the others from being written.

use crate::domain::ids::TenantId;
use crate::domain::tenant::change::Change;
use crate::ops::error::OpError;
use crate::ports::Called;
use crate::ports::tenants::Written;

use super::super::{Desk, must_read_back, were_written};

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
        while !batch.changes.is_empty() {
            let refused = match self.world.map.write(&batch.changes).await {
                Ok(Written::Done) => break,
                Ok(Written::CellRefused(_) | Written::CellChanging(_)) => {
                    again.extend(batch.rows);
                    return Ok(Settled { again, cell_refused: true, ..Settled::default() });
                }
                Ok(Written::EntryChanged(tenant) | Written::FenceAhead(tenant)) => Ok(tenant),
                Err(error) if must_read_back(&error) => Err(error),
                Err(error) => return Err(error.into()),
            };
            if self.is_ours(&batch.changes).await? {
                break;
            }
            let tenant = refused?;
            match batch.take_out(&tenant) {
                Some(row) => again.push(row),
                None => self.again(&tenant, &mut attempt).await?,
            }
        }
        Ok(Settled { done: batch, again, cell_refused: false })
    }

    /// Whether changes were written after all.
    async fn is_ours(&self, changes: &[Change]) -> Called<bool> {
        let names: Vec<TenantId> = changes.iter().map(|change| change.after.tenant.clone()).collect();
        let there = self.world.map.entries(&names).await?;
        Ok(were_written(changes, &there))
    }
}
