//! The driver of a move: asks the state machine what is next, does it, writes down what happened.
//!
//! Constraints kept: one event for each step, written after what it says is so; what runs beside a step (the streams,
//! people's orders, the progress) can end it, and a step that has sealed the source is settled before anything else.

use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::domain::fleet::Fleet;
use crate::domain::moves::event::Event;
use crate::domain::moves::machine::{Move, Stage, Step};
use crate::domain::moves::receipt::Receipt;
use crate::ops::OpError;
use crate::ops::error::ErrorKind;

use super::capture::Capture;
use super::context::Context;
use super::dirty::Dirty;
use super::halt::Halt;
use super::lease_of::Held;
use super::meter::Meter;
use super::notes::Notes;
use super::{Ended, journal};

/// How often it looks at what people order, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// A move in the hands of a mover.
pub(super) struct Driver<'a> {
    pub(super) context: Context<'a>,
    pub(super) held: Held<'a>,
    pub(super) fleet: &'a Fleet,
    pub(super) state: Move,
    pub(super) dirty: Dirty,
    pub(super) capture: Option<Capture>,
    pub(super) notes: Notes,
    pub(super) meter: Meter,
    /// The token that the fences were held with last.
    pub(super) token: u64,
    /// How long the last comparison took, in milliseconds; 0 before the first.
    pub(super) compared_in_ms: AtomicU64,
}

