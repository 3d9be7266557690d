//! The steps of a move but for the sealed part: each does what the protocol says and gives the event to write down.
//!
//! Constraint kept: every step may be done again from its beginning, by another mover too.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::domain::moves::event::Event;
use crate::domain::moves::machine::Step;
use crate::domain::moves::receipt::{Gap, Proof, Receipt};
use crate::domain::moves::{FenceLevel, receipt};
use crate::domain::tenant::fence::FenceMode;

use super::clean::clean;
use super::context::Side;
use super::copy::copy;
use super::driver::Driver;
use super::halt::Halt;
use super::reconcile::{Round, reconcile, settle};
use super::reserve::Reserved;
use super::verify::verify;

/// How often a move whose cutover is held reconciles meanwhile, in milliseconds.
const HELD_MS: u64 = 1_000;
impl Driver<'_> {
    /// Does a step.
    pub(super) async fn work(&self, step: Step) -> Result<Event, Halt> {
        match step {
            Step::Reserve => self.reserve().await,
            Step::Copy => self.copy().await,
            Step::Bar => self.bar().await,
            Step::Reconcile => self.reconcile().await,
            Step::Guard => self.guard().await,
            Step::Verify => self.verify().await,
            Step::CutOver => self.prepare().await,
            Step::Settle => self.settle().await,
            Step::Land => self.land().await,
            Step::MoveQueues => self.move_queues().await,
            Step::Soak => self.soak().await,
            Step::Clean => self.clean_source().await,
            Step::Complete => self.complete().await,
            Step::Clear => self.clear().await,
            Step::EndAbort => self.end_abort().await,
            // The driver does these itself, or ends before them.
            Step::Capture | Step::Wait | Step::Rest => Ok(Event::Resumed),
        }
    }

    async fn reserve(&self) -> Result<Event, Halt> {
        match self.context.reserve(self.fleet, &self.held, self.state.target_epoch()).await? {
            Reserved::Done => Ok(Event::Reserved),
            Reserved::Refused(why) => Err(Halt::AbortOrdered(why)),
        }
    }

    async fn copy(&self) -> Result<Event, Halt> {
        self.meter.begin_copy(self.state.stage, self.context.plan.volume);
        if self.context.plan.options.warm { self.copy_warm().await } else { self.copy_all().await }
    }

    pub(super) async fn copy_all(&self) -> Result<Event, Halt> {
        let copied = copy(&self.context, &self.meter).await?;
        Ok(Event::Copied { items: copied.items, bytes: copied.bytes })
    }

    async fn bar(&self) -> Result<Event, Halt> {
        let until_ms = self.state.bulk_until_ms.max(self.context.doubt_until_ms());
        Ok(Event::Barred { waited_ms: self.context.wait_until(until_ms).await? })
    }

    async fn reconcile(&self) -> Result<Event, Halt> {
        let target_epoch = self.state.target_epoch();
        self.meter.begin(self.state.stage, None);
        // After a reopening the epoch has changed.
        self.context.hold_target(target_epoch).await?;
        let budget_ms = self.context.plan.options.write_gap_max_ms / 2;
        let settled = settle(&self.context, target_epoch, &self.dirty, budget_ms).await?;
        self.meter.set_gap(Some(settled.gap_ms));
        // Those of a warm copy too.
        Ok(Event::Reconciled { rounds: settled.rounds, keys: self.context.take_reconciled() })
    }

    /// Waits for the order to cut over, where that is held, and keeps up meanwhile.
    async fn await_order(&self) -> Result<(), Halt> {
        while self.context.plan.options.hold_cutover && !self.context.orders().cutover {
            self.context.check()?;
            reconcile(&self.context, self.state.target_epoch(), &self.dirty, Round::ALL).await?;
            self.context.world.clock.sleep(Duration::from_millis(HELD_MS)).await;
        }
        Ok(())
    }

    async fn guard(&self) -> Result<Event, Halt> {
        self.await_order().await?;
        if !self.context.guard_source(self.state.epoch).await? {
            return Err(Halt::stuck(
                "fence-changed",
                format!(
                    "the fence of tenant {} in cell {} is not open at epoch {}",
                    self.context.tenant(),
                    self.context.plan.source.cell,
                    self.state.epoch
                ),
                format!(
                    "`cellctl map verify` shows what is the matter; `cellctl move abort {}` gives up",
                    self.state.plan.id
                ),
            ));
        }
        if self.context.plan.options.fence == FenceLevel::Guarded {
            // Plain writes that began under OPEN are over after this.
            self.context.wait_until(self.context.world.clock.now_ms() + self.lease_and_request_ms()).await?;
        }
        Ok(Event::Guarded)
    }

    /// For how long a writer may act on what it has read, and its request take, in milliseconds.
    pub(super) fn lease_and_request_ms(&self) -> i64 {
        let options = &self.context.plan.options;
        i64::try_from(options.lease_ms.saturating_add(options.request_ms)).unwrap_or(i64::MAX / 2)
    }

    async fn verify(&self) -> Result<Event, Halt> {
        let has_notes = self.context.plan.options.fence.has_notes();
        if !has_notes {
            self.await_order().await?;
        }
        self.meter.begin(self.state.stage, Some(self.state.tally.items));
        let notes = has_notes.then_some(&self.notes);
        let began_ms = self.context.world.clock.monotonic_ms();
        let verified = verify(&self.context, self.state.target_epoch(), &self.dirty, notes, &self.meter).await?;
        let took_ms = self.context.world.clock.monotonic_ms().saturating_sub(began_ms);
        self.compared_in_ms.store(took_ms.max(1) / u64::from(verified.passes.max(1)) + 1, Ordering::SeqCst);
        let keys = self.context.take_reconciled();
        Ok(Event::Verified { tables: verified.tables, repaired: verified.repaired, passes: verified.passes, keys })
    }

    async fn land(&self) -> Result<Event, Halt> {
        self.context.land_tenant(&self.held, self.state.target_epoch()).await?;
        // Only those that this mover has read: a later move's are none of its business. Others expire.
        self.notes.forget_done(&self.context, &self.dirty).await?;
        Ok(Event::Landed)
    }

    async fn clean_source(&self) -> Result<Event, Halt> {
        self.context.hold_source().await?;
        let guard = self.context.guard(Side::Source, self.state.target_epoch(), FenceMode::Out);
        self.meter.begin(self.state.stage, Some(self.state.tally.items));
        let items = clean(&self.context, Side::Source, &guard, self.state.tally.cleaned, &self.meter).await?;
        Ok(Event::Cleaned { items })
    }

    async fn complete(&self) -> Result<Event, Halt> {
        // What consumers have met since: the queues' messages keep coming for a while after the cutover.
        let messages = self.state.tally.messages + self.context.move_messages().await?;
        self.context.end_entry(&self.held, self.state.target_epoch(), "move-completed").await?;
        self.context.clear_ledger().await?;
        Ok(Event::Completed { receipt: Box::new(self.receipt(messages)) })
    }

    fn receipt(&self, messages: u64) -> Receipt {
        let (state, tally) = (&self.state, &self.state.tally);
        let unseen = || (Gap { from_ms: 0, to_ms: 0, length_us: 0, keys: 0 }, Proof::Notes);
        let (gap, proof) = tally.flip.clone().unwrap_or_else(unseen);
        receipt::Receipt {
            id: state.plan.id.clone(),
            source: state.plan.source.cell.clone(),
            target: state.plan.target.cell.clone(),
            epoch_before: state.plan.epoch,
            epoch: state.target_epoch(),
            fence: state.plan.options.fence,
            planned_at_ms: state.plan.at_ms,
            completed_at_ms: self.context.world.clock.now_ms(),
            items_copied: tally.items,
            bytes_copied: tally.bytes,
            keys_reconciled: tally.keys,
            keys_repaired: tally.repaired,
            capture_gaps: tally.gaps,
            takeovers: tally.takeovers,
            cutovers: tally.cutovers,
            tables: tally.tables.clone(),
            gap,
            proof,
            messages,
            items_cleaned: tally.cleaned,
            kept: tally.kept.clone(),
        }
    }

    /// The way back: the source open, the target empty. What was never reserved is not touched.
    async fn clear(&self) -> Result<Event, Halt> {
        let entry = self.context.entry().await?;
        if !entry.is_some_and(|entry| self.context.is_in_this(&entry)) {
            self.context.close_target(self.state.epoch).await?;
            return Ok(Event::Cleared { items: 0 });
        }
        self.context.wait_until(self.state.bulk_until_ms.max(self.context.doubt_until_ms())).await?;
        let Some(epoch) = self.context.reopen_source(self.state.epoch).await? else {
            return Err(Halt::stuck(
                "flipped",
                "the source has sent the tenant away although the move is being given up",
                "this is a fault of cellctl: keep the journal and report it",
            ));
        };
        tracing::debug!(epoch, "the source is open");
        let target_epoch = self.state.target_epoch();
        if self.context.is_target_closed(target_epoch).await? {
            return Ok(Event::Cleared { items: 0 });
        }
        self.keep_only_copy().await?;
        self.context.hold_target(target_epoch).await?;
        let guard = self.context.incoming(target_epoch);
        let items = clean(&self.context, Side::Target, &guard, 0, &self.meter).await?;
        self.context.close_target(target_epoch).await?;
        Ok(Event::Cleared { items })
    }

    /// Where a table of the source is gone, what was copied may be all that is left of it.
    async fn keep_only_copy(&self) -> Result<(), Halt> {
        if self.state.capture_from_ms.is_none() {
            // Nothing was copied.
            return Ok(());
        }
        for table in &self.context.plan.tables {
            let source = self.context.table(Side::Source, table);
            if self.context.world.data.shape(&source).await?.is_none() {
                let (from, to) = (&self.context.plan.source.cell, &self.context.plan.target.cell);
                return Err(Halt::stuck(
                    "source-gone",
                    format!(
                        "table {} of cell {from} is gone; what was copied of it is kept in table {} of cell {to}",
                        table.source, table.target
                    ),
                    "bring the table back under the same name, from its point-in-time recovery, or empty where nothing of \
                     it is needed",
                ));
            }
        }
        Ok(())
    }

    async fn end_abort(&self) -> Result<Event, Halt> {
        // A reservation may have come late, when nothing was there to be cleared.
        self.clear().await?;
        // That of the source, which serves the tenant; where it cannot be told, the entry keeps its own.
        let shards = self.context.shards(Side::Source).await?;
        let epoch = shards.values().map(|shard| shard.epoch).max().unwrap_or(0);
        self.context.end_entry(&self.held, epoch, "move-aborted").await?;
        // None comes any more. One that was faster than the entry's end has done nothing but take the target's fence, which
        // the next move finds below its own epoch.
        self.context.close_target(self.state.epoch).await?;
        self.context.clear_ledger().await?;
        Ok(Event::Aborted)
    }
}
