//! What all benchmarks share: a figure beside its goal, the choice by name, and the memory of a process.
//!
//! Constraint kept: a goal that is missed ends the run with an error.

use std::process::{Child, ExitCode};
use std::time::Duration;

/// One measured figure beside its goal.
pub(crate) struct Figure {
    what: &'static str,
    measured: f64,
    goal: f64,
    unit: &'static str,
    is_met: bool,
}

impl Figure {
    /// A figure that is to be at most `goal`.
    pub(crate) fn new(what: &'static str, measured: f64, goal: f64, unit: &'static str) -> Self {
        Self { what, measured, goal, unit, is_met: measured <= goal }
    }

    /// A figure that is to be at least `goal`.
    pub(crate) fn at_least(what: &'static str, measured: f64, goal: f64, unit: &'static str) -> Self {
        Self { what, measured, goal, unit, is_met: measured >= goal }
    }

    fn print(&self) {
        let word = if self.is_met { "met" } else { "MISSED" };
        println!("{:<58} {:>10.3} {:<6} goal {:>8.3}  {word}", self.what, self.measured, self.unit, self.goal);
    }
}

/// Measures, and gives what it measured.
pub(crate) type Benchmark = fn() -> Vec<Figure>;

/// Runs the benchmarks that the command line names; all when it names none.
pub(crate) fn run(all: &[(&str, Benchmark)]) -> ExitCode {
    // `cargo bench` adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let chosen = all.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name));
    let mut figures = Vec::new();
    for (_, benchmark) in chosen {
        let found = benchmark();
        found.iter().for_each(Figure::print);
        figures.extend(found);
    }
    let met = !figures.is_empty() && figures.iter().all(|figure| figure.is_met);
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits for a process; gives the highest resident size that the kernel has noted, read every other millisecond.
pub(crate) fn peak_mib(mut child: Child) -> f64 {
    let pid = child.id().to_string();
    let mut peak = 0.0_f64;
    loop {
        peak = peak.max(peak_so_far_mib(&pid));
        if let Some(ended) = child.try_wait().expect("the process") {
            assert!(ended.success(), "{ended}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The highest resident size of a process so far, by its id or `self`; 0 where it is gone.
pub(crate) fn peak_so_far_mib(pid: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// The time at a share of the sorted times, in milliseconds.
pub(crate) fn quantile_ms(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1000.0
}

/// A count as a figure.
pub(crate) fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
