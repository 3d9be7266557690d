//! The copy: pages of the tenant's items, put in bulk on the target.
//!
//! Constraint kept: the cursor goes to the ledger behind the page; a bulk request is made only under the lease, and one that
//! was not answered is remembered for the barrier. Memory holds a few pages.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::domain::data::Item;
use crate::domain::data::find::is_expired;
use crate::domain::moves::TablePlan;
use crate::ops::{ErrorKind, OpError};
use crate::ports::data::{BULK_MAX, ItemPage, Segment, Share, TableRef};
use crate::ports::{CallError, CallErrorKind};

use super::context::{Context, Side};
use super::halt::Halt;
use super::ledger;
use super::meter::Meter;
use super::pace::{Bucket, Gate, RETRIES_MAX, back_off, is_passing, patiently};
use super::scan::{CLOCK_OFF_MS, SEGMENTS_AT_ONCE, segments};

/// Pages in memory at a time, of at most 1 MB each as the service counts (API reference, `Query`).
const PAGES_MAX: usize = 4;
/// Bytes of a bulk put at most, about: as base64 and JSON below the 16 MB of `BatchWriteItem`.
const BULK_BYTES_MAX: usize = 8_000_000;
/// Time between two writes of cursors.
const STORE: Duration = Duration::from_secs(1);
/// How often items may be refused for the pace, one time after another and none of them taken: some six minutes.
const REFUSALS_MAX: u32 = 45;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    /// Number of items, those of earlier runs included.
    pub(super) items: u64,
    /// Their bytes, about.
    pub(super) bytes: u64,
    /// Until when a request may count that was not answered, in milliseconds since 1970; 0 where there is none.
    pub(super) in_doubt_until_ms: i64,
}

/// How far a segment was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor {
    /// From where it goes on.
    from: Option<String>,
    items: u64,
    bytes: u64,
    done: bool,
}

/// Cursors by name of their documents.
type Cursors = BTreeMap<String, Cursor>;

/// Number of items, and their bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    items: u64,
    bytes: u64,
}

impl Sum {
    fn plus(self, other: Self) -> Self {
        Self { items: self.items + other.items, bytes: self.bytes + other.bytes }
    }
}

/// How a bulk request went.
enum Put {
    /// These are left.
    Left(Vec<Item>),
    /// It failed, and may be made again.
    Failed(CallError),
}

/// What all segments share.
struct Copy<'a> {
    context: &'a Context<'a>,
    meter: &'a Meter,
    gate: Gate,
    bucket: Bucket,
    pages: Arc<Semaphore>,
    /// Those that the ledger does not have yet.
    cursors: Mutex<Cursors>,
}

/// A segment of a table.
struct Part<'a> {
    plan: &'a TablePlan,
    share: Share,
    target: TableRef,
    segment: Segment,
    name: String,
}

/// A page on its way to the target.
struct Page {
    page: ItemPage,
    /// Held as long as the page is in memory.
    room: OwnedSemaphorePermit,
}

/// Copies everything that was not copied yet.
pub(super) async fn copy(context: &Context<'_>, meter: &Meter) -> Result<Copied, Halt> {
    let now_ms = context.world.clock.monotonic_ms();
    let copy = Copy {
        context,
        meter,
        gate: Gate::new(),
        bucket: Bucket::new(now_ms),
        pages: Arc::new(Semaphore::new(PAGES_MAX)),
        cursors: Mutex::default(),
    };
    let stored = ledger::read(context, ledger::COPY).await?;
    let mut parts = Vec::new();
    for part in parts_of(context) {
        let cursor = match stored.get(&part.name) {
            Some(body) => ledger::parse(context, &part.name, body)?,
            None => Cursor::default(),
        };
        parts.push((part, cursor));
    }
    let ended = Notify::new();
    let all = async {
        let cursors = copy.all(&parts).await;
        ended.notify_one();
        cursors
    };
    let (cursors, ()) = futures_util::try_join!(all, copy.keep_stored(&ended))?;
    copy.store().await?;
    let in_doubt_until_ms = context.doubt_until_ms();
    let (items, bytes) = cursors.iter().fold((0, 0), |sum, cursor| (sum.0 + cursor.items, sum.1 + cursor.bytes));
    Ok(Copied { items, bytes, in_doubt_until_ms })
}

