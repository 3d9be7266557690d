//! What a fleet costs: `cargo bench --bench fleet -- [NAME]`.
//!
//! Owns: the measurements behind `docs/benchmarks.md`. Constraint kept: each is of the real binary or adapter on a
//! real socket; a goal that is missed ends the run with an error.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to go on with")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "tests use the rest of it")]
mod support;

#[allow(dead_code, reason = "each program uses a part of it")]
mod figure;
mod large;

use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use figure::{Benchmark, Figure, as_f64, peak_mib};
use support::fast::{FastClock, Operations};
use support::scripted::Scripted;
use support::stage::{Ran, STATELESS, Stage};

const ALL: [(&str, Benchmark); 5] =
    [("help", help), ("plan", plan), ("no-op", no_op), ("throttled", throttled), ("create", create)];

fn main() -> ExitCode {
    figure::run(&ALL)
}

/// The median time of 50 runs of `--help`.
fn help() -> Vec<Figure> {
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cellctl"));
        command.arg("--help").env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        let began = Instant::now();
        assert!(command.status().expect("it runs").success());
        began.elapsed()
    };
    let mut times: Vec<Duration> = (0..50).map(|_| run()).collect();
    times.sort();
    vec![Figure::new("--help, median of 50", times[25].as_secs_f64() * 1000.0, 10.0, "ms")]
}

/// Time and memory of an offline plan.
fn plan() -> Vec<Figure> {
    let dir = tempfile::tempdir().expect("a folder");
    large::write_fleet(dir.path());
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cellctl"));
        command.args(["plan", "--offline", "-q", "--output", "json"]).current_dir(dir.path()).env_clear();
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it runs");
        let peak = peak_mib(child);
        (began.elapsed(), peak)
    };
    let before = children_cpu_s();
    let mut runs: Vec<(Duration, f64)> = (0..5).map(|_| run()).collect();
    println!("  {:.2} s of processor time for each run", (children_cpu_s() - before) / 5.0);
    let peak = runs.iter().map(|(_, peak)| *peak).fold(0.0, f64::max);
    runs.sort_by_key(|(time, _)| *time);
    let median = runs[2].0.as_secs_f64();
    vec![
        Figure::new("plan of 10,000 cells offline, median of 5", median, 2.0, "s"),
        Figure::new("plan of 10,000 cells offline, peak memory of 5", peak, 300.0, "MiB"),
    ]
}

/// Processor time of all children that have ended, in seconds: fields 16 and 17 of `proc_pid_stat(5)`, which Linux counts
/// in hundredths. Unlike the time on the clock it hardly depends on what else the machine does.
fn children_cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// A stage of 200 small cells.
fn two_hundred(order: impl FnOnce(support::scripted::Builder) -> support::scripted::Builder) -> Stage {
    let names: Vec<String> = (0..200).map(|n| format!("cell-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::new(&names, |builder, _| order(builder));
    stage.template("plain", STATELESS);
    stage
}

fn finished(ran: Ran, words: &str) {
    drop(ran.ends(0).says(&[words]));
}

/// What an apply of 200 cells that need nothing asks for.
fn no_op() -> Vec<Figure> {
    let stage = two_hundred(|builder| builder);
    finished(stage.apply(&["-q"]), "200 done");
    let (calls, items) = (stage.cloudformation.calls().len(), stage.control_items());
    let began = Instant::now();
    finished(stage.apply(&["-q"]), "No changes.");
    let time = began.elapsed().as_secs_f64();
    let again = &stage.cloudformation.calls()[calls..];
    let writes = again.iter().filter(|call| call.is_write()).count();
    let changed = usize::from(stage.control_items() != items);
    vec![
        Figure::new("no-op apply of 200 cells, CloudFormation calls", as_f64(again.len()), 10.0, "calls"),
        Figure::new("no-op apply of 200 cells, writes", as_f64(writes + changed), 0.0, "writes"),
        Figure::new("no-op apply of 200 cells, time (no goal is set: 10 s)", time, 10.0, "s"),
    ]
}

/// Many operations when every other call is throttled.
fn throttled() -> Vec<Figure> {
    let endpoint = Scripted::builder().throttle_fraction(0.5, 11).start().expect("an endpoint");
    let done = Operations::new(&endpoint, Arc::new(FastClock::new(5))).run(10_000);
    println!("  {} calls for 10,000 operations; the waits would have taken {} s", done.calls, done.waited_ms / 1000);
    vec![Figure::new("10,000 operations, half of all calls throttled: failed", as_f64(done.failed.len()), 0.0, "")]
}

/// Creating 200 cells, 20 at a time, beside what the stacks alone take.
fn create() -> Vec<Figure> {
    const STACK_TIME: Duration = Duration::from_secs(10);
    let stage = two_hundred(|builder| builder.rate(10.0, 10).stack_time(STACK_TIME));
    let began = Instant::now();
    finished(stage.apply(&["-q", "--concurrency", "20"]), "200 done");
    let time = began.elapsed().as_secs_f64();
    let throttled = stage.cloudformation.calls().iter().filter(|call| is_throttled(call)).count();
    println!("  {time:.1} s; {} calls, {throttled} of them throttled", stage.cloudformation.calls().len());
    let ratio = time / (10.0 * STACK_TIME.as_secs_f64());
    vec![Figure::new("create 200 cells, 20 at a time, to 10 x stack time", ratio, 1.15, "x")]
}

fn is_throttled(call: &support::scripted::Call) -> bool {
    call.outcome == support::scripted::Outcome::Throttled
}
