//! Reading the streams: every change of one of the tenant's items makes its key dirty.
//!
//! Constraint kept: keys go to the ledger before the position behind them does; a parent is read to its end before its
//! children; what the streams have lost is told before anything behind it is stored.

mod kept;
mod source;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use indexmap::IndexSet;

use crate::ops::OpError;
use crate::ports::data::{From, ShardRead, StreamShard};
use crate::ports::{CallError, CallErrorKind};

use super::context::Context;
use super::dirty::{DIRTY_MAX, Dirty, TableKey};
use super::halt::Halt;
use super::ledger;
use super::pace::{is_passing, wait_ms};
use super::shards::{FULL, Given, Moment, Position, ShardId, Shards};
use kept::positions;
use source::{list, read_shard};

/// Time between two reads of a shard, in milliseconds: after one that gave nothing, after one that gave a little, or while
/// somebody waits for the end. After a full page there is none.
const POLL_MS: u64 = 200;
const SOON_MS: u64 = 20;
/// Shards that are read at a time.
const READS_AT_ONCE: usize = 8;
/// How often a shard may fail to be read, one time after another: some four minutes.
const FAILURES_MAX: u32 = 30;
/// Time between two listings of the shards, in milliseconds. A shard that ends asks for one at once.
const LIST_MS: u64 = 10_000;
/// The clocks of the mover and of the service may differ by this much, in milliseconds.
const SLACK_MS: i64 = 600_000;
/// After so long without having read a stream, some of it may be lost without a trace: it keeps 24 hours (developer guide,
/// "Change data capture for DynamoDB Streams"). In milliseconds.
const KEPT_MS: i64 = 23 * 3_600_000;

/// The shards of all streams, and how far each is read.
pub(super) struct Capture {
    inner: Mutex<Inner>,
    /// Whether somebody waits for the end.
    hurry: AtomicBool,
}

struct Inner {
    shards: Shards,
    /// Changes before this are older than the copy, in milliseconds since 1970.
    since_ms: i64,
    /// When the shards were listed last.
    listed_ms: u64,
    /// How often somebody has asked for a listing, and how many of those were answered.
    asked: u64,
    answered: u64,
    /// Keys that the ledger does not have yet.
    pending: IndexSet<TableKey>,
    stored_ms: u64,
    caught_stored_ms: u64,
    /// What was lost: the table, and what.
    lost: VecDeque<(usize, String)>,
}

