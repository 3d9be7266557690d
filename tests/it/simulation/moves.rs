//! The real engine of a move over the world in memory: thousands of schedules from seeds, and every fault at every call.
//!
//! What must hold is in `tests/support/moves/truth.rs`. A seed that fails is printed with the command that repeats it.

use crate::support::moves::schedule::run_seed;

#[test]
fn first() {
    for seed in 0..20 {
        let outcome = run_seed(seed);
        println!("{seed}: {:?} {:?}", outcome.stage, outcome.broken);
    }
}
