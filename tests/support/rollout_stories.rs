//! Rollouts as they may have gone, for tests of what is shown of them. Owns: their journals. Constraint kept: each is folded
//! by the state machine, so that no story is one that cannot happen.

#![allow(clippy::expect_used, reason = "a story that cannot be told is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};

use cellctl::domain::definition::{Rollback, Worse};
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::{CellId, Digest};
use cellctl::domain::plan::Desired;
use cellctl::domain::rollout::change::{CellChange, Content};
use cellctl::domain::rollout::event::{Changed, Entry, Event, Troubled};
use cellctl::domain::rollout::gate::{Check, Gate, Look, Metric, Seen, Verdict};
use cellctl::domain::rollout::machine::Rollout;
use cellctl::domain::rollout::orders::Orders;
use cellctl::domain::rollout::{Plan, ROLLOUT_FORMAT, RolloutId, Wave};
use cellctl::ops::rollout::{Progress, Shown};

/// 2026-03-01, 09:00 UTC.
const BEGAN_MS: i64 = 1_772_355_600_000;
const MINUTE_MS: i64 = 60_000;
const BAKE_MS: u64 = 600_000;

/// A text that tries everything that a page, a table or a runner might take for its own.
pub(crate) const HOSTILE: &str = "</title><script>alert(1)</script> \"'> | `x` [a](javascript:alert(1)) ![i](https://evil.example/i) \
    @everyone <!-- \n::error title=x::gone\r\n##[add-mask]x %0A::stop-commands::t \u{1b}[2J\u{202e}";

/// A rollout and what it is made of.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) shown: Shown,
    pub(crate) content: Content,
}

/// Waves by name, with the number of their cells.
fn plan(waves: &[(&str, usize)]) -> Plan {
    let waves: Vec<Wave> = waves.iter().map(|(name, cells)| wave(name, *cells)).collect();
    Plan {
        format: ROLLOUT_FORMAT,
        id: RolloutId(12),
        fleet: "shop".to_owned(),
        at_ms: BEGAN_MS,
        change: Digest::of(b"change"),
        selection: None,
        commit: Some("4f0c2d1a9b7e".to_owned()),
        rollback: Rollback::All,
        gate_dry_run: false,
        tenants: waves.iter().map(|wave| wave.tenants).sum::<u64>() + 40,
        waves,
    }
}

fn wave(name: &str, cells: usize) -> Wave {
    let metric = Metric {
        namespace: "AWS/Lambda".to_owned(),
        name: "Errors".to_owned(),
        statistic: "Sum".to_owned(),
        dimensions: vec![("FunctionName".to_owned(), "${stack}-processor".to_owned())],
        worse: Worse::Higher,
        tolerance_percent: 10,
        points_min: 5,
        period_s: 60,
    };
    let gate = |name: &str, check: Check| Gate { name: name.to_owned(), fail_after: 2, check };
    Wave {
        name: name.to_owned(),
        cells,
        tenants: cells as u64 * 37,
        bake_ms: BAKE_MS,
        gates: vec![
            gate("stack", Check::Stack),
            gate("errors", Check::Metric(metric)),
            gate("dead-letters", Check::DeadLetters { max: 0 }),
        ],
        max_in_flight: None,
        max_failures: 0,
        approval: name == "cell-zero",
    }
}

fn content(plan: &Plan) -> Content {
    let mut number = 0;
    let mut cells = |wave: &Wave| -> Vec<CellChange> {
        (0..wave.cells)
            .map(|_| {
                number += 1;
                cell(number)
            })
            .collect()
    };
    Content { waves: plan.waves.iter().map(&mut cells).collect(), templates: BTreeMap::new() }
}

fn name(number: usize) -> CellId {
    format!("cell-{number}").parse().expect("a name")
}

