//! SEAL, DRAIN, FLIP: the time without writes, and the way out of it.
//!
//! Constraints kept: nothing is waited for that need not be; nothing but the fence and the target is written until the
//! outcome is known; whatever goes wrong before FLIP ends in a source that is open again, or in the deadline, after
//! which anybody opens it.

use std::time::Duration;

use crate::domain::moves::event::Event;
use crate::domain::moves::fence::{Shard, Shift};
use crate::domain::moves::receipt::{Gap, Proof};
use crate::domain::tenant::Entry;
use crate::domain::tenant::change;
use crate::domain::tenant::fence::FenceMode;
use crate::ports::tenants::Written;

use super::compare::compare;
use super::context::Side;
use super::driver::Driver;
use super::fencing::{Shards, numbers};
use super::halt::Halt;
use super::reconcile::{Round, reconcile, settle};

/// For how long the streams must show nothing before they count as read to their ends, in milliseconds: many times what
/// a record takes to show up in one. At level `lease` only.
const QUIET_MS: u64 = 1_500;
/// Rounds of draining at most. Nothing writes meanwhile, so that two are the rule.
const DRAINS_MAX: u32 = 50;

/// What was seen right before the seal.
struct Before {
    entry: Entry,
    source: Shards,
    target: Shards,
    from_us: u64,
    from_ms: i64,
}

/// How the draining ended, where nothing failed.
pub(super) enum Drained {
    /// The target has everything: what shows it, and the number of keys.
    All(Proof, u64),
    /// That could not be shown: why.
    Not(&'static str),
}

/// How the sealed part ended, where nothing failed.
enum Sealed {
    /// The source has sent the tenant away.
    Out,
    /// It did not come to that: why.
    Not(String),
}

impl Driver<'_> {
    /// Right before the seal: as little is left to do as can be. Gives the intent, with the deadline.
    pub(super) async fn prepare(&self) -> Result<Event, Halt> {
        let options = &self.context.plan.options;
        if self.state.tries > options.cutovers_max {
            return Err(Halt::stuck(
                "cutover-too-slow",
                format!("{} cutovers did not fit into {} ms", self.state.tries, options.write_gap_max_ms),
                "resume the move when the tenant writes less, or abort it and move it with a larger --max-write-gap",
            ));
        }
        let target_epoch = self.state.target_epoch();
        if options.fence.has_notes() {
            self.notes.read(&self.context, &self.dirty).await?;
        }
        let settled = settle(&self.context, target_epoch, &self.dirty, options.write_gap_max_ms / 2).await?;
        self.meter.set_gap(Some(settled.gap_ms));
        if options.fence.has_notes() {
            self.notes.forget_done(&self.context, &self.dirty).await?;
            self.notes.read(&self.context, &self.dirty).await?;
            reconcile(&self.context, target_epoch, &self.dirty, Round::ALL).await?;
        }
        let wait_ms = if options.fence.has_notes() { 0 } else { self.lease_and_request_ms() };
        let gap_ms = i64::try_from(options.write_gap_max_ms).unwrap_or(i64::MAX / 2);
        let deadline_ms = self.context.world.clock.now_ms().saturating_add(wait_ms).saturating_add(gap_ms);
        Ok(Event::CutoverStarted { deadline_ms, keys: self.context.take_reconciled() })
    }

    /// The sealed part, right after its intent was written down.
    pub(super) async fn sealed(&self) -> Result<Event, Halt> {
        let Some(before) = self.before().await? else { return self.settle().await };
        if !self.seal(&before).await? {
            return self.reopen("a shard of its fence could not be sealed".to_owned()).await;
        }
        let (proof, keys) = match self.drain().await? {
            Drained::All(proof, keys) => (proof, keys),
            Drained::Not(why) => return self.reopen(why.to_owned()).await,
        };
        self.context.check()?;
        match self.flip(&before).await? {
            Sealed::Out => {
                let clock = &self.context.world.clock;
                let length_us = clock.monotonic_us().saturating_sub(before.from_us);
                let gap = Gap { from_ms: before.from_ms, to_ms: clock.now_ms(), length_us, keys };
                self.context.take_reconciled();
                Ok(Event::Flipped { gap, proof })
            }
            Sealed::Not(why) => self.reopen(why).await,
        }
    }

