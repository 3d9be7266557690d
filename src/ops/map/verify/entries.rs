//! The scan of all entries: counts them, and holds each against its cell and its fence.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;

use crate::domain::ids::{CellId, TenantId};
use crate::domain::record::CellState;
use crate::domain::tenant::Entry;
use crate::domain::tenant::fence::{FenceTable, Shards};
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::verify::{Finding, Seat, examine, is_under_way};
use crate::ops::OpError;
use crate::ops::map::stream::Entries;
use crate::ports::Called;

use super::look::Looked;
use super::{CONCURRENCY, Cells, Inspector, Outcome, Report, Told};

/// Entries that are held against their fences together: enough for few calls, at some 5 MB.
const WINDOW_ENTRIES: usize = 5_000;

/// What the entries of a cell add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) tenants: i64,
    pub(super) weight: i64,
    /// Changes of the cell's counters that are this run's own.
    pub(super) writes: u64,
}

impl Count {
    /// Counts a tenant in.
    pub(super) fn add(&mut self, entry: &Entry) {
        self.tenants += 1;
        self.weight = self.weight.saturating_add(weight(entry));
    }
}

pub(super) type Counts = BTreeMap<CellId, Count>;

/// The scan as it goes.
struct Scan<'a> {
    cells: &'a mut Cells,
    report: &'a mut Report,
    /// The cells as the rules see them.
    seats: BTreeMap<CellId, Seat>,
    counts: Counts,
}

impl Inspector<'_> {
    /// Scans all entries; gives what they add up to.
    pub(super) async fn entries(&self, cells: &mut Cells, report: &mut Report) -> Result<Counts, OpError> {
        let seat = |load: &CellLoad| (load.cell.clone(), Seat::of(self.fleet, &load.cell, Some(load.clone())));
        let seats = cells.loads.values().map(seat).collect();
        let mut scan = Scan { cells, report, seats, counts: Counts::new() };
        let mut entries = Entries::all(self.world.map.clone()).skipping();
        let mut window: Vec<Entry> = Vec::new();
        while let Some(entry) = scan.next(&mut entries).await? {
            scan.count(&entry);
            window.push(entry);
            if window.len() == WINDOW_ENTRIES {
                self.window(&window, &mut scan).await?;
                window.clear();
            }
        }
        self.window(&window, &mut scan).await?;
        Ok(scan.counts)
    }

    /// Holds some entries against their cells and fences, and looks again at what seems wrong.
    async fn window(&self, entries: &[Entry], scan: &mut Scan<'_>) -> Result<(), OpError> {
        let fences = self.fences_of(entries, scan).await?;
        let now_ms = self.world.clock.now_ms();
        scan.report.under_way += entries.iter().filter(|entry| is_under_way(entry, now_ms)).count() as u64;
        let (nowhere, none) = (Seat { load: None, candidate: None }, Shards::new());
        let is_suspect = |entry: &&Entry| {
            let seat = scan.seats.get(&entry.cell).unwrap_or(&nowhere);
            let fence = scan.looked_at(&entry.cell).then(|| fences.get(&entry.tenant).unwrap_or(&none));
            !examine(entry, self.fleet, seat, fence, now_ms).is_empty()
        };
        let suspects: Vec<&Entry> = entries.iter().filter(is_suspect).collect();
        let mut looks = stream::iter(suspects.into_iter().map(|entry| self.look(&entry.tenant))).buffered(CONCURRENCY);
        while let Some(looked) = looks.next().await {
            scan.take(looked?);
        }
        Ok(())
    }

    /// The fences of some entries in their cells, by tenant.
    async fn fences_of(&self, entries: &[Entry], scan: &mut Scan<'_>) -> Result<BTreeMap<TenantId, Shards>, OpError> {
        let mut wanted: BTreeMap<&CellId, (FenceTable, u8, Vec<TenantId>)> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.is_present() && scan.looked_at(&entry.cell)) {
            let Some(load) = scan.cells.loads.get(&entry.cell) else { continue };
            let Some(table) = load.fences() else { continue };
            let of_cell = wanted.entry(&entry.cell).or_insert_with(|| (table, load.fence_shards, Vec::new()));
            of_cell.2.push(entry.tenant.clone());
        }
        let fetch = |(cell, (table, of, tenants)): (_, (FenceTable, u8, Vec<TenantId>))| async move {
            (cell, self.world.fences.shards(&table, &tenants, of).await)
        };
        let mut fetched = stream::iter(wanted.into_iter().map(fetch)).buffered(CONCURRENCY);
        let mut found = BTreeMap::new();
        while let Some((cell, fences)) = fetched.next().await {
            match fences {
                Ok(fences) => found.extend(fences),
                Err(error) => scan.cells.note_unreadable(cell, error, scan.report)?,
            }
        }
        Ok(found)
    }
}

impl Scan<'_> {
    /// The next entry; those that cannot be read on the way to it are told.
    async fn next(&mut self, entries: &mut Entries) -> Called<Option<Entry>> {
        let next = entries.next().await?;
        for one in entries.take_skipped() {
            let finding = match one.newer {
                Some(format) => Finding::NewerFormat { tenant: one.of, format },
                None => Finding::EntryUnreadable { tenant: one.of, reason: one.error.message },
            };
            self.report.add(Told::new(finding, Outcome::Found));
            self.cells.are_countable = false;
        }
        Ok(next)
    }

    fn count(&mut self, entry: &Entry) {
        if !entry.is_present() {
            self.report.removed += 1;
            return;
        }
        self.report.tenants += 1;
        for cell in entry.rooms() {
            self.counts.entry(cell.clone()).or_default().add(entry);
        }
    }

    /// Whether the fences of a cell are there to be looked at.
    fn looked_at(&self, cell: &CellId) -> bool {
        let load = self.cells.loads.get(cell).filter(|load| load.state != CellState::Deleted);
        load.is_some_and(|load| load.fence_table.is_some()) && !self.cells.unreadable.contains(cell)
    }

    /// Notes what a second look has given.
    fn take(&mut self, looked: Looked) {
        let Looked::Judged(entry, told) = looked else {
            self.report.under_way += 1;
            return;
        };
        for one in told {
            let ended = matches!(one.finding, Finding::StuckClosing { .. });
            if let (true, Some(entry), Outcome::Repaired { .. }) = (ended, &entry, &one.outcome) {
                self.uncount(entry);
            }
            self.report.add(one);
        }
    }

    /// A removal was finished after its entry had been counted.
    fn uncount(&mut self, entry: &Entry) {
        let count = self.counts.entry(entry.cell.clone()).or_default();
        count.tenants -= 1;
        count.weight = count.weight.saturating_sub(weight(entry));
        count.writes += 1;
    }
}

/// Weights are bounded far below the largest signed number.
fn weight(entry: &Entry) -> i64 {
    i64::try_from(entry.attributes.weight).unwrap_or(i64::MAX)
}
