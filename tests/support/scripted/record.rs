//! Every request that came, in order.
//!
//! Owns: what a test can ask about past requests. Constraint kept: memory is bounded; long values are cut and the
//! record stops growing at a set number, while the counters go on.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::limits::Group;
use super::query::Request;

/// Requests kept; a benchmark of 10,000 stacks sends some 100,000.
const CALLS_MAX: usize = 500_000;
/// Bytes of a parameter kept; templates are longer.
const VALUE_BYTES_MAX: usize = 512;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered with a success.
    Answered,
    /// It was answered with this error code.
    Refused(&'static str),
    /// It was refused by the rate limit or by chance, before it had any effect.
    Throttled,
    /// It took effect and was not answered.
    Lost,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The action.
    pub(crate) action: String,
    /// Its parameters, long values cut.
    pub(crate) params: BTreeMap<String, String>,
    /// The Region in which it acted.
    pub(crate) region: String,
    /// When it came, since the start.
    pub(crate) at: Duration,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

impl Call {
    /// The stack that it names.
    pub(crate) fn stack(&self) -> Option<&str> {
        self.params.get("StackName").map(String::as_str)
    }

    /// Whether it asks for a change.
    pub(crate) fn is_write(&self) -> bool {
        Group::of(&self.action) == Group::Write && self.action != "DetectStackDrift"
    }
}

/// All requests.
#[derive(Debug, Default)]
pub(crate) struct Record {
    calls: Vec<Call>,
    counts: HashMap<String, usize>,
}

impl Record {
    /// Counts a request of an action; gives its number, from 1.
    pub(crate) fn number(&mut self, action: &str) -> usize {
        let count = self.counts.entry(action.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Notes a request and what became of it.
    pub(crate) fn note(&mut self, request: &Request, at: Duration, outcome: Outcome) {
        if self.calls.len() < CALLS_MAX {
            let params = request.params().iter().map(|(key, value)| (key.clone(), shorten(value))).collect();
            let (action, region) = (request.action.clone(), request.caller.region.clone());
            self.calls.push(Call { action, params, region, at, outcome });
        }
    }

    /// All requests, in order.
    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// How many requests of an action came.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.counts.get(action).copied().unwrap_or_default()
    }
}

fn shorten(value: &str) -> String {
    if value.len() <= VALUE_BYTES_MAX {
        return value.to_owned();
    }
    let end = (0..=VALUE_BYTES_MAX).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
    format!("{}… ({} bytes)", &value[..end], value.len())
}
