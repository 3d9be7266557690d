//! Whatever cells a fleet has, the default waves hold each of them once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::super::{Made, make};
use super::{ASIA, EU, US, cell, spec};
use crate::domain::definition::CellType;
use crate::domain::fleet::Cell;
use crate::domain::ids::CellId;

fn fleets() -> impl Strategy<Value = Vec<(Cell, u64)>> {
    let kind = prop_oneof![5 => Just("shared"), 1 => Just("canary"), 1 => Just("dedicated"), 1 => Just("zero")];
    let region = proptest::sample::select(vec![ASIA, EU, US]);
    let cells = proptest::collection::vec((kind, region, 0_u64..6), 0..90);
    cells.prop_map(|cells| {
        let numbered = cells.into_iter().enumerate();
        numbered.map(|(n, (kind, region, tenants))| (cell(&format!("c{n}"), kind, region), tenants)).collect()
    })
}

fn made(cells: &[(Cell, u64)], first_regions: &str) -> Vec<Made> {
    let cells: Vec<(&Cell, u64)> = cells.iter().map(|(cell, tenants)| (cell, *tenants)).collect();
    make(&cells, &spec(json!({ "firstRegions": first_regions }))).expect("default waves fit every fleet")
}

fn regions(wave: &Made, cells: &BTreeMap<&str, &Cell>) -> BTreeSet<String> {
    wave.cells.iter().map(|cell| cells[cell.as_str()].place.region.to_string()).collect()
}

proptest! {
    #[test]
    fn every_cell_is_in_exactly_one_wave(cells in fleets(), any in any::<bool>()) {
        let waves = made(&cells, if any { "any" } else { "one" });
        let mut found: Vec<&str> = waves.iter().flat_map(|wave| &wave.cells).map(CellId::as_str).collect();
        let mut all: Vec<&str> = cells.iter().map(|(cell, _)| cell.id.as_str()).collect();
        found.sort_unstable();
        all.sort_unstable();
        prop_assert_eq!(found, all);
        for wave in &waves {
            prop_assert!(!wave.cells.is_empty() && wave.wave.cells == wave.cells.len());
        }
        prop_assert_eq!(waves.iter().map(|wave| wave.wave.tenants).sum::<u64>(), cells.iter().map(|(_, n)| n).sum::<u64>());
        let names: BTreeSet<&str> = waves.iter().map(|wave| wave.wave.name.as_str()).collect();
        prop_assert_eq!(names.len(), waves.len());
    }

    #[test]
    fn the_order_of_the_cells_does_not_matter(
        (cells, shuffled) in fleets().prop_flat_map(|cells| (Just(cells.clone()), Just(cells).prop_shuffle()))
    ) {
        prop_assert_eq!(made(&cells, "one"), made(&shuffled, "one"));
    }

    #[test]
    fn early_waves_are_small_and_of_one_region(cells in fleets()) {
        let waves = made(&cells, "one");
        let by_name: BTreeMap<&str, &Cell> = cells.iter().map(|(cell, _)| (cell.id.as_str(), cell)).collect();
        let shared = cells.iter().filter(|(cell, _)| cell.spec.cell_type == CellType::Shared).count();
        for (at, wave) in waves.iter().enumerate() {
            let most = match wave.wave.name.as_str() {
                "one" => 1,
                "five-percent" => (shared * 5).div_ceil(100),
                "twenty-percent" => (shared * 20).div_ceil(100),
                _ => usize::MAX,
            };
            prop_assert!(wave.wave.cells <= most);
            prop_assert!(at >= 2 || regions(wave, &by_name).len() == 1);
        }
        if let [first, second, ..] = waves.as_slice() {
            // Two Regions only where no Region has cells for both of them.
            let (first, second) = (regions(first, &by_name), regions(second, &by_name));
            let canary = |region: &str| cells.iter().any(|(cell, _)| is(cell, CellType::Canary, region));
            let pair = |region: &str| {
                let shared = cells.iter().filter(|(cell, _)| is(cell, CellType::Shared, region)).count();
                let canaries = cells.iter().any(|(cell, _)| cell.spec.cell_type == CellType::Canary);
                if canaries { canary(region) && shared > 0 } else { shared > 1 }
            };
            prop_assert!(first == second || ![ASIA, EU, US].into_iter().any(pair));
        }
    }

    #[test]
    fn dedicated_cells_and_cell_zero_come_last(cells in fleets()) {
        let by_name: BTreeMap<&str, &Cell> = cells.iter().map(|(cell, _)| (cell.id.as_str(), cell)).collect();
        let waves = made(&cells, "one");
        let rank = |kind: CellType| match kind { CellType::Zero => 2, CellType::Dedicated => 1, _ => 0 };
        let ranks: Vec<BTreeSet<u8>> = waves
            .iter()
            .map(|wave| wave.cells.iter().map(|cell| rank(by_name[cell.as_str()].spec.cell_type)).collect())
            .collect();
        prop_assert!(ranks.iter().all(|ranks| ranks.len() == 1) && ranks.is_sorted());
        for (wave, ranks) in waves.iter().zip(&ranks) {
            prop_assert_eq!(wave.wave.approval, ranks.contains(&2));
        }
    }
}

fn is(cell: &Cell, kind: CellType, region: &str) -> bool {
    cell.spec.cell_type == kind && cell.place.region.as_str() == region
}
