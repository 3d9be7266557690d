//! SOAK: the grace period, in which the source must not change.
//!
//! Constraint kept: what the source held is in the ledger before the grace period begins, and so is when that was: a mover
//! that takes over compares with the same, and does not begin anew.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, join, stream};
use serde::{Deserialize, Serialize};

use crate::domain::data::Item;
use crate::domain::data::digest::Digests;
use crate::domain::data::find::is_expired;
use crate::domain::moves::TablePlan;
use crate::domain::moves::event::Event;
use crate::domain::moves::machine::Move;

use super::context::Side;
use super::driver::Driver;
use super::halt::Halt;
use super::ledger;
use super::scan::{SEGMENTS_AT_ONCE, let_indexes_catch_up, scan, segments};

/// How often the messages are looked at during the grace period, in milliseconds.
const MESSAGES_MS: u64 = 5_000;
/// How often orders are obeyed in it, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// How much longer than its time the grace period may take, in milliseconds, before items that expire meanwhile are left
/// out: an hour for the last comparison.
const EXPIRY_MARGIN_MS: i64 = 3_600_000;
/// The trouble of a source that has changed.
const WRITTEN: &str = "write-after-cutover";

/// What the source held when the grace period began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Watched {
    /// When that was, in milliseconds since 1970.
    from_ms: i64,
    /// Up to when items count that have a time to live: those that expire before are left out.
    until_ms: i64,
    digests: Vec<Held>,
}

/// What a table of the source holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    /// Everything that does not expire before the end.
    lasting: String,
    /// What has no time to live: all that can be compared once items may have expired.
    timeless: String,
}

/// Whether a move waits for people since the source has changed after the flip.
pub(super) fn has_changed(state: &Move) -> bool {
    state.trouble.as_ref().is_some_and(|trouble| trouble.code == WRITTEN)
}

impl Driver<'_> {
    /// Carries messages over, and takes down what the source holds, where it is to be watched.
    pub(super) async fn move_queues(&self) -> Result<Event, Halt> {
        let (messages, watched) = join!(self.context.move_messages(), self.watched());
        watched?;
        Ok(Event::QueuesMoved { messages: messages? })
    }

    /// The grace period: messages are still carried over, and the source must not change.
    pub(super) async fn soak(&self) -> Result<Event, Halt> {
        let Some(watched) = self.watched().await? else { return Ok(self.end_soak()) };
        self.wait_out(&watched).await?;
        let there = self.source_holds(watched.until_ms).await?;
        if self.is_unchanged(&watched, &there) {
            return Ok(self.end_soak());
        }
        let (tenant, cell) = (self.context.tenant(), &self.context.plan.source.cell);
        Err(Halt::stuck(
            WRITTEN,
            format!(
                "items of tenant {tenant} in cell {cell} have changed after the cutover: a writer does not keep to its fence"
            ),
            "find that writer and what it wrote (nothing was deleted), carry that over by hand, then resume the move: it \
             watches the source anew",
        ))
    }

    fn end_soak(&self) -> Event {
        self.context.orders().keep.map_or(Event::Soaked, |why| Event::Kept { why })
    }

    /// Until its time is over, or it is to be ended. It counts from its first beginning, whoever the mover was then; what is
    /// left of it is measured by a clock that does not jump.
    async fn wait_out(&self, watched: &Watched) -> Result<(), Halt> {
        let clock = &self.context.world.clock;
        let soak_ms = self.context.plan.options.soak_ms;
        let past_ms = u64::try_from(clock.now_ms().saturating_sub(watched.from_ms)).unwrap_or(0);
        let until_ms = clock.monotonic_ms().saturating_add(soak_ms.saturating_sub(past_ms));
        let mut messages_ms = 0;
        loop {
            let now_ms = clock.monotonic_ms();
            if now_ms >= until_ms || self.context.orders().keep.is_some() {
                return Ok(());
            }
            self.context.check()?;
            clock.sleep(Duration::from_millis(LOOK_MS.min(until_ms - now_ms))).await;
            if clock.monotonic_ms() >= messages_ms {
                self.context.move_messages().await?;
                messages_ms = clock.monotonic_ms().saturating_add(MESSAGES_MS);
            }
        }
    }

    /// What the source held when the grace period began: by the ledger, or now. None where it has none.
    async fn watched(&self) -> Result<Option<Watched>, Halt> {
        let soak_ms = self.context.plan.options.soak_ms;
        if soak_ms == 0 {
            return Ok(None);
        }
        if let Some(body) = ledger::read(&self.context, ledger::SOAK).await?.get(ledger::SOAK) {
            return ledger::parse(&self.context, ledger::SOAK, body).map(Some);
        }
        let from_ms = self.context.world.clock.now_ms();
        let until_ms = from_ms.saturating_add(i64::try_from(soak_ms).unwrap_or(i64::MAX)) + EXPIRY_MARGIN_MS;
        let watched = Watched { from_ms, until_ms, digests: self.source_holds(until_ms).await? };
        ledger::write(&self.context, &[ledger::document(ledger::SOAK.to_owned(), &watched)?]).await?;
        Ok(Some(watched))
    }

    /// Items may be gone that have expired since, where a mover was away for long.
    fn is_unchanged(&self, watched: &Watched, there: &[Held]) -> bool {
        if self.context.world.clock.now_ms() < watched.until_ms {
            return watched.digests == there;
        }
        let timeless = |all: &[Held]| all.iter().map(|held| held.timeless.clone()).collect::<Vec<_>>();
        timeless(&watched.digests) == timeless(there)
    }

    async fn source_holds(&self, until_ms: i64) -> Result<Vec<Held>, Halt> {
        let_indexes_catch_up(&self.context).await;
        let mut all = Vec::new();
        for plan in &self.context.plan.tables {
            all.push(self.table_holds(plan, until_ms).await?);
        }
        Ok(all)
    }

    async fn table_holds(&self, plan: &TablePlan, until_ms: i64) -> Result<Held, Halt> {
        let sums = Mutex::new((Digests::default(), Digests::default()));
        let expiry = plan.shape.time_to_live.as_deref();
        let add = |item: Item| {
            let Some(key) = plan.shape.key.key_of(&item) else { return };
            let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_expired(&item, expiry, until_ms) {
                sums.0.add(&key, &item);
            }
            if expiry.is_none_or(|attribute| item.get(attribute).is_none()) {
                sums.1.add(&key, &item);
            }
        };
        let scans: Vec<_> =
            segments(plan).map(|segment| scan(&self.context, (Side::Source, plan, segment), &add)).collect();
        stream::iter(scans).buffer_unordered(SEGMENTS_AT_ONCE).try_collect::<()>().await?;
        let (lasting, timeless) = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Held { lasting: lasting.total().hex(), timeless: timeless.total().hex() })
    }
}
