//! Each refusal and each preference by example.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::{Candidate, Refusal, Wish, allowed_regions, choose, explain};
use super::{candidate, cell, load, place, region, tenant, wish};
use crate::domain::fleet::Fleet;
use crate::domain::ids::TenantId;
use crate::domain::record::CellState;
use crate::domain::tenant::Attributes;

/// Why a cell refuses the tenant `acme`, when it chooses by itself and when it is named.
fn refusals(cell: &Candidate, attributes: &Attributes) -> [Option<Refusal>; 2] {
    let acme = tenant("acme");
    [false, true].map(|by_hand| cell.refusal(&wish(&acme, attributes), by_hand))
}

/// The same refusal in both cases.
fn both(refusal: Refusal) -> [Option<Refusal>; 2] {
    [Some(refusal.clone()), Some(refusal)]
}

/// A candidate without tenants.
fn empty(spec: Value) -> Candidate {
    candidate("cell-1", spec, 0, 0)
}

#[test]
fn only_an_active_cell_takes_tenants() {
    let plain = Attributes::default();
    let defined = cell("cell-1", json!({}));
    assert_eq!(refusals(&Candidate::of(&defined, None), &plain), both(Refusal::NotProvisioned));
    for (state, refused) in [
        (CellState::Active, [None, None]),
        (CellState::Cordoned, both(Refusal::NotActive { state: CellState::Cordoned })),
        (CellState::Draining, both(Refusal::NotActive { state: CellState::Draining })),
        (CellState::Deleted, both(Refusal::NotProvisioned)),
    ] {
        let mut load = load(&defined.id, 0, 0);
        load.state = state;
        assert_eq!(refusals(&Candidate::of(&defined, Some(&load)), &plain), refused, "{state:?}");
    }
}

#[test]
fn types_take_their_own_tenants() {
    let plain = Attributes::default();
    let dedicated = Attributes { dedicated: true, ..Attributes::default() };
    let willing = Attributes { canary: true, ..Attributes::default() };
    for (kind, attributes, refused) in [
        ("shared", &plain, [None, None]),
        ("shared", &willing, [None, None]),
        ("shared", &dedicated, both(Refusal::NeedsDedicated)),
        ("dedicated", &plain, both(Refusal::DedicatedOnly)),
        ("dedicated", &dedicated, [None, None]),
        ("canary", &plain, both(Refusal::CanaryOnly)),
        ("canary", &willing, [None, None]),
        ("canary", &Attributes { canary: true, ..dedicated.clone() }, both(Refusal::NeedsDedicated)),
        ("zero", &plain, [Some(Refusal::CellZero), None]),
        ("zero", &dedicated, [Some(Refusal::CellZero), None]),
    ] {
        assert_eq!(refusals(&empty(json!({ "type": kind })), attributes), refused, "{kind} {attributes:?}");
    }
}

#[test]
fn a_dedicated_cell_takes_one_tenant_or_those_named() {
    let dedicated = Attributes { dedicated: true, ..Attributes::default() };
    let alone = candidate("cell-1", json!({ "type": "dedicated" }), 1, 1);
    assert_eq!(refusals(&alone, &dedicated), both(Refusal::FullByCount { tenants: 1, limit: 1 }));
    let named = |names: Value| json!({ "type": "dedicated", "reservedFor": names });
    let ours = candidate("cell-1", named(json!(["globex", "acme"])), 1, 1);
    assert_eq!(refusals(&ours, &dedicated), [None, None]);
    let theirs = empty(named(json!(["globex"])));
    assert_eq!(refusals(&theirs, &dedicated), both(Refusal::ReservedForOthers));
    let closed = empty(json!({ "type": "dedicated", "capacity": { "tenants": 0 } }));
    assert_eq!(refusals(&closed, &dedicated), both(Refusal::FullByCount { tenants: 0, limit: 0 }));
}

#[test]
fn a_cell_with_tiers_takes_no_others() {
    let tiers = empty(json!({ "tiers": ["pro", "enterprise"] }));
    let tier = |name: &str| name.parse().expect("a tier");
    let with = |name: Option<&str>| Attributes { tier: name.map(tier), ..Attributes::default() };
    let takes = || both(Refusal::Tier { takes: vec![tier("enterprise"), tier("pro")] });
    for (name, refused) in [(Some("pro"), [None, None]), (Some("free"), takes()), (None, takes())] {
        assert_eq!(refusals(&tiers, &with(name)), refused, "{name:?}");
    }
    assert_eq!(refusals(&empty(json!({})), &with(Some("free"))), [None, None]);
}

