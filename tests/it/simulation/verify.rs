//! The real check of the map over an in-memory world: each corruption by itself, and a check beside writers at work.
//!
//! What must hold: an orderly map gives no finding, each corruption gives its own and nothing else, what is safe is
//! repaired by one run so that the next finds nothing, and what is not safe is left exactly as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use cellctl::domain::audit::{Record, Subject};
use cellctl::domain::fleet::Fleet;
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::fence::{Fence, FenceMode, FenceTable};
use cellctl::domain::tenant::verify::STUCK_AFTER_MS;
use cellctl::domain::tenant::{Attributes, ENTRY_FORMAT, EntryState};
use cellctl::ops::map::verify::{FINDINGS_TOLD_MAX, Outcome, Report, verify};
use cellctl::ops::tenants::Desk;
use cellctl::ops::tenants::add::AddRequest;

use super::tenants::{fleet, provisioned};
use super::until_crash;
use super::world::{Fault, Sim};
use crate::support::map::MapState;
use crate::support::samples::actor;

fn tenant(name: &str) -> TenantId {
    name.parse().expect("valid")
}

fn cell(name: &str) -> CellId {
    name.parse().expect("valid")
}

fn table(map: &MapState, name: &str) -> FenceTable {
    map.loads[&cell(name)].fences().expect("fences")
}

/// Puts a fence into a cell, whatever is there.
fn put_fence(map: &mut MapState, in_cell: &str, name: &str, epoch: u64, mode: FenceMode) {
    let table = table(map, in_cell);
    map.set_fence(&table, &Fence { tenant: tenant(name), epoch, mode });
}

async fn add(sim: &Sim, name: &str, to: &str, attributes: Attributes) {
    let (world, fleet, actor) = (sim.world(), fleet(), actor());
    let request = AddRequest { tenant: tenant(name), attributes, to: Some(cell(to)) };
    Desk { world: &world, fleet: &fleet, actor: &actor }.add(&request).await.expect("added");
}

async fn remove(sim: &Sim, name: &str) {
    let (world, fleet, actor) = (sim.world(), fleet(), actor());
    Desk { world: &world, fleet: &fleet, actor: &actor }.remove(&tenant(name)).await.expect("removed");
}

/// A map in order: two tenants here, one far away, one that is gone, one that came back elsewhere.
async fn orderly() -> Sim {
    let sim = provisioned();
    add(&sim, "acme", "cell-1", Attributes::default()).await;
    add(&sim, "globex", "cell-1", Attributes { weight: 7, ..Attributes::default() }).await;
    add(&sim, "hooli", "far-1", Attributes { weight: 3, ..Attributes::default() }).await;
    add(&sim, "initech", "cell-2", Attributes::default()).await;
    add(&sim, "umbrella", "cell-2", Attributes::default()).await;
    remove(&sim, "initech").await;
    remove(&sim, "umbrella").await;
    add(&sim, "umbrella", "cell-1", Attributes::default()).await;
    sim
}

async fn run_with(sim: &Sim, fleet: &Fleet, repair: bool) -> Report {
    let actor = actor();
    verify(&sim.world(), sim, fleet, repair.then_some(&actor)).await.expect("a report")
}

async fn run(sim: &Sim, repair: bool) -> Report {
    run_with(sim, &fleet(), repair).await
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|told| told.finding.code()).collect()
}

/// What a map holds, to see that nothing was changed.
fn content(sim: &Sim) -> String {
    sim.with_map(|map| format!("{map:?}"))
}

/// A way to spoil a map, by the code that it must be found under.
type Corruption = (&'static str, fn(&mut MapState));

fn entry<'a>(map: &'a mut MapState, name: &str) -> &'a mut cellctl::domain::tenant::Entry {
    map.entries.get_mut(&tenant(name)).expect("an entry")
}

fn load<'a>(map: &'a mut MapState, name: &str) -> &'a mut cellctl::domain::tenant::load::CellLoad {
    map.loads.get_mut(&cell(name)).expect("a load")
}

/// Makes an entry look as if an operation had been cut off long ago.
fn cut_off(map: &mut MapState, name: &str, state: EntryState) {
    let entry = entry(map, name);
    entry.state = state;
    entry.changed_at_ms -= STUCK_AFTER_MS;
}

