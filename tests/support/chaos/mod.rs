//! Live writers that keep to the protocol of `docs/applications.md`, and a check of what became of their writes.
//!
//! Owns: the application of the chaos tests. Constraint kept: nothing of the program is used, so that a mistake in it
//! cannot hide in here; what a writer does is written a second time, from the document.

#![allow(clippy::expect_used, reason = "a helper that fails is a test that fails")]

mod cells;
mod check;
mod client;
mod history;
mod items;
mod requests;
mod writers;

pub(crate) use cells::{BYSTANDER, Cells, TENANT};
pub(crate) use check::Verdict;
pub(crate) use history::History;
pub(crate) use items::{Item, Key};
pub(crate) use requests::{NOTES, fence_key};
pub(crate) use writers::{Stopped, Writers};

use std::time::Duration;

/// What the writers keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Transactions with a check of the fence.
    Strict,
    /// Plain writes, and transactions while the fence is guarded.
    Guarded,
    /// Plain writes.
    Lease,
}

impl Level {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Guarded => "guarded",
            Self::Lease => "lease",
        }
    }
}

/// For how long a writer acts on what it has read of a fence.
pub(crate) const LEASE: Duration = Duration::from_millis(500);
/// After which a writer gives a request up.
pub(crate) const REQUEST: Duration = Duration::from_secs(2);
