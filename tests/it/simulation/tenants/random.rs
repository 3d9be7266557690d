//! Random sequences of operations, several at once, with random faults.

use std::collections::BTreeMap;
use std::time::Duration;

use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::Attributes;
use cellctl::ops::tenants::add::AddRequest;
use proptest::prelude::*;

use super::super::until_crash;
use super::super::world::Fault;
use super::oracle::check_always;
use super::{CELLS, Deed, carry_out, fleet, provisioned, tenant};

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
