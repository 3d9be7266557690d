//! What becomes of a cell's load as its record changes.

use cellctl::domain::fleet::Fleet;
use cellctl::domain::ids::CellId;
use cellctl::domain::record::{CellRecord, CellState};
use cellctl::domain::tenant::fence::FenceTable;
use cellctl::ops::ErrorKind;
use cellctl::ops::lease::{Claim, HeldLease};
use cellctl::ops::map::verify::verify;

use super::super::world::Sim;
use super::oracle::{check_always, check_settled};
use super::{Deed, HOME, carry_out, fleet, request, tenant};
use crate::support::emulator;
use crate::support::samples::{actor, place};

/// A record of a cell, as an apply leaves it.
fn record(cell: &str, applied: bool, state: CellState) -> CellRecord {
    let fences = FenceTable { place: place(HOME), name: format!("shop-{cell}-fences") };
    let complete = emulator::record(cell, Some(&fences));
    CellRecord { state, applied: complete.applied.filter(|_| applied), ..complete }
}

/// Writes a record as an operation under the lock does.
async fn put_record(sim: &Sim, record: CellRecord) -> CellRecord {
    let world = sim.world();
    let claim = Claim { actor: actor(), purpose: "a test".to_owned() };
    let lease = HeldLease::take(world.control.clone(), world.clock.clone(), &claim).await.expect("free");
    let written = cellctl::ops::cells::record::put(&world, record, &lease, "tested").await.expect("written");
    lease.release().await.expect("released");
    written
}

#[tokio::test(start_paused = true)]
async fn a_cell_whose_create_failed_takes_nobody() {
    let fleet = fleet();
    let sim = Sim::new();
    let failed = put_record(&sim, record("cell-1", false, CellState::Active)).await;
    let add = Deed::Add(request("acme", Some("cell-1")));
    let error = carry_out(&sim.world(), &fleet, &add).await.expect_err("there is no stack");
    assert!(error.message.contains("not been provisioned"), "{error}");
    let complete = CellRecord { version: failed.version, ..record("cell-1", true, CellState::Active) };
    put_record(&sim, complete).await;
    carry_out(&sim.world(), &fleet, &add).await.expect("now there is one");
    sim.with_map(|map| check_settled(map, "after the create"));
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_no_longer_names_its_fences_still_has_them() {
    let fleet = fleet();
    let sim = Sim::new();
    let complete = put_record(&sim, record("cell-1", true, CellState::Active)).await;
    carry_out(&sim.world(), &fleet, &Deed::Add(request("acme", Some("cell-1")))).await.expect("added");
    let mut silent = complete;
    silent.applied.as_mut().expect("applied").outputs.clear();
    put_record(&sim, silent).await;
    carry_out(&sim.world(), &fleet, &Deed::Remove(tenant("acme"))).await.expect("removed");
    sim.with_map(|map| check_settled(map, "after the removal"));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_was_lost_is_made_anew_with_the_record() {
    let fleet = fleet();
    let sim = Sim::new();
    let complete = put_record(&sim, record("cell-1", true, CellState::Active)).await;
    carry_out(&sim.world(), &fleet, &Deed::Add(request("acme", Some("cell-1")))).await.expect("added");
    sim.with_map(|map| map.loads.clear());
    let cordoned = CellRecord { state: CellState::Cordoned, ..complete };
    put_record(&sim, cordoned).await;
    let cell = "cell-1".parse::<CellId>().expect("valid");
    assert_eq!(sim.with_map(|map| (map.loads[&cell].tenants, map.loads[&cell].state)), (0, CellState::Cordoned));
    let report = verify(&sim.world(), &sim, &fleet, Some(&actor())).await.expect("verified");
    assert_eq!(report.exit_code(), 0, "{report:?}");
    sim.with_map(|map| check_always(map, &fleet_of(&cell), "after the repair"));
}

/// The fleet of these tests with one cell alone.
fn fleet_of(cell: &CellId) -> Fleet {
    let mut fleet = fleet();
    fleet.cells.retain(|known| known.id == *cell);
    fleet
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_is_being_deleted_is_not_brought_back_by_a_word() {
    let fleet = fleet();
    let sim = Sim::new();
    put_record(&sim, record("cell-1", true, CellState::Deleted)).await;
    let cell = "cell-1".parse().expect("valid");
    let claim = Claim { actor: actor(), purpose: "a test".to_owned() };
    for state in [CellState::Active, CellState::Cordoned] {
        let set = cellctl::ops::cells::state::set(&sim.world(), &fleet, &cell, state, &claim).await;
        assert_eq!(set.expect_err("refused").kind, ErrorKind::Refused);
    }
}
