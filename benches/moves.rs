//! What a move costs: `cargo bench --bench moves -- [NAME]`.
//!
//! Owns: the list of its benchmarks. Constraint kept: the program is the real one, in a process of its own, on a real local
//! endpoint; what it is compared with is measured in the same run.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to go on with")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

#[path = "moves/copy.rs"]
mod copy;
#[path = "moves/endless.rs"]
mod endless;
#[allow(dead_code, reason = "each program uses a part of it")]
mod figure;
#[path = "moves/gap.rs"]
mod gap;
#[path = "moves/memory.rs"]
mod memory;
#[path = "moves/numbers.rs"]
mod numbers;
#[path = "moves/requests.rs"]
mod requests;
#[path = "moves/stand.rs"]
mod stand;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "tests use the rest of it")]
mod support;
#[path = "moves/whole.rs"]
mod whole;

use std::process::ExitCode;

use figure::Benchmark;

const ALL: [(&str, Benchmark); 5] = [
    ("whole", whole::figures),
    ("copy", copy::figures),
    ("gap", gap::figures),
    ("memory", memory::figures),
    // Takes longer than all of `memory`: only where it is named.
    ("lost", memory::lost),
];

fn main() -> ExitCode {
    let is_named = std::env::args().skip(1).any(|argument| argument == "lost");
    let all: Vec<(&str, Benchmark)> = ALL.into_iter().filter(|(name, _)| is_named || *name != "lost").collect();
    figure::run(&all)
}
