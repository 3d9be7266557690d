//! The protocol of `docs/move-protocol.md`, steps 2 to 12, as a model that is searched exhaustively within bounds.
//!
//! Each configuration must keep every invariant and reach what it is there for; each guard that is taken away must break
//! the invariant that is named beside it. `docs/verification.md` has the numbers; `--nocapture` shows them.

#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "each action has the same form: of the model, and none where it is not possible"
)]

mod abort;
mod bounds;
mod capture;
mod cutover;
mod ends;
mod guards;
mod mover;
mod mutants;
mod properties;
mod protocol;
mod queues;
mod rollout;
mod state;
mod world;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use bounds::{CONFIGURATIONS, Configuration};
use protocol::Protocol;

/// Searches everything; every property must hold. Prints a row of the table in `docs/verification.md`.
fn holds(configuration: &Configuration) {
    let (name, bounds) = *configuration;
    let began = Instant::now();
    let checker = Protocol { bounds, mutant: None }.checker().spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("| {name} | {bounds} | {states} | {} | {:.1} s |", checker.max_depth(), began.elapsed().as_secs_f64());
}

fn named(name: &str) -> &'static Configuration {
    CONFIGURATIONS.iter().find(|configuration| configuration.0 == name).expect(name)
}

macro_rules! configurations {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                holds(named($name));
            }
        )*

        #[test]
        fn every_configuration_is_searched() {
            assert_eq!([$($name),*].to_vec(), CONFIGURATIONS.iter().map(|c| c.0).collect::<Vec<_>>());
        }
    };
}

configurations! {
    strict_keeps_the_invariants: "strict",
    guarded_keeps_the_invariants: "guarded",
    lease_keeps_the_invariants: "lease",
    lease_by_streams_keeps_the_invariants: "lease, streams",
    flip_in_three_writes_keeps_the_invariants: "three writes",
    two_shards_keep_the_invariants: "shards",
    two_keys_keep_the_invariants: "keys",
    lost_and_repeated_records_keep_the_invariants: "records",
    aborts_keep_the_invariants: "aborts",
    aborts_in_more_places_keep_the_invariants: "aborts, three writes",
    coming_back_keeps_the_invariants: "back",
}

#[test]
fn a_way_to_a_good_end_is_never_lost() {
    for (name, bounds) in bounds::ENDS {
        let began = Instant::now();
        let ends = ends::ends(&Protocol { bounds, mutant: None }, Protocol::is_settled);
        assert!(ends.lost.is_empty(), "{name}: {} states lead nowhere, such as {:#?}", ends.lost.len(), ends.lost[0]);
        println!("| {name} | {bounds} | {} | | {:.1} s |", ends.states, began.elapsed().as_secs_f64());
    }
}

#[test]
fn without_a_guard_a_good_end_is_lost() {
    for (mutant, bounds) in guards::ENDS {
        let ends = ends::ends(&Protocol { bounds, mutant: Some(mutant) }, Protocol::is_settled);
        assert!(!ends.lost.is_empty(), "{mutant:?} loses no end within {bounds}");
        println!("| {mutant:?} | {bounds} | a good end, from {} states | |", ends.lost.len());
    }
}

#[test]
fn each_guard_is_needed() {
    for (mutant, bounds, property) in guards::GUARDS {
        Protocol { bounds, mutant: None }.checker().spawn_bfs().join().assert_no_discovery(property);
        let only = HasDiscoveries::AnyOf([property].into());
        let checker = Protocol { bounds, mutant: Some(mutant) }.checker().finish_when(only).spawn_bfs().join();
        let found = checker.discovery(property);
        let path = found.unwrap_or_else(|| panic!("{mutant:?} does not break \"{property}\" within {bounds}"));
        println!("| {mutant:?} | {bounds} | {property} | {} |", path.into_actions().len());
    }
}

#[test]
fn messages_take_effect_once() {
    let checker = queues::Forwarding { mutant: None }.checker().spawn_bfs().join();
    checker.assert_properties();
    let ends = ends::ends(&queues::Forwarding { mutant: None }, queues::Forwarding::is_settled);
    assert!(ends.lost.is_empty(), "{} states lead nowhere, such as {:#?}", ends.lost.len(), ends.lost[0]);
    println!("| queues | 1 message | {} | {} | |", checker.unique_state_count(), checker.max_depth());
}

#[test]
fn each_guard_of_the_queues_is_needed() {
    for (mutant, property) in guards::QUEUES {
        let checker = queues::Forwarding { mutant: Some(mutant) }.checker().spawn_bfs().join();
        let path = checker.discovery(property).unwrap_or_else(|| panic!("{mutant:?} does not break \"{property}\""));
        println!("| {mutant:?} | queues | {property} | {} |", path.into_actions().len());
    }
}
