//! Restoring the map from a snapshot.
//!
//! Constraints kept: what is missing is added with the cell and epoch that it had; what is there is left alone; each
//! write is a conditional transaction, and one in doubt is read back, so that the same import may be run any number of
//! times, from any point at which an earlier one ended.

mod batch;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::sync::watch;

use crate::domain::ids::TenantId;
use crate::domain::snapshot::EntryLine;
use crate::domain::tenant::Entry;
use crate::domain::tenant::fence::FenceTable;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::tenants::Desk;
use crate::ports::Called;

use super::file::Snapshot;
use super::judge::{Cells, Judged, is_ahead, judge};
use batch::Planned;

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

fn stopped(done: &Imported) -> OpError {
    let message = format!("stopped after {} tenants of the snapshot, {} of them added", done.entries, done.added);
    OpError::new(ErrorKind::Stopped, message).hint("run the same command again: it adds what is still missing")
}
