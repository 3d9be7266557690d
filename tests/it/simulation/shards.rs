//! Fences of several shards, seals past their deadlines and moves that nobody carries on, as the check of the map finds them.
//!
//! What must hold: what a move holds, or what is of a later time, is told and left alone; the rest is repaired by one run.

use std::time::Duration;

use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::fence::Shard;
use cellctl::domain::moves::machine::Stage;
use cellctl::domain::tenant::fence::FenceMode;
use cellctl::ops::moves::carrier::{Carrier, Listed};
use cellctl::ops::tenants::Desk;
use cellctl::ports::moves::Summary;

use super::moving::{acme, after, cell, codes, content, held, long, request, run, shift, shut, table};
use super::tenants::{fleet, provisioned};
use super::world::Sim;
use crate::support::samples::actor;

/// A tenant in a cell whose fences have four shards.
async fn sharded() -> Sim {
    let sim = provisioned();
    sim.with_map(|map| map.loads.get_mut(&cell("cell-1")).expect("a load").fence_shards = 4);
    let (world, fleet, actor) = (sim.world(), fleet(), actor());
    Desk { world: &world, fleet: &fleet, actor: &actor }.add(&request("cell-1")).await.expect("added");
    sim
}

/// The shards of the tenant's fence.
fn shards(sim: &Sim) -> Vec<Shard> {
    sim.with_map(|map| map.fences[&(table(map, "cell-1"), acme())].values().cloned().collect())
}

fn set_shard(sim: &Sim, number: u8, to: Option<Shard>) {
    sim.with_map(|map| {
        let fence = map.fences.get_mut(&(table(map, "cell-1"), acme())).expect("a fence");
        match to {
            Some(shard) => drop(fence.insert(number, shard)),
            None => drop(fence.remove(&number)),
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_missing_or_behind_is_opened_and_one_of_a_later_time_or_of_a_move_is_left_alone() {
    for (number, to, is_safe) in [
        (2, None, true),
        (0, None, true),
        (3, Some(Shard::free(0, FenceMode::Closed)), true),
        (3, Some(Shard::free(2, FenceMode::Open)), false),
        (1, Some(held(1, FenceMode::Guarded)), false),
    ] {
        let sim = sharded().await;
        assert_eq!(codes(&run(&sim, true).await), Vec::<&str>::new());
        set_shard(&sim, number, to);
        let before = content(&sim);
        let report = run(&sim, false).await;
        assert_eq!((codes(&report), report.exit_code()), (vec!["fence-shards"], 1), "{number}: {report:?}");
        assert_eq!(content(&sim), before, "{number}");
        let repaired = run(&sim, true).await;
        assert_eq!(repaired.exit_code(), u8::from(!is_safe), "{number}: {repaired:?}");
        if is_safe {
            assert_eq!(shards(&sim), vec![Shard::free(1, FenceMode::Open); 4], "{number}");
        } else {
            assert_eq!(content(&sim), before, "{number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_left_open_elsewhere_is_found_and_closed() {
    let sim = sharded().await;
    let name = "cell-2";
    sim.with_map(|map| {
        let key = (table(map, name), acme());
        map.fences.insert(key, [(3, Shard::free(0, FenceMode::Open))].into());
    });
    let report = run(&sim, true).await;
    assert_eq!((codes(&report), report.exit_code(), report.fences), (vec!["fence-elsewhere"], 0, 2), "{report:?}");
    let report = run(&sim, false).await;
    assert_eq!((codes(&report), report.fences), (vec![], 2), "{report:?}");
    sim.with_map(|map| {
        let there = &map.fences[&(table(map, name), acme())];
        assert!(there.len() == 4 && there.values().all(|shard| *shard == Shard::free(1, FenceMode::Closed)));
    });
}

#[tokio::test(start_paused = true)]
async fn a_seal_past_its_deadline_is_found_and_opened_two_epochs_on() {
    let sim = after("guarded").await;
    let deadline_ms = sim.world().clock.now_ms() + 1_000;
    sim.with_map(|map| shut(map, Shard { deadline_ms: Some(deadline_ms), ..held(1, FenceMode::Sealed) }));
    set_shard(&sim, 1, Some(held(1, FenceMode::Guarded)));
    let out = sim.with_map(|map| shift(map, "cell-1", Shard { to: Some(cell("cell-2")), ..held(2, FenceMode::Out) }));
    assert_eq!(codes(&run(&sim, true).await), Vec::<&str>::new(), "its time is not over");
    long().await;
    let before = content(&sim);
    assert_eq!(codes(&run(&sim, false).await), ["seal-expired"]);
    assert_eq!(content(&sim), before);
    let report = run(&sim, true).await;
    assert_eq!((codes(&report), report.exit_code()), (vec!["seal-expired"], 0), "{report:?}");
    assert_eq!(shards(&sim), [Shard::free(3, FenceMode::Open), held(1, FenceMode::Guarded)]);
    assert!(!sim.with_map(|map| map.shift(&out)), "the FLIP of the mover fails now");
    assert_eq!(codes(&run(&sim, true).await), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn a_seal_that_its_mover_ends_late_is_no_finding() {
    let sim = after("guarded").await;
    sim.with_map(|map| shut(map, Shard { deadline_ms: Some(1), ..held(1, FenceMode::Sealed) }));
    let mover = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        set_shard(&sim, 0, Some(Shard::free(3, FenceMode::Open)));
    };
    let (report, ()) = tokio::join!(run(&sim, true), mover);
    assert_eq!(codes(&report), Vec::<&str>::new(), "{report:?}");
}

fn of_list(is_carried: bool, paused: bool) -> Listed {
    let summary = Summary {
        id: MoveId { tenant: acme(), version: 1 },
        source: cell("cell-1"),
        target: cell("cell-2"),
        stage: Stage::Reserved,
        stuck: None,
        paused,
        planned_at_ms: 1,
        at_ms: 1,
    };
    let carrier = is_carried.then(|| Carrier { holder: "ann@desk".to_owned(), since_ms: 1 });
    let hint = (!is_carried).then(|| "`cellctl move resume acme:1` carries it on".to_owned());
    Listed { summary, carrier, hint }
}

#[tokio::test(start_paused = true)]
async fn a_move_that_nobody_carries_on_is_told_with_the_command_that_does() {
    for (is_carried, paused, wanted) in
        [(true, false, vec![]), (false, true, vec![]), (false, false, vec!["move-alone"])]
    {
        let sim = after("reserved").await;
        sim.set_under_way(vec![of_list(is_carried, paused)]);
        let before = content(&sim);
        for repair in [false, true] {
            let report = run(&sim, repair).await;
            assert_eq!(codes(&report), wanted, "{is_carried} {paused}: {report:?}");
            let hints: Vec<_> = report.findings.iter().filter_map(|told| told.hint.as_deref()).collect();
            assert!(hints.iter().all(|hint| hint.starts_with("`cellctl move resume acme:1`")), "{hints:?}");
        }
        assert_eq!(content(&sim), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_that_is_just_taken_up_is_no_finding() {
    let sim = after("reserved").await;
    sim.set_under_way(vec![of_list(false, false)]);
    let mover = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sim.set_under_way(vec![of_list(true, false)]);
    };
    let (report, ()) = tokio::join!(run(&sim, true), mover);
    assert_eq!(codes(&report), Vec::<&str>::new(), "{report:?}");
}
