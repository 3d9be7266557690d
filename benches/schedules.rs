//! Moves under a simulated world: `cargo bench --bench schedules -- --schedules 100000 --seed 1`.
//!
//! Owns: counting. Runs as many schedules as asked on one core, prints what went wrong in them and how the moves ended,
//! and exits with 1 and the seed where something did not hold. `--trace SEED` prints what happens in one
//! schedule, `--each` a line for each.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

#[path = "../tests/support"]
#[allow(dead_code, reason = "tests use the rest of it")]
mod support {
    pub(crate) mod map;
    pub(crate) mod moves;
}

use std::process::ExitCode;
use std::time::Instant;

use cellctl::domain::moves::machine::Stage;
use support::moves::counts::Counts;
use support::moves::drawn::Drawn;
use support::moves::schedule::{run, run_seed};

/// Schedules in a row unless it is told otherwise.
const SCHEDULES: u64 = 10_000;

fn argument(name: &str) -> Option<u64> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

fn main() -> ExitCode {
    if let Some(seed) = argument("--trace") {
        return trace(seed);
    }
    let (first, schedules) = (argument("--seed").unwrap_or(1), argument("--schedules").unwrap_or(SCHEDULES));
    let (mut counts, mut completed, mut aborted) = (Counts::default(), 0_u64, 0_u64);
    let mut broken: Vec<(u64, String)> = Vec::new();
    let shows = std::env::args().any(|argument| argument == "--each");
    let began = Instant::now();
    for seed in first..first.saturating_add(schedules) {
        let outcome = run_seed(seed);
        if shows {
            println!("{seed} {:?} {} {:?}", outcome.stage, outcome.counts.calls, outcome.broken.first());
        }
        counts.merge(&outcome.counts);
        completed += u64::from(outcome.stage == Some(Stage::Completed));
        aborted += u64::from(outcome.stage == Some(Stage::Aborted));
        broken.extend(outcome.broken.first().map(|what| (seed, what.clone())));
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    let per_minute = schedules as f64 / began.elapsed().as_secs_f64() * 60.0;
    println!("schedules           {schedules}, seeds from {first}");
    println!("a minute, one core  {per_minute:.0}");
    println!("moves               {completed} completed, {aborted} aborted");
    println!("calls of movers     {}", counts.calls);
    counts.faults.iter().for_each(|(kind, count)| println!("fault  {kind:<28} {count}"));
    counts.deeds.iter().for_each(|(kind, count)| println!("deed   {kind:<28} {count}"));
    println!(
        "schedules in which an item or a message was lost, doubled or came back, or another check failed: {}",
        broken.len()
    );
    for (seed, what) in broken.iter().take(20) {
        println!("seed {seed}: {what}");
        println!("  CELLCTL_SIM_SEED={seed} cargo test --test it simulation::moves::one_seed -- --nocapture");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn trace(seed: u64) -> ExitCode {
    let drawn = Drawn::of(seed);
    let outcome = run(&drawn, None, true);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    println!("{drawn:?}\n{:?} {:?}", outcome.stage, outcome.broken);
    if outcome.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