impl Driver<'_> {
    /// Carries the move on until it is over, or somebody has to act.
    pub(super) async fn drive(&mut self) -> Result<Ended, OpError> {
        if let Err(halt) = self.take_hold().await {
            return self.let_go(halt).await;
        }
        loop {
            let step = self.state.next();
            if let Some(ended) = self.ended(step) {
                return Ok(ended);
            }
            if let Err(halt) = self.step(step).await
                && let Some(ended) = self.halted(halt).await?
            {
                return Ok(ended);
            }
        }
    }

    /// Writes an event down.
    pub(super) async fn note(&mut self, event: Event) -> Result<(), Halt> {
        self.state = journal::append(self.context.world, &self.held, self.state.clone(), event).await?;
        self.mark();
        Ok(())
    }

    /// Tells which orders can have an effect where the move stands.
    fn mark(&self) {
        if is_decided(self.state.stage) {
            self.context.decide();
        }
        self.context.obey_keep(self.state.stage == Stage::Soaked);
    }

    /// After a takeover: what an earlier mover held is this one's, so that nothing of it counts any more.
    async fn take_hold(&mut self) -> Result<(), Halt> {
        self.look().await?;
        self.token = self.context.hold().token;
        self.mark();
        // Past FLIP nothing but the cleaning needs the source, which may be gone while the target is still to be opened.
        if self.state.stage.is_past_flip() {
            return Ok(());
        }
        if matches!(self.state.stage, Stage::Planned | Stage::Aborting | Stage::Cleared | Stage::Aborted) {
            return Ok(());
        }
        // A cutover that was interrupted may have opened the target: it is settled first, by the source's fence.
        if self.state.stage != Stage::CuttingOver {
            self.context.hold_target(self.state.target_epoch()).await?;
        }
        self.context.hold_source().await
    }

    /// One step.
    async fn step(&mut self, step: Step) -> Result<(), Halt> {
        self.look().await?;
        // After a FLIP in several places nobody serves the tenant before LAND: no order puts that off.
        if !matches!(step, Step::Settle | Step::Land) {
            self.context.check()?;
        }
        if self.context.hold().token != self.token {
            // A write was given up: what was sent with the token before must not count any more.
            self.take_hold().await?;
        }
        // A source that is sealed does not wait for that.
        if reads_streams(self.state.stage) && self.capture.is_none() && step != Step::Settle {
            self.open_capture(false).await?;
        }
        if step == Step::Capture {
            self.open_capture(true).await?;
            return self.note(Event::CaptureStarted).await;
        }
        let compares = matches!(step, Step::Verify | Step::CutOver | Step::Settle);
        self.dirty.await_comparison(self.state.owes_comparison && !compares);
        let (ended, halt) = self.beside(self.work(step)).await;
        let event = ended?;
        let sealed = matches!(event, Event::CutoverStarted { .. });
        self.note(event).await?;
        match halt {
            Some(halt) => Err(halt),
            None if sealed => self.cut_over().await,
            None => Ok(()),
        }
    }

    async fn open_capture(&mut self, fresh: bool) -> Result<(), Halt> {
        let from_ms = self.state.capture_from_ms.unwrap_or_else(|| self.context.world.clock.now_ms());
        if !fresh {
            self.dirty = Dirty::load(&self.context).await?;
        }
        let capture = self.capture.insert(Capture::open(&self.context, &self.dirty, from_ms, fresh).await?);
        // What was lost while nobody read is told before a step can be done without it.
        if fresh { Ok(()) } else { capture.tell_gap(&self.context, &self.dirty) }
    }

    /// Does a piece of work with the streams, the orders and the progress beside it. Where one of those has a reason to end
    /// it, it is asked to end and let do so, so that no request is under way that nobody has seen answered; the reason comes
    /// back in its place, or beside what it has done.
    async fn beside(&self, work: impl Future<Output = Result<Event, Halt>>) -> (Result<Event, Halt>, Option<Halt>) {
        let (work, beside) = (pin!(work), pin!(self.background()));
        match select(work, beside).await {
            Either::Left((ended, _)) => (ended, None),
            Either::Right((halt, work)) => {
                self.context.cancel(true);
                let ended = work.await;
                self.context.cancel(false);
                match ended {
                    Ok(event) => (Ok(event), Some(halt)),
                    // What it failed with says less than why it was asked to end.
                    Err(_) => (Err(halt), None),
                }
            }
        }
    }

    /// The sealed part of a cutover. Nothing goes to the ledger meanwhile.
    async fn cut_over(&mut self) -> Result<(), Halt> {
        self.dirty.set_durable(false);
        let (ended, halt) = self.beside(self.sealed()).await;
        self.dirty.set_durable(true);
        self.note(ended?).await?;
        halt.map_or(Ok(()), Err)
    }

    /// What runs beside every step, until it has a reason to end it.
    async fn background(&self) -> Halt {
        let streams = async {
            match &self.capture {
                Some(capture) if reads_streams(self.state.stage) => capture.run(&self.context, &self.dirty).await,
                _ => std::future::pending().await,
            }
        };
        let orders = async {
            loop {
                self.context.world.clock.sleep(Duration::from_millis(LOOK_MS)).await;
                if let Err(halt) = self.look().await {
                    return halt;
                }
            }
        };
        let progress = self.meter.run(&self.context, &self.dirty);
        let (streams, orders, progress) = (pin!(streams), pin!(orders), pin!(progress));
        match select(streams, select(orders, progress)).await {
            Either::Left((halt, _)) => halt,
            Either::Right((either, _)) => either.factor_first().0,
        }
    }

    /// Looks at what people order. A control table that is down stops nobody: its last orders stand.
    async fn look(&self) -> Result<(), Halt> {
        if self.context.lease.is_lost() {
            return Err(Halt::Lost);
        }
        match self.context.world.moves.orders(&self.state.plan.id).await {
            Ok(orders) => self.context.take_orders(orders),
            Err(error) => tracing::debug!(%error, "the orders could not be read"),
        }
        Ok(())
    }

    /// What a halt means: none where the move goes on.
    async fn halted(&mut self, halt: Halt) -> Result<Option<Ended>, OpError> {
        if self.state.stage == Stage::CuttingOver && !matches!(halt, Halt::Lost) {
            // The source may be sealed: that comes first, whatever else is to be done.
            match self.work(Step::Settle).await {
                Ok(event) => {
                    if let Err(halt) = self.note(event).await {
                        return self.let_go(halt).await.map(Some);
                    }
                    if self.state.stage == Stage::Flipped {
                        // Nobody serves the tenant before LAND: that comes before whatever this was.
                        return Ok(None);
                    }
                }
                Err(worse) => return self.let_go(worse).await.map(Some),
            }
        }
        if self.state.stage.is_past_flip() && matches!(halt, Halt::Gap { .. } | Halt::AbortOrdered(_)) {
            return Ok(None);
        }
        let event = match &halt {
            Halt::Gap { table, what } => Event::GapFound { table: table.clone(), what: what.clone() },
            Halt::AbortOrdered(why) => Event::AbortStarted { why: why.clone() },
            Halt::KeepOrdered(why) => Event::Kept { why: why.clone() },
            _ => return self.let_go(halt).await.map(Some),
        };
        match self.note(event).await {
            Ok(()) => {
                if matches!(halt, Halt::AbortOrdered(_)) {
                    self.forget_abort().await;
                }
                Ok(None)
            }
            Err(halt) => self.let_go(halt).await.map(Some),
        }
    }

    /// The order is in the journal: nothing has to ask for it any more.
    async fn forget_abort(&self) {
        let mut orders = self.context.orders();
        orders.abort = None;
        self.context.take_orders(orders.clone());
        orders.version += 1;
        if let Err(error) = self.context.world.moves.put_orders(&self.state.plan.id, &orders).await {
            tracing::debug!(%error, "the order to abort could not be taken away");
        }
    }

    /// The mover ends, the move does not.
    async fn let_go(&mut self, halt: Halt) -> Result<Ended, OpError> {
        let id = self.state.plan.id.clone();
        match halt {
            Halt::Stopped => Ok(Ended::Stopped),
            Halt::Paused => match self.note(Event::Paused).await {
                Ok(()) => Ok(Ended::Paused),
                Err(halt) => Err(failed(&id.to_string(), halt)),
            },
            Halt::Stuck(trouble) => {
                let event =
                    Event::Stuck { code: trouble.code.clone(), why: trouble.why.clone(), hint: trouble.hint.clone() };
                match self.note(event).await {
                    Ok(()) => Ok(Ended::Stuck { trouble }),
                    Err(halt) => Err(failed(&id.to_string(), halt)),
                }
            }
            halt => Err(failed(&id.to_string(), halt)),
        }
    }

    fn ended(&self, step: Step) -> Option<Ended> {
        match step {
            Step::Rest => Some(over(&self.state)),
            Step::Wait => Some(match &self.state.trouble {
                Some(trouble) => Ended::Stuck { trouble: trouble.clone() },
                None => Ended::Paused,
            }),
            _ => None,
        }
    }
}

/// How a move ended that is over.
pub(super) fn over(state: &Move) -> Ended {
    match &state.tally.receipt {
        Some(receipt) => Ended::Completed { receipt: Box::new(Receipt::clone(receipt)) },
        None => Ended::Aborted { why: state.abort.clone().unwrap_or_default() },
    }
}

/// Whether nobody can give a move up any more.
fn is_decided(stage: Stage) -> bool {
    stage.is_past_flip() || matches!(stage, Stage::Aborting | Stage::Cleared | Stage::Aborted)
}

/// Whether the streams are read in a stage.
fn reads_streams(stage: Stage) -> bool {
    (Stage::Capturing..=Stage::CuttingOver).contains(&stage)
}

fn failed(id: &str, halt: Halt) -> OpError {
    match halt {
        Halt::Failed(error) => {
            let hint = error.hint.as_ref().map(|hint| format!("{hint}; ")).unwrap_or_default();
            OpError { hint: Some(format!("{hint}`cellctl move resume {id}` carries the move on")), ..error }
        }
        _ => OpError::new(ErrorKind::Locked, format!("the move {id} is in the hands of another mover now"))
            .hint(format!("`cellctl move watch {id}` follows it")),
    }
}

#[cfg(test)]
mod tests;