#[test]
fn room_is_bounded_by_count_and_by_weight() {
    let heavy = Attributes { weight: 5, ..Attributes::default() };
    let spec = json!({ "capacity": { "tenants": 3, "weight": 20 } });
    let cell = |tenants, weight| candidate("cell-1", spec.clone(), tenants, weight);
    assert_eq!(refusals(&cell(2, 15), &heavy), [None, None]);
    assert_eq!(refusals(&cell(2, 16), &heavy), both(Refusal::FullByWeight { weight: 16, asked: 5, limit: 20 }));
    assert_eq!(refusals(&cell(3, 3), &heavy), both(Refusal::FullByCount { tenants: 3, limit: 3 }));
    assert_eq!(refusals(&cell(7, 90), &heavy), both(Refusal::FullByCount { tenants: 7, limit: 3 }));
    assert_eq!(refusals(&cell(-2, -9), &heavy), [None, None], "counters that drifted below zero count as none");
    let huge = Attributes { weight: u64::MAX, ..Attributes::default() };
    assert!(matches!(refusals(&cell(1, i64::MAX), &huge)[0], Some(Refusal::FullByWeight { .. })));
}

fn fleet() -> Fleet {
    let eu = ["eu-central-1", "eu-west-1"].map(region);
    Fleet {
        name: "shop".parse().expect("a name"),
        labels: BTreeMap::new(),
        control: place("eu-central-1"),
        tags: BTreeMap::new(),
        concurrency: None,
        max_failures: None,
        rollout: crate::domain::definition::RolloutSpec::default(),
        residency: BTreeMap::from([("eu".parse().expect("a name"), eu.into())]),
        cells: Vec::new(),
    }
}

fn asking(residency: Option<&str>, regions: &[&str]) -> Attributes {
    Attributes {
        residency: residency.map(|name| name.parse().expect("a name")),
        regions: regions.iter().map(|name| region(name)).collect(),
        ..Attributes::default()
    }
}

#[test]
fn residency_and_regions_must_both_allow_a_region() {
    let set = |names: &[&str]| Some(names.iter().map(|name| region(name)).collect::<BTreeSet<_>>());
    for (residency, regions, allowed) in [
        (None, &[][..], None),
        (None, &["us-east-1"], set(&["us-east-1"])),
        (Some("eu"), &[], set(&["eu-central-1", "eu-west-1"])),
        (Some("eu"), &["eu-west-1", "us-east-1"], set(&["eu-west-1"])),
        (Some("eu"), &["us-east-1"], set(&[])),
    ] {
        assert_eq!(allowed_regions(&fleet(), &asking(residency, regions)), Ok(allowed), "{residency:?} {regions:?}");
    }
    let unknown = allowed_regions(&fleet(), &asking(Some("mars"), &["eu-west-1"])).expect_err("unknown");
    assert_eq!(unknown.to_string(), "the fleet has no residency mars");
}

#[test]
fn a_region_has_no_override() {
    let (acme, attributes) = (tenant("acme"), asking(Some("eu"), &["us-east-1"]));
    let regions = allowed_regions(&fleet(), &attributes).expect("known");
    let nowhere = Wish { tenant: &acme, attributes: &attributes, regions };
    let refused = Some(Refusal::Region { region: region("eu-central-1"), allowed: Vec::new() });
    for kind in ["shared", "zero", "canary", "dedicated"] {
        let cell = empty(json!({ "type": kind }));
        let told = [cell.refusal(&nowhere, false), cell.refusal(&nowhere, true), cell.misfit(&nowhere)];
        assert!(told.iter().all(|one| *one == refused), "{kind}: {told:?}");
    }
}

#[test]
fn the_region_of_the_stack_counts_and_not_that_of_a_later_definition() {
    let (acme, attributes) = (tenant("acme"), asking(None, &["eu-central-1"]));
    let regions = allowed_regions(&fleet(), &attributes).expect("known");
    let wish = Wish { tenant: &acme, attributes: &attributes, regions };
    let mut moved = cell("cell-1", json!({}));
    moved.place = place("us-east-1");
    assert_eq!(Candidate::of(&moved, Some(&load(&moved.id, 0, 0))).refusal(&wish, false), None);
    assert_eq!(Candidate::of(&moved, None).region, region("us-east-1"));
}

#[test]
fn a_misfit_asks_neither_for_room_nor_for_a_state() {
    let (acme, plain) = (tenant("acme"), Attributes::default());
    let full = candidate("cell-1", json!({ "type": "zero", "capacity": { "tenants": 1 } }), 9, 9);
    assert_eq!(full.misfit(&wish(&acme, &plain)), None);
    assert_eq!(Candidate::of(&cell("a", json!({})), None).misfit(&wish(&acme, &plain)), None);
    assert_eq!(empty(json!({ "type": "dedicated" })).misfit(&wish(&acme, &plain)), Some(Refusal::DedicatedOnly));
}

/// Which of the candidates a tenant goes to, by name.
fn chosen<'a>(cells: &'a [Candidate], tenant: &TenantId, attributes: &Attributes) -> Option<&'a str> {
    choose(cells, &wish(tenant, attributes)).map(|index| cells[index].cell.as_str())
}

