//! Many writers at once, each a machine of its own, and room for exactly as many tenants as they add.
//!
//! Owns: what the test and the benchmark do alike. Constraint kept: a run that leaves a place free, overfills a cell, or
//! lets a counter differ from the entries does not end well.

#![allow(clippy::expect_used, reason = "a helper that fails is a test that fails")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cellctl::domain::audit::Actor;
use cellctl::domain::definition::CellSpec;
use cellctl::domain::fleet::{Cell, Fleet};
use cellctl::domain::ids::{BUCKETS, CellId, TenantId};
use cellctl::domain::tenant::Attributes;
use cellctl::fs::functions::Packager;
use cellctl::ops::event::Silent;
use cellctl::ops::tenants::Desk;
use cellctl::ops::tenants::add::AddRequest;
use cellctl::ops::{ErrorKind, World};
use cellctl::ports::Control;
use cellctl::ports::tenants::TenantMap;
use cellctl::wire;
use serde_json::json;

use super::emulator::{Tables, cell_record};

/// Writers at once.
pub(crate) const WRITERS: usize = 64;
const CELLS: usize = 8;

/// Cells with room for exactly so many tenants.
fn fleet(name: &str, tenants: usize) -> Fleet {
    let cell = |n: usize| {
        let spec = json!({ "type": "shared", "capacity": { "tenants": tenants / CELLS } });
        let spec: CellSpec = serde_json::from_value(spec).expect("a cell");
        let id: CellId = format!("cell-{n}").parse().expect("valid");
        let (labels, template) = (BTreeMap::new(), "plain".parse().expect("valid"));
        Cell { id, labels, place: Tables::place(), template, spec, file: format!("cells/cell-{n}.yaml") }
    };
    Fleet {
        name: name.parse().expect("valid"),
        labels: BTreeMap::new(),
        control: Tables::place(),
        tags: BTreeMap::new(),
        concurrency: None,
        max_failures: None,
        rollout: cellctl::domain::definition::RolloutSpec::default(),
        residency: BTreeMap::new(),
        cells: (0..CELLS).map(cell).collect(),
    }
}

fn request(n: usize) -> AddRequest {
    let tenant: TenantId = format!("tenant-{n:05}").parse().expect("valid");
    AddRequest { tenant, attributes: Attributes::default(), to: None }
}

/// Adds every 64th tenant from `first` on.
async fn add_some(world: World, fleet: Arc<Fleet>, first: usize, tenants: usize) {
    let user = format!("writer-{first}");
    let actor = Actor { identity: "arn".to_owned(), user, ci_url: None };
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    for n in (first..tenants).step_by(WRITERS) {
        desk.add(&request(n)).await.expect("there is room for it");
    }
}

async fn provisioned(tables: &Tables, fleet: &Fleet) {
    let (control, lease) = tables.control().await;
    for cell in &fleet.cells {
        let (record, audit) = cell_record(cell.id.as_str());
        control.put_record(record, &lease, &audit).await.expect("written");
    }
}

/// Fills a fleet to its last place; gives the time that took.
pub(crate) async fn fill(test: &str, tenants: usize) -> Duration {
    let tables = Tables::make(test).await;
    let fleet = Arc::new(fleet(&tables.fleet, tenants));
    provisioned(&tables, &fleet).await;
    let world = || wire::world(Some(tables.url.clone()), &fleet, Arc::new(Packager::new(".")), Arc::new(Silent));
    let began = Instant::now();
    let writers: Vec<_> =
        (0..WRITERS).map(|first| tokio::spawn(add_some(world(), Arc::clone(&fleet), first, tenants))).collect();
    for writer in writers {
        writer.await.expect("all placed");
    }
    let took = began.elapsed();
    full_and_true(&tables.tenants(), &fleet).await;
    let (last, actor) = (world(), Actor { identity: "arn".to_owned(), user: "late".to_owned(), ci_url: None });
    let late = Desk { world: &last, fleet: &fleet, actor: &actor }.add(&request(tenants)).await;
    let refused = late.expect_err("the fleet is full");
    assert_eq!(refused.kind, ErrorKind::Refused, "{refused}");
    took
}

/// Every cell is full, none is overfull, and the counters are those of the entries.
async fn full_and_true(map: &dyn TenantMap, fleet: &Fleet) {
    let mut entries: BTreeMap<CellId, i64> = BTreeMap::new();
    for bucket in 0..BUCKETS {
        let mut after = None;
        loop {
            let page = map.page(bucket, after.as_ref(), 100, None).await.expect("read");
            page.entries.into_iter().for_each(|entry| *entries.entry(entry.cell).or_default() += 1);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let loads = map.loads().await.expect("read");
    let counted: BTreeMap<CellId, i64> = loads.iter().map(|load| (load.cell.clone(), load.tenants)).collect();
    assert_eq!(counted, entries);
    for cell in &fleet.cells {
        assert_eq!(u64::try_from(counted[&cell.id]).expect("not below zero"), cell.spec.capacity.tenants);
        assert!(loads.iter().all(|load| load.weight == load.tenants && load.writes == load.tenants.unsigned_abs()));
    }
}
