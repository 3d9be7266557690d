//! Marks on cells: who may put them, and that no move begins in or leaves a cell that has one.

use std::collections::BTreeMap;

use cellctl::aws::control::ControlTable;
use cellctl::aws::tenants::TenantTables;
use cellctl::domain::audit::{Deed, Sealed, Stamp, Subject};
use cellctl::domain::ids::CellId;
use cellctl::domain::lock::Lease;
use cellctl::domain::moves::MoveId;
use cellctl::domain::record::CellState;
use cellctl::domain::rollout::RolloutId;
use cellctl::domain::rollout::event::Event;
use cellctl::domain::rollout::machine::Stage;
use cellctl::domain::tenant::change::{self, Change, Target};
use cellctl::domain::tenant::load::Limits;
use cellctl::domain::tenant::{Attributes, Entry, EntryState};
use cellctl::ports::Control;
use cellctl::ports::moves::Appended;
use cellctl::ports::rollout::Rollouts;
use cellctl::ports::tenants::{TenantMap, Written};
use fastrand::Rng;
use serde_json::Value as Json;

use crate::support::emulator::cell_record;
use crate::support::emulator::rollouts::{Rolling, entry, lease, summary};
use crate::support::map::MapState;
use crate::support::samples::actor;

const CELLS: [&str; 3] = ["cell-1", "cell-2", "cell-3"];

fn cell(name: &str) -> CellId {
    name.parse().expect("valid")
}

fn cells(names: &[&str]) -> Vec<CellId> {
    names.iter().map(|name| cell(name)).collect()
}

fn stamp(at_ms: i64) -> Stamp {
    Stamp { at_ms: 1_700_000_000_000 + at_ms, actor: actor() }
}

async fn provision(control: &ControlTable, lease: &Lease) -> MapState {
    let mut memory = MapState::default();
    for name in CELLS {
        let (record, audit) = cell_record(name);
        control.put_record(record.clone(), lease, &audit).await.expect("written");
        assert!(memory.put_record(&record, &audit));
    }
    memory
}

/// A fleet of three cells, and the same in memory.
async fn fleet(test: &str) -> (Rolling, TenantTables, MapState) {
    let rolling = Rolling::make(test).await;
    let (control, lease) = rolling.tables.control().await;
    let memory = provision(&control, &lease).await;
    let tables = rolling.tables.tenants();
    (rolling, tables, memory)
}

fn marked(marks: &BTreeMap<CellId, RolloutId>) -> Vec<(&str, u64)> {
    marks.iter().map(|(cell, by)| (cell.as_str(), by.0)).collect()
}

#[tokio::test]
async fn the_open_rollout_alone_marks_cells() {
    let (rolling, tables, _) = fleet("marks").await;
    let rollouts = &rolling.rollouts;
    let (id, mine) = rolling.open(1).await;
    let (later, theirs) = rolling.held(2).await;
    assert_eq!(rollouts.mark(later, &cells(&CELLS), &theirs).await, Ok(false), "it is not open");
    // A cell that is not there yet is passed over.
    assert_eq!(rollouts.mark(id, &cells(&["cell-1", "cell-2", "cell-9"]), &mine).await, Ok(true));
    assert_eq!(rollouts.mark(id, &cells(&["cell-1"]), &mine).await, Ok(true), "once more");
    assert_eq!(marked(&rollouts.marks().await.expect("read")), [("cell-1", 1), ("cell-2", 1)]);
    let load = tables.load(&cell("cell-1")).await.expect("read").expect("there");
    assert_eq!((load.changing, load.state, load.tenants), (Some(id), CellState::Active, 0));
    // Its end leaves marks, as a crash may; the next one takes them over, and takes away its own alone.
    let over = rollouts.append(id, &entry(2, Event::Completed), &summary(id, Stage::Completed), &mine).await;
    assert_eq!(over, Ok(Appended::Done));
    assert_eq!(rollouts.mark(id, &cells(&["cell-3"]), &mine).await, Ok(false), "it is over");
    let begun = rollouts.append(later, &entry(1, Event::Resumed), &summary(later, Stage::Ready), &theirs).await;
    assert_eq!(begun, Ok(Appended::Done));
    assert_eq!(rollouts.mark(later, &cells(&["cell-2", "cell-3"]), &theirs).await, Ok(true));
    assert_eq!(rollouts.unmark(id, &cells(&CELLS), &mine).await, Ok(true));
    assert_eq!(marked(&rollouts.marks().await.expect("read")), [("cell-2", 2), ("cell-3", 2)]);
}

