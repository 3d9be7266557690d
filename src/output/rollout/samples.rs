//! Made-up rollouts, for tests.

use crate::domain::definition::Rollback;
use crate::domain::fleet::Place;
use crate::domain::ids::Digest;
use crate::domain::lock::Lease;
use crate::domain::plan::{Action, Basis, Desired, Plan as ApplyPlan, Step};
use crate::domain::rollout::change::{CellChange, Content};
use crate::domain::rollout::event::{Changed, Entry, Event, Troubled};
use crate::domain::rollout::gate::{Check, Gate, Look, Seen, Verdict};
use crate::domain::rollout::machine::Rollout;
use crate::domain::rollout::orders::Orders;
use crate::domain::rollout::{Plan, ROLLOUT_FORMAT, RolloutId, Wave};
use crate::ops::rollout::{Planned, Progress, Shown};

/// When all of them were planned, in milliseconds since 1970.
pub(crate) const AT_MS: i64 = 1_750_000_000_000;
/// Time between two entries.
const MINUTE_MS: i64 = 60_000;

pub(crate) fn gate(name: &str) -> Gate {
    Gate { name: name.to_owned(), fail_after: 1, check: Check::Alarms }
}

pub(crate) fn wave(name: &str, cells: usize, tenants: u64) -> Wave {
    Wave {
        name: name.to_owned(),
        cells,
        tenants,
        bake_ms: 600_000,
        gates: vec![gate("stack"), gate("alarms")],
        max_in_flight: None,
        max_failures: 0,
        approval: false,
    }
}

pub(crate) fn plan() -> Plan {
    let last = Wave { max_in_flight: Some(5), max_failures: 1, bake_ms: 90_000, ..wave("rest", 8, 2_000) };
    let zero = Wave { approval: true, gates: Vec::new(), bake_ms: 0, ..wave("zero", 1, 280) };
    Plan {
        format: ROLLOUT_FORMAT,
        id: RolloutId(12),
        fleet: "shop".to_owned(),
        at_ms: AT_MS,
        change: Digest::of(b"change"),
        selection: None,
        commit: Some("8d1c0ffee8d1c0ffee8d1c0ffee8d1c0ffee8d1c".to_owned()),
        rollback: Rollback::All,
        gate_dry_run: false,
        waves: vec![wave("canary", 1, 12), wave("first", 1, 108), last, zero],
        tenants: 2_400,
    }
}

pub(crate) fn desired(name: &str) -> Desired {
    Desired {
        cell: name.parse().expect("a cell"),
        cell_type: "shared".to_owned(),
        template_name: "serverless".to_owned(),
        stack: format!("shop-{name}").parse().expect("a stack"),
        place: Place { region: "eu-central-1".parse().expect("a Region"), account: None, role_arn: None },
        digest: Digest::of(name.as_bytes()),
        template: Digest::of(b"template"),
        parameters: [].into(),
        tags: [].into(),
        capabilities: Vec::new(),
        artifacts: Vec::new(),
        tables: Vec::new(),
        queues: Vec::new(),
    }
}

pub(crate) fn change(name: &str) -> CellChange {
    CellChange { desired: desired(name), tenants: 1, is_new: false, allowed: [].into() }
}

pub(crate) fn step(cell: &CellChange) -> Step {
    Step {
        action: Action::Update,
        reason: "parameters differ".to_owned(),
        blocked: None,
        basis: Basis { stack_id: None, status: None, changed_at_ms: None, applied: None },
        desired: cell.desired.clone(),
        diff: None,
        allowed: [].into(),
        tenants: cell.tenants,
    }
}

pub(crate) fn planned() -> Planned {
    let rest: Vec<CellChange> = (2..10).map(|n| change(&format!("cell-{n}"))).collect();
    let waves = vec![vec![change("canary-1")], vec![change("cell-1")], rest, vec![change("cell-0")]];
    let steps: Vec<Step> = waves.iter().flatten().map(step).collect();
    let changes = ApplyPlan {
        fleet: "shop".to_owned(),
        created_at_ms: AT_MS,
        expires_at_ms: AT_MS,
        accounts: None,
        selection: None,
        steps,
        unchanged: 0,
        orphans: Vec::new(),
        diffs: Vec::new(),
        templates: [].into(),
        tenants: 2_400,
    };
    Planned { plan: plan(), content: Content { waves, templates: [].into() }, changes, about_ms: 1_530_000, open: None }
}

