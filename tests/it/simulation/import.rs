//! The real import over an in-memory world: bad rows, a fault at every call and then the command again, and others who
//! fill the cells meanwhile.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cellctl::domain::ids::TenantId;
use cellctl::domain::tenant::row::BadRow;
use cellctl::domain::tenant::{Attributes, EntryState};
use cellctl::fs::rows::{RowFormat, RowsRead, read};
use cellctl::ops::tenants::Desk;
use cellctl::ops::tenants::add::AddRequest;
use cellctl::ops::tenants::import::{ImportOptions, ImportReport};
use cellctl::ops::{OpError, World};
use tokio::sync::watch;

use super::tenants::{check_always, check_settled, fleet, provisioned};
use super::until_crash;
use super::world::{Fault, Sim};
use crate::support::samples::actor;

fn csv(text: &str) -> RowsRead {
    read(text.as_bytes(), RowFormat::Csv).expect("readable")
}

fn options() -> ImportOptions {
    ImportOptions { cells_at_once: 3, stop: watch::channel(false).1 }
}

/// What `cellctl tenant import` does. None: refused because of bad rows.
async fn import(world: &World, text: &str, partial: bool) -> Result<Result<ImportReport, Vec<BadRow>>, OpError> {
    let (fleet, actor) = (fleet(), actor());
    let desk = Desk { world, fleet: &fleet, actor: &actor };
    let RowsRead { rows, bad } = csv(text);
    let plan = desk.plan_import(rows, bad).await?;
    if !plan.bad().is_empty() && (!partial || plan.is_unreadable()) {
        return Ok(Err(plan.bad().to_vec()));
    }
    desk.import(plan, &options()).await.map(Ok)
}

async fn done(sim: &Sim, text: &str) -> ImportReport {
    import(&sim.world(), text, false).await.expect("no error").unwrap_or_else(|bad| panic!("{bad:#?}"))
}

fn codes(bad: &[BadRow]) -> Vec<(u64, &'static str)> {
    bad.iter().map(|bad| (bad.at.row, bad.code)).collect()
}

fn cells(sim: &Sim) -> BTreeMap<String, String> {
    sim.with_map(|map| {
        let present = map.entries.values().filter(|entry| entry.is_present());
        present.map(|entry| (entry.tenant.to_string(), entry.cell.to_string())).collect()
    })
}

/// Raises the limits of a world's cells to what many tenants need.
fn roomy() -> cellctl::domain::fleet::Fleet {
    let mut fleet = fleet();
    for cell in &mut fleet.cells {
        cell.spec.capacity = serde_json::from_value(serde_json::json!({ "tenants": 10_000 })).expect("a capacity");
    }
    fleet
}

/// Tenants for both cells of the control's Region, and for one where one transaction does not reach.
const SMALL: &str = "tenant,weight,residency,cell\n\
    a,5,,\nb,5,,cell-2\nc,5,us,\nd,5,us,far-1\ne,5,,\n";

