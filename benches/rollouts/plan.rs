//! Time of a rollout's plan for 10,000 cells: definitions read and rendered, planned against nothing, put into waves, and
//! written as the content that `rollout start` stores.
//!
//! Constraint kept: nothing is asked of AWS, so that the figure is the program's own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cellctl::cli::context;
use cellctl::domain::fleet::Cell;
use cellctl::domain::ids::{CellId, Digest};
use cellctl::domain::plan::{Action, Observation, Step};
use cellctl::domain::rollout::change::{CellChange, Content};
use cellctl::domain::rollout::waves;
use cellctl::fs::definitions;
use cellctl::ops::event::Silent;
use cellctl::ops::plan::{Request, plan_offline};
use cellctl::wire;

use crate::figure::Figure;
use crate::large;

/// What one run took, step by step.
struct Times {
    rendered: Duration,
    planned: Duration,
    made: Duration,
    whole: Duration,
}

/// The median of five.
pub(crate) fn figures() -> Vec<Figure> {
    let dir = tempfile::tempdir().expect("a folder");
    large::write_fleet(dir.path());
    let mut runs: Vec<Times> = (0..5).map(|_| run(dir.path())).collect();
    runs.sort_by_key(|times| times.whole);
    let Times { rendered, planned, made, whole } = &runs[2];
    println!("  read and rendered {rendered:.2?}, planned {planned:.2?}, waves made {made:.2?}, the rest content");
    vec![
        Figure::new("rollout plan of 10,000 cells, median of 5", whole.as_secs_f64(), 2.0, "s"),
        Figure::new("waves of 10,000 cells (no goal is set: 0.2 s)", made.as_secs_f64(), 0.2, "s"),
    ]
}

fn run(dir: &Path) -> Times {
    let began = Instant::now();
    let fleet = definitions::load(&dir.join("cells")).expect("definitions").fleet;
    let loaded = context::load_from(fleet, &dir.join("templates")).expect("templates");
    let cells: Vec<&Cell> = loaded.fleet.cells.iter().collect();
    let stacks = loaded.desired(&cells).expect("stacks");
    let rendered = began.elapsed();

    let world = wire::world(None, &loaded.fleet, Arc::clone(&loaded.packager), Arc::new(Silent));
    let request = Request {
        fleet: loaded.fleet.name.to_string(),
        selection: None,
        desired: stacks.desired,
        defined: cells.iter().map(|cell| cell.id.clone()).collect(),
        bodies: stacks.bodies,
        allowed: BTreeSet::new(),
    };
    let plan = plan_offline(&world, request, &Observation::default());
    let planned = began.elapsed().saturating_sub(rendered);

    let counted: Vec<(&Cell, u64)> = cells.iter().enumerate().map(|(n, cell)| (*cell, n as u64 * 7919 % 500)).collect();
    let waves = waves::make(&counted, &loaded.fleet.rollout).expect("waves");
    let made = began.elapsed().saturating_sub(rendered + planned);

    let steps: BTreeMap<&CellId, &Step> = plan.steps.iter().map(|step| (&step.desired.cell, step)).collect();
    let of_wave = |made: &waves::Made| made.cells.iter().map(|cell| change(steps[cell])).collect();
    let content = Content { waves: waves.iter().map(of_wave).collect(), templates: plan.templates.clone() };
    let text = serde_json::to_vec(&content).expect("content");
    assert_eq!(content.waves.iter().map(Vec::len).sum::<usize>(), large::CELLS);
    assert_eq!(Digest::of(&text).as_str().len(), 64);
    Times { rendered, planned, made, whole: began.elapsed() }
}

fn change(step: &Step) -> CellChange {
    CellChange {
        desired: step.desired.clone(),
        tenants: step.tenants,
        is_new: step.action == Action::Create,
        allowed: BTreeSet::new(),
    }
}
