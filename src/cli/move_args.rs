//! What is typed of how a move is to be carried out, and what it means.
//!
//! Constraint kept: every number is checked here, with its bounds in the message, before anything is read.

use clap::{Args, ValueEnum};

use crate::domain::definition::Millis;
use crate::domain::moves::{FenceLevel, Options};
use crate::ops::moves::SchemaCheck;
use crate::ops::moves::many::Limits;

/// Most write units a second that can be asked for.
const RATE_MAX: u64 = 10_000_000;

/// How a tenant is to be moved.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How it is moved")]
pub struct HowArgs {
    /// What the application's writers keep to: docs/moves.md. Not given: strict, or on a way back as on the way there.
    #[arg(long, value_enum, value_name = "LEVEL")]
    fence: Option<FenceArg>,
    /// For how long writes may stop: 500ms to 10m. Past it the source opens again.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = gap)]
    max_write_gap: Millis,
    /// Write units a second at most, in the copy and in the deletes at the end.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    rate: Option<u64>,
    /// Stop before the cutover, and wait for `cellctl move cutover`.
    #[arg(long)]
    hold_cutover: bool,
    /// How much of the tables must be the same.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = SchemaArg::Exact)]
    schema_check: SchemaArg,
    /// For how long a writer or router may act on what it has read of the fence: 100ms to 10m. Not given: 5s, or on a way back
    /// as on the way there.
    #[arg(long, value_name = "TIME", value_parser = wait)]
    lease: Option<Millis>,
    /// The longest that a request of a writer takes: 100ms to 10m. Not given: 5s, or on a way back as on the way there.
    #[arg(long, value_name = "TIME", value_parser = wait)]
    request_timeout: Option<Millis>,
    /// For how long the source is watched after the flip, before it is cleaned: 0s to 20h.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = soak)]
    soak: Millis,
    /// How often a cutover that did not fit its time is tried again.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    cutovers: u32,
}

/// How many moves go on at a time.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Several tenants")]
pub struct ManyArgs {
    /// Moves of this run at a time.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().at_once as u64, value_parser = clap::value_parser!(u64).range(1..=64))]
    at_once: u64,
    /// Moves out of or into each cell at a time, those of others counted in.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().per_cell as u64, value_parser = clap::value_parser!(u64).range(1..=64))]
    per_cell: u64,
}

/// A level, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FenceArg {
    /// Writers go through a router that honours a lease.
    Lease,
    /// Every write is a transaction with a check of the fence.
    Strict,
    /// Plain writes, and transactions while the fence is guarded.
    Guarded,
}

/// How much of two tables must be the same, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaArg {
    /// Keys, indexes and time to live.
    Exact,
    /// Keys alone.
    Keys,
}

impl HowArgs {
    /// What was typed, in the domain's words.
    pub fn options(&self) -> Options {
        self.options_back(&Options::default())
    }

    /// The same for a way back: what is not typed of the writers is as it was in the move that is undone.
    pub fn options_back(&self, undone: &Options) -> Options {
        Options {
            fence: self.fence.map_or(undone.fence, FenceArg::level),
            write_gap_max_ms: self.max_write_gap.0,
            rate: self.rate,
            hold_cutover: self.hold_cutover,
            lease_ms: self.lease.map_or(undone.lease_ms, |typed| typed.0),
            request_ms: self.request_timeout.map_or(undone.request_ms, |typed| typed.0),
            soak_ms: self.soak.0,
            cutovers_max: self.cutovers,
            ..Options::default()
        }
    }

    /// How much of the tables must be the same.
    pub fn schema(&self) -> SchemaCheck {
        match self.schema_check {
            SchemaArg::Exact => SchemaCheck::Exact,
            SchemaArg::Keys => SchemaCheck::Keys,
        }
    }
}

impl ManyArgs {
    /// What was typed, in the operation's words.
    pub fn limits(&self) -> Limits {
        let number = |typed: u64, default: usize| usize::try_from(typed).unwrap_or(default);
        let default = Limits::default();
        Limits { at_once: number(self.at_once, default.at_once), per_cell: number(self.per_cell, default.per_cell) }
    }
}

impl FenceArg {
    fn level(self) -> FenceLevel {
        match self {
            Self::Lease => FenceLevel::Lease,
            Self::Strict => FenceLevel::Strict,
            Self::Guarded => FenceLevel::Guarded,
        }
    }
}

