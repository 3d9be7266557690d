//! Rollouts of 10,000 cells in a simulated world: what goes wrong stays in the waves that were begun.
//!
//! Constraint kept: a seed gives the same run each time. `--runs`, `--seed` and `--cells` say what is run; `--trace SEED` in
//! `schedules.rs` has no counterpart here: `tests/it/simulation/rollouts.rs` shows one schedule line by line.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cellctl::domain::rollout::machine::Stage;

use crate::figure::{Figure, as_f64};
use crate::support::rollouts::drawn::{Drawn, Harm};
use crate::support::rollouts::schedule::{Outcome, run, run_seed};

/// Runs unless it is told otherwise, and cells of each.
const RUNS: u64 = 1_000;
const CELLS: usize = 10_000;

fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next()?.parse().ok()
}

/// What all runs came to.
#[derive(Default)]
struct Sum {
    broken: Vec<String>,
    ends: BTreeMap<&'static str, u64>,
    counted: BTreeMap<&'static str, u64>,
    spread_max: usize,
    calls: u64,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        *self.ends.entry(outcome.stage.map_or("not begun", Stage::as_str)).or_default() += 1;
        for (name, count) in &outcome.counted {
            *self.counted.entry(name).or_default() += count;
        }
        self.broken.extend(outcome.broken.first().map(|what| format!("seed {seed}: {what}")));
        self.spread_max = self.spread_max.max(outcome.spread);
        self.calls += outcome.calls;
    }

    fn merge(&mut self, other: Self) {
        self.broken.extend(other.broken);
        other.ends.into_iter().for_each(|(name, count)| *self.ends.entry(name).or_default() += count);
        other.counted.into_iter().for_each(|(name, count)| *self.counted.entry(name).or_default() += count);
        self.spread_max = self.spread_max.max(other.spread_max);
        self.calls += other.calls;
    }
}

/// Runs the seeds, on every core.
fn runs(first: u64, runs: u64, cells: usize) -> Sum {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut sum = Sum::default();
    std::thread::scope(|scope| {
        let work = || {
            let mut sum = Sum::default();
            loop {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= first + runs {
                    return sum;
                }
                sum.add(seed, &run_seed(seed, Some(cells)));
            }
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().for_each(|one| sum.merge(one.join().expect("a thread")));
    });
    sum
}

/// From the first sign of harm to the first call that takes a cell back, beyond one poll, in milliseconds.
fn reaction_ms() -> f64 {
    let drawn = Drawn { harm: Harm::Unwell { wave: 0, after_ms: 70_000 }, ..Drawn::plain(1, vec![10, 20]) };
    let outcome = run(&Drawn { bake_ms: 600_000, ..drawn }, None, false);
    outcome.reaction_ms.map_or(f64::INFINITY, |ms| as_f64(usize::try_from(ms).unwrap_or(usize::MAX)))
}

/// Calls of the bake of ten cells after so many finished ones.
fn bake_calls(finished: usize) -> f64 {
    let drawn = Drawn { in_flight: Some(1_000), ..Drawn::plain(1, vec![finished, 10]) };
    as_f64(usize::try_from(run(&drawn, None, false).baking_calls).unwrap_or(usize::MAX))
}

pub(crate) fn figures() -> Vec<Figure> {
    let (first, number) = (argument("--seed").unwrap_or(1), argument("--runs").unwrap_or(RUNS));
    let cells = argument("--cells").and_then(|cells| usize::try_from(cells).ok()).unwrap_or(CELLS);
    let began = Instant::now();
    let sum = runs(first, number, cells);
    println!("  {number} runs of {cells} cells, seeds from {first}, in {:.0} s", began.elapsed().as_secs_f64());
    println!("  ends: {:?}; calls: {}; most cells with the new version: {}", sum.ends, sum.calls, sum.spread_max);
    sum.counted
        .iter()
        .filter(|(name, _)| !name.contains(':'))
        .for_each(|(name, count)| println!("  {name:<24} {count}"));
    sum.broken.iter().take(20).for_each(|what| println!("  {what}"));
    let few = bake_calls(10);
    vec![
        Figure::new("runs in which a bad version left its waves, or with no end", as_f64(sum.broken.len()), 0.0, ""),
        // The poll of a bake of ten minutes is 15 s.
        Figure::new("from a failing gate to the first rollback call", reaction_ms() / 1_000.0, 16.0, "s"),
        Figure::new("calls of a bake with 5,000 finished cells, beyond 10", bake_calls(5_000) - few, 0.0, "calls"),
    ]
}
