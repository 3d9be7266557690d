//! The protocol of `docs/rollout-protocol.md` as a model that is searched exhaustively within bounds: the real machine of
//! `domain::rollout`, driven by pilots that are followed by others at any moment.
//!
//! Each configuration must keep every invariant and reach what it is there for; each guard that is taken away must break
//! the invariant that is named beside it. `docs/verification.md` has the numbers; `--nocapture` shows them.

mod bounds;
mod cells;
mod lines;
mod mutants;
mod pilot;
mod plan;
mod properties;
mod protocol;
mod state;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use super::ends::ends;
use bounds::CONFIGURATIONS;
use protocol::Protocol;

/// Searches everything; every property must hold. Prints a row of the table in `docs/verification.md`.
fn holds(name: &str) {
    let (_, bounds) = CONFIGURATIONS.iter().find(|configuration| configuration.0 == name).expect(name);
    let began = Instant::now();
    let checker = Protocol { bounds: *bounds, mutant: None }.checker().spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!("| {name} | {bounds} | {states} | {} | {:.1} s |", checker.max_depth(), began.elapsed().as_secs_f64());
}

macro_rules! configurations {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                holds($name);
            }
        )*

        #[test]
        fn every_configuration_is_searched() {
            assert_eq!([$($name),*].to_vec(), CONFIGURATIONS.iter().map(|c| c.0).collect::<Vec<_>>());
        }
    };
}

configurations! {
    gates_that_fail_keep_the_invariants: "gates",
    cells_that_fail_keep_the_invariants: "failures",
    cells_that_get_stuck_keep_the_invariants: "stuck",
    words_keep_the_invariants: "words",
    orders_keep_the_invariants: "orders",
    a_halt_keeps_the_invariants: "halted",
    taking_one_wave_back_keeps_the_invariants: "wave",
    three_pilots_keep_the_invariants: "three pilots",
}

#[test]
fn a_way_to_an_end_is_never_lost() {
    for (name, bounds) in bounds::ENDS {
        let began = Instant::now();
        let ends = ends(&Protocol { bounds, mutant: None }, Protocol::is_settled);
        assert!(ends.lost.is_empty(), "{name}: {} states lead nowhere, such as {:#?}", ends.lost.len(), ends.lost[0]);
        println!("| {name} | {bounds} | {} | | {:.1} s |", ends.states, began.elapsed().as_secs_f64());
    }
}

#[test]
fn without_a_guard_an_end_is_lost() {
    for (mutant, bounds) in bounds::STANDS {
        assert!(ends(&Protocol { bounds, mutant: None }, Protocol::is_settled).lost.is_empty(), "{bounds}");
        let ends = ends(&Protocol { bounds, mutant: Some(mutant) }, Protocol::is_settled);
        assert!(!ends.lost.is_empty(), "{mutant:?} loses no end within {bounds}");
        println!("| {mutant:?} | {bounds} | an end, from {} states | |", ends.lost.len());
    }
}

#[test]
fn each_guard_is_needed() {
    for (mutant, bounds, property) in bounds::GUARDS {
        Protocol { bounds, mutant: None }.checker().spawn_bfs().join().assert_no_discovery(property);
        let only = HasDiscoveries::AnyOf([property].into());
        let checker = Protocol { bounds, mutant: Some(mutant) }.checker().finish_when(only).spawn_bfs().join();
        let found = checker.discovery(property);
        let path = found.unwrap_or_else(|| panic!("{mutant:?} does not break \"{property}\" within {bounds}"));
        println!("| {mutant:?} | {bounds} | {property} | {} |", path.into_actions().len());
    }
}
