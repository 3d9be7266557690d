//! The real tenant operations over an in-memory world: a fault at every call, then the command again; and random
//! sequences of operations, several at once, with random faults.
//!
//! What must hold at any moment, wherever a fault strikes: counters equal the entries, no cell is over its limits, no
//! constraint is broken, epochs only grow, no tenant has two open fences, and every chain is whole.

use std::collections::BTreeMap;
use std::time::Duration;

use cellctl::domain::audit::{Actor, Record, Stamp};
use cellctl::domain::definition::CellSpec;
use cellctl::domain::fleet::{Cell, Fleet, Place};
use cellctl::domain::ids::{CellId, Digest, TenantId};
use cellctl::domain::record::{CellRecord, CellState};
use cellctl::domain::tenant::change::{self, Target};
use cellctl::domain::tenant::fence::{FenceMode, FenceTable};
use cellctl::domain::tenant::load::CellLoad;
use cellctl::domain::tenant::placement::{Candidate, Wish, allowed_regions};
use cellctl::domain::tenant::{Attributes, EntryState};
use cellctl::ops::lease::{Claim, HeldLease};
use cellctl::ops::map::verify::verify;
use cellctl::ops::tenants::add::AddRequest;
use cellctl::ops::tenants::{Desk, Did};
use cellctl::ops::{ErrorKind, OpError, World};
use cellctl::ports::tenants::Written;
use proptest::prelude::*;
use serde_json::json;

use super::until_crash;
use super::world::{Fault, Sim};
use crate::support::emulator;
use crate::support::map::MapState;

const HOME: &str = "eu-central-1";
/// Name, Region, type, tenants, weight. The last two are where one transaction does not reach.
const CELLS: [(&str, &str, &str, u64, u64); 5] = [
    ("canary-1", HOME, "canary", 2, 20),
    ("cell-1", HOME, "shared", 3, 30),
    ("cell-2", HOME, "shared", 3, 30),
    ("far-1", "us-east-1", "shared", 3, 30),
    ("own-1", "us-east-1", "dedicated", 5, 50),
];

fn place(region: &str) -> Place {
    Place { region: region.parse().expect("valid"), account: None, role_arn: None }
}

pub(super) fn fleet() -> Fleet {
    let cell = |(name, region, kind, tenants, weight): (&str, &str, &str, u64, u64)| {
        let spec = json!({ "type": kind, "capacity": { "tenants": tenants, "weight": weight } });
        let spec: CellSpec = serde_json::from_value(spec).expect("a cell");
        Cell {
            id: name.parse().expect("valid"),
            labels: BTreeMap::new(),
            place: place(region),
            template: "plain".parse().expect("valid"),
            spec,
            file: format!("cells/{name}.yaml"),
        }
    };
    Fleet {
        name: "shop".parse().expect("valid"),
        labels: BTreeMap::new(),
        control: place(HOME),
        tags: BTreeMap::new(),
        concurrency: None,
        max_failures: None,
        rollout: Default::default(),
        residency: BTreeMap::from([(
            "us".parse().expect("valid"),
            std::iter::once("us-east-1".parse().expect("valid")).collect(),
        )]),
        cells: CELLS.into_iter().map(cell).collect(),
    }
}

/// A world in which every cell of the fleet is provisioned and empty.
pub(super) fn provisioned() -> Sim {
    let sim = Sim::new();
    for (name, region, ..) in CELLS {
        let cell: CellId = name.parse().expect("valid");
        let load = CellLoad {
            cell: cell.clone(),
            state: CellState::Active,
            place: place(region),
            cell_type: None,
            fence_table: Some(format!("shop-{name}-fences")),
            fence_shards: 1,
            tenants: 0,
            weight: 0,
            writes: 0,
            audit: None,
            changing: None,
        };
        sim.with_map(|map| map.loads.insert(cell, load));
    }
    sim
}

pub(super) fn actor() -> Actor {
    Actor { identity: "arn:aws:iam::111122223333:user/sim".to_owned(), user: "sim@bench".to_owned(), ci_url: None }
}

fn tenant(name: &str) -> TenantId {
    name.parse().expect("valid")
}

fn request(name: &str, to: Option<&str>) -> AddRequest {
    let attributes = Attributes { weight: 7, ..Attributes::default() };
    AddRequest { tenant: tenant(name), attributes, to: to.map(|cell| cell.parse().expect("valid")) }
}

