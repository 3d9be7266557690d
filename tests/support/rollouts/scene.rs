//! Where a schedule begins: a fleet with the old version, and a plan that brings the new one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cellctl::domain::audit::{Actor, Deed, Sealed, Stamp, Subject};
use cellctl::domain::definition::RolloutSpec;
use cellctl::domain::fleet::{Fleet, Place};
use cellctl::domain::ids::{CellId, Digest};
use cellctl::domain::plan::{Desired, Plan as ApplyPlan};
use cellctl::domain::record::{Applied, CellRecord, CellState, RECORD_FORMAT};
use cellctl::domain::rollout::change::{CellChange, Content};
use cellctl::domain::rollout::gate::{Check, Gate};
use cellctl::domain::rollout::{Plan, ROLLOUT_FORMAT, RolloutId, Wave};
use cellctl::ops::rollout::Planned;

use super::drawn::Drawn;
use super::gate::Strike;
use super::stacks::{Stack, Version};
use super::state::{START_MS, State};
use super::truth::Truth;
use crate::support::map::MapState;

/// The template before the change, and after it.
pub(crate) const OLD: &str = "Resources: { V1: { Type: T } }";
pub(crate) const NEW: &str = "Resources: { V2: { Type: T } }";
const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "us-west-2"];
const DAY_MS: i64 = 86_400_000;

/// A schedule's beginning.
pub(crate) struct Scene {
    pub(crate) state: State,
    pub(crate) fleet: Fleet,
    pub(crate) planned: Planned,
}

fn valid<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("{text} is valid"))
}

fn place(region: &str) -> Place {
    Place { region: valid(region), account: None, role_arn: None }
}

