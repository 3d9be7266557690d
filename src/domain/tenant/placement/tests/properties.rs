//! What holds of every choice, over random fleets and tenants.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::json;

use super::super::{Candidate, Wish, choose, explain};
use super::{candidate, region, tenant};
use crate::domain::ids::{Region, TenantId};
use crate::domain::record::CellState;
use crate::domain::tenant::Attributes;

const REGIONS: [&str; 3] = ["eu-central-1", "eu-west-1", "us-east-1"];
const NAMES: [&str; 4] = ["acme", "globex", "hooli", "initech"];
const TIERS: [&str; 2] = ["free", "pro"];

/// A cell in some state, with few values for each field, so that ties and full cells are common.
fn a_cell(id: String) -> impl Strategy<Value = Candidate> {
    let kind = select(vec!["shared", "shared", "shared", "dedicated", "canary", "zero"]);
    let limits = (0_u64..5, proptest::option::of(0_u64..12));
    let rules = (subsequence(TIERS.to_vec(), 0..=1), subsequence(NAMES.to_vec(), 0..=2));
    let active = Some(CellState::Active);
    let state = select(vec![active, active, active, Some(CellState::Cordoned), None]);
    (kind, limits, rules, state, select(REGIONS.to_vec()), (-1_i64..5, -2_i64..12)).prop_map(
        move |(kind, (tenants, weight), (tiers, names), state, at, (in_it, weighs))| {
            let names = if kind == "dedicated" { names } else { Vec::new() };
            let mut capacity = json!({ "tenants": tenants });
            if let Some(weight) = weight {
                capacity["weight"] = json!(weight);
            }
            let spec = json!({ "type": kind, "capacity": capacity, "tiers": tiers, "reservedFor": names });
            let mut candidate = candidate(&id, spec, in_it, weighs);
            (candidate.state, candidate.region) = (state, region(at));
            candidate
        },
    )
}

fn cells() -> impl Strategy<Value = Vec<Candidate>> {
    (0_usize..12).prop_flat_map(|count| (0..count).map(|n| a_cell(format!("cell-{n}"))).collect::<Vec<_>>())
}

type Tenant = (TenantId, Attributes, Option<BTreeSet<Region>>);

/// A tenant, what is known of it, and the Regions that may hold it.
fn a_tenant() -> impl Strategy<Value = Tenant> {
    let regions = proptest::option::of(subsequence(REGIONS.to_vec(), 0..=3));
    let tier = proptest::option::of(select(TIERS.to_vec()));
    (select(NAMES.to_vec()), any::<(bool, bool)>(), tier, 0_u64..6, regions).prop_map(
        |(name, (dedicated, canary), tier, weight, regions)| {
            let tier = tier.map(|tier| tier.parse().expect("a tier"));
            let regions = regions.map(|names| names.into_iter().map(region).collect());
            (tenant(name), Attributes { tier, dedicated, canary, weight, ..Attributes::default() }, regions)
        },
    )
}

fn wish((tenant, attributes, regions): &Tenant) -> Wish<'_> {
    Wish { tenant, attributes, regions: regions.clone() }
}

/// The chosen cell.
fn best<'a>(cells: &'a [Candidate], wish: &Wish<'_>) -> Option<&'a Candidate> {
    choose(cells, wish).map(|index| &cells[index])
}

fn is_emptier(a: (u64, u64), b: (u64, u64)) -> bool {
    u128::from(a.0) * u128::from(b.1.max(1)) < u128::from(b.0) * u128::from(a.1.max(1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_choice_refuses_not_and_is_missing_only_if_all_refuse(cells in cells(), tenant in a_tenant()) {
        let wish = wish(&tenant);
        match best(&cells, &wish) {
            Some(cell) => prop_assert_eq!(cell.refusal(&wish, false), None),
            None => prop_assert!(cells.iter().all(|cell| cell.refusal(&wish, false).is_some())),
        }
    }

    #[test]
    fn the_order_of_the_candidates_does_not_matter(cells in cells(), tenant in a_tenant(), by in any::<Index>()) {
        let wish = wish(&tenant);
        let mut others = cells.clone();
        if !others.is_empty() {
            others.rotate_left(by.index(cells.len()));
            others.swap(0, by.index(cells.len()));
        }
        prop_assert_eq!(best(&cells, &wish).map(|c| &c.cell), best(&others, &wish).map(|c| &c.cell));
        prop_assert_eq!(explain(&cells, &wish), explain(&others, &wish));
    }

    #[test]
    fn no_cell_of_its_kind_that_takes_the_tenant_is_emptier(cells in cells(), tenant in a_tenant()) {
        let wish = wish(&tenant);
        let weight = wish.attributes.weight;
        let Some(chosen) = best(&cells, &wish) else { return Ok(()) };
        let preferred = |cell: &Candidate| cell.cell_type.as_str() == "canary" || !cell.reserved_for.is_empty();
        for other in cells.iter().filter(|cell| cell.refusal(&wish, false).is_none()) {
            prop_assert!(preferred(chosen) || !preferred(other));
            let same_kind = preferred(chosen) == preferred(other);
            prop_assert!(!same_kind || !is_emptier(other.fill(weight), chosen.fill(weight)));
        }
    }

    #[test]
    fn an_explanation_agrees_with_the_choice(cells in cells(), tenant in a_tenant()) {
        let wish = wish(&tenant);
        let verdicts = explain(&cells, &wish);
        prop_assert_eq!(verdicts.len(), cells.len());
        let first = verdicts.iter().find(|verdict| verdict.rank == Some(1)).map(|verdict| &verdict.cell);
        prop_assert_eq!(first, best(&cells, &wish).map(|cell| &cell.cell));
        let takers = cells.iter().filter(|cell| cell.refusal(&wish, false).is_none()).count();
        for (index, verdict) in verdicts.iter().enumerate() {
            prop_assert_eq!(verdict.rank, (index < takers).then_some(index + 1));
            prop_assert_eq!(verdict.refusal.is_none(), index < takers);
        }
    }

    #[test]
    fn taking_the_choice_never_overfills(cells in cells(), tenants in proptest::collection::vec(a_tenant(), 0..60)) {
        let mut after = cells.clone();
        for tenant in &tenants {
            let wish = wish(tenant);
            if let Some(index) = choose(&after, &wish) {
                after[index].take(wish.attributes.weight);
            }
        }
        for (before, after) in cells.iter().zip(&after).filter(|(before, after)| after.tenants > before.tenants) {
            prop_assert!(after.tenants <= after.limits.tenants, "{before:?} {after:?}");
            prop_assert!(after.limits.weight.is_none_or(|limit| after.weight <= limit), "{before:?} {after:?}");
        }
    }

    #[test]
    fn without_one_cell_only_those_that_were_in_it_go_elsewhere(
        cells in cells(), (_, known, regions) in a_tenant(), gone in any::<Index>(),
    ) {
        prop_assume!(!cells.is_empty());
        let gone = gone.index(cells.len());
        let mut rest = cells.clone();
        rest.remove(gone);
        for n in 0..20 {
            let name = tenant(&format!("tenant-{n}"));
            let wish = Wish { tenant: &name, attributes: &known, regions: regions.clone() };
            let Some(chosen) = choose(&cells, &wish).filter(|index| *index != gone) else { continue };
            prop_assert_eq!(best(&rest, &wish).map(|cell| &cell.cell), Some(&cells[chosen].cell));
        }
    }
}
