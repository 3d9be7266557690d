//! How far a move is and how fast it goes, for whoever looks on.
//!
//! Constraint kept: shown at most twice a second and stored every two seconds; what cannot be stored stops nothing but a
//! mover that has lost its lease.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::moves::estimate::{Volume, percent};
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
    bytes_about: Option<u64>,
    gap_ms: Option<u64>,
    /// Items and bytes at moments of the last seconds, by the clock that does not go back.
    past: VecDeque<(u64, u64, u64)>,
}

impl Meter {
    /// At this stage.
    pub(super) fn new(stage: Stage) -> Self {
        let past = VecDeque::new();
        let inner = Inner { stage, items: 0, items_about: None, bytes: 0, bytes_about: None, gap_ms: None, past };
        Self { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to count anew, for a stage of about so many items.
    pub(super) fn begin(&self, stage: Stage, items_about: Option<u64>) {
        let mut inner = self.lock();
        (inner.stage, inner.items, inner.bytes, inner.items_about) = (stage, 0, 0, items_about);
        inner.bytes_about = None;
        inner.past.clear();
    }

    /// The same for the copy, of about so much.
    pub(super) fn begin_copy(&self, stage: Stage, volume: Option<Volume>) {
        self.begin(stage, volume.map(|volume| volume.items));
        self.lock().bytes_about = volume.map(|volume| volume.bytes);
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
        let in_items = left(inner.items_about, inner.items, items_per_s);
        let in_bytes = left(inner.bytes_about, inner.bytes, bytes_per_s);
        let by_items = inner.items_about.map(|about| percent(inner.items, about));
        let by_bytes = inner.bytes_about.map(|about| percent(inner.bytes, about));
        Progress {
            id: context.plan.id.clone(),
            stage: inner.stage,
            at_ms,
            items: inner.items,
            items_about: inner.items_about,
            bytes: inner.bytes,
            bytes_about: inner.bytes_about,
            items_per_s,
            bytes_per_s,
            lag_ms: dirty.caught_ms().map(|caught_ms| u64::try_from(at_ms - caught_ms).unwrap_or(0)),
            dirty: dirty.len() as u64,
            gap_ms: inner.gap_ms,
            // Where items differ in size, the one ends later than the other.
            percent: by_items.into_iter().chain(by_bytes).min().flatten(),
            eta_s: in_items.max(in_bytes),
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

/// How long what is left of `about` takes, in seconds. None where that cannot be told: nothing moves, or there was more
/// than expected.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn left(about: Option<u64>, done: u64, per_s: f64) -> Option<u64> {
    let left = about?.checked_sub(done)?;
    (per_s > 0.0).then(|| (left as f64 / per_s).ceil() as u64)
}

async fn store(context: &Context<'_>, progress: &Progress) -> Result<(), Halt> {
    let document = ledger::document(ledger::PROGRESS.to_owned(), progress)?;
    match context.world.moves.put_ledger(&context.plan.id, &[document], context.lease.lease()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Halt::Lost),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::moves::testing::Stage as World;

    #[tokio::test(start_paused = true)]
    async fn the_copy_has_an_end_in_sight_by_items_and_by_bytes() {
        let world = World::new().await;
        let (context, dirty, meter) = (world.context(), Dirty::default(), Meter::new(Stage::Reserved));
        meter.begin_copy(Stage::Capturing, Some(Volume { items: 1_000, bytes: 90_000 }));
        let first = meter.progress(&context, &dirty);
        assert_eq!((first.items_about, first.bytes_about, first.eta_s), (Some(1_000), Some(90_000), None));
        tokio::time::sleep(Duration::from_secs(1)).await;
        meter.add(200, 9_000);
        let second = meter.progress(&context, &dirty);
        assert_eq!((second.percent, second.eta_s), (Some(10), Some(9)), "the bytes take longer");
        // More than was expected.
        meter.add(900, 90_000);
        let third = meter.progress(&context, &dirty);
        assert_eq!((third.percent, third.eta_s), (None, None));
        meter.begin_copy(Stage::Capturing, None);
        let unknown = meter.progress(&context, &dirty);
        assert_eq!((unknown.items_about, unknown.bytes_about, unknown.eta_s), (None, None, None));
    }
}
