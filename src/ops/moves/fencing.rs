//! The fences of a move: taking hold of them, and every change of the protocol's table.
//!
//! Constraint kept: a change names what was read, and one whose answer was lost is read back; finding it done is as good
//! as doing it, so that each of these may be repeated by anybody at any time.

use std::collections::BTreeMap;

use crate::domain::ids::CellId;
use crate::domain::moves::fence::{Shard, Shift};
use crate::domain::tenant::fence::FenceMode;
use crate::ports::CallErrorKind;

use super::context::{Context, Side};
use super::halt::Halt;

/// How often a change is tried again because the fence was changed meanwhile: by a writer that opens a shard again, or
/// by an earlier mover.
const ATTEMPTS_MAX: u32 = 16;

/// The shards of a fence as they were read.
pub(super) type Shards = BTreeMap<u8, Shard>;

impl Context<'_> {
    /// The shards of one end, as many as the plan says and those beyond.
    pub(super) async fn shards(&self, side: Side) -> Result<Shards, Halt> {
        Ok(self.world.fences.shards(&self.fence_table(side), self.tenant()).await?)
    }

    /// Changes some shards in one go. False: one of them is not as it was.
    pub(super) async fn shift(&self, side: Side, from: Vec<(u8, Option<Shard>)>, to: Shard) -> Result<bool, Halt> {
        if from.is_empty() {
            return Ok(true);
        }
        let shift = Shift { table: self.fence_table(side), tenant: self.tenant().clone(), from, to };
        match self.world.fences.shift(&shift).await {
            Ok(done) => Ok(done),
            // It may have happened: the caller reads again and finds it done, or not.
            Err(error) if error.kind == CallErrorKind::InDoubt => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Brings the shards of one end to `to`: those that `wants` picks, each from what it is now. `wants` says for each shard
    /// whether it is done, is to be changed, or stands in the way.
    async fn bring(&self, side: Side, to: &Shard, wants: impl Fn(Option<&Shard>) -> Want) -> Result<Brought, Halt> {
        for _ in 0..ATTEMPTS_MAX {
            let there = self.shards(side).await?;
            let mut from = Vec::new();
            for number in numbers(&there, self.end(side).shards) {
                let shard = there.get(&number);
                match wants(shard) {
                    Want::Done => {}
                    Want::Change => from.push((number, shard.cloned())),
                    Want::Refuse => return Ok(Brought::Refused(shard.cloned())),
                }
            }
            if from.is_empty() || self.shift(side, from, to.clone()).await? {
                return Ok(Brought::Done);
            }
        }
        Err(Halt::stuck(
            "fence-busy",
            format!("the fence of tenant {} in cell {} kept changing", self.tenant(), self.end(side).cell),
            "see who else writes the fence table, then resume the move",
        ))
    }

    /// Changes the shards of one end that `picks` picks, each to what `to` makes of it, until it picks none.
    async fn change_each(
        &self,
        side: Side,
        picks: impl Fn(&Shard) -> bool,
        to: impl Fn(Shard) -> Result<Shard, Halt>,
    ) -> Result<(), Halt> {
        for _ in 0..ATTEMPTS_MAX {
            let there = self.shards(side).await?;
            let Some(first) = there.values().find(|shard| picks(shard)).cloned() else { return Ok(()) };
            // Those that are alike change in one go.
            let alike = there.iter().filter(|(_, shard)| **shard == first);
            let from = alike.map(|(number, shard)| (*number, Some(shard.clone()))).collect();
            self.shift(side, from, to(first)?).await?;
        }
        Err(self.in_the_way(side, None))
    }

    /// RESERVE elsewhere: the target's fence INCOMING, held. Also what a mover does that takes over, and what follows a
    /// reopening, which changes the epoch.
    pub(super) async fn hold_target(&self, target_epoch: u64) -> Result<(), Halt> {
        let to = Shard::held(target_epoch, FenceMode::Incoming, self.hold());
        let id = &self.plan.id;
        let wants = |shard: Option<&Shard>| self.may_hold(shard, &to);
        match self.bring(Side::Target, &to, wants).await? {
            Brought::Done => Ok(()),
            Brought::Refused(Some(shard)) if shard.is_held_by(id) && shard.mode == FenceMode::Incoming => {
                Err(Halt::Lost)
            }
            Brought::Refused(shard) => Err(self.in_the_way(Side::Target, shard.as_ref())),
        }
    }

    /// Whether a shard of the target may be taken hold of: none is there; it was left behind at a lower epoch, which an
    /// abort of this move does not, so that a mover that was held up makes none anew; or it is this move's.
    pub(super) fn may_hold(&self, shard: Option<&Shard>, to: &Shard) -> Want {
        let Some(shard) = shard else { return Want::Change };
        let is_newer = shard.hold.as_ref().is_some_and(|hold| hold.token > self.hold().token);
        match shard.mode {
            _ if shard == to => Want::Done,
            FenceMode::Incoming if shard.is_held_by(&self.plan.id) && !is_newer => Want::Change,
            FenceMode::Closed | FenceMode::Out if shard.epoch < to.epoch => Want::Change,
            // That of a move that is over: the entry is in this one, or is to be.
            FenceMode::Incoming if !shard.is_held_by(&self.plan.id) && shard.epoch <= to.epoch => Want::Change,
            _ => Want::Refuse,
        }
    }

    /// Whether the target was closed at this epoch: what an abort does last there.
    pub(super) async fn is_target_closed(&self, target_epoch: u64) -> Result<bool, Halt> {
        let there = self.shards(Side::Target).await?;
        let is_closed = |shard: &Shard| shard.mode == FenceMode::Closed && shard.epoch == target_epoch;
        Ok(!there.is_empty() && there.values().all(is_closed))
    }

    /// After a takeover: what an earlier mover of this move holds of the source's fence is this one's now.
    pub(super) async fn hold_source(&self) -> Result<(), Halt> {
        let mine = self.hold();
        let is_stale = |shard: &Shard| shard.is_held_by(&self.plan.id) && shard.hold.as_ref() != Some(&mine);
        let is_later = |shard: &Shard| shard.hold.as_ref().is_some_and(|hold| hold.token > mine.token);
        let taken = |shard: Shard| {
            if is_later(&shard) { Err(Halt::Lost) } else { Ok(Shard { hold: Some(mine.clone()), ..shard }) }
        };
        self.change_each(Side::Source, is_stale, taken).await
    }

    /// GUARD: the source's fence GUARDED at `epoch`, held. False: it is not open at that epoch any more.
    pub(super) async fn guard_source(&self, epoch: u64) -> Result<bool, Halt> {
        let to = Shard::held(epoch, FenceMode::Guarded, self.hold());
        let wants = |shard: Option<&Shard>| match shard {
            Some(shard) if *shard == to => Want::Done,
            Some(shard) if shard.mode == FenceMode::Open && shard.epoch == epoch => Want::Change,
            // An earlier mover's, which came late.
            Some(shard) if shard.mode == FenceMode::Guarded && shard.epoch == epoch && self.may_take(shard) => {
                Want::Change
            }
            _ => Want::Refuse,
        };
        Ok(matches!(self.bring(Side::Source, &to, wants).await?, Brought::Done))
    }

    /// The way back: every shard of the source OPEN, two epochs on; writers may have opened some already. None: the source
    /// has sent the tenant away.
    pub(super) async fn reopen_source(&self, epoch: u64) -> Result<Option<u64>, Halt> {
        let id = &self.plan.id;
        let next = epoch + 2;
        let to = Shard::free(next, FenceMode::Open);
        let wants = |shard: Option<&Shard>| match shard {
            Some(shard) if *shard == to => Want::Done,
            Some(shard) if shard.epoch != epoch || shard.mode == FenceMode::Out => Want::Refuse,
            Some(shard) if shard.mode == FenceMode::Open => Want::Change,
            Some(shard) if self.may_take(shard) => Want::Change,
            Some(_) => Want::Refuse,
            // What is not there lets nobody write, and is no reason not to open the others.
            None => Want::Done,
        };
        match self.bring(Side::Source, &to, wants).await? {
            Brought::Done => Ok(Some(next)),
            Brought::Refused(Some(shard)) if shard.mode == FenceMode::Out && shard.is_held_by(id) => Ok(None),
            // Another mover of this move has gone on from here.
            Brought::Refused(Some(shard)) if shard.epoch > epoch || shard.is_held_by(id) => Err(Halt::Lost),
            Brought::Refused(shard) => Err(self.in_the_way(Side::Source, shard.as_ref())),
        }
    }

    /// Whether this move holds a shard, by this mover or an earlier one.
    fn may_take(&self, shard: &Shard) -> bool {
        let mine = self.hold();
        shard.hold.as_ref().is_some_and(|hold| hold.id == mine.id && hold.token <= mine.token)
    }

    /// Whether this move has sent the tenant away from the source.
    pub(super) async fn is_flipped(&self) -> Result<bool, Halt> {
        let there = self.shards(Side::Source).await?;
        let is_out = |shard: &Shard| shard.mode == FenceMode::Out && shard.is_held_by(&self.plan.id);
        Ok(!there.is_empty() && there.values().all(is_out))
    }

    /// The target OPEN at `epoch`. It is this move's, or open already.
    pub(super) async fn open_target(&self, epoch: u64) -> Result<(), Halt> {
        let to = Shard::free(epoch, FenceMode::Open);
        let id = &self.plan.id;
        let wants = |shard: Option<&Shard>| match shard {
            Some(shard) if shard.epoch == epoch && shard.mode != FenceMode::Incoming => Want::Done,
            Some(shard) if shard.epoch > epoch && shard.mode != FenceMode::Incoming => Want::Done,
            // That of another epoch is a later mover's: this one has slept through a reopening.
            Some(shard) if shard.mode == FenceMode::Incoming && shard.epoch == epoch && shard.is_held_by(id) => {
                Want::Change
            }
            _ => Want::Refuse,
        };
        match self.bring(Side::Target, &to, wants).await? {
            Brought::Done => Ok(()),
            Brought::Refused(shard) => Err(self.in_the_way(Side::Target, shard.as_ref())),
        }
    }

    /// The target CLOSED at `epoch`, where this move holds it. One that it does not hold is left alone.
    pub(super) async fn close_target(&self, epoch: u64) -> Result<(), Halt> {
        let is_ours = |shard: &Shard| shard.mode == FenceMode::Incoming && shard.is_held_by(&self.plan.id);
        self.change_each(Side::Target, is_ours, |_| Ok(Shard::free(epoch, FenceMode::Closed))).await
    }

    fn in_the_way(&self, side: Side, shard: Option<&Shard>) -> Halt {
        let is = shard.map_or_else(
            || "not there".to_owned(),
            |shard| format!("{} at epoch {}", shard.mode.as_str(), shard.epoch),
        );
        let (tenant, cell): (_, &CellId) = (self.tenant(), &self.end(side).cell);
        Halt::stuck(
            "fence-changed",
            format!("the fence of tenant {tenant} in cell {cell} is {is}, which this move did not make it"),
            format!(
                "`cellctl map verify` shows what is not as it should be; then `cellctl move resume {}`",
                self.plan.id
            ),
        )
    }
}

/// What is to become of a shard.
pub(super) enum Want {
    /// Nothing: it is as it should be.
    Done,
    /// It is to be changed.
    Change,
    /// It stands in the way.
    Refuse,
}

/// How it went.
enum Brought {
    /// Every shard is as it should be.
    Done,
    /// One stands in the way.
    Refused(Option<Shard>),
}

/// The shards of a fence: those of the plan, and whatever else is there.
pub(super) fn numbers(there: &Shards, planned: u8) -> Vec<u8> {
    let beyond = there.keys().copied().filter(|number| *number >= planned);
    (0..planned).chain(beyond).collect()
}

#[cfg(test)]
mod tests;
