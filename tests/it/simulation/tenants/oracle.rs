//! What must hold: counters equal the entries, no cell is over its limits, no constraint is broken, epochs only grow, no
//! tenant has two open fences, and every chain is whole.

use std::collections::BTreeMap;

use cellctl::domain::audit::Record;
use cellctl::domain::fleet::Fleet;
use cellctl::domain::ids::{Digest, TenantId};
use cellctl::domain::tenant::EntryState;
use cellctl::domain::tenant::fence::FenceMode;
use cellctl::domain::tenant::placement::{Candidate, Wish, allowed_regions};

use crate::support::map::MapState;

/// What must hold at any moment.
pub(crate) fn check_always(map: &MapState, fleet: &Fleet, when: &str) {
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
pub(super) fn check_chains(map: &MapState, when: &str) {
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
pub(crate) fn check_settled(map: &MapState, when: &str) {
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
