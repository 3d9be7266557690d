//! How far a move is and how fast it goes, for whoever looks on.
//!
//! Constraint kept: shown at most twice a second and stored every two seconds; what cannot be stored stops nothing but a
//! mover that has lost its lease.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::moves::machine::Stage;
use crate::ops::event::{Event, Progress};

use super::context::Context;
use super::dirty::Dirty;
use super::halt::Halt;
use super::ledger;

/// Time between two reports, in milliseconds.
const SHOW_MS: u64 = 500;
/// Reports for each that is stored.
const STORE_EVERY: u32 = 4;
/// Time over which rates are measured, in milliseconds.
const WINDOW_MS: u64 = 5_000;

/// Counts and rates.
pub(super) struct Meter {
    inner: Mutex<Inner>,
}

struct Inner {
    stage: Stage,
    items: u64,
    items_about: Option<u64>,
    bytes: u64,
    gap_ms: Option<u64>,
    /// Items and bytes at moments of the last seconds, by the clock that does not go back.
    past: VecDeque<(u64, u64, u64)>,
}

impl Meter {
    /// At this stage.
    pub(super) fn new(stage: Stage) -> Self {
        let inner = Inner { stage, items: 0, items_about: None, bytes: 0, gap_ms: None, past: VecDeque::new() };
        Self { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to count anew, for a stage of about so many items.
    pub(super) fn begin(&self, stage: Stage, items_about: Option<u64>) {
        let mut inner = self.lock();
        (inner.stage, inner.items, inner.bytes, inner.items_about) = (stage, 0, 0, items_about);
        inner.past.clear();
    }

    /// Counts.
    pub(super) fn add(&self, items: u64, bytes: u64) {
        let mut inner = self.lock();
        inner.items += items;
        inner.bytes += bytes;
    }

    /// Notes for how long writes would stop, in milliseconds.
    pub(super) fn set_gap(&self, gap_ms: Option<u64>) {
        self.lock().gap_ms = gap_ms;
    }

    /// Where the move stands.
    pub(super) fn progress(&self, context: &Context<'_>, dirty: &Dirty) -> Progress {
        let clock = &context.world.clock;
        let at_ms = clock.now_ms();
        let mut inner = self.lock();
        let (items_per_s, bytes_per_s) = inner.rates(clock.monotonic_ms());
        let left = inner.items_about.and_then(|about| about.checked_sub(inner.items));
        Progress {
            id: context.plan.id.clone(),
            stage: inner.stage,
            at_ms,
            items: inner.items,
            items_about: inner.items_about,
            bytes: inner.bytes,
            items_per_s,
            bytes_per_s,
            lag_ms: dirty.caught_ms().map(|caught_ms| u64::try_from(at_ms - caught_ms).unwrap_or(0)),
            dirty: dirty.len() as u64,
            gap_ms: inner.gap_ms,
            eta_s: left.and_then(|left| seconds(left, items_per_s)),
        }
    }

    /// Shows and stores until it is dropped, or the lease is lost.
    pub(super) async fn run(&self, context: &Context<'_>, dirty: &Dirty) -> Halt {
        let mut round: u32 = 0;
        loop {
            let progress = self.progress(context, dirty);
            if round.is_multiple_of(STORE_EVERY) && dirty.is_durable() {
                match store(context, &progress).await {
                    Err(Halt::Lost) => return Halt::Lost,
                    Err(halt) => tracing::debug!(?halt, "the progress of a move was not stored"),
                    Ok(()) => {}
                }
            }
            context.world.reporter.report(&Event::MoveProgressed { progress: Box::new(progress) });
            round = round.wrapping_add(1);
            context.world.clock.sleep(Duration::from_millis(SHOW_MS)).await;
        }
    }
}

impl Inner {
    /// Items and bytes a second over the last seconds.
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    fn rates(&mut self, now_ms: u64) -> (f64, f64) {
        while self.past.front().is_some_and(|(at_ms, ..)| at_ms + WINDOW_MS < now_ms) {
            self.past.pop_front();
        }
        self.past.push_back((now_ms, self.items, self.bytes));
        let (from_ms, items, bytes) = self.past[0];
        let seconds = now_ms.saturating_sub(from_ms) as f64 / 1000.0;
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        ((self.items - items) as f64 / seconds, (self.bytes - bytes) as f64 / seconds)
    }
}

/// How long so many items take, in seconds.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn seconds(items: u64, per_s: f64) -> Option<u64> {
    (per_s > 0.0).then(|| (items as f64 / per_s).ceil() as u64)
}

async fn store(context: &Context<'_>, progress: &Progress) -> Result<(), Halt> {
    let document = ledger::document(ledger::PROGRESS.to_owned(), progress)?;
    match context.world.moves.put_ledger(&context.plan.id, &[document], context.lease.lease()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Halt::Lost),
        Err(error) => Err(error.into()),
    }
}
