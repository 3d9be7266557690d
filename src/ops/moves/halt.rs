//! Why a mover lets go in the middle of a step.

use crate::domain::moves::machine::Trouble;
use crate::ops::OpError;
use crate::ports::{CallError, CallErrorKind};

/// Why a step was not done to its end. What it did so far is journalled, in the ledger, or can be done again.
#[derive(Debug, Clone)]
pub(super) enum Halt {
    /// Somebody asked this mover to stop.
    Stopped,
    /// Somebody paused the move.
    Paused,
    /// Somebody gave the move up.
    AbortOrdered(String),
    /// Somebody wants the move to end without deleting anything more: why.
    KeepOrdered(String),
    /// The lease is lost, or somebody else has taken the target's fence over: nothing more may be done.
    Lost,
    /// The streams have a gap: it is to be journalled, and the step done again.
    Gap {
        /// The table.
        table: String,
        /// What was lost.
        what: String,
    },
    /// Somebody has to act.
    Stuck(Trouble),
    /// A call failed for good. The move can be resumed.
    Failed(OpError),
}

impl From<CallError> for Halt {
    /// What is gone does not come back by itself: a table that was deleted meanwhile, or a queue.
    fn from(error: CallError) -> Self {
        let hint = "bring it back under the same name, a table from its point-in-time recovery";
        match error.kind {
            CallErrorKind::NotFound => Self::stuck("gone", error.to_string(), hint),
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<OpError> for Halt {
    fn from(error: OpError) -> Self {
        Self::Failed(error)
    }
}

impl Halt {
    /// A halt that waits for people.
    pub(super) fn stuck(code: &str, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Stuck(Trouble { code: code.to_owned(), why: why.into(), hint: hint.into() })
    }
}
