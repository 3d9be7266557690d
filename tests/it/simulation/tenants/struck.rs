//! Each operation, struck by each fault at each of its calls: the same command again finishes it.

use std::time::Duration;

use cellctl::domain::tenant::EntryState;
use cellctl::ops::ErrorKind;
use cellctl::ops::map::verify::verify;
use cellctl::ops::tenants::{Desk, Did};

use super::super::until_crash;
use super::super::world::Fault;
use super::oracle::{check_always, check_settled};
use super::{Deed, carry_out, fleet, provisioned, request, tenant};
use crate::support::samples::actor;

/// Does `deed` in a world that `before` has prepared, struck by each fault at each of its calls in turn; then again.
async fn struck_everywhere(before: &[Deed], deed: &Deed) {
    let fleet = fleet();
    let prepared = || async {
        let sim = provisioned();
        for step in before {
            carry_out(&sim.world(), &fleet, step).await.expect("prepared");
        }
        sim
    };
    let sim = prepared().await;
    let first = sim.calls();
    carry_out(&sim.world(), &fleet, deed).await.expect("without a fault");
    let calls = sim.calls() - first;
    let wanted = sim.with_map(|map| map.entries.values().map(|e| (e.cell.clone(), e.state)).collect::<Vec<_>>());
    assert!(calls >= 2, "{deed:?} makes {calls} calls");
    for nth in 1..=calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LostAnswer] {
            let when = format!("{deed:?}, {fault:?} at call {nth}");
            let sim = prepared().await;
            let struck = sim.with_fault(nth, fault);
            // Whatever it says: what counts is what it leaves.
            let _ = Box::pin(until_crash(&struck, carry_out(&struck.world(), &fleet, deed))).await;
            sim.with_map(|map| check_always(map, &fleet, &when));
            let again = carry_out(&sim.healthy().world(), &fleet, deed).await;
            again.unwrap_or_else(|error| panic!("{when}, again: {error}"));
            sim.with_map(|map| check_always(map, &fleet, &when));
            sim.with_map(|map| check_settled(map, &when));
            let is = sim.with_map(|map| map.entries.values().map(|e| (e.cell.clone(), e.state)).collect::<Vec<_>>());
            assert_eq!(is, wanted, "{when}");
            let third = carry_out(&sim.healthy().world(), &fleet, deed).await.expect("a third time");
            assert_eq!(third, Did::Unchanged, "{when}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_add_that_is_struck_anywhere_is_finished_by_the_same_command() {
    for to in [None, Some("cell-2"), Some("far-1")] {
        struck_everywhere(&[], &Deed::Add(request("acme", to))).await;
    }
    // Once more, after an earlier life in another cell.
    let earlier = [Deed::Add(request("acme", Some("far-1"))), Deed::Remove(tenant("acme"))];
    struck_everywhere(&earlier, &Deed::Add(request("acme", Some("cell-1")))).await;
    struck_everywhere(&earlier, &Deed::Add(request("acme", Some("far-1")))).await;
}

#[tokio::test(start_paused = true)]
async fn after_an_add_that_is_struck_anywhere_verify_finds_nothing_lost() {
    let fleet = fleet();
    for to in ["cell-2", "far-1"] {
        let add = Deed::Add(request("acme", Some(to)));
        let sim = provisioned();
        carry_out(&sim.world(), &fleet, &add).await.expect("without a fault");
        for nth in 1..=sim.calls() {
            for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LostAnswer] {
                let when = format!("{to}, {fault:?} at call {nth}");
                let sim = provisioned();
                let struck = sim.with_fault(nth, fault);
                let _ = Box::pin(until_crash(&struck, carry_out(&struck.world(), &fleet, &add))).await;
                // Later than an add can still be under way.
                tokio::time::sleep(Duration::from_mins(10)).await;
                let repaired = verify(&sim.healthy().world(), &sim, &fleet, Some(&actor())).await.expect("verified");
                assert_eq!(repaired.exit_code(), 0, "{when}: {repaired:?}");
                sim.with_map(|map| check_always(map, &fleet, &when));
                sim.with_map(|map| check_settled(map, &when));
                let clean = verify(&sim.healthy().world(), &sim, &fleet, None).await.expect("verified again");
                assert_eq!((clean.exit_code(), clean.found()), (0, 0), "{when}: {clean:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_struck_anywhere_is_finished_by_the_same_command() {
    for to in ["cell-1", "far-1"] {
        struck_everywhere(&[Deed::Add(request("acme", Some(to)))], &Deed::Remove(tenant("acme"))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_struck_anywhere_is_finished_by_the_same_command() {
    let there = [Deed::Add(request("acme", Some("far-1")))];
    struck_everywhere(&there, &Deed::SetWeight(tenant("acme"), 9)).await;
    struck_everywhere(&there, &Deed::SetResidency(tenant("acme"))).await;
    struck_everywhere(&there, &Deed::Pin(tenant("acme"))).await;
    let pinned = [there[0].clone(), Deed::Pin(tenant("acme"))];
    struck_everywhere(&pinned, &Deed::Unpin(tenant("acme"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_process_does_not_open_the_fence_of_a_removed_tenant() {
    let fleet = fleet();
    let sim = provisioned();
    // The add dies right before it opens the fence; the tenant is removed and added elsewhere meanwhile.
    let add = Deed::Add(request("acme", Some("far-1")));
    let struck = sim.with_fault(5, Fault::CrashBefore);
    assert!(Box::pin(until_crash(&struck, carry_out(&struck.world(), &fleet, &add))).await.is_none(), "it died");
    let stale = sim.with_map(|map| map.entries[&tenant("acme")].clone());
    assert_eq!(stale.state, EntryState::Opening);
    for deed in [Deed::Remove(tenant("acme")), Deed::Add(request("acme", Some("cell-1")))] {
        carry_out(&sim.world(), &fleet, &deed).await.expect("done");
    }
    // Now it goes on from where it was.
    let world = sim.world();
    let actor = actor();
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    let refused = desk.finish_opening(stale).await.expect_err("the fence has gone on");
    assert_eq!(refused.kind, ErrorKind::Refused);
    sim.with_map(|map| check_always(map, &fleet, "after the zombie"));
    sim.with_map(|map| check_settled(map, "after the zombie"));
}
