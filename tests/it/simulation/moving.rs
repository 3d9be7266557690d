//! What the rest of cellctl makes of a tenant that is being moved, step by step of the move, over the in-memory world.
//!
//! What must hold: no step of a move is a finding, and its room counts in both cells; nothing else changes the tenant
//! meanwhile; a snapshot has it where it is served.

use std::time::Duration;

use cellctl::domain::audit::Stamp;
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::fence::{Hold, Shard, Shift};
use cellctl::domain::record::{CellRecord, CellState};
use cellctl::domain::tenant::change::{self, Change, Target};
use cellctl::domain::tenant::fence::{FenceMode, FenceTable};
use cellctl::domain::tenant::load::Limits;
use cellctl::domain::tenant::verify::STUCK_AFTER_MS;
use cellctl::domain::tenant::{Attributes, Entry, EntryState};
use cellctl::ops::cells::delete;
use cellctl::ops::map::stats::stats;
use cellctl::ops::map::verify::{Report, verify};
use cellctl::ops::tenants::add::AddRequest;
use cellctl::ops::tenants::list::{Filter, Query};
use cellctl::ops::tenants::{Desk, Did};
use cellctl::ops::{ErrorKind, OpError};
use cellctl::ports::tenants::Written;

use super::snapshot::{exported, import_into, roomy, tenants};
use super::tenants::{fleet, provisioned};
use super::world::Sim;
use crate::support::emulator::record;
use crate::support::map::MapState;
use crate::support::samples::{self, actor};

/// What a desk is asked to do.
macro_rules! at_desk {
    ($sim:expr, |$desk:ident| $work:expr) => {{
        let (world, fleet, actor) = ($sim.world(), fleet(), actor());
        let $desk = Desk { world: &world, fleet: &fleet, actor: &actor };
        $work.await
    }};
}

pub(super) fn acme() -> TenantId {
    "acme".parse().expect("valid")
}

pub(super) fn cell(name: &str) -> CellId {
    name.parse().expect("valid")
}

pub(super) fn request(to: &str) -> AddRequest {
    let attributes = Attributes { weight: 3, ..Attributes::default() };
    AddRequest { tenant: acme(), attributes, to: Some(cell(to)) }
}

/// One tenant, in cell-1.
async fn settled() -> Sim {
    let sim = provisioned();
    at_desk!(sim, |desk| desk.add(&request("cell-1"))).expect("added");
    sim
}

fn entry(map: &MapState) -> Entry {
    map.entries[&acme()].clone()
}

pub(super) fn table(map: &MapState, in_cell: &str) -> FenceTable {
    map.loads[&cell(in_cell)].fences().expect("fences")
}

pub(super) fn held(epoch: u64, mode: FenceMode) -> Shard {
    let id = MoveId { tenant: acme(), version: 1 };
    Shard::held(epoch, mode, Hold { id, token: 1 })
}

/// A shift of the tenant's fence in a cell, from what it is.
pub(super) fn shift(map: &MapState, in_cell: &str, to: Shard) -> Shift {
    let table = table(map, in_cell);
    let there = map.fences.get(&(table.clone(), acme())).and_then(|shards| shards.get(&0).cloned());
    Shift { table, tenant: acme(), from: vec![(0, there)], to }
}

fn cordon(sim: &Sim, name: &str) {
    sim.with_map(|map| map.loads.get_mut(&cell(name)).expect("a load").state = CellState::Cordoned);
    sim.put_record(CellRecord { state: CellState::Cordoned, ..record(name, None) });
}

fn stamp() -> Stamp {
    samples::stamp(1_000)
}

fn land(map: &mut MapState, change: Change) {
    assert_eq!(map.write(&[change]), Written::Done);
}

