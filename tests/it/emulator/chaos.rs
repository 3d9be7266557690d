//! Moves under live writers: the program's, killed again and again, lose nothing; a bad one by hand is found out.
//!
//! `CELLCTL_CHAOS_KILLS` says how many runs are killed, `CELLCTL_CHAOS_SEED` at which moments:
//! `CELLCTL_CHAOS_KILLS=1000 cargo test --test it emulator::chaos -- --nocapture`.

mod by_hand;
mod killed;

use std::sync::Arc;

use crate::support::chaos::{Cells, Level, Verdict, Writers};
use by_hand::{ByHand, Flaw};
use killed::Series;

/// Runs that are killed, where nobody says how many.
const KILLS: u64 = 6;

/// Shards of the fence.
const SHARDS: u64 = 2;
/// Writes before a move by hand.
const WRITES: u64 = 60;
/// Writes after it: few, as each hides what was lost before it.
const WRITES_AFTER: u64 = 5;

/// What a move by hand with this flaw leaves.
async fn after(cells: &Arc<Cells>, level: Level, flaw: Option<Flaw>) -> Verdict {
    cells.reset().await;
    let mut writers = Writers::start(cells, level, 7, 0, Vec::new());
    writers.until_acknowledged(WRITES).await;
    let mover = ByHand { cells, level, flaw };
    mover.run(&mut writers).await;
    writers.until_acknowledged(WRITES_AFTER).await;
    let stopped = writers.stop().await;
    mover.clean().await;
    assert_eq!(stopped.forked, Vec::<u64>::new());
    let verdict = Verdict::of(cells, &stopped.histories).await;
    println!("{level:?}, {flaw:?}: {}", verdict.counts());
    verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_passes_a_move_by_hand_and_fails_one_with_a_flaw() {
    let cells = Arc::new(Cells::make("chaos_by_hand", SHARDS).await);
    for level in [Level::Strict, Level::Guarded, Level::Lease] {
        after(&cells, level, None).await.is_clean();
    }
    for (level, flaw) in [
        (Level::Strict, Flaw::SkipsNotes),
        (Level::Strict, Flaw::SkipsGuard),
        (Level::Strict, Flaw::SkipsSeal),
        (Level::Guarded, Flaw::SkipsNotes),
        (Level::Lease, Flaw::SkipsNotes),
    ] {
        let verdict = after(&cells, level, Some(flaw)).await;
        assert!(!verdict.lost.is_empty(), "{level:?}, {flaw:?}");
    }
    let verdict = after(&cells, Level::Strict, Some(Flaw::KeepsDeleted)).await;
    assert!(!verdict.resurrected.is_empty() && verdict.lost.is_empty());
    let verdict = after(&cells, Level::Strict, Some(Flaw::KeepsSource)).await;
    assert!(!verdict.doubled.is_empty() && verdict.lost.is_empty());
    let verdict = after(&cells, Level::Strict, Some(Flaw::DeletesTooMuch)).await;
    assert_eq!(verdict, Verdict { trespassed: true, ..Verdict::default() });
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let (_, value) = std::env::vars().find(|(set, _)| set == name)?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_that_are_killed_at_random_moments_lose_nothing() {
    let (kills, seed) = (setting("CELLCTL_CHAOS_KILLS").unwrap_or(KILLS), setting("CELLCTL_CHAOS_SEED").unwrap_or(1));
    let levels = [Level::Strict, Level::Guarded, Level::Lease];
    for (level, kills) in levels.into_iter().zip([kills.div_ceil(2), kills.div_ceil(4), kills.div_ceil(4)]) {
        let tally = Series::new(level, SHARDS, seed).await.until_killed(kills).await;
        println!("{}, seed {seed}: {tally:?}; 0 lost, 0 doubled, 0 resurrected", level.as_str());
    }
}