    /// What the seal and FLIP name. None: it is not as the journal says.
    async fn before(&self) -> Result<Option<Before>, Halt> {
        let Some(entry) = self.context.entry().await?.filter(|entry| self.context.is_in_this(entry)) else {
            return Ok(None);
        };
        let source = self.context.shards(Side::Source).await?;
        let target = self.context.shards(Side::Target).await?;
        let has_notes = self.context.plan.options.fence.has_notes();
        let guarded = Shard::held(self.state.epoch, FenceMode::Guarded, self.context.hold());
        let open = Shard::free(self.state.epoch, FenceMode::Open);
        let ready = if has_notes { &guarded } else { &open };
        let incoming = Shard::held(self.state.target_epoch(), FenceMode::Incoming, self.context.hold());
        let plan = self.context.plan;
        if !are_all(&source, plan.source.shards, ready) || !are_all(&target, plan.target.shards, &incoming) {
            return Ok(None);
        }
        let clock = &self.context.world.clock;
        let (from_us, from_ms) = (clock.monotonic_us(), clock.now_ms());
        Ok(Some(Before { entry, source, target, from_us, from_ms }))
    }

    /// SEAL: every shard, all at the same time. False: one of them is not as it was.
    async fn seal(&self, before: &Before) -> Result<bool, Halt> {
        let sealed = self.sealed_shard();
        let seal = |(number, shard): (&u8, &Shard)| {
            self.context.shift(Side::Source, vec![(*number, Some(shard.clone()))], sealed.clone())
        };
        let outcomes = futures_util::future::join_all(before.source.iter().map(seal)).await;
        let mut all = true;
        for outcome in outcomes {
            all &= outcome?;
        }
        if all && self.context.plan.options.fence.has_notes() {
            return Ok(true);
        }
        // An answer that was lost counts as no: the fence itself tells. It also shows a shard that `map verify` has opened
        // since it was read; what is GUARDED gets none.
        let there = self.context.shards(Side::Source).await?;
        Ok(there.len() == before.source.len() && there.values().all(|shard| *shard == sealed))
    }

    fn sealed_shard(&self) -> Shard {
        let shard = Shard::held(self.state.epoch, FenceMode::Sealed, self.context.hold());
        Shard { deadline_ms: self.state.deadline_ms, ..shard }
    }

    /// DRAIN: what is still dirty, and what shows that nothing else is.
    async fn drain(&self) -> Result<Drained, Halt> {
        if self.context.plan.options.fence.has_notes() {
            self.notes.read(&self.context, &self.dirty).await?;
            return Ok(Drained::All(Proof::Notes, self.drain_dirty().await?));
        }
        // Nobody writes any more after this. Not `wait_until`: a sealed source waits for nobody's orders.
        let wait_ms = self.lease_and_request_ms().unsigned_abs();
        self.context.world.clock.sleep(Duration::from_millis(wait_ms)).await;
        if let Some(capture) = &self.capture
            && !capture.until_quiet(&self.context, QUIET_MS, self.left_ms()).await?
        {
            return Ok(Drained::Not("the streams were not at their ends by the deadline"));
        }
        let keys = self.drain_dirty().await?;
        if !self.comparison_fits() {
            return Ok(Drained::All(Proof::Quiet, keys));
        }
        self.compare_under_seal(keys).await
    }

    async fn drain_dirty(&self) -> Result<u64, Halt> {
        let mut keys = 0;
        for _ in 0..DRAINS_MAX {
            if self.dirty.len() == 0 {
                return Ok(keys);
            }
            keys += reconcile(&self.context, self.state.target_epoch(), &self.dirty, Round::ALL).await?.keys;
        }
        Err(Halt::stuck(
            "not-draining",
            format!("keys of tenant {} keep changing although its fence is sealed", self.context.tenant()),
            "a writer does not keep to the fence: find it (docs/applications.md), then resume the move",
        ))
    }

    /// Whether a comparison of everything fits into what is left of the budget, by how long the last one took.
    fn comparison_fits(&self) -> bool {
        let took_ms = self.compared_in_ms.load(std::sync::atomic::Ordering::SeqCst);
        took_ms > 0 && took_ms.saturating_mul(2) < self.left_ms()
    }

