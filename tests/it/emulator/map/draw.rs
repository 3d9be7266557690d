//! What is written is drawn: changes of entries as they are, and as they once were.

use cellctl::domain::audit::Stamp;
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::fence::{Hold, Shard, Shift};
use cellctl::domain::tenant::change::{self, Change, Target};
use cellctl::domain::tenant::fence::FenceMode;
use cellctl::domain::tenant::load::CellLoad;
use cellctl::domain::tenant::{Attributes, Entry, EntryState};

use super::{CELLS, Pair, hold, limits};

impl Pair {
    /// A change of a tenant as it is, or as it once was.
    pub(super) fn change(&mut self, tenant: &TenantId) -> Change {
        let stamp = self.stamp();
        let mut seen = self.memory.entries.get(tenant).cloned();
        if self.rng.u8(..12) == 0 {
            seen = self.past.iter().find(|entry| entry.tenant == *tenant).cloned();
        }
        if let Some(entry) = seen.filter(Entry::is_present) {
            return self.change_of(&entry, &stamp);
        }
        let before = self.memory.entries.get(tenant).filter(|entry| !entry.is_present()).cloned();
        let attributes = Attributes { weight: self.rng.u64(1..7), ..Attributes::default() };
        let target = self.target();
        let floor = self.rng.u64(..3);
        change::add(tenant, attributes, &target, before.as_ref(), floor, &stamp)
    }

    fn change_of(&mut self, entry: &Entry, stamp: &Stamp) -> Change {
        let limits = limits(&entry.cell);
        let fences = self.memory.loads.get(&entry.cell).and_then(CellLoad::fences);
        match (entry.state, self.rng.u8(..6)) {
            (EntryState::Moving, _) => self.go_on_moving(entry, stamp),
            (EntryState::Opening, 0..4) => change::opened(entry, stamp),
            (EntryState::Closing, 0..4) => change::end_removal(entry, stamp),
            (EntryState::Active, 4..) => self.begin_move(entry, stamp),
            (_, 0) => change::pin(entry, Some("for a reason".to_owned()), stamp),
            (_, 1) => change::unpin(entry, stamp),
            (_, 2) => change::begin_removal(entry, self.rng.u64(..3), stamp),
            (_, 3) => {
                let shards = self.memory.loads[&entry.cell].fence_shards;
                let change = change::remove(entry, fences, self.rng.u64(..3), stamp);
                Change { fence: change.fence.clone().map(|write| write.over(shards)), ..change }
            }
            _ => {
                let attributes = Attributes { weight: self.rng.u64(1..9), ..Attributes::default() };
                change::set(entry, attributes, limits, stamp)
            }
        }
    }

    /// A move, with the target's fence where that cell has one.
    fn begin_move(&mut self, entry: &Entry, stamp: &Stamp) -> Change {
        let id = MoveId { tenant: entry.tenant.clone(), version: entry.version };
        let mut target = self.target();
        while target.load.cell == entry.cell {
            target = self.target();
        }
        let to = Shard::held(
            entry.epoch + 1,
            FenceMode::Incoming,
            Hold { id: id.clone(), token: stamp.at_ms.unsigned_abs() },
        );
        let shifts = self.shift(&target.load.cell, &entry.tenant, &to).into_iter().collect();
        change::begin_move(entry, &id, &target, shifts, stamp)
    }

    /// The cutover of a move, or its end.
    fn go_on_moving(&mut self, entry: &Entry, stamp: &Stamp) -> Change {
        let Some(moving) = entry.moving.clone() else { panic!("{entry:?} is in no move") };
        if self.rng.bool() {
            return change::end_move(entry, entry.epoch + self.rng.u64(..3), "move-ended", stamp);
        }
        let epoch = entry.epoch + 1;
        let out = Shard { to: Some(moving.other.clone()), ..Shard::held(epoch, FenceMode::Out, hold(&moving.id)) };
        let sealed =
            Shard { deadline_ms: Some(stamp.at_ms), ..Shard::held(epoch, FenceMode::Sealed, hold(&moving.id)) };
        let source = if self.rng.bool() { out } else { sealed };
        let open = Shard::free(epoch, FenceMode::Open);
        let ends = [(entry.cell.clone(), source), (moving.other.clone(), open)];
        let shifts = ends.iter().filter_map(|(cell, to)| self.shift(cell, &entry.tenant, to)).collect();
        change::cut_over(entry, &moving.other, epoch, shifts, stamp)
    }

    /// A change of up to three shards of a fence, as they are; now and then not as they are.
    fn shift(&mut self, cell: &CellId, tenant: &TenantId, to: &Shard) -> Option<Shift> {
        let table = self.memory.loads.get(cell)?.fences()?;
        let there = self.memory.fences.get(&(table.clone(), tenant.clone())).cloned().unwrap_or_default();
        let mut from: Vec<(u8, Option<Shard>)> = (0..3).map(|shard| (shard, there.get(&shard).cloned())).collect();
        if self.rng.u8(..6) == 0 {
            from[2].1 = self.mistaken(from[2].1.take());
        }
        Some(Shift { table, tenant: tenant.clone(), from, to: to.clone() })
    }

    /// A shard as it is not: one of its attributes is other, or there, or not there.
    fn mistaken(&mut self, shard: Option<Shard>) -> Option<Shard> {
        let shard = shard?;
        let other = Hold { id: "nobody:1".parse().expect("valid"), token: 1 };
        Some(match self.rng.u8(..6) {
            0 => return None,
            1 => Shard { epoch: shard.epoch + 1, ..shard },
            2 => Shard { mode: FenceMode::Guarded, ..shard },
            3 => Shard { hold: shard.hold.is_none().then_some(other), ..shard },
            4 => Shard { deadline_ms: shard.deadline_ms.is_none().then_some(1), ..shard },
            _ => Shard { to: shard.to.is_none().then(|| "cell-9".parse().expect("valid")), ..shard },
        })
    }

    /// A cell to add to, as it is; seldom one that nobody has heard of.
    pub(super) fn target(&mut self) -> Target {
        let (name, ..) = CELLS[self.rng.usize(..CELLS.len())];
        let mut load = self.memory.loads[&name.parse::<CellId>().expect("valid")].clone();
        if self.rng.u8(..20) == 0 {
            load.cell = "nowhere".parse().expect("valid");
        }
        // As it may have been when somebody looked at it long ago.
        if self.rng.u8(..12) == 0 {
            load.fence_table = None;
        }
        if self.rng.u8(..12) == 0 {
            load.place.region = "us-east-1".parse().expect("valid");
        }
        Target { limits: limits(&load.cell), load, local: self.rng.u8(..4) > 0, by_hand: self.rng.bool() }
    }
}
