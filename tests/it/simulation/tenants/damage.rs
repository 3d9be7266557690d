//! Tenants of a map or of fences that were lost, restored or are held.

use cellctl::domain::ids::TenantId;
use cellctl::domain::tenant::EntryState;
use cellctl::domain::tenant::fence::{FenceMode, FenceTable};
use cellctl::ops::ErrorKind;

use super::oracle::{check_always, check_chains, check_settled};
use super::{Deed, carry_out, fleet, provisioned, request, tenant};
use crate::support::map::MapState;

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