/// A step of a move from cell-1 to cell-2.
type Step = (&'static str, fn(&mut MapState));

pub(super) fn shut(map: &mut MapState, to: Shard) {
    let shift = shift(map, "cell-1", to);
    assert!(map.shift(&shift), "{shift:?}");
}

fn reserve(map: &mut MapState) {
    let id = MoveId { tenant: acme(), version: 1 };
    let target = map.loads[&cell("cell-2")].clone();
    let target = Target { load: target, limits: Limits { tenants: 9, weight: None }, local: true, by_hand: true };
    let shifts = vec![shift(map, "cell-2", held(2, FenceMode::Incoming))];
    let change = change::begin_move(&entry(map), &id, &target, shifts, &stamp());
    land(map, change);
}

fn flip(map: &mut MapState) {
    let out = Shard { to: Some(cell("cell-2")), ..held(2, FenceMode::Out) };
    let shifts = vec![shift(map, "cell-1", out), shift(map, "cell-2", Shard::free(2, FenceMode::Open))];
    let change = change::cut_over(&entry(map), &cell("cell-2"), 2, shifts, &stamp());
    land(map, change);
}

const STEPS: [Step; 5] = [
    ("reserved", reserve),
    ("guarded", |map| shut(map, held(1, FenceMode::Guarded))),
    ("sealed", |map| shut(map, Shard { deadline_ms: Some(i64::MAX), ..held(1, FenceMode::Sealed) })),
    ("flipped", flip),
    ("ended", |map| {
        let change = change::end_move(&entry(map), 2, "move-completed", &stamp());
        land(map, change);
    }),
];

/// The world after a step, and before the next.
pub(super) async fn after(step: &str) -> Sim {
    let sim = settled().await;
    let number = STEPS.iter().position(|(name, _)| *name == step).expect("a step");
    for (_, step) in &STEPS[..=number] {
        sim.with_map(step);
    }
    sim
}

pub(super) async fn run(sim: &Sim, repair: bool) -> Report {
    let actor = actor();
    verify(&sim.world(), sim, &fleet(), repair.then_some(&actor)).await.expect("a report")
}

pub(super) fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|told| told.finding.code()).collect()
}

pub(super) fn content(sim: &Sim) -> String {
    sim.with_map(|map| format!("{map:?}"))
}

/// Long enough for whatever is not finished to count as left behind.
pub(super) async fn long() {
    tokio::time::sleep(Duration::from_millis(STUCK_AFTER_MS.unsigned_abs())).await;
}

