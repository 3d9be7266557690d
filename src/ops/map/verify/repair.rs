//! What is done about a finding.
//!
//! Constraint kept: only what `Finding::is_safe` names, each by a conditional write; what did not happen is told as left.

use crate::domain::ids::TenantId;
use crate::domain::moves::fence::{Shard, Shift};
use crate::domain::tenant::Entry;
use crate::domain::tenant::change::{self, FenceWrite};
use crate::domain::tenant::fence::{FenceMode, FenceTable, Shards};
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
    pub(super) async fn settle(
        &self,
        finding: Finding,
        entry: &Entry,
        load: Option<&CellLoad>,
        there: Option<&Shards>,
    ) -> Told {
        let outcome = match (&self.desk, &finding) {
            (Some(desk), Finding::StuckOpening { .. }) => {
                let opened = desk.finish_opening(entry.clone()).await;
                Outcome::of_call(opened.map(|_| true), "the add was finished")
            }
            (Some(desk), Finding::StuckClosing { .. }) => {
                Outcome::of_call(desk.finish_closing(entry).await, "the removal was finished")
            }
            (Some(desk), Finding::SealExpired { id, deadline_ms, .. }) => {
                let sealed = |shard: &Shard| shard.is_held_by(id) && shard.deadline_ms == Some(*deadline_ms);
                match load.and_then(CellLoad::fences).zip(there) {
                    Some((table, there)) => {
                        let reopened = reopen(desk, table, entry, there, sealed).await;
                        Outcome::of_call(
                            reopened,
                            "the fence was opened again: the cutover fails, and the move goes on",
                        )
                    }
                    None => Outcome::Found,
                }
            }
            (Some(desk), _) if may_open(&finding) => {
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

/// Whether what was found is mended by opening the fence at the entry's epoch.
fn may_open(finding: &Finding) -> bool {
    let is_kind =
        matches!(finding, Finding::FenceMissing { .. } | Finding::FenceBehind { .. } | Finding::FenceShards { .. });
    is_kind && finding.is_safe()
}

/// What anybody may do with a seal past its deadline: OPEN, two epochs on, where it is as it was seen
/// (`docs/move-protocol.md`, "The fences' transitions"). In doubt the fence itself tells.
async fn reopen(
    desk: &Desk<'_>,
    table: FenceTable,
    entry: &Entry,
    there: &Shards,
    is_sealed: impl Fn(&Shard) -> bool,
) -> Called<bool> {
    let sealed = there.iter().filter(|(_, shard)| shard.mode == FenceMode::Sealed && is_sealed(shard));
    let from: Vec<(u8, Option<Shard>)> = sealed.map(|(number, shard)| (*number, Some(shard.clone()))).collect();
    let Some((_, Some(first))) = from.first() else { return Ok(false) };
    let to = Shard::free(first.epoch + 2, FenceMode::Open);
    let shift = Shift { table, tenant: entry.tenant.clone(), from, to };
    match desk.world.fences.shift(&shift).await {
        Err(error) if error.kind == CallErrorKind::InDoubt => {
            let numbers = shift.from.iter().map(|(number, _)| *number);
            are_like(desk, &shift.table, &entry.tenant, numbers.collect(), &shift.to).await
        }
        other => other,
    }
}

/// Whether these shards of a tenant's fence have the epoch and the mode of that one.
async fn are_like(
    desk: &Desk<'_>,
    table: &FenceTable,
    tenant: &TenantId,
    numbers: Vec<u8>,
    like: &Shard,
) -> Called<bool> {
    let of = numbers.iter().max().map_or(0, |number| number + 1);
    let there = desk.world.fences.shards(table, std::slice::from_ref(tenant), of).await?.remove(tenant);
    let there = there.unwrap_or_default();
    let is_like = |shard: &Shard| (shard.epoch, shard.mode) == (like.epoch, like.mode);
    Ok(numbers.iter().all(|number| there.get(number).is_some_and(is_like)))
}

/// Writes a fence; in doubt the fence itself tells.
async fn put(desk: &Desk<'_>, write: &FenceWrite) -> Called<bool> {
    match desk.world.fences.put(write).await {
        Err(error) if error.kind == CallErrorKind::InDoubt => {
            let like = Shard::free(write.fence.epoch, write.fence.mode);
            are_like(desk, &write.table, &write.fence.tenant, (0..write.shards).collect(), &like).await
        }
        other => other,
    }
}
