//! Carrying out what was decided: cell by cell, several cells at a time.
//!
//! Constraints kept: one transaction in flight for each cell, because its counters are one item; a fence that one
//! transaction does not reach is opened after the entry that says so, and the entry says `opening` until then; after a
//! failure, what is in flight is finished and nothing more is begun.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::ids::TenantId;
use crate::domain::tenant::change::{self, Target};
use crate::domain::tenant::fence::Fence;
use crate::domain::tenant::row::{BadRow, Row};
use crate::domain::tenant::{Attributes, Entry, EntryState};
use crate::ops::error::OpError;
use crate::ports::Called;
use crate::ports::tenants::fits_one_write;

use super::super::Desk;
use super::ImportOptions;
use super::decide::{Decider, Todo, Work};
use super::report::Tally;
use super::write::Batch;

/// Fences of one cell that are opened at a time.
const FENCES_AT_ONCE: usize = 16;

/// One pass over what is to be done.
pub(super) struct Round<'a> {
    pub(super) desk: &'a Desk<'a>,
    pub(super) rows: &'a [Row],
    pub(super) decider: &'a Decider<'a>,
    pub(super) options: &'a ImportOptions,
    /// Whether an earlier pass was refused something: then the fences are looked at first.
    pub(super) again: bool,
}

/// How a pass, or a cell's part of it, has ended.
#[derive(Default)]
pub(super) struct Ended {
    /// Rows to be decided anew.
    pub(super) again: Vec<usize>,
    /// Rows that cannot be done.
    pub(super) bad: Vec<BadRow>,
    /// Why it was broken off.
    pub(super) error: Option<OpError>,
}

/// What the cells of a pass share.
struct Shared<'t> {
    tally: Mutex<&'t mut Tally>,
    halted: AtomicBool,
}