#[tokio::test(start_paused = true)]
async fn tenants_are_added_set_and_left_alone() {
    let sim = provisioned();
    let first = done(&sim, SMALL).await;
    assert_eq!((first.rows, first.added, first.bad_rows, first.left), (5, 5, 0, 0), "{first:?}");
    assert_eq!(first.cells.iter().map(|cell| cell.added).sum::<usize>(), 5);
    let placed = cells(&sim);
    assert_eq!((placed["b"].as_str(), placed["c"].as_str(), placed["d"].as_str()), ("cell-2", "far-1", "far-1"));
    let writes = sim.with_map(|map| map.chains.len());
    let before = sim.with_map(|map| map.entries.clone());
    let again = done(&sim, SMALL).await;
    assert_eq!((again.unchanged, again.added, again.updated), (5, 0, 0));
    assert_eq!(sim.with_map(|map| (map.chains.len(), map.entries.clone())), (writes, before), "nothing was written");
    let third = done(&sim, "tenant,weight,label.owner\na,7,x\nd,5,y\ne,5,\n").await;
    assert_eq!((third.updated, third.unchanged), (2, 1), "{third:?}");
    assert_eq!(cells(&sim), placed);
    sim.with_map(|map| {
        check_always(map, &fleet(), "imported");
        check_settled(map, "imported");
    });
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_told_row_by_row_and_nothing_is_written() {
    let sim = provisioned();
    done(&sim, "tenant,cell\nold,cell-1\n").await;
    let text = "tenant,weight,residency,regions,dedicated,canary,cell\n\
        ok,1,,,,,\n\
        old,,,,,,cell-2\n\
        b,,,,,,cell-9\n\
        c,,moon,,,,\n\
        d,31,,,,,\n\
        e,,us,,,,cell-1\n\
        f,1,,ap-south-1,,,\n\
        old,1,,,,,\n\
        ../x,1,,,,,\n";
    let bad = import(&sim.world(), text, false).await.expect("no error").expect_err("bad rows");
    let expected = [
        (2, "other-cell"),
        (3, "unknown-cell"),
        (4, "unknown-residency"),
        (5, "no-cell"),
        (6, "cell-refuses"),
        (7, "no-cell"),
        (8, "duplicate-tenant"),
        (9, "invalid-value"),
    ];
    assert_eq!(codes(&bad), expected, "{bad:#?}");
    assert!(bad.iter().all(|bad| bad.hint.is_some() && bad.tenant.is_some()), "{bad:#?}");
    assert_eq!(cells(&sim).len(), 1, "nothing was written");
    let report = import(&sim.world(), text, true).await.expect("no error").expect("partly");
    assert_eq!((report.added, report.bad_rows, report.left, report.exit_code()), (1, 8, 0, 9), "{report:?}");
    sim.with_map(|map| check_settled(map, "partly"));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_stays_where_it_is_and_what_its_cell_does_not_allow_is_refused() {
    let sim = provisioned();
    done(&sim, "tenant,weight,cell\na,20,cell-1\nb,10,cell-1\n").await;
    for (text, code) in [
        ("tenant,weight\na,21\n", "cell-full"),
        ("tenant,residency\na,us\n", "misfit"),
        ("tenant,dedicated\na,true\n", "misfit"),
        ("tenant,residency\na,moon\n", "unknown-residency"),
    ] {
        let bad = import(&sim.world(), text, false).await.expect("no error").expect_err(text);
        assert_eq!(codes(&bad), [(1, code)], "{text}");
    }
    let report = done(&sim, "tenant,weight\nb,5\na,25\n").await;
    assert_eq!(report.updated, 2, "room that one row gives back is there for the next: {report:?}");
    sim.with_map(|map| check_always(map, &fleet(), "set"));
}

#[tokio::test(start_paused = true)]
async fn one_bad_row_in_ten_thousand_is_named() {
    let mut text = "tenant,weight\n".to_owned();
    for number in 1..=10_000 {
        let weight = if number == 7_777 { "-1" } else { "1" };
        writeln!(text, "t{number},{weight}").expect("memory");
    }
    let (sim, fleet, actor) = (provisioned(), roomy(), actor());
    let world = sim.world();
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    let RowsRead { rows, bad } = csv(&text);
    let plan = desk.plan_import(rows, bad).await.expect("a plan");
    assert_eq!(codes(plan.bad()), [(7_777, "invalid-value")]);
    assert_eq!((plan.bad()[0].at.line, plan.changes()), (7_778, 9_999));
    assert!(cells(&sim).is_empty(), "nothing is written by a plan");
    let report = desk.import(plan, &options()).await.expect("imported");
    assert_eq!((report.added, report.bad_rows, report.left, report.exit_code()), (9_999, 1, 0, 9));
    sim.with_map(|map| {
        check_always(map, &fleet, "imported");
        assert_eq!(map.fences.len(), 9_999);
    });
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_struck_anywhere_is_finished_by_the_same_command() {
    // A life before, in a cell elsewhere, and a tenant to be changed.
    let prepared = || async {
        let sim = provisioned();
        done(&sim, "tenant,cell\na,far-1\nb,cell-2\n").await;
        let (fleet, actor, world) = (fleet(), actor(), sim.world());
        let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
        desk.remove(&"a".parse().expect("valid")).await.expect("removed");
        sim
    };
    let sim = prepared().await;
    let first = sim.calls();
    done(&sim, SMALL).await;
    let calls = sim.calls() - first;
    assert!(calls >= 8, "{calls}");
    for nth in 1..=calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LostAnswer] {
            let when = format!("{fault:?} at call {nth}");
            let sim = prepared().await;
            let struck = sim.with_fault(nth, fault);
            let world = struck.world();
            // Whatever it says: what counts is what it leaves.
            let _ = Box::pin(until_crash(&struck, import(&world, SMALL, false))).await;
            sim.with_map(|map| check_always(map, &fleet(), &when));
            let healthy = sim.healthy();
            let report = import(&healthy.world(), SMALL, false).await.unwrap_or_else(|e| panic!("{when}: {e}"));
            let report = report.unwrap_or_else(|bad| panic!("{when}: {bad:#?}"));
            assert_eq!((report.left, report.exit_code()), (0, 0), "{when}: {report:?}");
            sim.with_map(|map| {
                check_always(map, &fleet(), &when);
                check_settled(map, &when);
                assert_eq!(map.entries.values().filter(|e| e.state == EntryState::Active).count(), 5, "{when}");
            });
            assert_eq!(done(&healthy, SMALL).await.unchanged, 5, "{when}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn others_fill_the_cells_meanwhile_and_no_cell_is_overfilled() {
    // Room for nine tenants without residency; twelve are wanted.
    for seed in 0..20_u32 {
        let sim = provisioned();
        let (fleet, actor, world) = (fleet(), actor(), sim.world());
        let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
        let text = "tenant\ni1\ni2\ni3\ni4\ni5\ni6\n";
        let others = (0..6).map(|number| {
            let name = if number < seed % 3 { format!("i{}", number + 1) } else { format!("o{number}") };
            let tenant: TenantId = name.parse().expect("valid");
            let desk = &desk;
            let world = &world;
            async move {
                for _ in 0..seed {
                    world.map.loads().await.expect("a call that takes its turn");
                }
                desk.add(&AddRequest { tenant, attributes: Attributes::default(), to: None }).await.is_ok()
            }
        });
        let (report, others) = tokio::join!(import(&world, text, false), futures_util::future::join_all(others));
        let when = format!("seed {seed}");
        sim.with_map(|map| {
            check_always(map, &fleet, &when);
            check_settled(map, &when);
        });
        if let Ok(report) = report.expect("no error") {
            let (good, bad) = (report.added + report.unchanged + report.finished, report.bad_rows);
            assert_eq!((good + bad, report.left), (6, 0), "{when}: {report:?}");
            let here = cells(&sim);
            let there = (1..=6).filter(|number| here.contains_key(&format!("i{number}"))).count();
            assert_eq!(there, good, "{when}: {report:?}");
        }
        assert!(others.iter().any(|added| *added), "{when}");
    }
}

/// As many labels as a tenant may have, of the most bytes that they may have.
fn full_labels(letter: char) -> String {
    let value = "\u{10348}".repeat(254);
    let labels = (10..60).map(|number| (format!("{}{number}", "k".repeat(61)), format!("{letter}{value}")));
    serde_json::to_string(&labels.collect::<BTreeMap<_, _>>()).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn the_largest_tenants_fit_into_transactions() {
    let (sim, fleet, actor) = (provisioned(), roomy(), actor());
    let world = sim.world();
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    for letter in ['a', 'b'] {
        let labels = full_labels(letter);
        let mut text = String::new();
        for number in 0..40 {
            writeln!(text, r#"{{"tenant":"t{number}","cell":"cell-1","labels":{labels}}}"#).expect("memory");
        }
        let RowsRead { rows, bad } = read(text.as_bytes(), RowFormat::JsonLines).expect("readable");
        let plan = desk.plan_import(rows, bad).await.expect("a plan");
        let report = desk.import(plan, &options()).await.expect("imported");
        assert_eq!((report.added + report.updated, report.bad_rows, report.left), (40, 0, 0), "{report:?}");
    }
    sim.with_map(|map| check_always(map, &fleet, "imported"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_the_rest_for_the_next_run() {
    let (sim, fleet, actor) = (provisioned(), roomy(), actor());
    let world = sim.world();
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    let mut text = "tenant,cell\n".to_owned();
    (0..100).for_each(|number| writeln!(text, "t{number},cell-1").expect("memory"));
    let (stop, stopped) = watch::channel(false);
    let until_stopped = ImportOptions { cells_at_once: 1, stop: stopped };
    let plan = desk.plan_import(csv(&text).rows, Vec::new()).await.expect("a plan");
    let stop_soon = async {
        while cells(&sim).is_empty() {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
    };
    let (report, ()) = tokio::join!(desk.import(plan, &until_stopped), stop_soon);
    let report = report.expect("stopped in order");
    assert_eq!((report.exit_code(), report.added + report.left), (10, 100), "{report:?}");
    assert!(report.added >= 32 && report.left > 0, "{report:?}");
    let plan = desk.plan_import(csv(&text).rows, Vec::new()).await.expect("a plan");
    assert_eq!(plan.changes(), report.left);
    let rest = desk.import(plan, &options()).await.expect("imported");
    assert_eq!((rest.unchanged, rest.added, rest.exit_code()), (report.added, report.left, 0));
}
