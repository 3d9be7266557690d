//! What a writer knows of its keys: the last write that was acknowledged, and those in doubt since.
//!
//! Constraint kept: each key has one writer, so that the order of its writes is known.

use std::collections::BTreeMap;

use super::items::Key;

/// What a key may hold: a value, or nothing.
type Held = Option<u64>;

/// What one key may hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// The last write that was acknowledged.
    acknowledged: Held,
    /// Writes since then that were never answered: each may have happened.
    in_doubt: Vec<Held>,
}

/// How what is there differs from what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An acknowledged write is not there.
    Lost,
    /// It was deleted, and is there.
    Resurrected,
}

impl Expected {
    /// What is wrong with this; none where it is as it may be.
    pub(crate) fn fault(&self, found: Held) -> Option<Fault> {
        if found == self.acknowledged || self.in_doubt.contains(&found) {
            return None;
        }
        Some(if self.acknowledged.is_none() { Fault::Resurrected } else { Fault::Lost })
    }
}

/// What a writer knows of its keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Its keys.
    pub(crate) keys: BTreeMap<Key, Expected>,
    /// Writes that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Writes that got no answer, at least once.
    pub(crate) in_doubt: u64,
}

impl History {
    /// A write was acknowledged.
    pub(crate) fn done(&mut self, keys: &[Key], held: Held) {
        self.acknowledged += 1;
        for key in keys {
            self.keys.insert(key.clone(), Expected { acknowledged: held, in_doubt: Vec::new() });
        }
    }

    /// A write got no answer.
    pub(crate) fn doubted(&mut self, keys: &[Key], held: Held) {
        self.in_doubt += 1;
        for key in keys {
            self.keys.entry(key.clone()).or_default().in_doubt.push(held);
        }
    }
}