impl Round<'_> {
    /// Does it, or as much as it can.
    pub(super) async fn run(&self, todos: Vec<Todo>, tally: &mut Tally) -> Ended {
        let mut by_cell: BTreeMap<usize, Vec<Todo>> = BTreeMap::new();
        for todo in todos {
            by_cell.entry(todo.cell).or_default().push(todo);
        }
        let shared = Shared { tally: Mutex::new(tally), halted: AtomicBool::new(false) };
        let cells = stream::iter(by_cell).map(|(cell, todos)| self.cell(cell, todos, &shared));
        let ended: Vec<Ended> = cells.buffer_unordered(self.options.cells_at_once.max(1)).collect().await;
        ended.into_iter().fold(Ended::default(), |mut all, one| {
            all.again.extend(one.again);
            all.bad.extend(one.bad);
            all.error = all.error.or(one.error);
            all
        })
    }

    /// The rows of one cell, a transaction at a time.
    async fn cell(&self, cell: usize, todos: Vec<Todo>, shared: &Shared<'_>) -> Ended {
        let mut ended = Ended::default();
        let mut todos = todos.into_iter().peekable();
        while !shared.halted.load(Ordering::Relaxed) && !*self.options.stop.borrow() {
            let batch = self.next_batch(cell, &mut todos);
            if batch.is_empty() {
                break;
            }
            match self.batch(cell, batch, shared, &mut ended).await {
                Ok(false) => {}
                Ok(true) => ended.again.extend(todos.by_ref().map(|todo| todo.row)),
                Err(error) => {
                    shared.halted.store(true, Ordering::Relaxed);
                    ended.error = Some(error);
                }
            }
        }
        ended
    }

    /// What goes into the next transaction.
    fn next_batch(&self, cell: usize, todos: &mut Peekable<std::vec::IntoIter<Todo>>) -> Vec<Todo> {
        let shards = self.decider.target(cell, false).map_or(1, |target| target.load.fence_shards);
        // Entry, audit record, and the shards of the fence.
        let items_each = 2 + usize::from(shards);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(todo) = todos.peek() {
            bytes += self.bytes_max(todo);
            if !fits_one_write(batch.len() + 1, (batch.len() + 1) * items_each + 1, bytes) {
                break;
            }
            batch.extend(todos.next());
        }
        batch
    }

    fn bytes_max(&self, todo: &Todo) -> usize {
        let (wishes, before) = (&self.rows[todo.row].wishes, todo.before.as_deref());
        let attributes = before.map_or_else(|| wishes.over(&Attributes::default()), |e| wishes.over(&e.attributes));
        change::bytes_max(before, &attributes, before.and_then(|entry| entry.pin.as_ref()))
    }

    /// One transaction and the fences that come after it. Gives whether the cell refused it.
    async fn batch(
        &self,
        cell: usize,
        todos: Vec<Todo>,
        shared: &Shared<'_>,
        ended: &mut Ended,
    ) -> Result<bool, OpError> {
        let fences = self.fences_before(cell, &todos).await?;
        let mut batch = Batch::default();
        let mut opening: Vec<(usize, Entry)> = Vec::new();
        let mut works: BTreeMap<usize, Work> = BTreeMap::new();
        for todo in todos {
            works.insert(todo.row, todo.work);
            match self.change(cell, todo, &fences) {
                Ok(Prepared::Write(row, change)) => batch.push(row, *change),
                Ok(Prepared::Open(row, entry)) => opening.push((row, *entry)),
                Err(bad) => ended.bad.push(bad),
            }
        }
        let settled = self.desk.land_batch(batch).await?;
        ended.again.extend(settled.again);
        let name = &self.decider.candidate(cell).cell;
        let mut finished = 0;
        for (row, change) in settled.done.rows.into_iter().zip(settled.done.changes) {
            shared.tally().mark(row, works[&row].did(), name);
            if change.after.state == EntryState::Opening {
                opening.push((row, change.after));
            } else {
                finished += 1;
            }
        }
        finished += self.open(cell, opening, shared, ended).await?;
        shared.tally().progress(finished, self.desk.world);
        Ok(settled.cell_refused)
    }

    /// The fences that earlier times may have left where tenants are to be added. Within one account and Region the
    /// transaction itself tells when one is ahead, so that they are looked at only after that.
    async fn fences_before(&self, cell: usize, todos: &[Todo]) -> Called<BTreeMap<TenantId, Fence>> {
        let target = self.decider.target(cell, false).filter(|target| self.again || !target.local);
        let Some(table) = target.and_then(|target| target.load.fences()) else { return Ok(BTreeMap::new()) };
        let added = todos.iter().filter(|todo| todo.work == Work::Add);
        let tenants: Vec<TenantId> = added.map(|todo| self.rows[todo.row].tenant.clone()).collect();
        if tenants.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.desk.world.fences.fences(&table, &tenants).await
    }

    /// What is written about a row.
    fn change(&self, cell: usize, todo: Todo, fences: &BTreeMap<TenantId, Fence>) -> Result<Prepared, BadRow> {
        let row = &self.rows[todo.row];
        let stamp = self.desk.stamp();
        match (todo.work, todo.before) {
            (Work::Open, Some(before)) => Ok(Prepared::Open(todo.row, before)),
            (Work::Set, Some(before)) => {
                let attributes = row.wishes.over(&before.attributes);
                let limits = self.decider.candidate(cell).limits;
                Ok(Prepared::Write(todo.row, Box::new(change::set(&before, attributes, limits, &stamp))))
            }
            (_, before) => {
                let target = self.target(cell, row)?;
                let fence = fences.get(&row.tenant);
                if let Some(fence) = fence.filter(|fence| fence.mode.is_moving()) {
                    return Err(held_by_a_move(row, &target, fence));
                }
                let attributes = row.wishes.over(&Attributes::default());
                let floor = fence.map_or(0, |fence| fence.epoch);
                let change = change::add(&row.tenant, attributes, &target, before.as_deref(), floor, &stamp);
                Ok(Prepared::Write(todo.row, Box::new(change)))
            }
        }
    }

    fn target(&self, cell: usize, row: &Row) -> Result<Target, BadRow> {
        self.decider.target(cell, row.cell.is_some()).ok_or_else(|| {
            let name = &self.decider.candidate(cell).cell;
            let message = format!("cell {name} has not been provisioned");
            let bad = BadRow::new(row.at, "cell-refuses", message).tenant(row.tenant.as_str());
            bad.hint(format!("run `cellctl cell create {name}` first"))
        })
    }

    /// Opens the fences of entries in state `opening`, and notes it; gives how many are done.
    async fn open(
        &self,
        cell: usize,
        opening: Vec<(usize, Entry)>,
        shared: &Shared<'_>,
        ended: &mut Ended,
    ) -> Result<usize, OpError> {
        let load = self.decider.target(cell, false).map(|target| target.load);
        let shards = load.as_ref().map_or(1, |load| load.fence_shards);
        let table = load.and_then(|load| load.fences());
        let put = |(row, entry): (usize, Entry)| {
            let table = table.clone();
            async move {
                let open = match table {
                    Some(table) => self.desk.world.fences.put(&change::open(table, &entry).over(shards)).await?,
                    None => true,
                };
                Called::Ok((row, entry, open))
            }
        };
        let put = stream::iter(opening).map(put).buffer_unordered(FENCES_AT_ONCE);
        let opened: Vec<(usize, Entry, bool)> = put.try_collect().await?;
        let mut batch = Batch::default();
        for (row, entry, open) in opened {
            if open {
                batch.push(row, change::opened(&entry, &self.desk.stamp()));
            } else {
                ended.bad.push(fence_ahead(&self.rows[row], &entry));
            }
        }
        let settled = self.desk.land_batch(batch).await?;
        ended.again.extend(settled.again);
        let name = &self.decider.candidate(cell).cell;
        settled.done.rows.iter().for_each(|row| shared.tally().mark(*row, Work::Open.did(), name));
        Ok(settled.done.rows.len())
    }
}

impl<'t> Shared<'t> {
    fn tally(&self) -> std::sync::MutexGuard<'_, &'t mut Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row, ready to be written.
enum Prepared {
    /// By a change of the map.
    Write(usize, Box<change::Change>),
    /// By opening a fence.
    Open(usize, Box<Entry>),
}

fn held_by_a_move(row: &Row, target: &Target, fence: &Fence) -> BadRow {
    let (tenant, cell) = (&row.tenant, &target.load.cell);
    let message = format!("the fence of tenant {tenant} in cell {cell} is {}: a move holds it", fence.mode.as_str());
    let bad = BadRow::new(row.at, "fence-held", message).tenant(tenant.as_str());
    bad.hint("`cellctl map verify` shows what is not as it should be")
}

fn fence_ahead(row: &Row, entry: &Entry) -> BadRow {
    let (tenant, cell) = (&entry.tenant, &entry.cell);
    let message = format!("the fence of tenant {tenant} in cell {cell} is ahead of the map's epoch {}", entry.epoch);
    let bad = BadRow::new(row.at, "fence-ahead", message).tenant(tenant.as_str());
    bad.hint("`cellctl map verify` shows what is not as it should be")
}
