//! Waves by example and by property.

mod properties;
mod written;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Arranged, Made, arrange, make};
use crate::domain::definition::RolloutSpec;
use crate::domain::fleet::{Cell, Place};
use crate::domain::ids::CellId;

/// A cell: name, type, Region, tenants.
type Few<'a> = (&'a str, &'a str, &'a str, u64);

fn cell(name: &str, kind: &str, region: &str) -> Cell {
    Cell {
        id: name.parse().expect("a name"),
        labels: BTreeMap::new(),
        place: Place { region: region.parse().expect("a Region"), account: None, role_arn: None },
        template: "own".parse().expect("a name"),
        spec: serde_json::from_value(json!({ "type": kind, "capacity": { "tenants": 10 } })).expect("a spec"),
        file: format!("cells/{name}.yaml"),
    }
}

fn spec(value: Value) -> RolloutSpec {
    serde_json::from_value(value).expect("a spec")
}

fn arranged(few: &[Few<'_>], value: Value) -> Arranged {
    let cells: Vec<(Cell, u64)> = few.iter().map(|(name, kind, region, n)| (cell(name, kind, region), *n)).collect();
    let cells: Vec<(&Cell, u64)> = cells.iter().map(|(cell, tenants)| (cell, *tenants)).collect();
    let found = arrange(&cells, &spec(value.clone()));
    let expected = if found.problems.is_empty() { Ok(found.made.clone()) } else { Err(found.problems.clone()) };
    assert_eq!(make(&cells, &spec(value)), expected);
    found
}

/// The waves as `name: cell cell`, an approval as `!`.
fn lines(made: &[Made]) -> Vec<String> {
    let line = |made: &Made| {
        let cells: Vec<&str> = made.cells.iter().map(CellId::as_str).collect();
        let mark = if made.wave.approval { "!" } else { "" };
        format!("{}{mark}: {}", made.wave.name, cells.join(" "))
    };
    made.iter().map(line).collect()
}

const EU: &str = "eu-central-1";
const US: &str = "us-east-1";
const ASIA: &str = "ap-south-1";

#[test]
fn default_waves_go_from_canaries_to_cell_zero() {
    let few = [
        ("c1", "shared", EU, 9),
        ("c2", "shared", EU, 3),
        ("c3", "shared", EU, 3),
        ("c4", "shared", EU, 1),
        ("bank", "dedicated", EU, 1),
        ("old", "zero", EU, 0),
        ("try", "canary", EU, 2),
    ];
    let found = arranged(&few, json!({}));
    assert_eq!(
        lines(&found.made),
        [
            "canary: try",
            "one: c4",
            "five-percent: c2",
            "twenty-percent: c3",
            "rest: c1",
            "dedicated: bank",
            "zero!: old"
        ]
    );
    assert_eq!((found.made[1].wave.cells, found.made[1].wave.tenants, found.made[1].wave.bake_ms), (1, 1, 600_000));
    assert_eq!(found.problems.len() + found.notes.len(), 0);
}

#[test]
fn shares_are_of_all_cells_that_match_rounded_up() {
    let names: Vec<String> = (0..41).map(|n| format!("c{n}")).collect();
    let few: Vec<Few<'_>> = names.iter().map(|name| (name.as_str(), "shared", EU, 0)).collect();
    let sizes: Vec<usize> = arranged(&few, json!({})).made.iter().map(|made| made.wave.cells).collect();
    assert_eq!(sizes, [1, 3, 9, 28]);
}

#[test]
fn the_first_two_waves_keep_to_one_region_and_other_canaries_come_third() {
    let few = [
        ("try-a", "canary", ASIA, 0),
        ("try-e", "canary", EU, 1),
        ("try-u", "canary", US, 2),
        ("e1", "shared", EU, 9),
        ("e2", "shared", EU, 9),
        ("u1", "shared", US, 0),
    ];
    let expected = ["canary: try-e", "one: e1", "canary-rest: try-a try-u", "five-percent: u1", "twenty-percent: e2"];
    assert_eq!(lines(&arranged(&few, json!({})).made), expected, "no shared cell is in the Region of try-a");
    let any = arranged(&few, json!({ "firstRegions": "any" }));
    assert_eq!(lines(&any.made)[..2], ["canary: try-a try-e try-u", "one: u1"]);
}

#[test]
fn default_waves_fit_where_a_region_has_too_few_cells() {
    let few =
        [("a", "dedicated", ASIA, 0), ("e", "dedicated", EU, 0), ("u", "dedicated", US, 0), ("u2", "dedicated", US, 0)];
    assert_eq!(lines(&arranged(&few, json!({})).made), ["dedicated: a", "dedicated-2: e", "dedicated-3: u u2"]);
    let few = [("try", "canary", EU, 0), ("u1", "shared", US, 0), ("a1", "shared", ASIA, 0), ("u2", "shared", US, 0)];
    let found = arranged(&few, json!({}));
    assert_eq!(lines(&found.made), ["canary: try", "one: u1", "five-percent: a1", "twenty-percent: u2"]);
}

#[test]
fn a_fleet_without_cells_has_no_waves() {
    assert_eq!(arranged(&[], json!({ "waves": [{ "name": "a", "select": "type=canary" }] })), Arranged::default());
}