/// Reads a rate; 0 takes the bound away.
pub fn rate_or_none(text: &str) -> Result<u64, String> {
    let rate = text.parse().ok().filter(|rate| *rate <= RATE_MAX);
    rate.ok_or_else(|| format!("use a whole number from 1 to {RATE_MAX}, or 0 for no bound"))
}

fn gap(text: &str) -> Result<Millis, String> {
    within(text, Millis(500), Millis(600_000))
}

fn wait(text: &str) -> Result<Millis, String> {
    within(text, Millis(100), Millis(600_000))
}

/// For how long a mover may be expected to stay.
fn soak(text: &str) -> Result<Millis, String> {
    within(text, Millis(0), Millis(72_000_000))
}

fn within(text: &str, least: Millis, most: Millis) -> Result<Millis, String> {
    let time: Millis = text.parse()?;
    if (least..=most).contains(&time) { Ok(time) } else { Err(format!("use a time from {least} to {most}")) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        how: HowArgs,
        #[command(flatten)]
        many: ManyArgs,
    }

    fn line(words: &[&str]) -> Result<Line, String> {
        Line::try_parse_from(["x"].iter().chain(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_typed_is_as_the_domain_has_it() {
        let line = line(&[]).expect("valid");
        assert_eq!(line.how.options(), Options::default());
        assert_eq!((line.how.schema(), line.many.limits()), (SchemaCheck::Exact, Limits::default()));
    }

    #[test]
    fn a_way_back_goes_by_the_writers_as_they_were() {
        let undone = Options { fence: FenceLevel::Lease, lease_ms: 700, soak_ms: 9, ..Options::default() };
        let wanted = Options { fence: FenceLevel::Lease, lease_ms: 700, ..Options::default() };
        assert_eq!(line(&[]).expect("valid").how.options_back(&undone), wanted);
        let typed = line(&["--fence", "strict", "--lease", "5s"]).expect("valid");
        assert_eq!(typed.how.options_back(&undone), Options::default());
    }

    #[test]
    fn everything_that_is_typed_arrives() {
        let words =
            ["--fence", "lease", "--max-write-gap", "750ms", "--rate", "200", "--hold-cutover", "--lease", "2s"];
        let more = ["--request-timeout", "1s", "--soak", "1h", "--cutovers", "2", "--schema-check", "keys"];
        let limits = ["--at-once", "9", "--per-cell", "3"];
        let line = line(&[&words[..], &more, &limits].concat()).expect("valid");
        let wanted = Options {
            fence: FenceLevel::Lease,
            write_gap_max_ms: 750,
            rate: Some(200),
            hold_cutover: true,
            lease_ms: 2_000,
            request_ms: 1_000,
            soak_ms: 3_600_000,
            cutovers_max: 2,
            ..Options::default()
        };
        assert_eq!(line.how.options(), wanted);
        assert_eq!((line.how.schema(), line.many.limits()), (SchemaCheck::Keys, Limits { at_once: 9, per_cell: 3 }));
    }

    #[test]
    fn a_number_out_of_its_bounds_is_answered_with_them() {
        for (words, rule) in [
            (["--max-write-gap", "499ms"], "use a time from 500ms to 10m"),
            (["--max-write-gap", "11m"], "use a time from 500ms to 10m"),
            (["--max-write-gap", "5"], "write a number and a unit, such as 500ms, 5s, 2m or 1h"),
            (["--lease", "0s"], "use a time from 100ms to 10m"),
            (["--request-timeout", "1h"], "use a time from 100ms to 10m"),
            (["--soak", "21h"], "use a time from 0s to 20h"),
            (["--rate", "0"], "1..=10000000"),
            (["--cutovers", "0"], "1..=1000"),
            (["--at-once", "65"], "1..=64"),
            (["--per-cell", "0"], "1..=64"),
            (["--fence", "none"], "lease, strict, guarded"),
        ] {
            let error = line(&words).err().unwrap_or_else(|| panic!("{words:?} is taken"));
            assert!(error.contains(rule), "{words:?}: {error}");
        }
        assert_eq!((rate_or_none("0"), rate_or_none("7")), (Ok(0), Ok(7)));
        assert!(rate_or_none("-1").is_err() && rate_or_none("10000001").is_err());
    }
}
