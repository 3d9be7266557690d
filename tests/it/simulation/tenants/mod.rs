//! The real tenant operations over an in-memory world: a fault at every call, then the command again; and random
//! sequences of operations, several at once, with random faults.
//!
//! Owns: the fleet of these tests and what an operator does to it; `oracle` says what must hold at any moment, wherever a
//! fault strikes.

mod cells;
mod damage;
mod oracle;
mod random;
mod refusals;
mod struck;

use std::collections::BTreeMap;

use cellctl::domain::definition::CellSpec;
use cellctl::domain::fleet::{Cell, Fleet};
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::tenant::Attributes;
use cellctl::domain::tenant::load::CellLoad;
use cellctl::ops::tenants::add::AddRequest;
use cellctl::ops::tenants::{Desk, Did};
use cellctl::ops::{OpError, World};
use serde_json::json;

use super::world::Sim;

use crate::support::samples::{self, actor, place};

pub(super) use oracle::{check_always, check_settled};

const HOME: &str = "eu-central-1";
/// Name, Region, type, tenants, weight. The last two are where one transaction does not reach.
const CELLS: [(&str, &str, &str, u64, u64); 5] = [
    ("canary-1", HOME, "canary", 2, 20),
    ("cell-1", HOME, "shared", 3, 30),
    ("cell-2", HOME, "shared", 3, 30),
    ("far-1", "us-east-1", "shared", 3, 30),
    ("own-1", "us-east-1", "dedicated", 5, 50),
];

pub(super) fn fleet() -> Fleet {
    let cell = |(name, region, kind, tenants, weight): (&str, &str, &str, u64, u64)| {
        let spec = json!({ "type": kind, "capacity": { "tenants": tenants, "weight": weight } });
        let spec: CellSpec = serde_json::from_value(spec).expect("a cell");
        Cell {
            id: name.parse().expect("valid"),
            labels: BTreeMap::new(),
            place: place(region),
            template: "plain".parse().expect("valid"),
            spec,
            file: format!("cells/{name}.yaml"),
        }
    };
    Fleet {
        name: "shop".parse().expect("valid"),
        labels: BTreeMap::new(),
        control: place(HOME),
        tags: BTreeMap::new(),
        concurrency: None,
        max_failures: None,
        rollout: cellctl::domain::definition::RolloutSpec::default(),
        residency: BTreeMap::from([(
            "us".parse().expect("valid"),
            std::iter::once("us-east-1".parse().expect("valid")).collect(),
        )]),
        cells: CELLS.into_iter().map(cell).collect(),
    }
}

/// A world in which every cell of the fleet is provisioned and empty.
pub(super) fn provisioned() -> Sim {
    let sim = Sim::new();
    for (name, region, ..) in CELLS {
        let cell: CellId = name.parse().expect("valid");
        let fence_table = Some(format!("shop-{name}-fences"));
        let load = CellLoad { fence_table, ..samples::empty(cell.clone(), place(region)) };
        sim.with_map(|map| map.loads.insert(cell, load));
    }
    sim
}

fn tenant(name: &str) -> TenantId {
    name.parse().expect("valid")
}

fn request(name: &str, to: Option<&str>) -> AddRequest {
    let attributes = Attributes { weight: 7, ..Attributes::default() };
    AddRequest { tenant: tenant(name), attributes, to: to.map(|cell| cell.parse().expect("valid")) }
}

/// Something that an operator does.
#[derive(Debug, Clone)]
enum Deed {
    Add(AddRequest),
    Remove(TenantId),
    SetWeight(TenantId, u64),
    SetResidency(TenantId),
    Pin(TenantId),
    Unpin(TenantId),
}

async fn carry_out(world: &World, fleet: &Fleet, deed: &Deed) -> Result<Did, OpError> {
    let actor = actor();
    let desk = Desk { world, fleet, actor: &actor };
    Ok(match deed {
        Deed::Add(request) => desk.add(request).await?.did,
        Deed::Remove(tenant) => desk.remove(tenant).await?.did,
        Deed::SetWeight(tenant, weight) => {
            desk.set(tenant, |before| Attributes { weight: *weight, ..before.clone() }).await?.did
        }
        Deed::SetResidency(tenant) => {
            let us = || Some("us".parse().expect("valid"));
            desk.set(tenant, |before| Attributes { residency: us(), ..before.clone() }).await?.did
        }
        Deed::Pin(tenant) => desk.pin(tenant, Some("a reason".to_owned())).await?.did,
        Deed::Unpin(tenant) => desk.unpin(tenant).await?.did,
    })
}