#[tokio::test]
async fn who_lost_the_lease_neither_marks_nor_unmarks() {
    let (rolling, _, _) = fleet("markslost").await;
    let rollouts = &rolling.rollouts;
    let (id, mine) = rolling.open(1).await;
    assert_eq!(rollouts.mark(id, &cells(&["cell-1"]), &mine).await, Ok(true));
    rollouts.swap_lease(id, Some(&mine), &lease(2, 9)).await.expect("taken");
    assert_eq!(rollouts.mark(id, &cells(&["cell-2"]), &mine).await, Ok(false));
    assert_eq!(rollouts.unmark(id, &cells(&["cell-1"]), &mine).await, Ok(false));
    assert_eq!(marked(&rollouts.marks().await.expect("read")), [("cell-1", 1)]);
}

#[tokio::test]
async fn many_cells_are_marked_in_several_writes() {
    let rolling = Rolling::make("marksmany").await;
    let (control, lock) = rolling.tables.control().await;
    let names: Vec<String> = (100..145).map(|number| format!("cell-{number}")).collect();
    for name in &names {
        let (record, audit) = cell_record(name);
        control.put_record(record, &lock, &audit).await.expect("written");
    }
    let (id, mine) = rolling.open(1).await;
    let all: Vec<CellId> = names.iter().map(|name| cell(name)).collect();
    assert_eq!(rolling.rollouts.mark(id, &all, &mine).await, Ok(true));
    let marks = rolling.rollouts.marks().await.expect("read");
    assert!(marks.keys().eq(&all) && marks.values().all(|by| *by == id));
    assert_eq!(rolling.rollouts.unmark(id, &all[1..], &mine).await, Ok(true));
    assert_eq!(marked(&rolling.rollouts.marks().await.expect("read")), [("cell-100", 1)]);
}

#[tokio::test]
async fn a_record_that_is_written_leaves_the_mark() {
    let (rolling, tables, _) = fleet("marksrecord").await;
    let (id, mine) = rolling.open(1).await;
    assert_eq!(rolling.rollouts.mark(id, &cells(&["cell-1"]), &mine).await, Ok(true));
    let (control, lock) = rolling.tables.control().await;
    let record = control.record(&cell("cell-1")).await.expect("read").expect("there");
    let head = tables.load(&cell("cell-1")).await.expect("read").expect("there").audit;
    let deed = Deed { action: "applied".to_owned(), from: Json::Null, to: Json::Null };
    let audit = Sealed::next(Subject::Cell(record.cell.clone()), head.as_ref(), &stamp(1), deed);
    control.put_record(record, &lock, &audit).await.expect("written");
    assert_eq!(marked(&rolling.rollouts.marks().await.expect("read")), [("cell-1", 1)]);
}

/// Both sides of a comparison.
struct Pair {
    rolling: Rolling,
    tables: TenantTables,
    memory: MapState,
    open: (RolloutId, Lease),
    now_ms: i64,
}

impl Pair {
    async fn mark(&mut self, name: &str, on: bool) {
        let (id, lease) = &self.open;
        let (rollouts, names) = (&self.rolling.rollouts, cells(&[name]));
        let done = if on { rollouts.mark(*id, &names, lease).await } else { rollouts.unmark(*id, &names, lease).await };
        assert_eq!(done, Ok(true));
        self.memory.loads.get_mut(&names[0]).expect("there").changing = on.then_some(*id);
    }

    fn target(&self, name: &str, tenants: u64) -> Target {
        let load = self.memory.loads[&cell(name)].clone();
        Target { load, limits: Limits { tenants, weight: None }, local: true, by_hand: true }
    }

