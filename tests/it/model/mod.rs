//! The protocol of `docs/move-protocol.md`, steps 2 to 12, as a model that is searched exhaustively within bounds.

mod capture;
mod mover;
mod mutants;
mod properties;
mod protocol;
mod state;
mod world;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use mutants::Mutant;
use protocol::{Bounds, Level, Protocol};

const SMALL: Bounds = Bounds {
    level: Level::Strict,
    shards: 1,
    keys: 1,
    writers: 1,
    writes: 2,
    after: false,
    movers: 2,
    cutovers: 2,
    aborts: false,
    moves: 1,
    gaps: false,
    dups: false,
    three: false,
    doubt: false,
    compare: true,
    back: false,
};

fn run(name: &str, bounds: Bounds) {
    let t = Instant::now();
    let c = Protocol { bounds, mutant: None }.checker().timeout(std::time::Duration::from_secs(60)).spawn_bfs().join();
    println!("{name}: unique {} gen {} depth {} {:?}", c.unique_state_count(), c.state_count(), c.max_depth(), t.elapsed());
    for (name, path) in c.discoveries() {
        if name.starts_with('I') {
            println!("VIOLATED {name}");
            for (s, a) in path.into_vec() { println!("  {a:?}\n      {s:?}"); }
        }
    }
    for p in c.model().properties() {
        if !p.name.starts_with('I') && c.discovery(p.name).is_none() { println!("NOT SEEN {}", p.name); }
    }
}

#[test]
fn try_it() {
    let which = std::env::var("W").unwrap_or_default();
    let all = [
        ("one", Bounds { movers: 1, writes: 1, cutovers: 1, ..SMALL }),
        ("small", SMALL),
        ("guarded", Bounds { level: Level::Guarded, ..SMALL }),
        ("lease", Bounds { level: Level::Lease, ..SMALL }),
        ("quiet", Bounds { level: Level::Lease, compare: false, gaps: true, ..SMALL }),
        ("three", Bounds { three: true, ..SMALL }),
        ("aborts", Bounds { aborts: true, moves: 2, cutovers: 1, writes: 1, ..SMALL }),
        ("doubt", Bounds { doubt: true, ..SMALL }),
        ("shards", Bounds { shards: 2, writers: 2, movers: 1, ..SMALL }),
        ("keys", Bounds { keys: 2, movers: 1, ..SMALL }),
        ("back", Bounds { back: true, after: true, cutovers: 1, ..SMALL }),
        ("dups", Bounds { dups: true, gaps: true, ..SMALL }),
    ];
    for (name, bounds) in all {
        if which.is_empty() || which == name { run(name, bounds); }
    }
    let _ = (HasDiscoveries::Any, Mutant::NoBarrier);
}
