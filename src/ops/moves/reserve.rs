//! RESERVE, LAND and the ends of a move: what it does to the map.
//!
//! Constraint kept: each is one conditional transaction that is found again when its answer was lost, and may be repeated
//! by anybody: the entry says which move it is in.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::domain::fleet::Fleet;
use crate::domain::ids::CellId;
use crate::domain::moves::fence::{Shard, Shift};
use crate::domain::rollout::RolloutId;
use crate::domain::tenant::change::{self, Change, Target};
use crate::domain::tenant::fence::FenceMode;
use crate::domain::tenant::load::Limits;
use crate::domain::tenant::placement::Candidate;
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::event::Event;
use crate::ops::tenants::must_read_back;
use crate::ports::tenants::Written;

use super::context::{Context, Side};
use super::fencing::{Want, numbers};
use super::halt::Halt;
use super::lease_of::Held;

/// How often a write is tried again because somebody else was faster.
const ATTEMPTS_MAX: u32 = 16;
/// Time between two looks at a cell that a rollout is changing.
const ROLLOUT_LOOK: Duration = Duration::from_secs(3);

/// How a reservation ended.
pub(super) enum Reserved {
    /// The room is taken.
    Done,
    /// It cannot be: why.
    Refused(String),
}

impl Context<'_> {
    /// The tenant's entry.
    pub(super) async fn entry(&self) -> Result<Option<Entry>, Halt> {
        Ok(self.world.map.entry(self.tenant()).await?)
    }

    /// Whether an entry says that the tenant is in this move.
    pub(super) fn is_in_this(&self, entry: &Entry) -> bool {
        entry.moving.as_ref().is_some_and(|moving| moving.id == self.plan.id)
    }

    /// Writes a change of the map; gives how it ended, the answer found again where it was lost.
    pub(super) async fn land(&self, change: &Change) -> Result<Written, Halt> {
        let outcome = self.world.map.write(std::slice::from_ref(change)).await;
        match &outcome {
            Ok(Written::EntryChanged(_)) => {}
            Err(error) if must_read_back(error) => tracing::debug!(%error, "reading the entry back"),
            _ => return Ok(outcome?),
        }
        let there = self.entry().await?;
        let ours = there.is_some_and(|e| e.version == change.after.version && e.head == change.after.head);
        match outcome {
            _ if ours => Ok(Written::Done),
            // It did not happen, as far as a consistent read can tell; if it still does, its conditions fail.
            Err(error) if must_read_back(&error) => Ok(Written::EntryChanged(self.tenant().clone())),
            outcome => Ok(outcome?),
        }
    }

    /// Takes room in the target, and the target's fence.
    pub(super) async fn reserve(&self, fleet: &Fleet, held: &Held<'_>, target_epoch: u64) -> Result<Reserved, Halt> {
        let (mut attempts, mut told) = (0, None);
        while attempts < ATTEMPTS_MAX {
            let Some(entry) = self.entry().await? else { return Ok(refused("the tenant is not in the map any more")) };
            if self.is_in_this(&entry) {
                self.hold_target(target_epoch).await?;
                return Ok(Reserved::Done);
            }
            if entry.version != self.plan.id.version || entry.state != EntryState::Active {
                return Ok(refused("the tenant was changed after the move was planned"));
            }
            let Some(target) = self.target(fleet).await? else {
                return Ok(refused("the target is not provisioned any more"));
            };
            let shifts = if target.local { self.target_shifts(target_epoch).await? } else { Some(Vec::new()) };
            let Some(shifts) = shifts else {
                return Ok(refused("the target has a fence of the tenant that is in use, or of a later epoch"));
            };
            let stamp = held.stamp(self.world.clock.now_ms());
            let change = change::begin_move(&entry, &self.plan.id, &target, shifts, &stamp);
            match self.land(&change).await? {
                Written::CellRefused(cell) => {
                    return Ok(refused(&format!("cell {cell} does not take the tenant: it is full, or not active")));
                }
                // Waiting is no attempt: a rollout takes its time.
                Written::CellChanging(cell) if self.waited_for_rollout(&cell, &mut told).await? => {}
                Written::Done | Written::EntryChanged(_) | Written::FenceAhead(_) | Written::CellChanging(_) => {
                    attempts += 1;
                }
            }
        }
        Ok(refused("the tenant, its fence or the target's load kept changing"))
    }

    /// Waits a little where a rollout is changing a cell; false where none is any more. Says so once for each.
    async fn waited_for_rollout(&self, cell: &CellId, told: &mut Option<RolloutId>) -> Result<bool, Halt> {
        let load = self.world.map.load(cell).await?;
        let Some(by) = load.and_then(|load| load.changing) else { return Ok(false) };
        if told.replace(by) != Some(by) {
            let message = format!("{}: waiting: {cell} is being changed by rollout {by}", self.plan.id);
            self.world.reporter.report(&Event::Noted { message });
        }
        self.check()?;
        self.world.clock.sleep(ROLLOUT_LOOK).await;
        self.check()?;
        Ok(true)
    }

    /// The target as it is now, with what it may hold.
    async fn target(&self, fleet: &Fleet) -> Result<Option<Target>, Halt> {
        let cell = &self.plan.target.cell;
        let (Some(load), Some(defined)) = (self.world.map.load(cell).await?, fleet.cell(cell)) else { return Ok(None) };
        let limits: Limits = Candidate::of(defined, Some(&load)).limits;
        let local = load.is_at(&fleet.control);
        Ok(Some(Target { load, limits, local, by_hand: true }))
    }

    /// What makes the target's fence INCOMING in the same transaction; nothing where it is so already. None: it cannot be.
    async fn target_shifts(&self, epoch: u64) -> Result<Option<Vec<Shift>>, Halt> {
        let there = self.shards(Side::Target).await?;
        let to = Shard::held(epoch, FenceMode::Incoming, self.hold());
        let mut from = Vec::new();
        for number in numbers(&there, self.plan.target.shards) {
            let shard = there.get(&number);
            match self.may_hold(shard, &to) {
                Want::Done => {}
                Want::Change => from.push((number, shard.cloned())),
                Want::Refuse => return Ok(None),
            }
        }
        let shift = Shift { table: self.fence_table(Side::Target), tenant: self.tenant().clone(), from, to };
        Ok(Some(if shift.from.is_empty() { Vec::new() } else { vec![shift] }))
    }

    /// LAND: the target open, and the entry in the target, at `epoch`. The source has sent the tenant away.
    pub(super) async fn land_tenant(&self, held: &Held<'_>, epoch: u64) -> Result<(), Halt> {
        self.open_target(epoch).await?;
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = self.entry().await? else { return Err(self.entry_lost()) };
            if entry.cell == self.plan.target.cell || !self.is_in_this(&entry) {
                return Ok(());
            }
            let stamp = held.stamp(self.world.clock.now_ms());
            let change = change::cut_over(&entry, &self.plan.target.cell, epoch, Vec::new(), &stamp);
            if self.land(&change).await? == Written::Done {
                return Ok(());
            }
        }
        Err(self.entry_busy())
    }

    /// The end of a move, or of one that was given up: the room in the other cell is given back.
    pub(super) async fn end_entry(&self, held: &Held<'_>, epoch: u64, action: &str) -> Result<(), Halt> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = self.entry().await? else { return Ok(()) };
            // An entry that is still as it was planned for could be taken by an earlier mover that was held up: not once
            // it has another version.
            let may_begin = entry.version == self.plan.id.version && entry.state == EntryState::Active;
            if !self.is_in_this(&entry) && !may_begin {
                return Ok(());
            }
            let stamp = held.stamp(self.world.clock.now_ms());
            let mut change = change::end_move(&entry, epoch, action, &stamp);
            if let Some(load) = &change.load
                && self.world.map.load(&load.cell).await?.is_none()
            {
                // There is nothing to give the room back to.
                change.load = None;
            }
            if self.land(&change).await? == Written::Done {
                return Ok(());
            }
        }
        Err(self.entry_busy())
    }

    fn entry_lost(&self) -> Halt {
        Halt::stuck(
            "entry-lost",
            format!("tenant {} is not in the map any more", self.tenant()),
            "`cellctl map verify` tells what is lost; restore the entry, then resume the move",
        )
    }

    fn entry_busy(&self) -> Halt {
        Halt::stuck(
            "entry-busy",
            format!("the entry of tenant {} kept changing", self.tenant()),
            "see who changes it (`cellctl tenant history`), then resume the move",
        )
    }
}

fn refused(why: &str) -> Reserved {
    Reserved::Refused(why.to_owned())
}
