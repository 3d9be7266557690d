//! What the tenant map costs: `cargo bench --bench map -- [NAME]`.
//!
//! Owns: the list of its benchmarks. Constraint kept: what is bounded in memory runs in a process of its own, which the
//! program starts of itself.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to go on with")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

#[path = "map/export.rs"]
mod export;
#[allow(dead_code, reason = "each program uses a part of it")]
mod figure;
#[path = "map/import.rs"]
mod import;
#[path = "map/placement.rs"]
mod placement;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "tests use the rest of it")]
mod support;
#[path = "map/writers.rs"]
mod writers;

use std::process::{Command, ExitCode, Stdio};

use figure::Benchmark;

/// A measurement in a process of its own: it prints one line of numbers.
type Part = fn() -> Vec<f64>;

const ALL: [(&str, Benchmark); 4] = [
    ("placement", placement::figures),
    ("export", export::figures),
    ("writers", writers::figures),
    ("import", import::figures),
];

/// What a child process can be told to run.
const PARTS: [(&str, Part); 3] =
    [("placement", placement::measure), (export::TENTH, export::measure_tenth), (export::WHOLE, export::measure_whole)];

/// Argument that makes the program a child.
const CHILD: &str = "--part=";

fn main() -> ExitCode {
    let part = std::env::args().find_map(|argument| argument.strip_prefix(CHILD).map(str::to_owned));
    let Some(part) = part else { return figure::run(&ALL) };
    let (_, measure) = PARTS.into_iter().find(|(name, _)| *name == part).expect("a part");
    let numbers: Vec<String> = measure().iter().map(f64::to_string).collect();
    println!("{}", numbers.join(" "));
    ExitCode::SUCCESS
}

/// Runs a part in a process of its own; gives its numbers.
fn in_child(part: &str) -> Vec<f64> {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(format!("{CHILD}{part}")).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}
