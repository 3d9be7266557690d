//! The shards of the fence in a tenant's own cell, held against its entry.
//!
//! Constraint kept: what a move holds is judged by what it may be at any moment of the move; a fence counts as mendable only
//! where no shard of it is of a later time, or a move's.

use serde::Serialize;

use crate::domain::moves::MoveId;
use crate::domain::moves::fence::Shard;

use super::super::fence::{FenceMode, Shards};
use super::super::{Entry, EntryState};
use super::{Finding, STUCK_AFTER_MS};

/// A shard as a finding names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its number.
    pub shard: u8,
    /// The epoch that the mode belongs to.
    pub epoch: u64,
    /// What it allows.
    pub mode: FenceMode,
}

/// Whether the fence of a tenant that is in no move is what its entry says, in each of `of` shards. What it may be between
/// two transactions is open.
pub(super) fn of_fence(entry: &Entry, of: u8, there: &Shards) -> Option<Finding> {
    let is_active = entry.state == EntryState::Active;
    let (tenant, cell, epoch) = (entry.tenant.clone(), entry.cell.clone(), entry.epoch);
    let Some(first) = there.values().next() else {
        return is_active.then_some(Finding::FenceMissing { tenant, cell, epoch });
    };
    let is_like = |shard: &Shard| (shard.epoch, shard.mode) == (first.epoch, first.mode);
    if there.values().all(is_like) && (0..of).all(|number| there.contains_key(&number)) {
        return of_whole(entry, first);
    }
    let ahead = there.values().map(|shard| shard.epoch).max().filter(|fence_epoch| *fence_epoch > epoch);
    match ahead {
        _ if is_active => Some(apart(entry, of, there, None)),
        Some(fence_epoch) => Some(Finding::FenceAhead { tenant, cell, epoch, fence_epoch }),
        None => None,
    }
}

/// The same of a fence that is one in all its shards.
fn of_whole(entry: &Entry, fence: &Shard) -> Option<Finding> {
    let (tenant, cell, epoch) = (entry.tenant.clone(), entry.cell.clone(), entry.epoch);
    let is_active = entry.state == EntryState::Active;
    let (fence_epoch, mode) = (fence.epoch, fence.mode);
    match fence_epoch.cmp(&epoch) {
        // The entry says that a move is under way before the move holds a fence, and until it holds none.
        _ if is_active && mode.is_moving() => Some(Finding::FenceMode { tenant, cell, fence_epoch, mode }),
        std::cmp::Ordering::Greater => Some(Finding::FenceAhead { tenant, cell, epoch, fence_epoch }),
        _ if !is_active => None,
        std::cmp::Ordering::Less => Some(Finding::FenceBehind { tenant, cell, epoch, fence_epoch }),
        std::cmp::Ordering::Equal if mode == FenceMode::Open => None,
        std::cmp::Ordering::Equal => Some(Finding::FenceMode { tenant, cell, fence_epoch, mode }),
    }
}

/// A fence that is not one.
fn apart(entry: &Entry, of: u8, there: &Shards, id: Option<&MoveId>) -> Finding {
    let seen = |(number, shard): (&u8, &Shard)| Seen { shard: *number, epoch: shard.epoch, mode: shard.mode };
    let as_it_should = |shard: &Shard| shard.epoch == entry.epoch && shard.mode == FenceMode::Open;
    let is_left = |shard: &Shard| shard.epoch < entry.epoch && !shard.mode.is_moving();
    Finding::FenceShards {
        tenant: entry.tenant.clone(),
        cell: entry.cell.clone(),
        epoch: entry.epoch,
        seen: there.iter().map(seen).collect(),
        missing: (0..of).filter(|number| !there.contains_key(number)).collect(),
        id: id.cloned(),
        mendable: id.is_none() && there.values().all(|shard| as_it_should(shard) || is_left(shard)),
    }
}

/// Whether the fence in the cell of a tenant that is moved takes its writes, or will again. It may be ahead of the entry, a
/// shard at a time: a source that is reopened is. Shards that are missing are for when the move is over.
pub(super) fn of_move(entry: &Entry, id: &MoveId, (of, there): (u8, &Shards), now_ms: i64) -> Option<Finding> {
    if let Some((epoch, deadline_ms)) = there.values().find_map(|shard| expired(shard, id, now_ms)) {
        let (tenant, cell, id) = (entry.tenant.clone(), entry.cell.clone(), id.clone());
        return Some(Finding::SealExpired { tenant, cell, id, epoch, deadline_ms });
    }
    let since_ms = entry.changed_at_ms;
    if now_ms.saturating_sub(since_ms) < STUCK_AFTER_MS {
        return None;
    }
    let serves = [FenceMode::Open, FenceMode::Guarded, FenceMode::Sealed];
    let shut = there.values().find(|shard| shard.epoch < entry.epoch || !serves.contains(&shard.mode));
    if there.is_empty() || shut.is_some() {
        let (tenant, cell, id) = (entry.tenant.clone(), entry.cell.clone(), id.clone());
        return Some(Finding::StuckMoving { tenant, cell, id, since_ms, mode: shut.map(|shard| shard.mode) });
    }
    let is_whole = (0..of).all(|number| there.contains_key(&number));
    (!is_whole).then(|| apart(entry, of, there, Some(id)))
}

/// The epoch and the deadline of a seal of this move that is past it.
fn expired(shard: &Shard, id: &MoveId, now_ms: i64) -> Option<(u64, i64)> {
    let is_sealed = shard.mode == FenceMode::Sealed && shard.is_held_by(id);
    shard.deadline_ms.filter(|deadline_ms| is_sealed && *deadline_ms < now_ms).map(|ms| (shard.epoch, ms))
}

/// "0, 1 OPEN at epoch 7; 2 missing".
pub(super) fn in_words(seen: &[Seen], missing: &[u8]) -> String {
    let list = |numbers: &[u8]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let alike = seen.chunk_by(|a, b| (a.epoch, a.mode) == (b.epoch, b.mode));
    let mut parts: Vec<String> = alike
        .filter_map(|run| {
            let numbers: Vec<u8> = run.iter().map(|one| one.shard).collect();
            let first = run.first()?;
            Some(format!("{} {} at epoch {}", list(&numbers), first.mode.as_str(), first.epoch))
        })
        .collect();
    if !missing.is_empty() {
        parts.push(format!("{} missing", list(missing)));
    }
    parts.join("; ")
}