    fn stamp(&mut self) -> Stamp {
        self.now_ms += 1;
        stamp(self.now_ms)
    }

    async fn write(&mut self, change: Change) -> Written {
        let expected = self.memory.write(std::slice::from_ref(&change));
        assert_eq!(self.tables.write(&[change]).await.expect("answered"), expected);
        expected
    }

    async fn add(&mut self, tenant: &str, name: &str) -> Written {
        let (target, stamp) = (self.target(name, 9), self.stamp());
        self.write(change::add(&tenant.parse().expect("valid"), Attributes::default(), &target, None, 0, &stamp)).await
    }

    fn entry(&self, tenant: &str) -> Entry {
        self.memory.entries[&tenant.parse().expect("valid")].clone()
    }

    /// Begins a move, or ends the one that the tenant is in.
    async fn go_on(&mut self, tenant: &str, to: &str, room: u64) -> Option<Written> {
        let (entry, stamp) = (self.entry(tenant), self.stamp());
        if entry.state == EntryState::Moving {
            return Some(self.write(change::end_move(&entry, entry.epoch, "ended", &stamp)).await);
        }
        let id = MoveId { tenant: entry.tenant.clone(), version: entry.version };
        let target = self.target(to, room);
        if entry.cell == target.load.cell {
            return None;
        }
        Some(self.write(change::begin_move(&entry, &id, &target, Vec::new(), &stamp)).await)
    }
}

async fn pair(test: &str) -> Pair {
    let (rolling, tables, memory) = fleet(test).await;
    let open = rolling.open(1).await;
    Pair { rolling, tables, memory, open, now_ms: 0 }
}

#[tokio::test]
async fn no_move_begins_in_a_cell_that_is_being_changed_or_leaves_it() {
    let mut pair = pair("marksmove").await;
    assert_eq!(pair.add("acme", "cell-1").await, Written::Done);
    for name in ["cell-1", "cell-2"] {
        pair.mark(name, true).await;
        let begun = pair.go_on("acme", "cell-2", 9).await;
        assert_eq!(begun, Some(Written::CellChanging(cell(name))));
        pair.mark(name, false).await;
    }
    // One that is full as well says so: waiting would not help.
    pair.mark("cell-2", true).await;
    assert_eq!(pair.go_on("acme", "cell-2", 0).await, Some(Written::CellRefused(cell("cell-2"))));
    // Others are let in and out, and a move elsewhere begins.
    assert_eq!(pair.add("zeta", "cell-2").await, Written::Done);
    assert_eq!(pair.go_on("acme", "cell-3", 9).await, Some(Written::Done));
    // What has begun can end, whatever is marked.
    pair.mark("cell-1", true).await;
    pair.mark("cell-3", true).await;
    assert_eq!(pair.go_on("acme", "cell-3", 9).await, Some(Written::Done));
    assert_eq!(pair.entry("acme").state, EntryState::Active);
}

#[tokio::test]
async fn the_tables_heed_marks_as_the_tables_in_memory_do() {
    let mut pair = pair("markspair").await;
    let mut rng = Rng::with_seed(5);
    for (number, name) in CELLS.iter().cycle().take(6).enumerate() {
        assert_eq!(pair.add(&format!("tenant-{number}"), name).await, Written::Done);
    }
    let (mut done, mut full, mut changing) = (0, 0, 0);
    for _ in 0..120 {
        let name = CELLS[rng.usize(..CELLS.len())];
        if rng.u8(..3) == 0 {
            pair.mark(name, rng.bool()).await;
            continue;
        }
        let tenant = format!("tenant-{}", rng.u8(..6));
        match pair.go_on(&tenant, name, 3).await {
            Some(Written::Done) => done += 1,
            Some(Written::CellRefused(_)) => full += 1,
            Some(Written::CellChanging(_)) => changing += 1,
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
    let met = [done, full, changing];
    assert!(met.iter().all(|times| *times > 0), "each outcome is met: {met:?}");
    for (cell, load) in &pair.memory.loads {
        assert_eq!(pair.tables.load(cell).await.expect("read").as_ref(), Some(load));
    }
}
