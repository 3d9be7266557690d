//! What a schedule counts, and the trace by which two runs of a seed are compared.

use std::collections::BTreeMap;

/// Counts of one schedule, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls of movers.
    pub(crate) calls: u64,
    /// What went wrong, by kind.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// What else happened: writes, reopenings, takeovers, by kind.
    pub(crate) deeds: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Counts a fault.
    pub(crate) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Counts a deed.
    pub(crate) fn deed(&mut self, kind: &'static str) {
        *self.deeds.entry(kind).or_default() += 1;
    }

    /// Adds those of another schedule.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        other.faults.iter().for_each(|(kind, count)| *self.faults.entry(kind).or_default() += count);
        other.deeds.iter().for_each(|(kind, count)| *self.deeds.entry(kind).or_default() += count);
    }
}

/// A running hash of what happened when (FNV-1a, 64 bits), and, where it is asked for, the lines themselves.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// The hash.
    pub(crate) digest: u64,
    /// The lines.
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace.
    pub(crate) fn new(verbose: bool) -> Self {
        Self { digest: 0xcbf2_9ce4_8422_2325, lines: verbose.then(Vec::new) }
    }

    /// Takes note of what happened.
    pub(crate) fn note(&mut self, at_ms: i64, who: &str, what: &str, number: u64) {
        let words = [at_ms.to_le_bytes(), number.to_le_bytes()].concat();
        let bytes = words.iter().chain(who.as_bytes()).chain(what.as_bytes());
        self.digest = bytes.fold(self.digest, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{} {who} {what} {number}", at_ms - super::clock::START_MS));
        }
    }
}
