//! Which cells a metric is compared over.
//!
//! Constraints kept: the choice follows from the cells alone, so that every look asks the same ones; what a look costs is bounded,
//! however large the wave and the fleet are.

use std::collections::BTreeSet;

use super::Wave;
use super::change::CellChange;
use super::gate::Check;

/// Cells of the old version that are asked, at most.
pub const CONTROLS_MAX: usize = 20;
/// Changed cells that are asked, at most.
pub const CHANGED_MAX: usize = 100;

/// The changed cells to ask.
pub fn changed(cells: &[CellChange]) -> Vec<CellChange> {
    evenly(cells.iter().collect(), CHANGED_MAX)
}

/// The cells of the old version to compare these with, out of those of later waves: of the same types where there are any,
/// and of these in the same Regions where there are any. A cell that has no stack yet has no version.
pub fn controls(cells: &[CellChange], later: &[CellChange]) -> Vec<CellChange> {
    let types: BTreeSet<_> = cells.iter().map(|cell| &cell.desired.cell_type).collect();
    let regions: BTreeSet<_> = cells.iter().map(|cell| &cell.desired.place.region).collect();
    let there: Vec<_> = later.iter().filter(|cell| !cell.is_new).collect();
    let alike = preferred(there, |cell| types.contains(&cell.desired.cell_type));
    evenly(preferred(alike, |cell| regions.contains(&cell.desired.place.region)), CONTROLS_MAX)
}

/// Takes the comparison of metrics out of waves after which no cell has the old version: it could only ever fail there.
pub fn leave_out_comparisons(waves: &mut [Wave], cells: &[Vec<CellChange>]) {
    for (at, wave) in waves.iter_mut().enumerate() {
        let has_controls = cells.iter().skip(at + 1).flatten().any(|cell| !cell.is_new);
        wave.gates.retain(|gate| has_controls || !matches!(gate.check, Check::Metric(_)));
    }
}

/// Those that are wanted, or all where none is.
fn preferred(cells: Vec<&CellChange>, is_wanted: impl Fn(&CellChange) -> bool) -> Vec<&CellChange> {
    let wanted: Vec<_> = cells.iter().copied().filter(|cell| is_wanted(cell)).collect();
    if wanted.is_empty() { cells } else { wanted }
}

/// At most `most` of the cells, evenly spaced in the order of their names.
fn evenly(mut cells: Vec<&CellChange>, most: usize) -> Vec<CellChange> {
    cells.sort_by(|a, b| a.desired.cell.cmp(&b.desired.cell));
    let (all, taken) = (cells.len(), cells.len().min(most));
    (0..taken).map(|at| cells[at * all / taken].clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::domain::definition::Worse;
    use crate::domain::fleet::Place;
    use crate::domain::ids::Digest;
    use crate::domain::plan::Desired;
    use crate::domain::rollout::gate::{Gate, Metric};

    use super::*;

    fn cell(name: &str, cell_type: &str, region: &str) -> CellChange {
        let desired = Desired {
            cell: name.parse().expect("valid"),
            cell_type: cell_type.to_owned(),
            template_name: "serverless".to_owned(),
            stack: format!("shop-{name}").parse().expect("valid"),
            place: Place { region: region.parse().expect("valid"), account: None, role_arn: None },
            digest: Digest::of(name.as_bytes()),
            template: Digest::of(b"x"),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
            capabilities: Vec::new(),
            artifacts: Vec::new(),
            tables: Vec::new(),
            queues: Vec::new(),
        };
        CellChange { desired, tenants: 1, is_new: false, allowed: BTreeSet::new() }
    }

    fn names(cells: &[CellChange]) -> Vec<&str> {
        cells.iter().map(|cell| cell.desired.cell.as_str()).collect()
    }

    #[test]
    fn controls_are_of_the_same_kind_where_there_are_any() {
        let (here, there) = ("eu-central-1", "eu-west-1");
        let later = [
            cell("big", "dedicated", here),
            cell("far", "shared", there),
            cell("near", "shared", here),
            CellChange { is_new: true, ..cell("new", "shared", here) },
        ];
        assert_eq!(names(&controls(&[cell("one", "shared", here)], &later)), ["near"]);
        assert_eq!(names(&controls(&[cell("one", "dedicated", there)], &later)), ["big"]);
        assert_eq!(names(&controls(&[cell("one", "canary", there)], &later)), ["far"]);
        assert!(controls(&[cell("one", "shared", here)], &later[3..]).is_empty());
    }

    #[test]
    fn a_choice_is_bounded_spread_and_always_the_same() {
        let mut all: Vec<_> = (0..1_000).map(|n| cell(&format!("c-{n:03}"), "shared", "eu-central-1")).collect();
        let chosen = controls(&all[..1], &all);
        assert_eq!(chosen.len(), CONTROLS_MAX);
        assert_eq!(names(&chosen)[..3], ["c-000", "c-050", "c-100"]);
        all.reverse();
        assert_eq!(names(&controls(&all[..1], &all)), names(&chosen));
        assert_eq!(changed(&all).len(), CHANGED_MAX);
        assert_eq!(changed(&all[..7]).len(), 7);
    }

    fn wave(name: &str) -> Wave {
        let metric = Metric {
            namespace: "AWS/Lambda".to_owned(),
            name: "Errors".to_owned(),
            statistic: "Sum".to_owned(),
            dimensions: Vec::new(),
            worse: Worse::Higher,
            tolerance_percent: 10,
            points_min: 5,
            period_s: 60,
        };
        let gate = |name: &str, check| Gate { name: name.to_owned(), fail_after: 1, check };
        Wave {
            name: name.to_owned(),
            cells: 1,
            tenants: 1,
            bake_ms: 1,
            gates: vec![gate("stack", Check::Stack), gate("errors", Check::Metric(metric))],
            max_in_flight: None,
            max_failures: 0,
            approval: false,
        }
    }

    #[test]
    fn a_wave_that_nothing_is_left_to_compare_with_is_not_compared() {
        let mut waves = ["one", "two", "three"].map(wave);
        let one = |name: &str| vec![cell(name, "shared", "eu-central-1")];
        let new = CellChange { is_new: true, ..cell("c", "shared", "eu-central-1") };
        leave_out_comparisons(&mut waves, &[one("a"), one("b"), vec![new]]);
        assert_eq!(waves.map(|wave| wave.gates.len()), [2, 1, 1]);
    }
}
