//! A write of the map: one transaction for all its changes.
//!
//! Owns: what goes into it, and what its failure means. Constraints kept: all or nothing; a refusal names the condition
//! that failed; a write whose answer was lost is found again by its audit record, and never taken for somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::aws::dynamo::{failed_conditions, token};
use crate::aws::fence_items;
use crate::domain::audit::Sealed;
use crate::domain::ids::CellId;
use crate::domain::tenant::change::Change;
use crate::domain::tenant::load::CellLoad;
use crate::ports::tenants::{ITEMS_MAX, Written};
use crate::ports::{CallError, CallErrorKind, Called};

use super::loads::{self, Total};
use super::{TenantTables, audit, entries, fences};

/// An item of the transaction, and what the write ends with when its condition does not hold.
struct Part {
    item: TransactWriteItem,
    refusal: Written,
}

/// The refusal to report, if several conditions failed: an entry that changed explains the others, and a cell that is full
/// has no room for a move that waits, either.
fn first_refusal(parts: &[Part], failed: &[usize]) -> Option<Written> {
    let refusals = failed.iter().filter_map(|index| parts.get(*index)).map(|part| &part.refusal);
    let rank = |refusal: &&Written| match refusal {
        Written::EntryChanged(_) => 0,
        Written::CellRefused(_) => 1,
        Written::CellChanging(_) => 2,
        Written::FenceAhead(_) | Written::Done => 3,
    };
    refusals.min_by_key(rank).cloned()
}

impl TenantTables {
    /// Writes changes in one transaction.
    pub(super) async fn write_changes(&self, changes: &[Change]) -> Called<Written> {
        let [first, ..] = changes else { return Ok(Written::Done) };
        let parts = self.parts(changes)?;
        let subject = match changes.len() {
            1 => format!("tenant {}", first.after.tenant),
            more => format!("tenant {} and {} more", first.after.tenant, more - 1),
        };
        if parts.len() > ITEMS_MAX {
            let why = format!("{} items do not fit into one transaction; the limit is {ITEMS_MAX}", parts.len());
            return Err(self.map.error(CallErrorKind::Invalid, "dynamodb:TransactWriteItems", &subject, why));
        }
        let token = token(&[&self.map.name, &self.control.name, &format!("{changes:?}")]);
        let items: Vec<TransactWriteItem> = parts.iter().map(|part| part.item.clone()).collect();
        match self.map.transact(&subject, &items, &token).await {
            Ok(()) => Ok(Written::Done),
            Err(error) => {
                let refusal = self.refusal(error, &parts, &first.record).await?;
                self.told_apart(refusal, changes).await
            }
        }
    }

    /// Loads first, then each change in turn.
    fn parts(&self, changes: &[Change]) -> Called<Vec<Part>> {
        let mut totals: BTreeMap<&CellId, Total<'_>> = BTreeMap::new();
        for load in changes.iter().filter_map(|change| change.load.as_ref()) {
            totals.entry(&load.cell).or_default().count(load);
        }
        let mut at_rest: BTreeSet<&CellId> = changes.iter().flat_map(|change| &change.at_rest).collect();
        let mut parts = Vec::with_capacity(totals.len() + at_rest.len() + 3 * changes.len());
        for (cell, total) in totals {
            let item = total.edit(&self.control, cell, at_rest.remove(cell))?;
            parts.push(Part { item, refusal: Written::CellRefused(cell.clone()) });
        }
        for cell in at_rest {
            let item = loads::unmarked(&self.control, cell)?;
            parts.push(Part { item, refusal: Written::CellChanging(cell.clone()) });
        }
        for change in changes {
            let tenant = &change.after.tenant;
            let changed = Written::EntryChanged(tenant.clone());
            let entry = entries::put(&self.map, &change.after, change.before.as_ref())?;
            parts.push(Part { item: entry, refusal: changed.clone() });
            parts.push(Part { item: audit::append(&self.control, &change.record)?, refusal: changed });
            if let Some(write) = &change.fence {
                for item in fences::puts(&fences::near(&self.control, &write.table), write)? {
                    parts.push(Part { item, refusal: Written::FenceAhead(tenant.clone()) });
                }
            }
            for shift in &change.shifts {
                let table = fences::near(&self.control, &shift.table);
                for item in fence_items::parts(&table, shift)? {
                    parts.push(Part { item, refusal: Written::FenceAhead(tenant.clone()) });
                }
            }
        }
        Ok(parts)
    }

    /// What a failed transaction means. A repeat after a lost answer finds its own write in its place.
    async fn refusal(&self, error: CallError, parts: &[Part], record: &Sealed) -> Called<Written> {
        if error.kind != CallErrorKind::Conflict {
            return Err(error);
        }
        let refusal = first_refusal(parts, &failed_conditions(&error)).ok_or(error)?;
        let lost = matches!(refusal, Written::EntryChanged(_)) && audit::is_stored(&self.control, record).await?;
        Ok(if lost { Written::Done } else { refusal })
    }

    /// A cell that refused may have done so for its mark alone: it tells one condition from the other by how it is now. One
    /// that would take it now had a mark, or no room, that is gone again.
    async fn told_apart(&self, refusal: Written, changes: &[Change]) -> Called<Written> {
        let Written::CellRefused(cell) = &refusal else { return Ok(refusal) };
        let Some(change) = changes.iter().find(|change| change.at_rest.contains(cell)) else { return Ok(refusal) };
        let item = self.control.get(loads::LOADS, cell.as_str()).await?;
        let load = item.map(|item| loads::decode(&self.control, &item)).transpose()?;
        let fits = change.load.as_ref().zip(load).is_some_and(|(change, load)| change.fits(&load));
        Ok(if fits { Written::CellChanging(cell.clone()) } else { refusal })
    }

    /// Sets the counters of a cell.
    pub(super) async fn correct_load(&self, seen: &CellLoad, counted: (i64, i64), record: &Sealed) -> Called<bool> {
        let control = &self.control;
        let items = [loads::correct(control, seen, counted, record)?, audit::append(control, record)?];
        let token = token(&[&control.name, &format!("{seen:?} {counted:?}"), &record.text]);
        match control.transact(&format!("LOAD/{}", seen.cell), &items, &token).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == CallErrorKind::Conflict && !failed_conditions(&error).is_empty() => {
                audit::is_stored(control, record).await
            }
            Err(error) => Err(error),
        }
    }
}