fn cell(number: usize) -> CellChange {
    let region = if number.is_multiple_of(5) { "eu-west-1" } else { "eu-central-1" };
    let place = Place { region: region.parse().expect("a Region"), account: None, role_arn: None };
    let desired = Desired {
        cell: name(number),
        cell_type: "shared".to_owned(),
        template_name: "serverless".to_owned(),
        stack: format!("shop-cell-{number}").parse().expect("a stack"),
        place,
        digest: Digest::of(b"desired"),
        template: Digest::of(b"template"),
        parameters: BTreeMap::new(),
        tags: BTreeMap::new(),
        capabilities: Vec::new(),
        artifacts: Vec::new(),
        tables: Vec::new(),
        queues: Vec::new(),
    };
    CellChange { desired, tenants: 37, is_new: number.is_multiple_of(9), allowed: BTreeSet::new() }
}

fn looks(plan: &Plan, wave: usize, failing: Option<&str>) -> Vec<Look> {
    let look = |gate: &Gate| {
        let fails = failing == Some(gate.name.as_str());
        let verdict = if fails { Verdict::Fail } else { Verdict::Pass };
        let what = match (gate.name.as_str(), fails) {
            ("errors", true) => "median 14 a minute against 0.4 in 6 control cells, p = 0.002".to_owned(),
            ("errors", false) => "median 0.4 a minute against 0.5 in 6 control cells, p = 0.41".to_owned(),
            ("stack", _) => "UPDATE_COMPLETE".to_owned(),
            _ => "0 messages".to_owned(),
        };
        let seen = vec![Seen { cell: Some(name(1)), verdict, what }];
        let failed_in_row = if fails { 2 } else { 0 };
        Look { gate: gate.name.clone(), verdict, failed_in_row, failed: fails, seen, cells: plan.waves[wave].cells }
    };
    plan.waves[wave].gates.iter().map(look).collect()
}

/// Writes a journal, a minute or so at a time.
struct Teller {
    journal: Vec<Entry>,
    plan: Plan,
    now_ms: i64,
}

impl Teller {
    fn new(waves: &[(&str, usize)]) -> Self {
        let plan = plan(waves);
        let mut teller = Self { journal: Vec::new(), plan: plan.clone(), now_ms: BEGAN_MS };
        teller.tell(0, Event::Planned { plan: Box::new(plan) });
        teller
    }

    fn tell(&mut self, after_ms: i64, event: Event) {
        self.now_ms += after_ms;
        let seq = self.journal.len() as u64 + 1;
        self.journal.push(Entry { seq, at_ms: self.now_ms, by: "ci@runner-3".to_owned(), token: 1, event });
    }

    fn change(&mut self, wave: usize) {
        self.tell(900, Event::WaveStarted { wave });
        let done = self.plan.waves[wave].cells;
        self.tell(4 * MINUTE_MS, Event::WaveChanged { wave, changed: Changed { done, ..Changed::default() } });
    }

    fn bake(&mut self, wave: usize) {
        for minute in [2_u32, 4, 6, 8] {
            let gates = looks(&self.plan, wave, None);
            self.tell(2 * MINUTE_MS, Event::Baked { wave, baked_ms: u64::from(minute) * 60_000, looks: minute, gates });
        }
        let gates = looks(&self.plan, wave, None);
        self.tell(2 * MINUTE_MS, Event::WavePassed { wave, baked_ms: BAKE_MS, promoted_by: None, gates });
    }

    fn end(self, name: &'static str) -> Story {
        let state = Rollout::fold(&self.journal).expect("a story that can happen").expect("a beginning");
        let content = content(&self.plan);
        let shown = Shown { state, journal: self.journal, orders: Orders::default(), lease: None, progress: None };
        Story { name, shown, content }
    }
}

/// All waves are good; the last one waited for its approval overnight.
pub(crate) fn good(waves: &[(&str, usize)]) -> Story {
    let mut teller = Teller::new(waves);
    for (wave, (name, _)) in waves.iter().enumerate() {
        if *name == "cell-zero" {
            teller.tell(13 * 60 * MINUTE_MS, Event::Approved { wave, who: "ada@desk".to_owned() });
        }
        teller.change(wave);
        teller.bake(wave);
    }
    teller.tell(400, Event::Completed);
    teller.end("good")
}

