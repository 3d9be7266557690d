//! Placement among 10,000 cells and 1,000,000 tenants.
//!
//! Constraint kept: deterministic; the cells are made of definitions and loads, as in a command, and the tenants are
//! streamed entries of which only counters and a compact index stay.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use cellctl::domain::fleet::{Cell, Fleet};
use cellctl::domain::ids::{CellId, Digest, Region, TenantId};
use cellctl::domain::tenant::load::CellLoad;
use cellctl::domain::tenant::placement::{Candidate, Wish, allowed_regions, choose};
use cellctl::domain::tenant::{Attributes, ENTRY_FORMAT, Entry, EntryState};
use serde_json::json;

use crate::figure::{Figure, peak_so_far_mib, quantile_ms};
use crate::in_child;
use crate::support::samples::{self, place};

const CELLS: usize = 10_000;
const TENANTS: usize = 1_000_000;
const DECISIONS: usize = 10_000;
const REGIONS: [&str; 5] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-2"];
/// Bytes of a MiB beside those of a MB: the goal is in MB.
const MB_PER_MIB: f64 = 1.048_576;

/// What the child measured, beside the goals.
pub(crate) fn figures() -> Vec<Figure> {
    let numbers = in_child("placement");
    let [load_s, placed, median_ms, p99_ms, worst_ms, peak_mib] = numbers[..] else { panic!("{numbers:?}") };
    println!("  load {load_s:.2} s; {placed} of {DECISIONS} placed; the slowest decision took {worst_ms:.3} ms");
    vec![
        Figure::new("placement, 10,000 cells, 1,000,000 tenants: median", median_ms, 1.0, "ms"),
        Figure::new("placement, 10,000 cells, 1,000,000 tenants: p99", p99_ms, 1.0, "ms"),
        Figure::new("placement, 10,000 cells, 1,000,000 tenants: memory", peak_mib * MB_PER_MIB, 500.0, "MB"),
    ]
}

/// Loads the map and decides: seconds of the load, tenants placed, median, 99th percentile and worst time of a decision
/// in milliseconds, and the highest resident size in MiB.
pub(crate) fn measure() -> Vec<f64> {
    let began = Instant::now();
    let fleet = fleet();
    let (mut candidates, index) = load(&fleet);
    let load_s = began.elapsed().as_secs_f64();
    assert_eq!(index.len(), TENANTS);
    let mut times = Vec::with_capacity(DECISIONS);
    let mut placed = 0.0;
    for n in 0..DECISIONS {
        let (tenant, attributes) = (tenant(TENANTS + n), attributes(n));
        let (time, chosen) = decide(&fleet, &candidates, &tenant, &attributes);
        times.push(time);
        if let Some(index) = chosen {
            candidates[index].take(attributes.weight);
            placed += 1.0;
        }
    }
    times.sort();
    let quantiles = [50, 99, 100].map(|percent| quantile_ms(&times, percent));
    // The index is part of the memory up to here.
    drop(index);
    [&[load_s, placed][..], &quantiles, &[peak_so_far_mib("self")]].concat()
}

/// One decision, with the look at the residency that comes before it.
fn decide(
    fleet: &Fleet,
    candidates: &[Candidate],
    tenant: &TenantId,
    attributes: &Attributes,
) -> (Duration, Option<usize>) {
    let began = Instant::now();
    let regions = allowed_regions(fleet, attributes).expect("a known residency");
    let chosen = choose(candidates, &Wish { tenant, attributes, regions });
    (began.elapsed(), chosen)
}

/// Which cell serves which tenant, by the number of the cell, in the order of the tenants' names.
type Index = Vec<(Box<str>, u32)>;

/// Counts the entries into loads, and keeps the index.
fn load(fleet: &Fleet) -> (Vec<Candidate>, Index) {
    let mut loads: Vec<CellLoad> = fleet.cells.iter().map(empty).collect();
    let numbers: HashMap<CellId, u32> = fleet.cells.iter().map(|cell| cell.id.clone()).zip(0..).collect();
    let mut index = Index::with_capacity(TENANTS);
    for entry in (0..TENANTS).map(|n| entry(n, fleet)) {
        let number = numbers[&entry.cell];
        let load = &mut loads[number as usize];
        load.tenants += 1;
        load.weight += i64::try_from(entry.attributes.weight).expect("small");
        index.push((entry.tenant.as_str().into(), number));
    }
    (fleet.cells.iter().zip(&loads).map(|(cell, load)| Candidate::of(cell, Some(load))).collect(), index)
}

fn fleet() -> Fleet {
    let set = |names: &[&str]| names.iter().map(|name| region(name)).collect();
    Fleet {
        name: "large".parse().expect("a name"),
        labels: BTreeMap::new(),
        control: place(REGIONS[0]),
        tags: BTreeMap::new(),
        concurrency: None,
        max_failures: None,
        rollout: cellctl::domain::definition::RolloutSpec::default(),
        residency: BTreeMap::from([("eu".parse().expect("a name"), set(&REGIONS[..2]))]),
        cells: (0..CELLS).map(cell).collect(),
    }
}

/// Of a hundred cells two are dedicated, two canaries and one is cell zero; every third bounds weight, every seventh
/// takes one tier.
fn cell(n: usize) -> Cell {
    let kind = match n % 100 {
        3 | 53 => "dedicated",
        7 | 57 => "canary",
        99 => "zero",
        _ => "shared",
    };
    let mut spec = json!({ "type": kind, "capacity": { "tenants": 60 + n % 80 } });
    if n.is_multiple_of(3) {
        spec["capacity"]["weight"] = json!(900 + n % 500);
    }
    if n.is_multiple_of(7) {
        spec["tiers"] = json!(["enterprise"]);
    }
    Cell {
        id: format!("cell-{n}").parse().expect("a name"),
        labels: BTreeMap::new(),
        place: place(REGIONS[n % REGIONS.len()]),
        template: "serverless".parse().expect("a name"),
        spec: serde_json::from_value(spec).expect("a spec"),
        file: String::new(),
    }
}

fn empty(cell: &Cell) -> CellLoad {
    samples::empty(cell.id.clone(), cell.place.clone())
}

fn entry(n: usize, fleet: &Fleet) -> Entry {
    Entry {
        format: ENTRY_FORMAT,
        tenant: tenant(n),
        cell: fleet.cells[scattered(n) % CELLS].id.clone(),
        epoch: 1,
        state: EntryState::Active,
        attributes: attributes(n),
        pin: None,
        moving: None,
        added_at_ms: 0,
        changed_at_ms: 0,
        version: 1,
        head: Digest::of(&[]),
    }
}

fn tenant(n: usize) -> TenantId {
    format!("customer-{n:012}").parse().expect("a name")
}

/// Tenants of many kinds: some ask for the EU, some for two Regions, few are dedicated or willing.
fn attributes(n: usize) -> Attributes {
    let kind = scattered(n + 7) % 20;
    Attributes {
        tier: (kind < 3).then(|| "enterprise".parse().expect("a tier")),
        residency: (kind.is_multiple_of(4)).then(|| "eu".parse().expect("a residency")),
        regions: if kind == 5 { REGIONS[2..4].iter().map(|name| region(name)).collect() } else { [].into() },
        dedicated: kind == 19,
        canary: kind == 18,
        weight: 1 + scattered(n) as u64 % 16,
        labels: BTreeMap::new(),
    }
}

/// A number without a pattern: multiplication by the golden ratio (Knuth, "The Art of Computer Programming" 3, 6.4).
fn scattered(n: usize) -> usize {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn region(name: &str) -> Region {
    name.parse().expect("a Region")
}
