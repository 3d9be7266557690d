//! Export of 1,000,000 entries, and reading the snapshot back.
//!
//! Constraint kept: the source holds nothing that grows with the map, so that the memory of the process is that of the
//! export.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use cellctl::domain::audit::Sealed;
use cellctl::domain::ids::{BUCKETS, CellId, Digest, TenantId};
use cellctl::domain::tenant::change::Change;
use cellctl::domain::tenant::load::CellLoad;
use cellctl::domain::tenant::{Attributes, ENTRY_FORMAT, Entry, EntryState};
use cellctl::fs::files::{self, Staged};
use cellctl::ops::map::export::export;
use cellctl::ops::map::file::Snapshot;
use cellctl::ports::Called;
use cellctl::ports::tenants::{EntryPage, SeenLoads, TenantMap, Written};

use crate::figure::{Figure, as_f64, peak_so_far_mib};
use crate::in_child;
use crate::support::samples;

/// Name of the part with a tenth of the entries.
pub(crate) const TENTH: &str = "export-tenth";
/// Name of the part with all entries.
pub(crate) const WHOLE: &str = "export-whole";

/// What ten times as many entries may take beside: 900,000 entries would be some 400 MiB.
const GROWTH_MIB_MAX: f64 = 8.0;
const ENTRIES: usize = 1_000_000;
const CELLS: usize = 2_000;

/// What the children measured, beside the goals.
pub(crate) fn figures() -> Vec<Figure> {
    let (tenth, whole) = (in_child(TENTH), in_child(WHOLE));
    let [_, _, _, small_mib] = tenth[..] else { panic!("{tenth:?}") };
    let [export_s, read_s, mib, peak_mib] = whole[..] else { panic!("{whole:?}") };
    println!("  the snapshot has {mib:.1} MiB; read and checked in {read_s:.2} s");
    println!("  peak memory {small_mib:.1} MiB with a tenth of the entries, {peak_mib:.1} MiB with all");
    vec![
        Figure::new("export of 1,000,000 entries to a file", export_s, 5.0, "s"),
        Figure::new("the same, memory beyond that of 100,000 entries", peak_mib - small_mib, GROWTH_MIB_MAX, "MiB"),
    ]
}

/// Exports 100,000 entries.
pub(crate) fn measure_tenth() -> Vec<f64> {
    measure(ENTRIES / 10)
}

/// Exports 1,000,000 entries.
pub(crate) fn measure_whole() -> Vec<f64> {
    measure(ENTRIES)
}

/// Seconds of the export, seconds of reading it back, size in MiB, and the highest resident size after the export in MiB.
fn measure(entries: usize) -> Vec<f64> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("map.jsonl");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let began = Instant::now();
    let map: Arc<dyn TenantMap> = Arc::new(Synthetic { entries });
    let mut staged = Staged::new(&path).expect("a file");
    let fleet = "large".parse().expect("a name");
    let exported = runtime.block_on(export(&map, &fleet, 0, &mut staged)).expect("exported");
    staged.keep().expect("kept");
    let export_s = began.elapsed().as_secs_f64();
    assert_eq!(exported.entries, entries as u64);
    let peak_mib = peak_so_far_mib("self");
    let began = Instant::now();
    let mut snapshot = Snapshot::open("map.jsonl", files::open(&path).expect("a file")).expect("a snapshot");
    let mut read = 0;
    while snapshot.next().expect("valid").is_some() {
        read += 1;
    }
    assert_eq!(read, entries);
    let mib = as_f64(usize::try_from(exported.bytes).expect("small")) / 1024.0 / 1024.0;
    vec![export_s, began.elapsed().as_secs_f64(), mib, peak_mib]
}

/// A map that makes its entries when they are asked for. Entry n is in bucket n modulo 16, so that each is in order.
struct Synthetic {
    entries: usize,
}

fn name(number: usize) -> TenantId {
    format!("customer-{number:08}").parse().expect("a name")
}

fn number(tenant: &TenantId) -> usize {
    tenant.as_str().trim_start_matches("customer-").parse().expect("a number")
}

fn cell(number: usize) -> CellId {
    format!("cell-{}", number % CELLS + 1).parse().expect("a name")
}

/// Some have a tier, a residency or a label, as in a real map.
fn entry(number: usize) -> Entry {
    let labels = if number.is_multiple_of(5) {
        BTreeMap::from([("segment".to_owned(), format!("s{}", number % 9))])
    } else {
        BTreeMap::new()
    };
    let attributes = Attributes {
        tier: (!number.is_multiple_of(3)).then(|| "standard".parse().expect("a tier")),
        residency: number.is_multiple_of(4).then(|| "eu".parse().expect("a residency")),
        regions: BTreeSet::new(),
        weight: (number % 20) as u64 + 1,
        labels,
        ..Attributes::default()
    };
    Entry {
        format: ENTRY_FORMAT,
        tenant: name(number),
        cell: cell(number.wrapping_mul(7_919)),
        epoch: 1 + (number % 3) as u64,
        state: EntryState::Active,
        attributes,
        pin: None,
        moving: None,
        added_at_ms: 1_760_000_000_000,
        changed_at_ms: 1_760_000_000_000,
        version: 1,
        head: Digest::of(b""),
    }
}

#[async_trait]
impl TenantMap for Synthetic {
    async fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, _: Option<&CellId>) -> Called<EntryPage> {
        let step = usize::from(BUCKETS);
        let first = after.map_or(usize::from(bucket), |tenant| number(tenant) + step);
        let numbers = (first..self.entries).step_by(step);
        let entries: Vec<Entry> = numbers.take(limit as usize).map(entry).collect();
        let next = entries.last().map(|e| e.tenant.clone()).filter(|last| number(last) + step < self.entries);
        Ok(EntryPage { entries, next, ..EntryPage::default() })
    }

    async fn seen_loads(&self) -> Called<SeenLoads> {
        let place = samples::place("eu-central-1");
        let typed = |empty| CellLoad { cell_type: Some("shared".to_owned()), ..empty };
        let load = |number| typed(samples::empty(cell(number), place.clone()));
        Ok(SeenLoads { loads: (0..CELLS).map(load).collect(), ..SeenLoads::default() })
    }

    async fn entry(&self, _: &TenantId) -> Called<Option<Entry>> {
        panic!("an export reads pages");
    }

    async fn entries(&self, _: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
        panic!("an export reads pages");
    }

    async fn load(&self, _: &CellId) -> Called<Option<CellLoad>> {
        panic!("an export reads all loads at once");
    }

    async fn write(&self, _: &[Change]) -> Called<Written> {
        panic!("an export writes nothing");
    }

    async fn correct(&self, _: &CellLoad, _: i64, _: i64, _: &Sealed) -> Called<bool> {
        panic!("an export writes nothing");
    }
}
