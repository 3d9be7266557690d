//! The adapters of the tenant map against the tables in memory: the same random writes have the same outcomes and leave
//! the same contents.
//!
//! Owns: the pair of both sides, and the run that compares them.

mod compare;
mod draw;
mod fences;
mod records;
mod write;

use cellctl::aws::control::ControlTable;
use cellctl::aws::tenants::TenantTables;
use cellctl::domain::ids::CellId;
use cellctl::domain::lock::Lease;
use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::fence::Hold;
use cellctl::domain::record::CellRecord;
use cellctl::domain::tenant::Entry;
use cellctl::domain::tenant::fence::{FenceTable, SHARDS_OUTPUT};
use cellctl::domain::tenant::load::Limits;
use cellctl::ports::tenants::Written;
use fastrand::Rng;

use crate::support::emulator::record;
use crate::support::map::MapState;

/// Cells, with the tenants and the weight that each may hold.
const CELLS: [(&str, u64, Option<u64>); 3] = [("cell-1", 3, Some(12)), ("cell-2", 5, None), ("cell-3", 2, Some(40))];
/// Few, so that they meet often.
const TENANTS: u32 = 12;
/// Writes of a run.
const STEPS: usize = 150;

/// Both sides of the comparison.
struct Pair {
    tables: TenantTables,
    control: ControlTable,
    lease: Lease,
    memory: MapState,
    records: Vec<CellRecord>,
    fences: Vec<Option<FenceTable>>,
    /// Entries as they once were.
    past: Vec<Entry>,
    /// Writes that changed the fences of a move, and such as its fences refused.
    shifted: usize,
    barred: usize,
    rng: Rng,
    now_ms: i64,
}

/// The record of a cell; the fences of the second one have three shards.
fn sharded(cell: &str, fences: Option<&FenceTable>) -> CellRecord {
    let mut record = record(cell, fences);
    if let (Some(applied), true) = (&mut record.applied, cell == CELLS[1].0) {
        applied.outputs.insert(SHARDS_OUTPUT.to_owned(), "3".to_owned());
    }
    record
}

fn hold(id: &MoveId) -> Hold {
    Hold { id: id.clone(), token: 7 }
}

fn limits(cell: &CellId) -> Limits {
    let known = CELLS.iter().find(|(name, ..)| *name == cell.as_str());
    known.map_or(Limits { tenants: 9, weight: None }, |(_, tenants, weight)| Limits {
        tenants: *tenants,
        weight: *weight,
    })
}

async fn compare_run(test: &str, seed: u64) {
    let mut pair = Pair::new(test, seed).await;
    let (mut done, mut changed, mut full, mut ahead) = (0, 0, 0, 0);
    for _ in 0..STEPS {
        match pair.rng.u8(..12) {
            0 => pair.change_state().await,
            1 => pair.correct().await,
            2 => pair.put_fence().await,
            _ => match pair.write().await {
                Written::Done => done += 1,
                Written::EntryChanged(_) => changed += 1,
                Written::CellRefused(_) | Written::CellChanging(_) => full += 1,
                Written::FenceAhead(_) => ahead += 1,
            },
        }
    }
    pair.compare().await;
    let met = [done, changed, full, ahead, pair.shifted, pair.barred];
    assert!(met.iter().all(|times| *times > 0), "each outcome is met: {met:?}");
}

#[tokio::test]
async fn the_tables_do_what_the_tables_in_memory_do() {
    compare_run("pair", 3).await;
    compare_run("pair", 4).await;
}
