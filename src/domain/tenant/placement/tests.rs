//! Each rule by example, and what holds of every choice by property.

mod examples;
mod properties;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Candidate, Wish};
use crate::domain::fleet::{Cell, Place};
use crate::domain::ids::{CellId, Region, TenantId};
use crate::domain::tenant::Attributes;
use crate::domain::tenant::load::CellLoad;

fn region(name: &str) -> Region {
    name.parse().expect("a Region")
}

fn tenant(name: &str) -> TenantId {
    name.parse().expect("a name")
}

fn place(name: &str) -> Place {
    Place { region: region(name), account: None, role_arn: None }
}

/// A cell in eu-central-1 with room for ten, and the given fields of its spec.
fn cell(id: &str, spec: Value) -> Cell {
    let mut all = json!({ "type": "shared", "capacity": { "tenants": 10 } });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), spec) {
        all.extend(more);
    }
    Cell {
        id: id.parse().expect("a name"),
        labels: BTreeMap::new(),
        place: place("eu-central-1"),
        template: "own".parse().expect("a name"),
        spec: serde_json::from_value(all).expect("a spec"),
        file: String::new(),
    }
}

/// The load of an active cell in eu-central-1.
fn load(id: &CellId, tenants: i64, weight: i64) -> CellLoad {
    CellLoad { tenants, weight, ..CellLoad::sample(id.clone()) }
}

/// An active cell with these tenants and their weight.
fn candidate(id: &str, spec: Value, tenants: i64, weight: i64) -> Candidate {
    let cell = cell(id, spec);
    Candidate::of(&cell, Some(&load(&cell.id, tenants, weight)))
}

fn wish<'a>(tenant: &'a TenantId, attributes: &'a Attributes) -> Wish<'a> {
    Wish { tenant, attributes, regions: None }
}
