//! Why an operation did not do what was asked.
//!
//! Constraint kept: each error has a kind, and each kind one documented exit code (`docs/exit-codes.md`).

use crate::domain::finding::Finding;
use crate::ports::{CallError, CallErrorKind};

/// What kind of failure it is; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Anything that is none of the others.
    Failed,
    /// Definitions or templates are not valid.
    InvalidInput,
    /// A call to AWS failed.
    Call,
    /// Stacks were rolled back.
    RolledBack,
    /// A rollback failed, or a stack is stuck.
    RollbackFailed,
    /// Somebody else holds the lock.
    Locked,
    /// A guard refused.
    Refused,
    /// The plan no longer fits.
    Stale,
    /// Some cells were done and some were not.
    Partial,
    /// Stopped on request, and resumable.
    Stopped,
    /// The command line is wrong.
    Usage,
}

/// An error for people and machines: what happened, to what, why, and what to do next.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct OpError {
    /// Its kind.
    pub kind: ErrorKind,
    /// What happened, to what, and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// What is wrong with the input, where it is that.
    pub findings: Vec<Finding>,
}

impl OpError {
    /// An error without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, findings: Vec::new() }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error made of findings.
    pub fn invalid(message: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self { kind: ErrorKind::InvalidInput, message: message.into(), hint: None, findings }
    }

    /// The exit code, as documented.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Failed | ErrorKind::InvalidInput | ErrorKind::Call => 1,
            ErrorKind::RolledBack => 4,
            ErrorKind::RollbackFailed => 5,
            ErrorKind::Locked => 6,
            ErrorKind::Refused => 7,
            ErrorKind::Stale => 8,
            ErrorKind::Partial => 9,
            ErrorKind::Stopped => 10,
            ErrorKind::Usage => 64,
        }
    }
}

impl From<CallError> for OpError {
    fn from(error: CallError) -> Self {
        let kind = if error.kind == CallErrorKind::Conflict && error.message.contains("lock") {
            ErrorKind::Locked
        } else {
            ErrorKind::Call
        };
        Self { kind, message: error.to_string(), hint: error.hint().map(str::to_owned), findings: Vec::new() }
    }
}