/// Something that an operator does.
#[derive(Debug, Clone)]
enum Deed {
    Add(AddRequest),
    Remove(TenantId),
    SetWeight(TenantId, u64),
    SetResidency(TenantId),
    Pin(TenantId),
    Unpin(TenantId),
}

async fn carry_out(world: &World, fleet: &Fleet, deed: &Deed) -> Result<Did, OpError> {
    let actor = actor();
    let desk = Desk { world, fleet, actor: &actor };
    Ok(match deed {
        Deed::Add(request) => desk.add(request).await?.did,
        Deed::Remove(tenant) => desk.remove(tenant).await?.did,
        Deed::SetWeight(tenant, weight) => {
            desk.set(tenant, |before| Attributes { weight: *weight, ..before.clone() }).await?.did
        }
        Deed::SetResidency(tenant) => {
            let us = || Some("us".parse().expect("valid"));
            desk.set(tenant, |before| Attributes { residency: us(), ..before.clone() }).await?.did
        }
        Deed::Pin(tenant) => desk.pin(tenant, Some("a reason".to_owned())).await?.did,
        Deed::Unpin(tenant) => desk.unpin(tenant).await?.did,
    })
}

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

/// What must hold at any moment.
pub(super) fn check_always(map: &MapState, fleet: &Fleet, when: &str) {
    for cell in &fleet.cells {
        let load = &map.loads[&cell.id];
        let held: Vec<_> = map.entries.values().filter(|e| e.is_present() && e.cell == cell.id).collect();
        let weight: u64 = held.iter().map(|e| e.attributes.weight).sum();
        assert_eq!(load.tenants, i64::try_from(held.len()).expect("few"), "{when}: tenants of {}", cell.id);
        assert_eq!(load.weight, i64::try_from(weight).expect("small"), "{when}: weight of {}", cell.id);
        let candidate = Candidate::of(cell, Some(load));
        assert!(candidate.tenants <= candidate.limits.tenants, "{when}: {} is overfilled", cell.id);
        assert!(candidate.limits.weight.is_none_or(|max| weight <= max), "{when}: {} is too heavy", cell.id);
        for entry in held {
            let regions = allowed_regions(fleet, &entry.attributes).expect("known");
            let wish = Wish { tenant: &entry.tenant, attributes: &entry.attributes, regions };
            assert_eq!(candidate.misfit(&wish), None, "{when}: {} in {}", entry.tenant, cell.id);
        }
    }
    let mut open: BTreeMap<&TenantId, usize> = BTreeMap::new();
    for ((_, tenant), shards) in &map.fences {
        let fence = &shards[&0];
        *open.entry(tenant).or_default() += usize::from(fence.mode == FenceMode::Open);
        assert!(map.entries.get(tenant).is_some_and(|e| fence.epoch <= e.epoch), "{when}: fence of {tenant} is ahead");
    }
    assert!(open.values().all(|count| *count <= 1), "{when}: two open fences: {open:?}");
    check_chains(map, when);
}

/// Each tenant's chain is whole, and ends where the entry says; along it, epochs only grow.
fn check_chains(map: &MapState, when: &str) {
    for (subject, chain) in &map.chains {
        let (mut prev, mut epoch) = (None, 0);
        for (index, stored) in chain.values().enumerate() {
            let record: Record = serde_json::from_str(&stored.text).expect("readable");
            assert_eq!(record.seq, index as u64 + 1, "{when}: {subject} has a gap");
            assert_eq!(record.prev, prev, "{when}: {subject} is not linked");
            let grown = record.to["epoch"].as_u64().unwrap_or(epoch);
            assert!(grown >= epoch, "{when}: the epoch of {subject} went from {epoch} to {grown}");
            (prev, epoch) = (Some(Digest::of(stored.text.as_bytes())), grown);
        }
    }
    for entry in map.entries.values() {
        let subject = cellctl::domain::audit::Subject::Tenant(entry.tenant.clone());
        let last = map.chains[&subject].values().last().expect("a record");
        assert_eq!((last.seq, &last.hash), (entry.version, &entry.head.to_string()), "{when}: {subject}");
    }
}

