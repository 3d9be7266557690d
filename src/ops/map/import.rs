//! Restoring the map from a snapshot.
//!
//! Constraints kept: what is missing is added with the cell and epoch that it had; what is there is left alone; each
//! write is a conditional transaction, and one in doubt is read back, so that the same import may be run any number of
//! times, from any point at which an earlier one ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::sync::watch;

use crate::domain::ids::TenantId;
use crate::domain::snapshot::EntryLine;
use crate::domain::tenant::change::{self, Change, Remnant};
use crate::domain::tenant::fence::FenceTable;
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::tenants::{Desk, must_read_back, were_written};
use crate::ports::Called;
use crate::ports::tenants::{Written, fits_one_write};

use super::file::Snapshot;
use super::judge::{Cells, Judged, is_ahead, judge};

pub use super::judge::{Left, Why};

/// Tenants that are looked at together.
const CHUNK: usize = 1_024;
/// Transactions under way at a time. No two of them share a cell, whose counters would be in each other's way.
const LANES: usize = 8;

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only look.
    pub dry_run: bool,
    /// True once somebody wants to stop.
    pub stop: watch::Receiver<bool>,
}

/// What was done, or with a dry run what would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Tenants in the snapshot.
    pub entries: u64,
    /// Added by this run.
    pub added: u64,
    /// Of these: in a move when the snapshot was made. Each is in the cell that served it then, and in no move any more.
    pub moving: u64,
    /// There, and their fences opened by this run.
    pub opened: u64,
    /// There already, as in the snapshot.
    pub equal: u64,
    /// In the map otherwise: left alone.
    pub differing: u64,
    /// Removed since, or refused by their cells: not added.
    pub refused: u64,
}

impl Imported {
    /// Whether the map has now all that the snapshot has.
    pub fn is_complete(&self) -> bool {
        self.differing + self.refused == 0
    }

    fn count(&mut self, tally: &Tally) {
        self.added += tally.added;
        self.moving += tally.moving;
        self.opened += tally.opened;
        self.equal += tally.equal;
        let differing = tally.left.iter().filter(|left| matches!(left.why, Why::Differs { .. })).count() as u64;
        self.differing += differing;
        self.refused += tally.left.len() as u64 - differing;
    }
}

/// A tenant that is to be added, and its tombstone.
struct Planned {
    line: EntryLine,
    before: Option<Entry>,
    /// What the audit log knows of it, where the map has lost its entry.
    remnant: Option<Remnant>,
    /// Most items and bytes that it takes in a transaction.
    items: usize,
    bytes: usize,
}

impl Planned {
    fn new(line: EntryLine, before: Option<Entry>, cells: &Cells<'_>) -> Self {
        let items = cells.items(&line.cell);
        let bytes = change::bytes_max(before.as_ref(), &line.attributes(), line.pin.as_ref());
        Self { line, before, remnant: None, items, bytes }
    }
}

/// What became of some tenants.
#[derive(Default)]
struct Tally {
    added: u64,
    moving: u64,
    opened: u64,
    equal: u64,
    left: Vec<Left>,
}

impl Tally {
    fn leave(&mut self, line: &EntryLine, why: Why) {
        self.left.push(Left { tenant: line.tenant.clone(), cell: line.cell.clone(), why });
    }

    fn merge(mut self, other: Self) -> Self {
        self.added += other.added;
        self.moving += other.moving;
        self.opened += other.opened;
        self.equal += other.equal;
        self.left.extend(other.left);
        self
    }
}

/// What is to be done about a chunk of the snapshot.
#[derive(Default)]
struct Work {
    missing: Vec<Planned>,
    unopened: Vec<Entry>,
    tally: Tally,
}