/// The Region of a cell: the first two waves are in one.
fn region(drawn: &Drawn, wave: usize, number: usize) -> String {
    let at = if wave < 2 { 0 } else { number % drawn.regions };
    let (name, cluster) = (REGIONS[at % REGIONS.len()], at / REGIONS.len() + 1);
    format!("{}{cluster}", name.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Who runs pilots.
pub(crate) fn actor(number: u32) -> Actor {
    let identity = "arn:aws:iam::111122223333:user/sim".to_owned();
    Actor { identity, user: format!("pilot-{number}@sim"), ci_url: None }
}

fn digest(body: &str, cell: &CellId) -> Digest {
    Digest::of_parts([body.as_bytes(), cell.as_str().as_bytes()])
}

fn desired(drawn: &Drawn, wave: usize, number: usize) -> Desired {
    let cell: CellId = valid(&format!("cell-{number}"));
    let tags = [("cellctl:fleet", "shop"), ("cellctl:cell", cell.as_str())];
    Desired {
        cell_type: "shared".to_owned(),
        template_name: "plain".to_owned(),
        stack: valid(&format!("shop-{cell}")),
        place: place(&region(drawn, wave, number)),
        digest: digest(NEW, &cell),
        template: Digest::of(NEW.as_bytes()),
        parameters: BTreeMap::new(),
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        capabilities: Vec::new(),
        artifacts: Vec::new(),
        tables: Vec::new(),
        queues: Vec::new(),
        cell,
    }
}

/// The cells of each wave.
fn cells(drawn: &Drawn) -> Vec<Vec<Desired>> {
    let mut number = 0;
    let wave = |(wave, size): (usize, &usize)| {
        let from = number;
        number += size;
        (from..number).map(|number| desired(drawn, wave, number)).collect()
    };
    drawn.waves.iter().enumerate().map(wave).collect()
}

fn waves(drawn: &Drawn) -> Vec<Wave> {
    let http = Check::Http { url: "http://${stack}".to_owned(), status: 200, timeout_ms: 5_000 };
    let gate = |name: &str, check: &Check, fail_after| Gate { name: name.to_owned(), fail_after, check: check.clone() };
    let wave = |(number, cells): (usize, &usize)| Wave {
        name: format!("wave-{number}"),
        cells: *cells,
        tenants: 0,
        bake_ms: drawn.bake_ms,
        gates: vec![gate("stack", &Check::Stack, 1), gate("answers", &http, drawn.fail_after)],
        max_in_flight: drawn.in_flight,
        max_failures: drawn.max_failures,
        approval: drawn.approval == Some(number),
    };
    drawn.waves.iter().enumerate().map(wave).collect()
}

fn planned(drawn: &Drawn, cells: &[Vec<Desired>]) -> Planned {
    let change = |desired: &Desired| CellChange {
        desired: desired.clone(),
        tenants: 0,
        is_new: false,
        allowed: BTreeSet::new(),
    };
    let body: Arc<str> = NEW.into();
    let templates = BTreeMap::from([(Digest::of(NEW.as_bytes()), body)]);
    let plan = Plan {
        format: ROLLOUT_FORMAT,
        id: RolloutId(0),
        fleet: "shop".to_owned(),
        at_ms: START_MS,
        change: Digest::of(b"change"),
        selection: None,
        commit: None,
        rollback: drawn.scope,
        gate_dry_run: false,
        waves: waves(drawn),
        tenants: 0,
    };
    let changes = ApplyPlan {
        fleet: "shop".to_owned(),
        created_at_ms: START_MS,
        expires_at_ms: START_MS + DAY_MS,
        accounts: Some(BTreeMap::new()),
        selection: None,
        steps: Vec::new(),
        unchanged: 0,
        orphans: Vec::new(),
        diffs: Vec::new(),
        templates: BTreeMap::new(),
        tenants: 0,
    };
    let waves = cells.iter().map(|wave| wave.iter().map(change).collect()).collect();
    Planned { plan, content: Content { waves, templates }, changes, about_ms: 0, open: None }
}

fn record(desired: &Desired, stack_id: &str) -> CellRecord {
    let applied = Applied {
        digest: digest(OLD, &desired.cell),
        template: Digest::of(OLD.as_bytes()),
        stack_id: stack_id.to_owned(),
        changed_at_ms: START_MS - DAY_MS,
        plan: "0000000000".to_owned(),
        at_ms: START_MS - DAY_MS,
        outputs: BTreeMap::new(),
    };
    CellRecord {
        format: RECORD_FORMAT,
        cell: desired.cell.clone(),
        state: CellState::Active,
        stack: desired.stack.clone(),
        region: desired.place.region.clone(),
        account: None,
        role_arn: None,
        cell_type: Some(desired.cell_type.clone()),
        template: desired.template_name.clone(),
        applied: Some(applied),
        failed: None,
        version: 1,
    }
}

fn stack(desired: &Desired, wave: usize, place: usize) -> Stack {
    Stack {
        cell: desired.cell.clone(),
        wave,
        place,
        id: format!("arn:aws:cloudformation:{}:111122223333:stack/{}/1", desired.place.region, desired.stack),
        version: Version::Old,
        tags: desired.tags.clone(),
        status: "CREATE_COMPLETE",
        token: "made".to_owned(),
        changed_at_ms: START_MS - DAY_MS,
        change_sets: Vec::new(),
        operation: None,
        gone: false,
    }
}

fn fleet() -> Fleet {
    Fleet {
        name: valid("shop"),
        labels: BTreeMap::new(),
        control: place(REGIONS[0]),
        tags: BTreeMap::new(),
        concurrency: None,
        max_failures: None,
        rollout: RolloutSpec::default(),
        residency: BTreeMap::new(),
        cells: Vec::new(),
    }
}

/// The beginning of a schedule.
pub(crate) fn scene(drawn: &Drawn, strike: Option<(u64, Strike)>, verbose: bool) -> Scene {
    let cells = cells(drawn);
    let planned = planned(drawn, &cells);
    let mut state = State {
        drawn: drawn.clone(),
        rng: fastrand::Rng::with_seed(drawn.seed),
        now_ms: START_MS,
        by_region: BTreeMap::new(),
        stacks: HashMap::new(),
        wave_of: HashMap::new(),
        records: BTreeMap::new(),
        map: MapState::default(),
        lock: None,
        applies: HashMap::new(),
        rollouts: BTreeMap::new(),
        open: None,
        marks: BTreeMap::new(),
        truth: Truth { failed: vec![BTreeSet::new(); cells.len()], ..Truth::default() },
        faults: drawn.faults,
        crashes: 0,
        strike,
        dead: BTreeSet::new(),
        calls: 0,
        counted: BTreeMap::new(),
        lines: verbose.then(Vec::new),
        digest: 0,
    };
    for (wave, cells) in cells.iter().enumerate() {
        for (place, desired) in cells.iter().enumerate() {
            settle(&mut state, desired, wave, place);
        }
    }
    Scene { state, fleet: fleet(), planned }
}

/// A cell with the old version.
fn settle(state: &mut State, desired: &Desired, wave: usize, place: usize) {
    let stack = stack(desired, wave, place);
    let record = record(desired, &stack.id);
    let stamp = Stamp { at_ms: START_MS - DAY_MS, actor: actor(0) };
    let deed = Deed { action: "applied".to_owned(), from: serde_json::Value::Null, to: serde_json::Value::Null };
    let audit = Sealed::next(Subject::Cell(desired.cell.clone()), None, &stamp, deed);
    state.map.put_record(&record, &audit);
    state.records.insert(desired.cell.clone(), record);
    let name = desired.stack.to_string();
    state.by_region.entry(desired.place.region.to_string()).or_default().push(name.clone());
    state.wave_of.insert(desired.cell.clone(), wave);
    state.stacks.insert(name, stack);
}