/// What must hold once nothing is under way: every tenant that is served has an open fence, and nobody else has.
pub(super) fn check_settled(map: &MapState, when: &str) {
    for entry in map.entries.values() {
        let shards = map.fences.iter().find(|((table, tenant), _)| {
            *tenant == entry.tenant && table.name == format!("shop-{}-fences", entry.cell)
        });
        let mode = shards.map(|(_, shards)| (shards[&0].mode, shards[&0].epoch));
        let wanted = match entry.state {
            EntryState::Active => FenceMode::Open,
            EntryState::Removed => FenceMode::Closed,
            other => panic!("{when}: {} is {}", entry.tenant, other.as_str()),
        };
        assert_eq!(mode, Some((wanted, entry.epoch)), "{when}: fence of {}", entry.tenant);
    }
}

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
                let repaired = verify(&sim.healthy().world(), &fleet, Some(&actor())).await.expect("verified");
                assert_eq!(repaired.exit_code(), 0, "{when}: {repaired:?}");
                sim.with_map(|map| check_always(map, &fleet, &when));
                sim.with_map(|map| check_settled(map, &when));
                let clean = verify(&sim.healthy().world(), &fleet, None).await.expect("verified again");
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

/// Where a tenant's fence is.
fn fence_key(map: &MapState, name: &str) -> (FenceTable, TenantId) {
    let cell = &map.entries[&tenant(name)].cell;
    (map.loads[cell].fences().expect("fences"), tenant(name))
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_fence_is_ahead_of_a_restored_map_can_be_removed() {
    let fleet = fleet();
    for (to, state) in [("cell-1", EntryState::Active), ("far-1", EntryState::Active), ("far-1", EntryState::Closing)] {
        let when = format!("{to} {}", state.as_str());
        let sim = provisioned();
        carry_out(&sim.world(), &fleet, &Deed::Add(request("acme", Some(to)))).await.expect("added");
        sim.with_map(|map| {
            let key = fence_key(map, "acme");
            map.fences.get_mut(&key).expect("a fence").get_mut(&0).expect("a shard").epoch = 3;
            map.entries.get_mut(&tenant("acme")).expect("an entry").state = state;
        });
        carry_out(&sim.world(), &fleet, &Deed::Remove(tenant("acme"))).await.expect("removed");
        sim.with_map(|map| check_always(map, &fleet, &when));
        sim.with_map(|map| check_settled(map, &when));
        assert_eq!(sim.with_map(|map| map.entries[&tenant("acme")].epoch), 4, "{when}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_a_move_holds_keeps_its_tenant() {
    let fleet = fleet();
    for to in ["cell-1", "far-1"] {
        let sim = provisioned();
        carry_out(&sim.world(), &fleet, &Deed::Add(request("acme", Some(to)))).await.expect("added");
        let fence = sim.with_map(|map| {
            let key = fence_key(map, "acme");
            let fence = map.fences.get_mut(&key).expect("a fence").get_mut(&0).expect("a shard");
            (fence.epoch, fence.mode) = (2, FenceMode::Sealed);
            fence.clone()
        });
        let before = sim.with_map(|map| map.entries[&tenant("acme")].clone());
        let error = carry_out(&sim.world(), &fleet, &Deed::Remove(tenant("acme"))).await.expect_err("a move");
        assert_eq!(error.kind, ErrorKind::Refused, "{to}");
        sim.with_map(|map| {
            assert_eq!(map.entries[&tenant("acme")], before, "{to}");
            assert_eq!(map.fences[&fence_key(map, "acme")][&0], fence, "{to}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_fence_table_is_gone_can_be_removed() {
    let fleet = fleet();
    for (to, state) in [("cell-1", EntryState::Active), ("far-1", EntryState::Active), ("far-1", EntryState::Closing)] {
        let sim = provisioned();
        carry_out(&sim.world(), &fleet, &Deed::Add(request("acme", Some(to)))).await.expect("added");
        let (table, _) = sim.with_map(|map| fence_key(map, "acme"));
        sim.drop_table(table);
        sim.with_map(|map| map.entries.get_mut(&tenant("acme")).expect("an entry").state = state);
        carry_out(&sim.world(), &fleet, &Deed::Remove(tenant("acme"))).await.expect("removed");
        let is = sim.with_map(|map| map.entries[&tenant("acme")].state);
        assert_eq!(is, EntryState::Removed, "{to} {}", state.as_str());
        sim.with_map(|map| check_chains(map, to));
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
    let stamp = Stamp { at_ms: 0, actor: actor() };
    let target = Target { load, limits, local: true, by_hand: false };
    let late = change::add(&tenant("acme"), Attributes::default(), &target, None, 0, &stamp);
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

/// A record of a cell, as an apply leaves it.
fn record(cell: &str, applied: bool, state: CellState) -> CellRecord {
    let fences = FenceTable { place: place(HOME), name: format!("shop-{cell}-fences") };
    let complete = emulator::record(cell, Some(&fences));
    CellRecord { state, applied: complete.applied.filter(|_| applied), ..complete }
}

/// Writes a record as an operation under the lock does.
async fn put_record(sim: &Sim, record: CellRecord) -> CellRecord {
    let world = sim.world();
    let claim = Claim { actor: actor(), purpose: "a test".to_owned() };
    let lease = HeldLease::take(world.control.clone(), world.clock.clone(), &claim).await.expect("free");
    let written = cellctl::ops::cells::record::put(&world, record, &lease, "tested").await.expect("written");
    lease.release().await.expect("released");
    written
}

#[tokio::test(start_paused = true)]
async fn a_cell_whose_create_failed_takes_nobody() {
    let fleet = fleet();
    let sim = Sim::new();
    let failed = put_record(&sim, record("cell-1", false, CellState::Active)).await;
    let add = Deed::Add(request("acme", Some("cell-1")));
    let error = carry_out(&sim.world(), &fleet, &add).await.expect_err("there is no stack");
    assert!(error.message.contains("not been provisioned"), "{error}");
    let complete = CellRecord { version: failed.version, ..record("cell-1", true, CellState::Active) };
    put_record(&sim, complete).await;
    carry_out(&sim.world(), &fleet, &add).await.expect("now there is one");
    sim.with_map(|map| check_settled(map, "after the create"));
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_no_longer_names_its_fences_still_has_them() {
    let fleet = fleet();
    let sim = Sim::new();
    let complete = put_record(&sim, record("cell-1", true, CellState::Active)).await;
    carry_out(&sim.world(), &fleet, &Deed::Add(request("acme", Some("cell-1")))).await.expect("added");
    let mut silent = complete;
    silent.applied.as_mut().expect("applied").outputs.clear();
    put_record(&sim, silent).await;
    carry_out(&sim.world(), &fleet, &Deed::Remove(tenant("acme"))).await.expect("removed");
    sim.with_map(|map| check_settled(map, "after the removal"));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_was_lost_is_made_anew_with_the_record() {
    let fleet = fleet();
    let sim = Sim::new();
    let complete = put_record(&sim, record("cell-1", true, CellState::Active)).await;
    carry_out(&sim.world(), &fleet, &Deed::Add(request("acme", Some("cell-1")))).await.expect("added");
    sim.with_map(|map| map.loads.clear());
    let cordoned = CellRecord { state: CellState::Cordoned, ..complete };
    put_record(&sim, cordoned).await;
    let cell = "cell-1".parse::<CellId>().expect("valid");
    assert_eq!(sim.with_map(|map| (map.loads[&cell].tenants, map.loads[&cell].state)), (0, CellState::Cordoned));
    let report = verify(&sim.world(), &fleet, Some(&actor())).await.expect("verified");
    assert_eq!(report.exit_code(), 0, "{report:?}");
    sim.with_map(|map| check_always(map, &fleet_of(&cell), "after the repair"));
}

/// The fleet of these tests with one cell alone.
fn fleet_of(cell: &CellId) -> Fleet {
    let mut fleet = fleet();
    fleet.cells.retain(|known| known.id == *cell);
    fleet
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_is_being_deleted_is_not_brought_back_by_a_word() {
    let fleet = fleet();
    let sim = Sim::new();
    put_record(&sim, record("cell-1", true, CellState::Deleted)).await;
    let cell = "cell-1".parse().expect("valid");
    let claim = Claim { actor: actor(), purpose: "a test".to_owned() };
    for state in [CellState::Active, CellState::Cordoned] {
        let set = cellctl::ops::cells::state::set(&sim.world(), &fleet, &cell, state, &claim).await;
        assert_eq!(set.expect_err("refused").kind, ErrorKind::Refused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_the_map_has_lost_goes_back_to_its_cell_or_nowhere() {
    let fleet = fleet();
    let sim = provisioned();
    let world = sim.world();
    carry_out(&world, &fleet, &Deed::Add(request("acme", Some("far-1")))).await.expect("added");
    sim.with_map(|map| {
        map.entries.clear();
        map.loads.values_mut().for_each(|load| (load.tenants, load.weight) = (0, 0));
    });
    for elsewhere in [None, Some("cell-1")] {
        let error = carry_out(&world, &fleet, &Deed::Add(request("acme", elsewhere))).await.expect_err("refused");
        assert!(error.message.contains("history ends in far-1 at epoch 1"), "{error}");
    }
    carry_out(&world, &fleet, &Deed::Add(request("acme", Some("far-1")))).await.expect("back");
    sim.with_map(|map| check_always(map, &fleet, "after the loss"));
    sim.with_map(|map| check_settled(map, "after the loss"));
    assert_eq!(sim.with_map(|map| map.entries[&tenant("acme")].epoch), 2);
}

fn deeds() -> impl Strategy<Value = Deed> {
    let name = || (0..8_u32).prop_map(|number| tenant(&format!("t-{number}")));
    let to = prop_oneof![4 => Just(None), 2 => (0..CELLS.len()).prop_map(|i| Some(CELLS[i].0.parse().expect("valid")))];
    let add = (name(), 1..12_u64, any::<(bool, bool, bool)>(), to).prop_map(|(tenant, weight, flags, to)| {
        let residency = (flags.0 && flags.1).then(|| "us".parse().expect("valid"));
        let attributes =
            Attributes { weight, residency, canary: flags.1, dedicated: flags.2 && flags.0, ..Attributes::default() };
        Deed::Add(AddRequest { tenant, attributes, to })
    });
    prop_oneof![
        6 => add,
        3 => name().prop_map(Deed::Remove),
        2 => (name(), 1..20_u64).prop_map(|(tenant, weight)| Deed::SetWeight(tenant, weight)),
        1 => name().prop_map(Deed::SetResidency),
        1 => name().prop_map(Deed::Pin),
        1 => name().prop_map(Deed::Unpin),
    ]
}

/// Deeds at the same time; one of them may be struck.
#[derive(Debug, Clone)]
struct Round {
    deeds: Vec<Deed>,
    fault: Option<(usize, Fault)>,
    /// A cell that somebody cordons, or uncordons, first.
    toggled: Option<usize>,
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let faults = prop_oneof![Just(Fault::CrashBefore), Just(Fault::CrashAfter), Just(Fault::LostAnswer)];
    let round = (
        proptest::collection::vec(deeds(), 1..4),
        proptest::option::weighted(0.5, (1..9_usize, faults)),
        proptest::option::weighted(0.1, 0..CELLS.len()),
    );
    let round = round.prop_map(|(deeds, fault, toggled)| Round { deeds, fault, toggled });
    proptest::collection::vec(round, 1..25)
}

async fn play(rounds: Vec<Round>) {
    let fleet = fleet();
    let sim = provisioned();
    let mut epochs: BTreeMap<TenantId, u64> = BTreeMap::new();
    for (number, round) in rounds.iter().enumerate() {
        let when = format!("round {number}: {round:?}");
        if let Some(cell) = round.toggled {
            sim.with_map(|map| {
                let load = map.loads.get_mut(CELLS[cell].0.parse::<CellId>().as_ref().expect("valid")).expect("a cell");
                load.state = if load.state == CellState::Active { CellState::Cordoned } else { CellState::Active };
            });
        }
        let struck = round.fault.map_or_else(|| sim.healthy(), |(nth, fault)| sim.with_fault(nth, fault));
        let world = struck.world();
        let work = futures_util::future::join_all(round.deeds.iter().map(|deed| carry_out(&world, &fleet, deed)));
        // What a deed says is not looked at: refusals are part of the game.
        let _ = until_crash(&struck, work).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        sim.with_map(|map| check_always(map, &fleet, &when));
        sim.with_map(|map| {
            for entry in map.entries.values() {
                let seen = epochs.insert(entry.tenant.clone(), entry.epoch).unwrap_or(0);
                assert!(entry.epoch >= seen, "{when}: the epoch of {} fell", entry.tenant);
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_operations_and_failures_breaks_the_map(rounds in rounds()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(play(rounds));
    }
}