/// Adds the tenants of a snapshot that the map lacks. `told` gets those that are not in the map as in the snapshot.
pub async fn import<R: BufRead>(
    desk: Desk<'_>,
    snapshot: &mut Snapshot<R>,
    options: &Options,
    mut told: impl FnMut(&Left),
) -> Result<Imported, OpError> {
    let importer = Importer { desk };
    let mut cells = Cells::new(desk.fleet, desk.world.map.loads().await?);
    let mut done = Imported { dry_run: options.dry_run, ..Imported::default() };
    loop {
        if *options.stop.borrow() {
            return Err(stopped(&done));
        }
        let chunk = read(snapshot)?;
        if chunk.is_empty() {
            return Ok(done);
        }
        done.entries += chunk.len() as u64;
        let work = importer.look(chunk, &mut cells).await?;
        let tally = if options.dry_run { foretell(work) } else { importer.carry_out(work, &cells).await? };
        tally.left.iter().for_each(&mut told);
        done.count(&tally);
    }
}

/// Carries out what an import has to do.
struct Importer<'a> {
    desk: Desk<'a>,
}

impl Importer<'_> {
    /// Compares a chunk with the map and with the fences, and takes room for what is missing.
    async fn look(&self, chunk: Vec<EntryLine>, cells: &mut Cells<'_>) -> Called<Work> {
        let names: Vec<TenantId> = chunk.iter().map(|line| line.tenant.clone()).collect();
        let mut known = self.desk.world.map.entries(&names).await?;
        let (mut work, mut missing) = (Work::default(), Vec::new());
        for line in chunk {
            let before = known.remove(&line.tenant);
            match judge(&line, before.as_ref()) {
                Judged::Equal => work.tally.equal += 1,
                Judged::Unopened(entry) => work.unopened.push(*entry),
                Judged::Left(why) => work.tally.leave(&line, why),
                Judged::Missing => missing.push(Planned::new(line, before, cells)),
            }
        }
        let ahead = self.fences_ahead(&missing, cells).await?;
        for planned in missing {
            let line = &planned.line;
            let fits = if ahead.contains(&line.tenant) { Err(Why::FenceAhead) } else { cells.take(line) };
            match fits {
                Ok(()) => work.missing.push(planned),
                Err(why) => work.tally.leave(line, why),
            }
        }
        Ok(work)
    }

    /// Tenants whose fences, which their transactions do not reach, tell of a later time than the snapshot. The map may
    /// have lost what it knew of that, and once the entry is written it is too late to find out.
    async fn fences_ahead(&self, missing: &[Planned], cells: &Cells<'_>) -> Called<BTreeSet<TenantId>> {
        let mut tables: BTreeMap<FenceTable, Vec<&EntryLine>> = BTreeMap::new();
        for Planned { line, .. } in missing {
            if let Some(table) = cells.fences_apart(line) {
                tables.entry(table).or_default().push(line);
            }
        }
        let ahead = stream::iter(tables).map(|(table, lines)| async move {
            let names: Vec<TenantId> = lines.iter().map(|line| line.tenant.clone()).collect();
            let fences = self.desk.world.fences.fences(&table, &names).await?;
            let is_ahead = |line: &&&EntryLine| fences.get(&line.tenant).is_some_and(|fence| is_ahead(fence, line));
            let ahead: Vec<TenantId> = lines.iter().filter(is_ahead).map(|line| line.tenant.clone()).collect();
            Called::Ok(ahead)
        });
        let ahead: Vec<Vec<TenantId>> = ahead.buffer_unordered(LANES).try_collect().await?;
        Ok(ahead.into_iter().flatten().collect())
    }

    async fn carry_out(&self, work: Work, cells: &Cells<'_>) -> Result<Tally, OpError> {
        let finished = self.finish(work.unopened).await?;
        let lanes = stream::iter(lanes(work.missing)).map(|lane| self.lane(lane, cells)).buffer_unordered(LANES);
        let written = lanes.try_fold(Tally::default(), |all, one| std::future::ready(Ok(all.merge(one)))).await?;
        Ok(work.tally.merge(finished).merge(written))
    }

    /// Writes batches that share cells, one after the other.
    async fn lane(&self, lane: Vec<Vec<Planned>>, cells: &Cells<'_>) -> Result<Tally, OpError> {
        let mut tally = Tally::default();
        for batch in lane {
            tally = tally.merge(self.batch(batch, cells).await?);
        }
        Ok(tally)
    }

    /// Writes a batch. What the others in it are refused for must not keep any out: then it is halved, down to one.
    async fn batch(&self, batch: Vec<Planned>, cells: &Cells<'_>) -> Result<Tally, OpError> {
        let mut tally = Tally::default();
        let (mut todo, mut attempt) = (vec![batch], 0);
        while let Some(mut batch) = todo.pop() {
            let changes = self.changes(&batch, cells);
            match self.desk.world.map.write(&changes).await {
                Ok(Written::Done) => tally = tally.merge(self.landed(&batch, changes).await?),
                Ok(refusal @ (Written::CellRefused(_) | Written::CellChanging(_) | Written::FenceAhead(_))) => {
                    if let [alone] = batch.as_slice() {
                        let fence = matches!(refusal, Written::FenceAhead(_));
                        tally.leave(&alone.line, if fence { Why::FenceAhead } else { Why::CellChanged });
                    } else {
                        todo.push(batch.split_off(batch.len() / 2));
                        todo.push(batch);
                    }
                }
                Err(error) if !must_read_back(&error) => return Err(error.into()),
                unclear => {
                    if let Ok(Written::EntryChanged(tenant)) = &unclear {
                        self.desk.again(tenant, &mut attempt).await?;
                    }
                    let known = self.entries_of(&batch).await?;
                    if were_written(&changes, &known) {
                        tally = tally.merge(self.landed(&batch, changes).await?);
                    } else {
                        unclear?;
                        todo.extend(self.judge_anew(batch, known, cells, &mut tally).await?);
                    }
                }
            }
        }
        Ok(tally)
    }

    fn changes(&self, batch: &[Planned], cells: &Cells<'_>) -> Vec<Change> {
        let stamp = self.desk.stamp();
        let change = |planned: &Planned| {
            let target = cells.target(&planned.line.cell)?;
            let change = change::restore(&planned.line, &target, planned.before.as_ref(), &stamp);
            Some(match &planned.remnant {
                Some(remnant) => change.follow(remnant, planned.line.epoch, &stamp),
                None => change,
            })
        };
        batch.iter().filter_map(change).collect()
    }

    /// Changes that were written: opens the fences that were no part of the transaction.
    async fn landed(&self, batch: &[Planned], changes: Vec<Change>) -> Result<Tally, OpError> {
        let (opening, done): (Vec<Entry>, Vec<Entry>) =
            changes.into_iter().map(|change| change.after).partition(|entry| entry.state == EntryState::Opening);
        let tally = self.open_fences(opening).await?;
        let is_left = |planned: &Planned| tally.left.iter().any(|left| left.tenant == planned.line.tenant);
        let moving = batch.iter().filter(|planned| planned.line.moving.is_some() && !is_left(planned)).count() as u64;
        Ok(Tally { added: tally.added + done.len() as u64, moving, ..tally })
    }

    /// Opens the fences of tenants that are there.
    async fn finish(&self, unopened: Vec<Entry>) -> Result<Tally, OpError> {
        let tally = self.open_fences(unopened).await?;
        Ok(Tally { added: 0, opened: tally.added, ..tally })
    }

    async fn open_fences(&self, entries: Vec<Entry>) -> Result<Tally, OpError> {
        let opened = stream::iter(entries).map(|entry| async move {
            let left = Left { tenant: entry.tenant.clone(), cell: entry.cell.clone(), why: Why::FenceAhead };
            match self.desk.finish_opening(entry).await {
                Ok(_) => Ok(Tally { added: 1, ..Tally::default() }),
                Err(error) if error.kind == ErrorKind::Refused => Ok(Tally { left: vec![left], ..Tally::default() }),
                Err(error) => Err(error),
            }
        });
        let all = opened.buffer_unordered(LANES);
        all.try_fold(Tally::default(), |all, one| std::future::ready(Ok(all.merge(one)))).await
    }

    async fn entries_of(&self, batch: &[Planned]) -> Called<BTreeMap<TenantId, Entry>> {
        let names: Vec<TenantId> = batch.iter().map(|planned| planned.line.tenant.clone()).collect();
        self.desk.world.map.entries(&names).await
    }

    /// After a write that did not happen: counts what is there, and gives what is still to be written.
    async fn judge_anew(
        &self,
        batch: Vec<Planned>,
        mut known: BTreeMap<TenantId, Entry>,
        cells: &Cells<'_>,
        tally: &mut Tally,
    ) -> Result<Option<Vec<Planned>>, OpError> {
        let (mut rest, mut unopened) = (Vec::new(), Vec::new());
        for Planned { line, .. } in batch {
            let before = known.remove(&line.tenant);
            match judge(&line, before.as_ref()) {
                Judged::Equal => tally.equal += 1,
                Judged::Unopened(entry) => unopened.push(*entry),
                Judged::Left(why) => tally.leave(&line, why),
                Judged::Missing => {
                    let mut planned = Planned::new(line, before, cells);
                    if let Some(why) = self.remember(&mut planned).await? {
                        tally.leave(&planned.line, why);
                    } else {
                        rest.push(planned);
                    }
                }
            }
        }
        *tally = std::mem::take(tally).merge(self.finish(unopened).await?);
        Ok((!rest.is_empty()).then_some(rest))
    }
}