#[test]
fn the_emptiest_by_weight_is_best_and_by_count_where_no_weight_is_bounded() {
    let by_weight = json!({ "capacity": { "tenants": 10, "weight": 100 } });
    let cells = [
        candidate("many-light", by_weight.clone(), 9, 30),
        candidate("few-heavy", by_weight, 1, 60),
        candidate("by-count", json!({}), 5, 5),
    ];
    let acme = tenant("acme");
    assert_eq!(chosen(&cells, &acme, &Attributes::default()), Some("many-light"));
    assert_eq!(chosen(&cells[1..], &acme, &Attributes::default()), Some("by-count"));
    let heavy = Attributes { weight: 35, ..Attributes::default() };
    assert_eq!(chosen(&cells, &acme, &heavy), Some("by-count"), "what counts is how full it would be");
}

#[test]
fn a_willing_tenant_goes_to_a_canary_cell_with_room() {
    let willing = Attributes { canary: true, ..Attributes::default() };
    let canary = candidate("canary-1", json!({ "type": "canary" }), 9, 9);
    let mut cells = vec![canary, candidate("cell-1", json!({}), 0, 0)];
    let acme = tenant("acme");
    assert_eq!(chosen(&cells, &acme, &willing), Some("canary-1"));
    assert_eq!(chosen(&cells, &acme, &Attributes::default()), Some("cell-1"));
    cells[0].take(1);
    assert_eq!(chosen(&cells, &acme, &willing), Some("cell-1"));
}

#[test]
fn a_dedicated_tenant_goes_to_the_cell_that_is_reserved_for_it() {
    let dedicated = Attributes { dedicated: true, ..Attributes::default() };
    let reserved = json!({ "type": "dedicated", "capacity": { "tenants": 2 }, "reservedFor": ["globex", "acme"] });
    let cells = [candidate("anybody", json!({ "type": "dedicated" }), 0, 0), candidate("ours", reserved, 1, 1)];
    assert_eq!(chosen(&cells, &tenant("acme"), &dedicated), Some("ours"));
    assert_eq!(chosen(&cells, &tenant("initech"), &dedicated), Some("anybody"));
}

#[test]
fn cell_zero_is_never_chosen_and_nobody_is_chosen_when_all_refuse() {
    let zero = [candidate("cell-0", json!({ "type": "zero" }), 0, 0)];
    assert_eq!(chosen(&zero, &tenant("acme"), &Attributes::default()), None);
    assert_eq!(chosen(&[], &tenant("acme"), &Attributes::default()), None);
}

/// Where five tenants go among four equal cells. If this changes, two versions of cellctl place a tenant differently.
const TIES: [&str; 5] = ["cell-1", "cell-2", "cell-3", "cell-3", "cell-4"];

#[test]
fn ties_spread_the_tenants_the_same_way_on_every_machine() {
    let cells: Vec<Candidate> = (1..=4).map(|n| candidate(&format!("cell-{n}"), json!({}), 3, 3)).collect();
    let plain = Attributes::default();
    let winners = ["acme", "globex", "initech", "umbrella", "hooli"].map(|name| chosen(&cells, &tenant(name), &plain));
    assert_eq!(winners.map(Option::unwrap), TIES);
    let mut counts = BTreeMap::new();
    for n in 0..4000 {
        *counts.entry(chosen(&cells, &tenant(&format!("t{n}")), &plain)).or_insert(0) += 1;
    }
    assert!(counts.len() == 4 && counts.values().all(|count| (900..1100).contains(count)), "{counts:?}");
}

#[test]
fn an_explanation_ranks_the_cells_that_take_it_and_names_the_refusals_of_the_rest() {
    let cells = [
        candidate("full", json!({ "capacity": { "tenants": 1 } }), 1, 1),
        candidate("half", json!({}), 5, 5),
        candidate("canary", json!({ "type": "canary" }), 0, 0),
        candidate("empty", json!({ "capacity": { "tenants": 10, "weight": 0 } }), 0, 0),
        candidate("quarter", json!({ "capacity": { "tenants": 100, "weight": 8 } }), 1, 1),
    ];
    let (acme, plain) = (tenant("acme"), Attributes::default());
    let verdicts = explain(&cells, &wish(&acme, &plain));
    let seen: Vec<_> = verdicts.iter().map(|v| (v.cell.as_str(), v.rank, format!("{:.2}", v.fill))).collect();
    let wanted = [
        ("quarter", Some(1), "0.25"),
        ("half", Some(2), "0.60"),
        ("canary", None, "0.10"),
        ("empty", None, "1.00"),
        ("full", None, "2.00"),
    ];
    assert_eq!(seen, wanted.map(|(cell, rank, fill)| (cell, rank, fill.to_owned())));
    let refusal = |index: usize| serde_json::to_value(&verdicts[index]).expect("JSON")["refusal"].clone();
    assert_eq!(refusal(4), json!({ "kind": "full-by-count", "tenants": 1, "limit": 1 }));
    assert_eq!(refusal(2), json!({ "kind": "canary-only" }));
}