impl Capture {
    /// Finds the shards. `fresh`: from now on, and this moment is fixed when this returns; otherwise from where the ledger
    /// says. `from_ms` is when the capture began, in milliseconds since 1970.
    pub(super) async fn open(context: &Context<'_>, dirty: &Dirty, from_ms: i64, fresh: bool) -> Result<Self, Halt> {
        let now_ms = context.world.clock.monotonic_ms();
        let capture = Self {
            inner: Mutex::new(Inner {
                shards: Shards::default(),
                since_ms: from_ms - SLACK_MS,
                listed_ms: now_ms,
                asked: 0,
                answered: 0,
                pending: IndexSet::new(),
                stored_ms: now_ms,
                caught_stored_ms: now_ms,
                lost: VecDeque::new(),
            }),
            hurry: AtomicBool::new(false),
        };
        if fresh {
            capture.begin(context, dirty).await?;
        } else {
            capture.resume(context, from_ms).await?;
        }
        Ok(capture)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches an iterator for what comes next of every open shard: it stays good for a quarter of an hour.
    async fn begin(&self, context: &Context<'_>, dirty: &Dirty) -> Result<(), Halt> {
        for (index, table) in context.plan.tables.iter().enumerate() {
            let listed = list(context, table).await?;
            self.lock().shards.begin(index, listed);
        }
        loop {
            let unopened = self.lock().shards.unopened();
            self.read(context, dirty, unopened).await?;
            if self.lock().shards.unopened().is_empty() {
                break;
            }
            context.world.clock.sleep(Duration::from_millis(POLL_MS)).await;
        }
        // What is closed now is never looked at, also not by a mover that takes over.
        self.store(context, dirty).await
    }

    async fn resume(&self, context: &Context<'_>, from_ms: i64) -> Result<(), Halt> {
        let stored = positions(context).await?;
        for (index, table) in context.plan.tables.iter().enumerate() {
            let listed = list(context, table).await?;
            self.lock().listed(index, listed, &stored);
        }
        let caught = ledger::read(context, ledger::CAUGHT).await?;
        let caught_ms = match caught.get(ledger::CAUGHT) {
            Some(body) => ledger::parse::<i64>(context, ledger::CAUGHT, body)?,
            None => from_ms,
        };
        let unread_ms = context.world.clock.now_ms() - caught_ms;
        if unread_ms > KEPT_MS {
            let what = format!("the streams were not read for {} hours, and keep 24", unread_ms / 3_600_000);
            self.lock().lost.push_back((0, what));
        }
        Ok(())
    }

    /// Reads until it is dropped, or something happens. After `Halt::Gap` it can be called again.
    pub(super) async fn run(&self, context: &Context<'_>, dirty: &Dirty) -> Halt {
        loop {
            if let Err(halt) = self.turn(context, dirty).await {
                return halt;
            }
        }
    }

    async fn turn(&self, context: &Context<'_>, dirty: &Dirty) -> Result<(), Halt> {
        let clock = &context.world.clock;
        self.list_if_due(context).await?;
        let due = self.lock().shards.due(clock.monotonic_ms());
        self.read(context, dirty, due).await?;
        dirty.set_caught(self.lock().shards.caught_ms(clock.now_ms()));
        self.tell_gap(context, dirty)?;
        if dirty.is_durable() && self.lock().is_store_due(clock.monotonic_ms()) {
            self.store(context, dirty).await?;
        }
        let pause_ms = self.pause_ms(clock.monotonic_ms());
        if pause_ms > 0 {
            clock.sleep(Duration::from_millis(pause_ms)).await;
        }
        Ok(())
    }

    fn pause_ms(&self, now_ms: u64) -> u64 {
        let inner = self.lock();
        let next_ms = inner.shards.next_due_ms().unwrap_or(now_ms + POLL_MS);
        if inner.asked > inner.answered { SOON_MS } else { next_ms.saturating_sub(now_ms).min(POLL_MS) }
    }

    /// Tells what was lost, before anything behind it is stored.
    pub(super) fn tell_gap(&self, context: &Context<'_>, dirty: &Dirty) -> Result<(), Halt> {
        let lost = self.lock().lost.pop_front();
        let many = || dirty.take_overflow().map(|table| (table, format!("more than {DIRTY_MAX} keys were dirty")));
        let Some((table, what)) = lost.or_else(many) else { return Ok(()) };
        let table = context.plan.tables.get(table).map(|table| table.table.clone()).unwrap_or_default();
        Err(Halt::Gap { table, what })
    }

    async fn list_if_due(&self, context: &Context<'_>) -> Result<(), Halt> {
        let now_ms = context.world.clock.monotonic_ms();
        let asked = {
            let inner = self.lock();
            if inner.asked == inner.answered && now_ms.saturating_sub(inner.listed_ms) < LIST_MS {
                return Ok(());
            }
            inner.asked
        };
        for (index, table) in context.plan.tables.iter().enumerate() {
            let listed = list(context, table).await?;
            self.lock().listed(index, listed, &BTreeMap::new());
        }
        let mut inner = self.lock();
        (inner.answered, inner.listed_ms) = (asked, now_ms);
        Ok(())
    }

    async fn read(&self, context: &Context<'_>, dirty: &Dirty, due: Vec<(ShardId, From)>) -> Result<(), Halt> {
        let reads = stream::iter(due).map(|(id, from)| async move {
            let clock = &context.world.clock;
            let began = Moment { wall_ms: clock.now_ms(), ms: clock.monotonic_ms() };
            let read = read_shard(context, &id, &from).await;
            (id, began, read)
        });
        let mut reads = reads.buffer_unordered(READS_AT_ONCE);
        while let Some((id, began, read)) = reads.next().await {
            match read {
                Ok(read) => self.take(context, dirty, &id, began, read),
                Err(error) => self.endure(context, &id, error)?,
            }
        }
        Ok(())
    }

    fn take(&self, context: &Context<'_>, dirty: &Dirty, id: &ShardId, began: Moment, read: ShardRead) {
        let now_ms = context.world.clock.monotonic_ms();
        let mut inner = self.lock();
        let since_ms = inner.since_ms;
        let given = inner.shards.take(id, read, began, since_ms);
        inner.asked += u64::from(given.ended);
        if given.lost {
            inner.lost.push_back((id.0, format!("records of shard {} are gone that were not read", id.1)));
        }
        let pause_ms = pause_after(&given, self.hurry.load(Ordering::Relaxed));
        if let Some(reader) = inner.shards.reader(id) {
            reader.due_ms = now_ms + pause_ms;
        }
        for key in given.keys {
            // One that does not fit is kept nowhere: a comparison finds it.
            if dirty.capture(id.0, key.clone()) {
                inner.pending.insert((id.0, key));
            }
        }
    }

    /// A shard that cannot be read now is read later, a number of times.
    fn endure(&self, context: &Context<'_>, id: &ShardId, error: CallError) -> Result<(), Halt> {
        let clock = &context.world.clock;
        let mut inner = self.lock();
        // The shard or the stream may be gone: the listing tells which.
        let gone = error.kind == CallErrorKind::NotFound;
        inner.asked += u64::from(gone);
        let Some(reader) = inner.shards.reader(id) else { return Ok(()) };
        reader.failures += 1;
        reader.due_ms = clock.monotonic_ms() + wait_ms(reader.failures, clock.random()).max(SOON_MS);
        if reader.failures > FAILURES_MAX || !(gone || is_passing(&error)) {
            return Err(Halt::Failed(OpError::from(error)));
        }
        Ok(())
    }

    /// Waits, while `run` runs, until every shard has given nothing for `quiet_ms` from now on. False: it did not come to
    /// that within `wait_ms`.
    pub(super) async fn until_quiet(&self, context: &Context<'_>, quiet_ms: u64, wait_ms: u64) -> Result<bool, Halt> {
        let clock = &context.world.clock;
        let since_ms = clock.monotonic_ms();
        // Shards that nobody has heard of are to be found as well.
        let asked = {
            let mut inner = self.lock();
            inner.asked += 1;
            inner.asked
        };
        self.hurry.store(true, Ordering::Relaxed);
        let _calm = Calm(&self.hurry);
        loop {
            context.check()?;
            let quiet = {
                let inner = self.lock();
                // A shard that has ended asks for a listing: those that follow it are not known before that is answered.
                let listed = inner.answered >= asked && inner.answered == inner.asked;
                listed && inner.shards.are_quiet(since_ms, quiet_ms)
            };
            if quiet || clock.monotonic_ms().saturating_sub(since_ms) >= wait_ms {
                return Ok(quiet);
            }
            clock.sleep(Duration::from_millis(SOON_MS)).await;
        }
    }
}

/// Ends the hurry when it is dropped.
struct Calm<'a>(&'a AtomicBool);

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Inner {
    fn listed(&mut self, table: usize, listed: Vec<StreamShard>, stored: &BTreeMap<ShardId, Position>) {
        for (table, shard) in self.shards.list(table, listed, stored) {
            self.lost.push_back((table, format!("shard {shard} is gone and was not read to its end")));
        }
    }
}

fn pause_after(given: &Given, hurry: bool) -> u64 {
    match given.records {
        0 if !hurry => POLL_MS,
        FULL.. => 0,
        _ => SOON_MS,
    }
}

#[cfg(test)]
mod tests;