impl Importer<'_> {
    /// Looks up what the audit log knows of a tenant whose entry is not there although its chain may be. Gives why it is
    /// left alone, where the log tells of a later time than the snapshot.
    async fn remember(&self, planned: &mut Planned) -> Result<Option<Why>, OpError> {
        if planned.before.is_none() {
            planned.remnant = self.desk.remnant(&planned.line.tenant).await?;
        }
        let later = planned.remnant.as_ref().filter(|remnant| {
            remnant.epoch > planned.line.epoch || (remnant.epoch == planned.line.epoch && !remnant.present)
        });
        Ok(later.map(|remnant| Why::Removed { epoch: remnant.epoch }))
    }
}

fn read<R: BufRead>(snapshot: &mut Snapshot<R>) -> Result<Vec<EntryLine>, OpError> {
    let mut chunk = Vec::new();
    while chunk.len() < CHUNK {
        match snapshot.next()? {
            Some(line) => chunk.push(line),
            None => break,
        }
    }
    Ok(chunk)
}

/// What the work would come to if all of it went well.
fn foretell(work: Work) -> Tally {
    let (added, opened) = (work.missing.len() as u64, work.unopened.len() as u64);
    let moving = work.missing.iter().filter(|planned| planned.line.moving.is_some()).count() as u64;
    Tally { added, moving, opened, ..work.tally }
}

