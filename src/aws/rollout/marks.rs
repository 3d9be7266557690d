//! Marks on cells that a rollout changes: the attribute `changing` of a cell's load.
//!
//! Constraints kept: a mark is put by the open rollout alone, and put or taken away under its lease; a load is otherwise left as
//! it is. A cell without a load is passed over: it takes no tenant before it has one.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::aws::dynamo::{Edit, Item, failed_conditions, key, name_of, number, number_of, text_of};
use crate::aws::tenants::loads::{CHANGING, LOAD_FORMAT, LOADS};
use crate::domain::ids::CellId;
use crate::domain::lock::Lease;
use crate::domain::rollout::RolloutId;
use crate::ports::{CallErrorKind, Called};

use super::RolloutTable;

/// Cells in one transaction: few enough that writers of the same loads seldom collide with it.
const CELLS: usize = 20;
/// How often a transaction is tried again because a load was not as it was read.
const ATTEMPTS_MAX: u32 = 8;

/// What is to become of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// They are put.
    Mark,
    /// They are taken away.
    Unmark,
}

/// The mark of a load.
fn mark_of(item: &Item) -> Option<RolloutId> {
    number_of(item, CHANGING).map(RolloutId)
}

impl RolloutTable {
    /// Marks cells.
    pub(super) async fn write_marks(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool> {
        self.change_marks(id, cells, lease, Wish::Mark).await
    }

    /// Takes a rollout's marks away.
    pub(super) async fn remove_marks(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool> {
        self.change_marks(id, cells, lease, Wish::Unmark).await
    }

    /// The marks of all loads, readable or not.
    pub(super) async fn read_marks(&self) -> Called<BTreeMap<CellId, RolloutId>> {
        let loads = self.control.query(LOADS).await?;
        let marked = loads.iter().filter_map(|item| Some((item, mark_of(item)?)));
        let marks = marked.map(|(item, by)| {
            let cell = text_of(item, "sk").and_then(|sk| sk.parse().ok());
            cell.map(|cell| (cell, by)).ok_or_else(|| self.control.unreadable(&name_of(item), "its cell is wrong"))
        });
        marks.collect()
    }

    async fn change_marks(&self, id: RolloutId, cells: &[CellId], lease: &Lease, wish: Wish) -> Called<bool> {
        for chunk in cells.chunks(CELLS) {
            if !self.change_chunk(id, chunk, lease, wish).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A few cells, in one transaction. It may be sent in vain where a load changes between the look and the write.
    async fn change_chunk(&self, id: RolloutId, cells: &[CellId], lease: &Lease, wish: Wish) -> Called<bool> {
        let subject = format!("the marks of rollout {id} on {} cells", cells.len());
        let mut attempt = 0;
        loop {
            let parts = self.edits(id, cells, wish).await?;
            attempt += 1;
            match self.write_held((id, lease), &subject, parts).await {
                Err(error) if error.kind == CallErrorKind::Conflict => match failed_conditions(&error).first() {
                    // It is not the open one any more: whoever holds its lease has ended it.
                    Some(1) if wish == Wish::Mark => return Ok(false),
                    Some(_) if attempt < ATTEMPTS_MAX => {}
                    _ => return Err(error),
                },
                other => return other,
            }
        }
    }

    /// What is to be written, by the loads as they are. Behind a check that the rollout is open, for marks to be put.
    async fn edits(&self, id: RolloutId, cells: &[CellId], wish: Wish) -> Called<Vec<TransactWriteItem>> {
        let loads = self.control.batch_get(cells.iter().map(|cell| key(LOADS, cell.as_str())).collect()).await?;
        let mut parts = match wish {
            Wish::Mark => vec![self.is_open(id)?],
            Wish::Unmark => Vec::new(),
        };
        for load in &loads {
            let seen = mark_of(load);
            if (seen == Some(id)) != (wish == Wish::Mark) {
                parts.push(self.edit(load, seen, (wish == Wish::Mark).then_some(id))?);
            }
        }
        Ok(parts)
    }

    fn edit(&self, load: &Item, seen: Option<RolloutId>, mark: Option<RolloutId>) -> Called<TransactWriteItem> {
        let edit = Edit::default().set(CHANGING, mark.map(number)).require("format", "<=", number(LOAD_FORMAT));
        let edit = match seen {
            Some(seen) => edit.require(CHANGING, "=", number(seen)),
            None => edit.require_absent(CHANGING),
        };
        edit.of(&self.control, key(LOADS, text_of(load, "sk").unwrap_or_default()))
    }
}