    /// Until the deadline, in milliseconds.
    fn left_ms(&self) -> u64 {
        let left_ms = self.state.deadline_ms.unwrap_or(0) - self.context.world.clock.now_ms();
        u64::try_from(left_ms).unwrap_or(0)
    }

    pub(super) async fn compare_under_seal(&self, mut keys: u64) -> Result<Drained, Halt> {
        for _ in 0..2 {
            let compared = compare(&self.context, &self.meter).await?;
            if compared.equal {
                return Ok(Drained::All(Proof::Compared, keys));
            }
            compared.differing.into_iter().for_each(|(table, key)| {
                self.dirty.mark(table, key);
            });
            keys += self.drain_dirty().await?;
        }
        Ok(Drained::Not("both sides still differed after what differed had been carried over"))
    }

    /// FLIP: the source first, or everything at once.
    async fn flip(&self, before: &Before) -> Result<Sealed, Halt> {
        if self.context.plan.one_place { self.flip_at_once(before).await } else { self.flip_in_turn(before).await }
    }

    fn out_shift(&self, before: &Before) -> Shift {
        let plan = self.context.plan;
        let sealed = self.sealed_shard();
        let from = before.source.keys().map(|number| (*number, Some(sealed.clone()))).collect();
        let out = Shard::held(self.state.target_epoch(), FenceMode::Out, self.context.hold());
        let to = Shard { to: Some(plan.target.cell.clone()), ..out };
        Shift { table: self.context.fence_table(Side::Source), tenant: plan.tenant().clone(), from, to }
    }

    fn open_shift(&self, before: &Before) -> Shift {
        let from = before.target.iter().map(|(number, shard)| (*number, Some(shard.clone()))).collect();
        let to = Shard::free(self.state.target_epoch(), FenceMode::Open);
        Shift { table: self.context.fence_table(Side::Target), tenant: self.context.tenant().clone(), from, to }
    }

    async fn flip_at_once(&self, before: &Before) -> Result<Sealed, Halt> {
        let shifts = vec![self.out_shift(before), self.open_shift(before)];
        let stamp = self.held.stamp(self.context.world.clock.now_ms());
        let cell = &self.context.plan.target.cell;
        let change = change::cut_over(&before.entry, cell, self.state.target_epoch(), shifts, &stamp);
        match self.context.land(&change).await? {
            Written::Done => Ok(Sealed::Out),
            refused => self.flipped_or(format!("FLIP was refused: {refused:?}")).await,
        }
    }

    async fn flip_in_turn(&self, before: &Before) -> Result<Sealed, Halt> {
        let out = self.out_shift(before);
        if !self.context.shift(Side::Source, out.from, out.to).await?
            && let Sealed::Not(why) = self.flipped_or("the source is not sealed any more".to_owned()).await?
        {
            return Ok(Sealed::Not(why));
        }
        // The rest belongs to LAND; this much ends the gap.
        self.context.open_target(self.state.target_epoch()).await?;
        Ok(Sealed::Out)
    }

    async fn flipped_or(&self, why: String) -> Result<Sealed, Halt> {
        Ok(if self.context.is_flipped().await? { Sealed::Out } else { Sealed::Not(why) })
    }

    /// How a cutover ended whose mover is gone: the source has sent the tenant away, or is opened again.
    pub(super) async fn settle(&self) -> Result<Event, Halt> {
        self.reopen("the cutover was interrupted".to_owned()).await
    }

    /// The way back, unless there is none.
    async fn reopen(&self, why: String) -> Result<Event, Halt> {
        if let Some(epoch) = self.context.reopen_source(self.state.epoch).await? {
            return Ok(Event::Reopened { epoch, why });
        }
        let to_ms = self.context.world.clock.now_ms();
        let gap = Gap { from_ms: self.state.at_ms, to_ms, length_us: 0, keys: 0 };
        let has_notes = self.context.plan.options.fence.has_notes();
        Ok(Event::Flipped { gap, proof: if has_notes { Proof::Notes } else { Proof::Quiet } })
    }
}

/// Whether a fence has all the shards of the plan, and all that it has are like this one.
fn are_all(there: &Shards, planned: u8, like: &Shard) -> bool {
    numbers(there, planned).iter().all(|number| there.get(number) == Some(like))
}