#[tokio::test(start_paused = true)]
async fn no_step_of_a_move_is_a_finding_and_a_repair_changes_nothing() {
    for (step, _) in STEPS {
        let sim = after(step).await;
        let before = content(&sim);
        long().await;
        let report = run(&sim, true).await;
        assert_eq!((codes(&report), report.exit_code()), (vec![], 0), "{step}: {report:?}");
        assert_eq!(content(&sim), before, "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_was_reopened_is_ahead_of_its_entry_and_no_finding() {
    let sim = after("sealed").await;
    sim.with_map(|map| shut(map, Shard::free(3, FenceMode::Open)));
    long().await;
    assert_eq!(codes(&run(&sim, true).await), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn the_room_of_a_moving_tenant_is_counted_in_both_cells_also_when_one_is_counted_again() {
    for step in ["reserved", "flipped"] {
        for spoilt in ["cell-1", "cell-2"] {
            let sim = after(step).await;
            sim.with_map(|map| map.loads.get_mut(&cell(spoilt)).expect("a load").tenants = 9);
            let report = run(&sim, true).await;
            assert_eq!((codes(&report), report.left()), (vec!["counters-differ"], 0), "{step} {spoilt}");
            let room = sim.with_map(|map| ["cell-1", "cell-2"].map(|name| map.loads[&cell(name)].tenants));
            assert_eq!(room, [1, 1], "{step} {spoilt}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_whose_cell_has_no_fence_that_serves_is_told_with_the_command_that_goes_on() {
    let spoil: [Step; 4] = [
        ("missing", |map| drop(map.fences.remove(&(table(map, "cell-1"), acme())))),
        ("OUT", |map| shut(map, held(2, FenceMode::Out))),
        ("CLOSED", |map| shut(map, Shard::free(3, FenceMode::Closed))),
        ("OPEN", |map| shut(map, Shard::free(0, FenceMode::Open))),
    ];
    for (mode, spoil) in spoil {
        let sim = after("reserved").await;
        let now_ms = sim.world().clock.now_ms();
        sim.with_map(|map| {
            spoil(map);
            map.entries.get_mut(&acme()).expect("an entry").changed_at_ms = now_ms;
        });
        assert_eq!(codes(&run(&sim, true).await), Vec::<&str>::new(), "{mode}: the mover may be at it");
        long().await;
        let before = content(&sim);
        let report = run(&sim, true).await;
        assert_eq!((codes(&report), report.exit_code()), (vec!["stuck-moving"], 1), "{mode}: {report:?}");
        let told = &report.findings[0];
        assert_eq!(told.hint.as_deref(), Some("`cellctl move resume acme:1` goes on with the move"), "{mode}");
        assert!(told.message.ends_with(&format!("its fence is {mode}")), "{}", told.message);
        assert_eq!(content(&sim), before, "{mode}");
    }
}

/// Between two Regions a FLIP is three writes, of which the entry's is the last.
#[tokio::test(start_paused = true)]
async fn a_flip_that_is_under_way_is_no_finding() {
    let sim = after("sealed").await;
    long().await;
    sim.with_map(|map| {
        shut(map, Shard { to: Some(cell("cell-2")), ..held(2, FenceMode::Out) });
        let open = shift(map, "cell-2", Shard::free(2, FenceMode::Open));
        assert!(map.shift(&open));
    });
    let entry_follows = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sim.with_map(|map| {
            let change = change::cut_over(&entry(map), &cell("cell-2"), 2, Vec::new(), &stamp());
            land(map, change);
        });
    };
    let (report, ()) = tokio::join!(run(&sim, true), entry_follows);
    assert_eq!(codes(&report), Vec::<&str>::new(), "{report:?}");
    assert_eq!(codes(&run(&sim, true).await), Vec::<&str>::new());
}

fn refused<T>(outcome: Result<T, OpError>, what: &str, step: &str) {
    let Err(error) = outcome else { panic!("{step}: {what} was not refused") };
    assert_eq!(error.kind, ErrorKind::Refused, "{step}: {what}: {error}");
    let hint = error.hint.unwrap_or_default();
    assert!(error.message.contains("acme:1") && hint.contains("cellctl move abort acme:1"), "{step}: {what}: {hint}");
}

#[tokio::test(start_paused = true)]
async fn nothing_else_changes_a_tenant_that_is_moved() {
    for step in ["reserved", "guarded", "sealed", "flipped"] {
        let sim = after(step).await;
        let before = content(&sim);
        let heavier = |attributes: &Attributes| Attributes { weight: 9, ..attributes.clone() };
        refused(at_desk!(sim, |desk| desk.set(&acme(), heavier)), "set", step);
        refused(at_desk!(sim, |desk| desk.pin(&acme(), None)), "pin", step);
        refused(at_desk!(sim, |desk| desk.unpin(&acme())), "unpin", step);
        refused(at_desk!(sim, |desk| desk.remove(&acme())), "remove", step);
        let here = sim.with_map(|map| entry(map).cell);
        let added = at_desk!(sim, |desk| desk.add(&request(here.as_str()))).expect("it is there");
        assert_eq!(added.did, Did::Unchanged, "{step}");
        assert_eq!(content(&sim), before, "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_a_tenant_comes_into_or_leaves_is_not_deleted() {
    for step in ["reserved", "flipped"] {
        for name in ["cell-1", "cell-2"] {
            let sim = after(step).await;
            cordon(&sim, name);
            let error = delete::check(&sim.world(), &fleet(), &cell(name), false).await.expect_err("held");
            assert_eq!(error.kind, ErrorKind::Refused, "{step} {name}: {error}");
            assert!(error.hint.unwrap_or_default().contains("cellctl tenant move TENANT --to CELL"), "{step} {name}");
        }
    }
    let sim = after("ended").await;
    cordon(&sim, "cell-1");
    delete::check(&sim.world(), &fleet(), &cell("cell-1"), false).await.expect("it is empty");
}

/// Number of names that a list gives.
async fn listed(sim: &Sim, filter: Filter) -> usize {
    let mut names = 0;
    let query = Query { filter, ..Query::default() };
    at_desk!(sim, |desk| desk.list(&query, |_| {
        names += 1;
        true
    }))
    .expect("listed");
    names
}

#[tokio::test(start_paused = true)]
async fn a_moving_tenant_is_listed_where_it_is_served_and_counted_where_it_takes_room() {
    for (step, home, moving) in [("reserved", 0, 1), ("flipped", 1, 1), ("ended", 1, 0)] {
        let sim = after(step).await;
        for (index, name) in ["cell-1", "cell-2"].into_iter().enumerate() {
            let filter = Filter { cell: Some(cell(name)), ..Filter::default() };
            assert_eq!(listed(&sim, filter).await, usize::from(index == home), "{step} {name}");
        }
        let filter = Filter { state: Some(EntryState::Moving), ..Filter::default() };
        assert_eq!(listed(&sim, filter).await as u64, moving, "{step}");
        let counted = stats(&sim.world(), &fleet(), 5).await.expect("counted");
        assert_eq!((counted.tenants, counted.weight, counted.moving), (1, 3, moving), "{step}");
        let room: u64 = counted.cells.iter().map(|cell| cell.tenants).sum();
        assert_eq!(room, 1 + moving, "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_says_which_move_it_is_in() {
    for (step, fence) in [("guarded", "GUARDED at epoch 1"), ("sealed", "SEALED at epoch 1")] {
        let sim = after(step).await;
        let view = at_desk!(sim, |desk| desk.show(&acme())).expect("shown");
        let text = cellctl::output::tenants::show(&view, cellctl::output::Style::new(false));
        for line in ["state:      moving", "move:       acme:1, with cell-2", &format!("fence:      {fence}")] {
            assert!(text.contains(line), "{step}: {line}: {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_moving_tenant_is_restored_where_it_was_served_and_in_no_move() {
    for (step, home, epoch) in [("reserved", "cell-1", 1), ("flipped", "cell-2", 2)] {
        let (bytes, _) = exported(&after(step).await).await;
        let other = if home == "cell-1" { "cell-2" } else { "cell-1" };
        let line = format!(
            r#"{{"tenant":"acme","cell":"{home}","epoch":{epoch},"weight":3,"move":{{"id":"acme:1","other":"{other}"}},"#
        );
        assert!(tenants(&bytes)[0].starts_with(&line), "{step}: {:?}", tenants(&bytes));
        let sim = provisioned();
        for dry_run in [true, false] {
            let (done, left) = import_into(&sim, &roomy(), &bytes, dry_run).await.expect("ran");
            assert_eq!((done.added, done.moving, left.len()), (1, 1, 0), "{step} {dry_run}");
        }
        let entry = sim.with_map(|map| entry(map));
        assert_eq!((entry.cell, entry.epoch, entry.state), (cell(home), epoch, EntryState::Active), "{step}");
        assert_eq!((entry.moving, codes(&run(&sim, false).await)), (None, vec![]), "{step}");
        let (again, _) = import_into(&sim, &roomy(), &bytes, false).await.expect("ran");
        assert_eq!((again.added, again.moving, again.equal), (0, 0, 1), "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_entry_is_not_restored_under_a_move_that_holds_its_fence() {
    for step in ["guarded", "sealed", "flipped"] {
        let sim = after("reserved").await;
        let (bytes, _) = exported(&sim).await;
        let sim = after(step).await;
        sim.with_map(|map| drop(map.entries.remove(&acme())));
        let (done, left) = import_into(&sim, &roomy(), &bytes, false).await.expect("ran");
        assert_eq!((done.added, done.refused, left.len()), (0, 1, 1), "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_is_cordoned_lets_a_move_out_end() {
    let sim = after("flipped").await;
    cordon(&sim, "cell-1");
    sim.with_map(STEPS[4].1);
    let (state, room) = sim.with_map(|map| (map.loads[&cell("cell-1")].state, map.loads[&cell("cell-1")].tenants));
    assert_eq!((state, room), (CellState::Cordoned, 0));
}