pub(crate) fn look(gate: &str, verdict: Verdict, what: &str) -> Look {
    let seen = Seen { cell: Some("cell-1".parse().expect("a cell")), verdict, what: what.to_owned() };
    Look {
        gate: gate.to_owned(),
        verdict,
        failed_in_row: u32::from(verdict == Verdict::Fail),
        failed: verdict == Verdict::Fail,
        seen: vec![seen],
        cells: 1,
    }
}

pub(crate) fn holding() -> Vec<Look> {
    vec![look("stack", Verdict::Pass, "UPDATE_COMPLETE"), look("alarms", Verdict::Pass, "2 alarms are OK")]
}

pub(crate) fn done(cells: usize) -> Changed {
    Changed { done: cells, ..Changed::default() }
}

pub(crate) fn passed(wave: usize) -> [Event; 3] {
    let passed = Event::WavePassed { wave, baked_ms: 600_000, promoted_by: None, gates: holding() };
    [Event::WaveStarted { wave }, Event::WaveChanged { wave, changed: done(1) }, passed]
}

pub(crate) fn begun(wave: usize) -> Vec<Event> {
    let mut events: Vec<Event> = (0..wave).flat_map(passed).collect();
    events.push(Event::WaveStarted { wave });
    events
}

pub(crate) fn failed() -> Changed {
    let why = "OrdersQueue UPDATE_FAILED: Invalid value for VisibilityTimeout \u{1b}[2J".to_owned();
    let one = Troubled { cell: "cell-1".parse().expect("a cell"), outcome: "rolled-back".to_owned(), why };
    Changed { failed: 1, troubled: vec![one], ..Changed::default() }
}

pub(crate) fn shown(events: Vec<Event>) -> Shown {
    let first = Event::Planned { plan: Box::new(plan()) };
    let entry = |(seq, event): (u64, Event)| Entry {
        seq,
        at_ms: AT_MS + i64::try_from(seq - 1).expect("few") * MINUTE_MS,
        by: "ann@desk".to_owned(),
        token: 1,
        event,
    };
    let journal: Vec<Entry> = (1..).zip([first].into_iter().chain(events)).map(entry).collect();
    let state = Rollout::fold(&journal).expect("a legal journal").expect("a rollout");
    Shown { state, journal, orders: Orders::default(), lease: None, progress: None }
}

pub(crate) fn lease() -> Lease {
    Lease {
        holder: "ann@desk".to_owned(),
        purpose: "carrying it on".to_owned(),
        ci_url: None,
        nonce: 1,
        token: 1,
        acquired_at_ms: AT_MS,
        expires_at_ms: AT_MS + 60_000,
        unsettled_until_ms: 0,
        process: None,
    }
}

pub(crate) fn progress(of: &Shown) -> Progress {
    Progress {
        id: RolloutId(12),
        at_ms: AT_MS,
        wave: of.state.wave,
        stage: of.state.stage,
        done: 0,
        failed: 0,
        under_way: Vec::new(),
        baked_ms: 0,
        gates: Vec::new(),
        waits_for: None,
    }
}

/// Baking the second wave, with a gate that has no data.
pub(crate) fn baking() -> Shown {
    let changed = Event::WaveChanged { wave: 1, changed: done(1) };
    let mut shown = shown(begun(1).into_iter().chain([changed]).collect());
    shown.lease = Some(lease());
    let mut now = progress(&shown);
    now.baked_ms = 220_000;
    now.gates = holding();
    now.gates.push(look("latency", Verdict::Missing, "3 of 5 data points"));
    shown.progress = Some(now);
    shown
}

/// Changing the third wave.
pub(crate) fn changing() -> Shown {
    let mut shown = shown(begun(2));
    shown.lease = Some(lease());
    let mut now = progress(&shown);
    (now.done, now.failed) = (4, 1);
    now.under_way = ["cell-6", "cell-7"].map(|name| name.parse().expect("a cell")).to_vec();
    now.waits_for = Some("the move acme:3 from cell-8 to cell-2 (copied)".to_owned());
    shown.progress = Some(now);
    shown
}

/// Taken back after the second wave failed.
pub(crate) fn taken_back() -> Shown {
    let why = "1 cell failed: cell-1".to_owned();
    let back = [
        Event::WaveChanged { wave: 1, changed: failed() },
        Event::RollbackStarted { first: 0, why, who: None },
        Event::WaveBack { wave: 1, changed: done(1) },
        Event::WaveBack { wave: 0, changed: done(1) },
        Event::RolledBack { kept: Vec::new() },
    ];
    shown(begun(1).into_iter().chain(back).collect())
}