/// The second wave fails at a gate, and both are taken back.
pub(crate) fn taken_back() -> Story {
    let mut teller = Teller::new(&[("canary", 2), ("one", 1), ("few", 12), ("rest", 230)]);
    teller.change(0);
    teller.bake(0);
    teller.change(1);
    let gates = looks(&teller.plan, 1, None);
    teller.tell(2 * MINUTE_MS, Event::Baked { wave: 1, baked_ms: 120_000, looks: 2, gates });
    let gates = looks(&teller.plan, 1, Some("errors"));
    let why = "gate errors failed: median 14 a minute against 0.4 in 6 control cells, p = 0.002";
    teller.tell(MINUTE_MS, Event::GatesFailed { wave: 1, baked_ms: 180_000, gates });
    teller.tell(200, Event::RollbackStarted { first: 0, why: why.to_owned(), who: None });
    for (wave, done) in [(1, 1), (0, 2)] {
        teller.tell(3 * MINUTE_MS, Event::WaveBack { wave, changed: Changed { done, ..Changed::default() } });
    }
    teller.tell(MINUTE_MS, Event::RolledBack { kept: Vec::new() });
    teller.end("taken-back")
}

/// Cells fail, the rollback fails, and everything that is quoted is hostile.
pub(crate) fn hostile() -> Story {
    let mut teller = Teller::new(&[("canary", 3), ("rest", 60)]);
    teller.plan.commit = Some(HOSTILE.to_owned());
    teller.plan.selection = Some(HOSTILE.to_owned());
    HOSTILE.clone_into(&mut teller.plan.waves[0].gates[0].name);
    let plan = Box::new(teller.plan.clone());
    teller.journal[0].event = Event::Planned { plan };
    let trouble = |number| Troubled { cell: name(number), outcome: "failed".to_owned(), why: HOSTILE.to_owned() };
    teller.tell(900, Event::WaveStarted { wave: 0 });
    let changed = Changed { done: 1, failed: 2, troubled: vec![trouble(1)], ..Changed::default() };
    teller.tell(MINUTE_MS, Event::WaveChanged { wave: 0, changed });
    teller.tell(100, Event::RollbackStarted { first: 0, why: HOSTILE.to_owned(), who: Some(HOSTILE.to_owned()) });
    let changed = Changed { done: 2, failed: 1, troubled: vec![trouble(3)], ..Changed::default() };
    teller.tell(MINUTE_MS, Event::WaveBack { wave: 0, changed });
    teller.tell(100, Event::RollbackFailed { why: HOSTILE.to_owned(), hint: HOSTILE.to_owned() });
    teller.end("hostile")
}

/// The first wave bakes, and somebody carries it on.
pub(crate) fn baking() -> Story {
    let mut teller = Teller::new(&[("canary", 2), ("one", 1), ("rest", 8), ("cell-zero", 1)]);
    teller.change(0);
    let gates = looks(&teller.plan, 0, None);
    teller.tell(2 * MINUTE_MS, Event::Baked { wave: 0, baked_ms: 120_000, looks: 2, gates: gates.clone() });
    let at_ms = teller.now_ms + MINUTE_MS;
    let mut story = teller.end("baking");
    let state = &story.shown.state;
    story.shown.progress = Some(Progress {
        id: state.plan.id,
        at_ms,
        wave: 0,
        stage: state.stage,
        done: 2,
        failed: 0,
        under_way: Vec::new(),
        baked_ms: 180_000,
        gates,
        waits_for: None,
    });
    story
}

/// As large as a fleet may be: 10,000 cells in the default waves.
pub(crate) fn large() -> Story {
    let mut story = good(&[
        ("canary", 20),
        ("one", 1),
        ("five-percent", 500),
        ("twenty-percent", 2000),
        ("rest", 6478),
        ("dedicated", 1000),
        ("cell-zero", 1),
    ]);
    story.name = "large";
    story
}

/// Every story.
pub(crate) fn all() -> Vec<Story> {
    let mut ended = good(&[("canary", 2), ("one", 1), ("few", 12), ("rest", 230), ("cell-zero", 1)]);
    ended.name = "good";
    vec![ended, taken_back(), hostile(), baking(), large()]
}