/// Batches that fit into a transaction, in lanes that share no cell.
fn lanes(mut planned: Vec<Planned>) -> Vec<Vec<Vec<Planned>>> {
    planned.sort_by(|a, b| a.line.cell.cmp(&b.line.cell));
    let mut lanes: Vec<Vec<Vec<Planned>>> = Vec::new();
    for one in planned {
        let same_cell = |batch: &[Planned]| batch.last().is_some_and(|last| last.line.cell == one.line.cell);
        match lanes.last_mut() {
            Some(lane) => match lane.last_mut() {
                Some(batch) if fits(batch, &one) => batch.push(one),
                Some(batch) if same_cell(batch) => lane.push(vec![one]),
                _ => lanes.push(vec![vec![one]]),
            },
            None => lanes.push(vec![vec![one]]),
        }
    }
    lanes
}

/// Whether a batch, sorted by cell, takes one more: by items and by bytes.
fn fits(batch: &[Planned], one: &Planned) -> bool {
    let mut cells: Vec<_> = batch.iter().map(|planned| &planned.line.cell).chain([&one.line.cell]).collect();
    let changes = cells.len();
    cells.dedup();
    let bytes = batch.iter().map(|planned| planned.bytes).sum::<usize>() + one.bytes;
    let items = batch.iter().map(|planned| planned.items).sum::<usize>() + one.items;
    fits_one_write(changes, items + cells.len(), bytes)
}

fn stopped(done: &Imported) -> OpError {
    let message = format!("stopped after {} tenants of the snapshot, {} of them added", done.entries, done.added);
    OpError::new(ErrorKind::Stopped, message).hint("run the same command again: it adds what is still missing")
}