fn parts_of<'a>(context: &'a Context<'_>) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    for (index, plan) in context.plan.tables.iter().enumerate() {
        for segment in segments(plan) {
            parts.push(Part {
                plan,
                share: context.share(Side::Source, plan),
                target: context.table(Side::Target, plan),
                segment,
                name: format!("{}{index}/{}", ledger::COPY, segment.index),
            });
        }
    }
    parts
}

impl Copy<'_> {
    async fn all(&self, parts: &[(Part<'_>, Cursor)]) -> Result<Vec<Cursor>, Halt> {
        let parts: Vec<_> = parts.iter().map(|(part, cursor)| self.part(part, cursor.clone())).collect();
        stream::iter(parts).buffer_unordered(SEGMENTS_AT_ONCE).try_collect().await
    }

    /// Copies a segment: pages are read while those before are put.
    async fn part(&self, part: &Part<'_>, cursor: Cursor) -> Result<Cursor, Halt> {
        self.meter.add(cursor.items, cursor.bytes);
        if cursor.done {
            return Ok(cursor);
        }
        let (send, receive) = mpsc::channel(1);
        let read = self.read(part, cursor.from.clone(), send);
        let ((), cursor) = futures_util::try_join!(read, self.put(part, cursor, receive))?;
        Ok(cursor)
    }

    async fn read(&self, part: &Part<'_>, mut from: Option<String>, send: mpsc::Sender<Page>) -> Result<(), Halt> {
        let data = &self.context.world.data;
        loop {
            self.context.check()?;
            // The semaphore is never closed.
            let Ok(room) = Arc::clone(&self.pages).acquire_owned().await else { return Ok(()) };
            let start = from.as_deref();
            let page = patiently(self.context, || data.page(&part.share, part.segment, start)).await?;
            from.clone_from(&page.next);
            // Who receives ends before only with an error, which is what counts then.
            if send.send(Page { page, room }).await.is_err() || from.is_none() {
                return Ok(());
            }
        }
    }

    /// Puts pages, the next one while the last requests of the one before are under way; the cursor moves when a page is
    /// there to its last item.
    async fn put(&self, part: &Part<'_>, mut cursor: Cursor, mut pages: mpsc::Receiver<Page>) -> Result<Cursor, Halt> {
        let mut puts = FuturesOrdered::new();
        loop {
            tokio::select! {
                biased;
                Some(put) = puts.next() => {
                    let (sum, next): (Sum, Option<String>) = put?;
                    cursor.items += sum.items;
                    cursor.bytes += sum.bytes;
                    cursor.done = next.is_none();
                    cursor.from = next;
                    // Nothing is awaited here: a request under way may hold what the next one needs, and goes on only where
                    // it is polled.
                    self.lock().insert(part.name.clone(), cursor.clone());
                }
                Some(page) = pages.recv() => puts.push_back(self.put_page(part, page)),
                else => return Ok(cursor),
            }
        }
    }

    async fn put_page(&self, part: &Part<'_>, page: Page) -> Result<(Sum, Option<String>), Halt> {
        let now_ms = self.context.world.clock.now_ms() - CLOCK_OFF_MS;
        let Page { page, room } = page;
        let expiry = part.plan.shape.time_to_live.as_deref();
        let items = page.items.into_iter().filter(|item| !is_expired(item, expiry, now_ms));
        let batches = batches(items).into_iter();
        let puts: FuturesUnordered<_> = batches.map(|batch| self.put_batch(part, batch)).collect();
        let sum = puts.try_fold(Sum::default(), |all, one| ready(Ok(all.plus(one)))).await?;
        drop(room);
        Ok((sum, page.next))
    }

    async fn put_batch(&self, part: &Part<'_>, batch: Batch) -> Result<Sum, Halt> {
        let sum = batch.sum();
        let mut items = batch.items;
        let (mut refusals, mut failures) = (0, 0);
        while !items.is_empty() {
            let place = self.gate.enter().await;
            self.context.check()?;
            self.bucket.take(self.context, items.iter().map(units).sum()).await?;
            let put = self.request(part, &items).await?;
            drop(place);
            match put {
                Put::Left(left) => {
                    if left.is_empty() {
                        self.gate.went_well();
                    } else {
                        self.gate.was_throttled(self.context.world.clock.monotonic_ms());
                    }
                    refusals = if left.len() < items.len() { 0 } else { refusals + 1 };
                    items = left;
                }
                Put::Failed(error) if failures >= RETRIES_MAX => return Err(error.into()),
                Put::Failed(_) => failures += 1,
            }
            if refusals > REFUSALS_MAX {
                return Err(refused(part));
            }
            if !items.is_empty() {
                back_off(self.context, refusals.max(failures)).await;
            }
        }
        self.meter.add(sum.items, sum.bytes);
        Ok(sum)
    }

    /// One bulk request. Where it is given up, or not answered, that is remembered.
    async fn request(&self, part: &Part<'_>, items: &[Item]) -> Result<Put, Halt> {
        if self.context.lease.is_lost() {
            return Err(Halt::Lost);
        }
        let doubt = Doubt { context: self.context };
        let put = self.context.world.data.put_bulk(&part.target, items.to_vec(), &self.context.permit).await;
        if !put.as_ref().is_err_and(|error| error.kind == CallErrorKind::InDoubt) {
            doubt.answered();
        }
        match put {
            Ok(left) => Ok(Put::Left(left)),
            Err(error) if error.kind == CallErrorKind::Conflict => Err(Halt::Lost),
            Err(error) if error.kind == CallErrorKind::Throttled => Ok(Put::Left(items.to_vec())),
            Err(error) if is_passing(&error) => Ok(Put::Failed(error)),
            Err(error) => Err(error.into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the cursors that have moved once a second, until everything is copied.
    async fn keep_stored(&self, ended: &Notify) -> Result<(), Halt> {
        loop {
            tokio::select! {
                biased;
                () = ended.notified() => return Ok(()),
                () = self.context.world.clock.sleep(STORE) => self.store().await?,
            }
        }
    }

    /// Writes the cursors that have moved.
    async fn store(&self) -> Result<(), Halt> {
        let new = std::mem::take(&mut *self.lock());
        let writes: Result<Vec<_>, Halt> = new.iter().map(|(name, it)| ledger::document(name.clone(), it)).collect();
        ledger::write(self.context, &writes?).await
    }
}

/// Up to `BULK_MAX` items for one request.
struct Batch {
    items: Vec<Item>,
    bytes: usize,
}

impl Batch {
    fn sum(&self) -> Sum {
        Sum { items: self.items.len() as u64, bytes: self.bytes as u64 }
    }
}

fn batches(items: impl Iterator<Item = Item>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for item in items {
        let bytes = item.bytes();
        match batches.last_mut() {
            Some(last) if last.items.len() < BULK_MAX && last.bytes + bytes <= BULK_BYTES_MAX => {
                last.bytes += bytes;
                last.items.push(item);
            }
            _ => batches.push(Batch { items: vec![item], bytes }),
        }
    }
    batches
}

/// Write units of an item: one for each kibibyte begun (developer guide, "Provisioned capacity mode").
fn units(item: &Item) -> u64 {
    item.bytes().div_ceil(1024).max(1) as u64
}

/// Remembers a bulk request that is dropped before it was answered: it may be on its way.
struct Doubt<'a> {
    context: &'a Context<'a>,
}

impl Doubt<'_> {
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.context.doubt_bulk();
    }
}

fn refused(part: &Part<'_>) -> Halt {
    let message = format!("table {} took none of 25 items in {REFUSALS_MAX} tries: it throttles", part.target.name);
    let hint = "raise its write capacity, or give the move a lower --rate, then resume it";
    Halt::Failed(OpError::new(ErrorKind::Call, message).hint(hint))
}

#[cfg(test)]
mod tests;
