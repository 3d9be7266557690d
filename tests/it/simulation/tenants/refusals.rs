//! What is refused, and what is said then.

use std::time::Duration;

use super::oracle::{check_always, check_settled};
use super::{Deed, carry_out, fleet, provisioned, request, tenant};
use crate::support::samples::{actor, chosen, place, stamp};
use cellctl::domain::audit::Actor;
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::CellId;
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::Attributes;
use cellctl::domain::tenant::change::{self};
use cellctl::domain::tenant::load::CellLoad;
use cellctl::domain::tenant::placement::Candidate;
use cellctl::ops::ErrorKind;
use cellctl::ops::tenants::add::AddRequest;
use cellctl::ops::tenants::{Desk, Did};
use cellctl::ports::tenants::Written;

/// The adapter tries a write that collides for a minute. Whoever asked for it waits for that, and not for forty such.
#[tokio::test(start_paused = true)]
async fn who_collides_all_the_time_is_told_so_in_good_time() {
    let sim = provisioned();
    let there = Deed::Add(request("there", Some("cell-1")));
    carry_out(&sim.world(), &fleet(), &there).await.expect("added");
    sim.colliding(true);
    let began = tokio::time::Instant::now();
    for deed in [Deed::Add(request("acme", None)), Deed::Pin(tenant("there")), Deed::Remove(tenant("there"))] {
        let error = carry_out(&sim.world(), &fleet(), &deed).await.expect_err("no way through");
        assert!(error.message.contains("TransactionConflict") && error.hint.is_some(), "{error}");
        assert!(began.elapsed() < Duration::from_mins(5), "{deed:?}: {:?}", began.elapsed());
    }
    sim.with_map(|map| assert_eq!(map.entries.len(), 1));
}

/// No way of giving labels leads to more of them than a snapshot may have.
#[tokio::test(start_paused = true)]
async fn a_tenant_has_no_more_labels_than_it_may() {
    let (sim, fleet, actor) = (provisioned(), fleet(), actor());
    let world = sim.world();
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    let labels = |number: usize| (0..number).map(|n| (format!("k{n}"), String::new())).collect();
    let wanted = |number| Attributes { labels: labels(number), ..Attributes::default() };
    let asked = |number| AddRequest { tenant: tenant("acme"), attributes: wanted(number), to: None };
    let error = desk.add(&asked(51)).await.expect_err("too many");
    assert!(error.message.contains("51 labels"), "{error}");
    desk.add(&asked(50)).await.expect("added");
    let error = desk.set(&tenant("acme"), |_| wanted(51)).await.expect_err("too many");
    assert!(error.message.contains("51 labels"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn two_operators_place_one_tenant_once() {
    let fleet = fleet();
    let sim = provisioned();
    let world = sim.world();
    let (ann, bob) = (actor(), Actor { user: "bob@bench".to_owned(), ..actor() });
    let (ann, bob) =
        (Desk { world: &world, fleet: &fleet, actor: &ann }, Desk { world: &world, fleet: &fleet, actor: &bob });
    let request_of_both = request("acme", None);
    let (one, two) = tokio::join!(ann.add(&request_of_both), bob.add(&request_of_both));
    let dids = [one.expect("placed").did, two.expect("found").did];
    assert!(dids.contains(&Did::Changed) && dids.contains(&Did::Unchanged), "{dids:?}");
    let there = Deed::Add(request("acme", Some("far-1")));
    let error = carry_out(&world, &fleet, &there).await.expect_err("it is elsewhere");
    assert!(error.message.contains("already"), "{error}");
    sim.with_map(|map| check_settled(map, "two operators"));
}

#[tokio::test(start_paused = true)]
async fn a_full_fleet_says_what_to_do() {
    let fleet = fleet();
    let sim = provisioned();
    let world = sim.world();
    for number in 0..9 {
        let mut add = request(&format!("t-{number}"), None);
        add.attributes.weight = 1;
        carry_out(&world, &fleet, &Deed::Add(add)).await.expect("there is room");
    }
    let error = carry_out(&world, &fleet, &Deed::Add(request("late", None))).await.expect_err("full");
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("3 full"), "{error}");
    assert!(error.hint.expect("a hint").contains("cellctl cell create NEW --like"));
    sim.with_map(|map| check_always(map, &fleet, "full"));
}

#[tokio::test(start_paused = true)]
async fn residency_has_no_override() {
    let fleet = fleet();
    let sim = provisioned();
    let mut add = request("acme", Some("cell-1"));
    add.attributes.residency = Some("us".parse().expect("valid"));
    let error = carry_out(&sim.world(), &fleet, &Deed::Add(add.clone())).await.expect_err("wrong Region");
    assert!(error.to_string().contains("us-east-1 only"), "{error}");
    add.to = None;
    carry_out(&sim.world(), &fleet, &Deed::Add(add)).await.expect("placed by itself");
    assert_eq!(sim.with_map(|map| map.entries[&tenant("acme")].cell.to_string()), "far-1");
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_is_not_as_it_was_seen_takes_nobody() {
    let fleet = fleet();
    let sim = provisioned();
    let cell: CellId = "cell-1".parse().expect("valid");
    let load = sim.with_map(|map| map.loads[&cell].clone());
    let limits = Candidate::of(fleet.cell(&cell).expect("defined"), Some(&load)).limits;
    let target = chosen(load, limits);
    let late = change::add(&tenant("acme"), Attributes::default(), &target, None, 0, &stamp(0));
    let place = place("us-east-1");
    for meddle in [
        (|load, _| load.fence_table = Some("another".to_owned())) as fn(&mut CellLoad, &Place),
        |load, _| load.fence_table = None,
        |load, place| load.place = place.clone(),
        |load, _| load.state = CellState::Draining,
    ] {
        let sim = provisioned();
        sim.with_map(|map| meddle(map.loads.get_mut(&cell).expect("a cell"), &place));
        let written = sim.world().map.write(std::slice::from_ref(&late)).await.expect("answered");
        assert_eq!(written, Written::CellRefused(cell.clone()));
    }
    assert_eq!(sim.world().map.write(&[late]).await.expect("answered"), Written::Done);
}
