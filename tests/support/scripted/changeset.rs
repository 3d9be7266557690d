//! A change set and what can be seen of it at a moment.
//!
//! Owns: the life of a change set. Constraint kept: like a stack's, its status is computed from the moment.

use std::sync::Arc;
use std::time::Duration;

use super::diff::Change;
use super::items::Item;
use super::script::OnFailure;
use super::state::Facts;

/// One change set.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    /// Its name.
    pub(crate) name: String,
    /// Its ARN.
    pub(crate) id: String,
    /// Its description.
    pub(crate) description: Option<String>,
    /// When it was asked for.
    pub(crate) created: Duration,
    /// When it is worked out.
    pub(crate) ready: Duration,
    /// Why it fails, where it does.
    pub(crate) failure: Option<&'static str>,
    /// What the stack shall be.
    pub(crate) facts: Arc<Facts>,
    /// What would change.
    pub(crate) changes: Vec<Change>,
    /// Existing resources that it takes in.
    pub(crate) imports: Vec<Item>,
    /// What a failed create does.
    pub(crate) on_failure: Option<OnFailure>,
    /// What has become of it.
    pub(crate) fortune: Fortune,
}

/// What has become of a change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fortune {
    /// It waits.
    Waiting,
    /// It was executed; it can be described by ARN, and is no longer listed.
    Executed,
    /// The stack was changed otherwise; it can no longer be executed.
    Obsolete,
}

impl ChangeSet {
    /// Its status.
    pub(crate) fn status(&self, now: Duration) -> &'static str {
        match self.failure {
            _ if now < self.ready => "CREATE_IN_PROGRESS",
            Some(_) => "FAILED",
            None => "CREATE_COMPLETE",
        }
    }

    /// Why it has that status.
    pub(crate) fn reason(&self, now: Duration) -> Option<&'static str> {
        self.failure.filter(|_| now >= self.ready)
    }

    /// Whether and how it was executed; `stack` is the status of its stack.
    pub(crate) fn execution(&self, now: Duration, stack: &str) -> &'static str {
        match self.fortune {
            Fortune::Obsolete => "OBSOLETE",
            Fortune::Executed if stack.ends_with("IN_PROGRESS") => "EXECUTE_IN_PROGRESS",
            Fortune::Executed if matches!(stack, "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE") => {
                "EXECUTE_COMPLETE"
            }
            Fortune::Executed => "EXECUTE_FAILED",
            Fortune::Waiting if self.status(now) == "CREATE_COMPLETE" => "AVAILABLE",
            Fortune::Waiting => "UNAVAILABLE",
        }
    }
}
