//! What a rollout costs: `cargo bench --bench rollouts -- [NAME]`.
//!
//! Owns: the list of its benchmarks. Constraint kept: a goal that is missed ends the run with an error.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to go on with")]
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

#[allow(dead_code, reason = "each program uses a part of it")]
mod figure;
mod large;
#[path = "rollouts/plan.rs"]
mod plan;
#[path = "rollouts/sim.rs"]
mod sim;
#[path = "../tests/support"]
#[allow(dead_code, reason = "tests use the rest of it")]
mod support {
    pub(crate) mod map;
    pub(crate) mod rollouts;
}

use std::process::ExitCode;

use figure::Benchmark;

const ALL: [(&str, Benchmark); 2] = [("plan", plan::figures), ("sim", sim::figures)];

fn main() -> ExitCode {
    figure::run(&ALL)
}
