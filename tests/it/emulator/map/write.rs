//! Writes on both sides of the pair, with the same outcome.

use cellctl::domain::audit::{Deed, Head, Sealed, Stamp, Subject};
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::change::{Change, FenceWrite};
use cellctl::domain::tenant::fence::{Fence, FenceMode};
use cellctl::ports::tenants::{Fences, TenantMap, Written};
use cellctl::ports::{CallErrorKind, Control};
use fastrand::Rng;
use serde_json::Value as Json;

use super::{CELLS, Pair, TENANTS, sharded};
use crate::support::emulator::Tables;
use crate::support::map::MapState;
use crate::support::samples;

impl Pair {
    /// A fleet whose first two cells have fences.
    pub(super) async fn new(test: &str, seed: u64) -> Self {
        let tables = Tables::make(test).await;
        let (control, lease) = tables.control().await;
        let fences = [Some(tables.make_fences("cell-1").await), Some(tables.make_fences("cell-2").await), None];
        let records = CELLS.iter().zip(&fences).map(|((cell, ..), fences)| sharded(cell, fences.as_ref())).collect();
        let mut pair = Self {
            tables: tables.tenants(),
            control,
            lease,
            memory: MapState::default(),
            records,
            fences: fences.into(),
            past: Vec::new(),
            shifted: 0,
            barred: 0,
            rng: Rng::with_seed(seed),
            now_ms: 1_700_000_000_000,
        };
        for cell in 0..CELLS.len() {
            assert!(pair.put_record(cell).await, "the first record of cell {cell}");
        }
        pair
    }

    pub(super) fn stamp(&mut self) -> Stamp {
        self.now_ms += 1_000;
        samples::stamp(self.now_ms)
    }

    pub(super) fn cell_record(&mut self, cell: &CellId, head: Option<&Head>) -> Sealed {
        let deed = Deed { action: "tested".to_owned(), from: Json::Null, to: Json::Null };
        Sealed::next(Subject::Cell(cell.clone()), head, &self.stamp(), deed)
    }

    /// The end of a cell's chain, as somebody may remember it.
    fn head(&mut self, cell: &CellId) -> Option<Head> {
        let head = self.memory.loads.get(cell).and_then(|load| load.audit.clone());
        if self.rng.u8(..10) == 0 { None } else { head }
    }

    /// Writes a cell's record on both sides; says whether that went well.
    pub(super) async fn put_record(&mut self, cell: usize) -> bool {
        let mut record = self.records[cell].clone();
        let head = if record.version == 0 { None } else { self.head(&record.cell) };
        let audit = self.cell_record(&record.cell, head.as_ref());
        let expected = self.memory.put_record(&record, &audit);
        match self.control.put_record(record.clone(), &self.lease, &audit).await {
            Ok(written) => record = written,
            Err(error) => assert_eq!((error.kind.clone(), expected), (CallErrorKind::Conflict, false), "{error}"),
        }
        assert_eq!(record.version > self.records[cell].version, expected, "{record:?}");
        self.records[cell] = record;
        expected
    }

    /// Gives a cell another state.
    pub(super) async fn change_state(&mut self) {
        let cell = self.rng.usize(..CELLS.len());
        let before = self.records[cell].clone();
        let states = [CellState::Active, CellState::Active, CellState::Cordoned, CellState::Deleted];
        self.records[cell].state = states[self.rng.usize(..states.len())];
        // Now and then the stack no longer names its fence table.
        let fences = self.fences[cell].clone().filter(|_| self.rng.u8(..4) > 0);
        self.records[cell].applied = sharded(CELLS[cell].0, fences.as_ref()).applied;
        if !self.put_record(cell).await {
            self.records[cell] = before;
        }
    }

    /// Sets the counters of a cell right, or tries to with what was seen long ago.
    pub(super) async fn correct(&mut self) {
        let cell: CellId = CELLS[self.rng.usize(..CELLS.len())].0.parse().expect("valid");
        let mut seen = self.memory.loads[&cell].clone();
        let audit = self.cell_record(&cell, seen.audit.as_ref());
        seen.writes -= u64::from(seen.writes > 0 && self.rng.bool());
        let (tenants, weight) = (seen.tenants, seen.weight);
        let expected = self.memory.correct(&seen, tenants, weight, &audit);
        assert_eq!(self.tables.correct(&seen, tenants, weight, &audit).await.expect("answered"), expected);
    }

    /// Writes a fence on its own.
    pub(super) async fn put_fence(&mut self) {
        let Some(table) = self.fences[self.rng.usize(..2)].clone() else { return };
        let modes = [FenceMode::Open, FenceMode::Closed, FenceMode::Sealed];
        let fence =
            Fence { tenant: self.tenant(), epoch: self.rng.u64(1..6), mode: modes[self.rng.usize(..modes.len())] };
        let write = FenceWrite { table, fence, shards: self.rng.u8(1..4), first: false };
        let expected = self.memory.put_fence(&write);
        assert_eq!(Fences::put(&self.tables, &write).await.expect("answered"), expected, "{write:?}");
    }

    pub(super) fn tenant(&mut self) -> TenantId {
        format!("tenant-{}", self.rng.u32(..TENANTS)).parse().expect("valid")
    }

    /// Writes changes of up to four tenants on both sides.
    pub(super) async fn write(&mut self) -> Written {
        let mut tenants: Vec<TenantId> = (0..self.rng.usize(1..5)).map(|_| self.tenant()).collect();
        tenants.sort();
        tenants.dedup();
        let changes: Vec<Change> = tenants.iter().map(|tenant| self.change(tenant)).collect();
        let expected = self.memory.write(&changes);
        let written = self.tables.write(&changes).await.expect("answered");
        assert_eq!(written, expected, "{changes:#?}");
        let shifts = changes.iter().any(|change| !change.shifts.is_empty());
        self.shifted += usize::from(shifts && written == Written::Done);
        self.barred += usize::from(shifts && matches!(written, Written::FenceAhead(_)));
        if written == Written::Done {
            self.past.extend(changes.into_iter().map(|change| change.after));
        }
        written
    }
}
