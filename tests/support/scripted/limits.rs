//! The rate limit: one token bucket for each account, Region and group of actions.
//!
//! Owns: the buckets. Constraint kept: AWS does not publish its rates or groups; both are settings here, off unless
//! a test asks for them.

use std::collections::HashMap;
use std::time::Duration;

use super::query::Caller;

/// Actions that share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    /// Reading stacks, change sets and templates.
    Read,
    /// Reading events, which is limited on its own.
    Events,
    /// Everything that changes something.
    Write,
}

impl Group {
    /// The group of an action.
    pub(crate) fn of(action: &str) -> Self {
        const READS: [&str; 4] = ["Describe", "List", "Get", "Validate"];
        match action {
            "DescribeStackEvents" => Self::Events,
            _ if READS.iter().any(|verb| action.starts_with(verb)) => Self::Read,
            _ => Self::Write,
        }
    }
}

/// How many requests a group may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Tokens that come back each second.
    pub(crate) per_second: f64,
    /// Tokens that the bucket holds.
    pub(crate) burst: u32,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Duration,
}

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// The rate of each group; one without has no limit.
    pub(crate) rates: HashMap<Group, Rate>,
    buckets: HashMap<(Caller, Group), Bucket>,
}

impl Limits {
    /// Takes a token for a request; false is a request too many.
    pub(crate) fn allows(&mut self, caller: &Caller, action: &str, now: Duration) -> bool {
        let group = Group::of(action);
        let Some(rate) = self.rates.get(&group) else { return true };
        let burst = f64::from(rate.burst);
        let full = Bucket { tokens: burst, filled: now };
        let bucket = self.buckets.entry((caller.clone(), group)).or_insert(full);
        let since = now.saturating_sub(bucket.filled).as_secs_f64();
        bucket.tokens = since.mul_add(rate.per_second, bucket.tokens).min(burst);
        bucket.filled = now;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}