const SAFE: [Corruption; 10] = [
    ("fence-missing", |map| drop(map.fences.remove(&(table(map, "cell-1"), tenant("acme"))))),
    ("fence-missing", |map| drop(map.fences.remove(&(table(map, "far-1"), tenant("hooli"))))),
    ("fence-behind", |map| entry(map, "acme").epoch = 5),
    ("stuck-opening", |map| cut_off(map, "hooli", EntryState::Opening)),
    ("stuck-opening", |map| {
        cut_off(map, "hooli", EntryState::Opening);
        map.fences.remove(&(table(map, "far-1"), tenant("hooli")));
    }),
    ("stuck-closing", |map| {
        cut_off(map, "hooli", EntryState::Closing);
        entry(map, "hooli").epoch += 1;
    }),
    // Its fence is still open in the same epoch.
    ("stuck-closing", |map| cut_off(map, "hooli", EntryState::Closing)),
    ("counters-differ", |map| load(map, "cell-1").tenants = 7),
    ("counters-differ", |map| load(map, "cell-2").weight = -2),
    ("fence-elsewhere", |map| put_fence(map, "cell-2", "umbrella", 1, FenceMode::Open)),
];

#[tokio::test(start_paused = true)]
async fn an_orderly_map_gives_no_finding_and_a_repair_changes_nothing() {
    let sim = orderly().await;
    let before = content(&sim);
    for repair in [false, true] {
        let report = run(&sim, repair).await;
        assert_eq!((codes(&report), report.exit_code()), (vec![], 0));
        assert_eq!((report.tenants, report.removed, report.cells, report.under_way), (4, 1, 5, 0));
        assert_eq!((report.fences, report.uncounted.len()), (6, 0));
    }
    assert_eq!(content(&sim), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_safe_is_found_and_repaired_and_then_gone() {
    for (number, (code, spoil)) in SAFE.into_iter().enumerate() {
        let sim = orderly().await;
        sim.with_map(spoil);
        let spoilt = content(&sim);
        let found = run(&sim, false).await;
        assert_eq!((codes(&found), found.exit_code()), (vec![code], 1), "{number}");
        assert_eq!(found.findings[0].hint.as_deref(), Some("run the command with --repair"), "{number}");
        assert_eq!(content(&sim), spoilt, "{number}: a look changes nothing");
        let repaired = run(&sim, true).await;
        assert_eq!((codes(&repaired), repaired.exit_code()), (vec![code], 0), "{number}: {repaired:?}");
        assert_eq!(repaired.uncounted, Vec::<CellId>::new(), "{number}");
        let clean = run(&sim, false).await;
        assert_eq!(codes(&clean), Vec::<&str>::new(), "{number}: {clean:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_safe_is_repaired_in_one_run() {
    let sim = orderly().await;
    sim.with_map(|map| {
        map.fences.remove(&(table(map, "cell-1"), tenant("acme")));
        cut_off(map, "hooli", EntryState::Closing);
        entry(map, "hooli").epoch += 1;
        load(map, "far-1").tenants = 3;
        put_fence(map, "cell-2", "initech", 1, FenceMode::Open);
    });
    let report = run(&sim, true).await;
    assert_eq!(codes(&report), ["fence-missing", "stuck-closing", "counters-differ", "fence-elsewhere"]);
    assert_eq!(report.exit_code(), 0, "{report:?}");
    assert_eq!(codes(&run(&sim, false).await), Vec::<&str>::new());
    sim.with_map(|map| {
        assert_eq!((load(map, "far-1").tenants, load(map, "far-1").weight), (0, 0));
        let chain = &map.chains[&Subject::Cell(cell("far-1"))];
        let record: Record = serde_json::from_str(&chain[&1].text).expect("a record");
        assert_eq!((record.action.as_str(), &record.from["tenants"]), ("counters-corrected", &2.into()));
    });
}

const UNSAFE: [Corruption; 13] = [
    ("cell-missing", |map| drop(map.loads.remove(&cell("far-1")))),
    ("cell-deleted", |map| load(map, "far-1").state = CellState::Deleted),
    ("wrong-region", |map| {
        entry(map, "acme").attributes.residency = Some("us".parse().expect("valid"));
    }),
    ("wrong-region", |map| {
        entry(map, "acme").attributes.regions = BTreeSet::from(["eu-west-1".parse().expect("valid")]);
    }),
    ("wrong-cell", |map| entry(map, "acme").attributes.dedicated = true),
    ("unknown-residency", |map| {
        entry(map, "acme").attributes.residency = Some("mars".parse().expect("valid"));
    }),
    ("newer-format", |map| entry(map, "acme").format = ENTRY_FORMAT + 1),
    ("fence-ahead", |map| put_fence(map, "cell-1", "acme", 9, FenceMode::Closed)),
    ("fence-mode", |map| put_fence(map, "cell-1", "acme", 1, FenceMode::Out)),
    ("fence-mode", |map| {
        entry(map, "acme").epoch = 2;
        put_fence(map, "cell-1", "acme", 1, FenceMode::Incoming);
    }),
    // A move of which the map knows nothing.
    ("fence-mode", |map| put_fence(map, "cell-1", "acme", 2, FenceMode::Guarded)),
    ("fence-elsewhere", |map| put_fence(map, "cell-2", "acme", 1, FenceMode::Open)),
    ("fence-orphan", |map| put_fence(map, "far-1", "nobody", 3, FenceMode::Open)),
];

#[tokio::test(start_paused = true)]
async fn what_is_not_safe_is_told_and_left_alone() {
    for (number, (code, spoil)) in UNSAFE.into_iter().enumerate() {
        let sim = orderly().await;
        sim.with_map(spoil);
        let spoilt = content(&sim);
        for repair in [false, true] {
            let report = run(&sim, repair).await;
            assert_eq!((codes(&report), report.exit_code()), (vec![code], 1), "{number}: {report:?}");
            let told = &report.findings[0];
            assert!(told.outcome == Outcome::Found && told.hint.is_some(), "{number}: {told:?}");
            assert_ne!(told.hint.as_deref(), Some("run the command with --repair"), "{number}");
        }
        assert_eq!(content(&sim), spoilt, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn beside_an_entry_that_cannot_be_read_everything_else_is_told_and_no_counter_is_set() {
    let sim = orderly().await;
    sim.with_map(|map| {
        entry(map, "acme").format = ENTRY_FORMAT + 1;
        load(map, "cell-2").tenants = 7;
        put_fence(map, "cell-1", "nobody", 3, FenceMode::Open);
    });
    let before = content(&sim);
    let report = run(&sim, true).await;
    assert_eq!((codes(&report), report.exit_code()), (vec!["newer-format", "fence-orphan"], 1), "{report:?}");
    assert_eq!(report.uncounted, [cell("cell-1"), cell("cell-2")]);
    assert_eq!(content(&sim), before);
}

#[tokio::test(start_paused = true)]
async fn a_cell_without_a_definition_still_has_a_region() {
    let sim = orderly().await;
    let mut fewer = fleet();
    fewer.cells.retain(|one| one.id != cell("cell-1"));
    assert_eq!(codes(&run_with(&sim, &fewer, false).await), Vec::<&str>::new());
    sim.with_map(|map| entry(map, "acme").attributes.residency = Some("us".parse().expect("valid")));
    assert_eq!(codes(&run_with(&sim, &fewer, false).await), ["wrong-region"]);
}

#[tokio::test(start_paused = true)]
async fn of_very_many_findings_the_first_are_told_and_all_are_counted() {
    let sim = provisioned();
    let many = FINDINGS_TOLD_MAX + 5;
    sim.with_map(|map| {
        for n in 0..many {
            put_fence(map, "cell-1", &format!("nobody-{n}"), 1, FenceMode::Open);
        }
    });
    let report = run(&sim, true).await;
    assert_eq!((report.findings.len(), report.found(), report.left()), (FINDINGS_TOLD_MAX, many as u64, many as u64));
}

/// An add or a removal of a tenant far away, as a `cellctl` that may die at any call.
async fn churn(sim: &Sim, adds: bool) {
    if adds { add(sim, "soylent", "far-1", Attributes::default()).await } else { remove(sim, "hooli").await }
}

#[tokio::test(start_paused = true)]
async fn wherever_an_add_or_a_removal_dies_nothing_is_wrong_at_once_and_a_repair_finishes_it() {
    for adds in [true, false] {
        let sim = orderly().await;
        let before = sim.calls();
        churn(&sim, adds).await;
        for nth in 1..=sim.calls() - before {
            for fault in [Fault::CrashBefore, Fault::CrashAfter] {
                let sim = orderly().await;
                let struck = sim.with_fault(nth, fault);
                let died = Box::pin(until_crash(&struck, churn(&struck, adds))).await.is_none();
                assert!(died, "{adds} {nth} {fault:?}");
                let soon = run(&sim.healthy(), true).await;
                assert_eq!(codes(&soon), Vec::<&str>::new(), "{adds} {nth} {fault:?}");
                tokio::time::sleep(Duration::from_millis(STUCK_AFTER_MS.unsigned_abs())).await;
                let later = run(&sim.healthy(), true).await;
                assert_eq!((later.exit_code(), later.found()), (0, soon.under_way), "{adds} {nth} {fault:?} {later:?}");
                let clean = run(&sim.healthy(), false).await;
                assert_eq!((codes(&clean), clean.under_way), (vec![], 0), "{adds} {nth} {fault:?}");
            }
        }
    }
}

/// What others do to the map while it is checked.
async fn meddle(sim: &Sim) {
    add(sim, "soylent", "far-1", Attributes { weight: 2, ..Attributes::default() }).await;
    remove(sim, "hooli").await;
    remove(sim, "globex").await;
    add(sim, "globex", "cell-2", Attributes { weight: 7, ..Attributes::default() }).await;
    remove(sim, "soylent").await;
}

#[tokio::test(start_paused = true)]
async fn writers_at_work_are_no_finding_whenever_they_begin() {
    let sim = orderly().await;
    let before = sim.calls();
    run(&sim, false).await;
    let mut recounted = 0;
    for begin in 0..sim.calls() - before {
        for repair in [false, true] {
            let sim = orderly().await;
            let later = async {
                for _ in 0..begin {
                    tokio::task::yield_now().await;
                }
                meddle(&sim).await;
            };
            let (report, ()) = tokio::join!(run(&sim, repair), later);
            assert_eq!(codes(&report), Vec::<&str>::new(), "{begin} {repair}: {report:?}");
            assert_eq!(report.uncounted, Vec::<CellId>::new(), "{begin} {repair}");
            recounted += report.passes - 1;
            let after = run(&sim, false).await;
            assert_eq!((codes(&after), after.uncounted.len()), (vec![], 0), "{begin} {repair}");
        }
    }
    assert!(recounted > 0, "no run met a writer in the middle");
}

#[tokio::test(start_paused = true)]
async fn counters_that_drifted_are_never_set_to_a_count_that_a_writer_has_outdated() {
    let mut outdated = 0;
    for begin in 0..20 {
        let sim = orderly().await;
        sim.with_map(|map| load(map, "cell-2").tenants = 1);
        let later = async {
            for _ in 0..begin {
                tokio::task::yield_now().await;
            }
            add(&sim, "soylent", "cell-2", Attributes::default()).await;
        };
        let (report, ()) = tokio::join!(run(&sim, true), later);
        // A difference that stays is confirmed by the second pass.
        outdated += usize::from(report.passes > 2);
        run(&sim, true).await;
        assert_eq!(codes(&run(&sim, false).await), Vec::<&str>::new(), "{begin}: {report:?}");
        sim.with_map(|map| assert_eq!(load(map, "cell-2").tenants, 1, "{begin}"));
    }
    assert!(outdated > 0, "no run met the writer in the middle");
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_behind_a_transaction_sets_no_counter_wrong() {
    for repair in [false, true] {
        let sim = orderly().await;
        let old = sim.with_map(|map| entry(map, "initech").clone());
        add(&sim, "initech", "cell-2", Attributes::default()).await;
        let before = content(&sim);
        sim.shows_once(old);
        let report = run(&sim, repair).await;
        assert_eq!((codes(&report), report.exit_code()), (vec![], 0), "{repair}: {report:?}");
        assert_eq!(content(&sim), before, "{repair}");
    }
}

/// Changes a tenant's weight all the time, as a map does that is in use.
async fn keep_changing(sim: &Sim) -> Report {
    loop {
        for _ in 0..50 {
            sim.with_map(|map| {
                entry(map, "acme").attributes.weight += 1;
                load(map, "cell-1").weight += 1;
                load(map, "cell-1").writes += 1;
            });
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_could_not_be_counted_is_not_said_to_be_in_order() {
    let sim = orderly().await;
    let report = tokio::select! {
        report = run(&sim, true) => report,
        never = keep_changing(&sim) => never,
    };
    assert_eq!((codes(&report), report.exit_code()), (vec![], 9), "{report:?}");
    assert_eq!((report.uncounted.as_slice(), report.passes), ([cell("cell-1")].as_slice(), 4));
    let text = cellctl::output::map_verify::text(&report, cellctl::output::Style::new(false));
    assert!(!text.contains("ok") && !text.contains("nothing is wrong"), "{text}");
    assert!(text.contains("cell-1 could not be counted"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_repair_may_lose_any_answer_or_die_at_any_call() {
    let spoil = |map: &mut MapState| {
        map.fences.remove(&(table(map, "cell-1"), tenant("acme")));
        cut_off(map, "hooli", EntryState::Closing);
        entry(map, "hooli").epoch += 1;
        load(map, "cell-2").tenants = 3;
        put_fence(map, "cell-2", "initech", 1, FenceMode::Open);
    };
    let sim = orderly().await;
    sim.with_map(spoil);
    let before = sim.calls();
    run(&sim, true).await;
    for nth in 1..=sim.calls() - before {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LostAnswer] {
            let sim = orderly().await;
            sim.with_map(spoil);
            let struck = sim.with_fault(nth, fault);
            let (world, fleet, actor) = (struck.world(), fleet(), actor());
            let _ = until_crash(&struck, verify(&world, &struck, &fleet, Some(&actor))).await;
            let again = run(&sim.healthy(), true).await;
            assert_eq!(again.exit_code(), 0, "{nth} {fault:?}: {again:?}");
            let clean = run(&sim.healthy(), false).await;
            assert_eq!(codes(&clean), Vec::<&str>::new(), "{nth} {fault:?}");
        }
    }
}
