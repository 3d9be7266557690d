//! What a test orders in advance.
//!
//! Owns: fates of stacks and faults of requests. Constraint kept: the same script and the same requests give the
//! same answers; chance comes from a seed.

use std::collections::HashMap;

use super::errors::ErrorKind;

/// What a failed create does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Takes down what was made: `ROLLBACK_COMPLETE`.
    Rollback,
    /// Leaves everything: `CREATE_FAILED`.
    DoNothing,
    /// Takes down what was made, and the stack: `DELETE_COMPLETE`.
    Delete,
}

/// How an operation on a stack ends. Each is used up by the first operation that it fits. A resource that the
/// operation does not touch stands for the last one that it does touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The next create fails at a resource.
    CreateFails {
        /// Logical id.
        resource: &'static str,
        /// The text of the event.
        reason: &'static str,
        /// What happens then; `None` is what the request says.
        on_failure: Option<OnFailure>,
    },
    /// The next update fails at a resource, and is rolled back unless the request says otherwise.
    UpdateRollsBack {
        /// Logical id.
        resource: &'static str,
        /// The text of the event.
        reason: &'static str,
    },
    /// The next create or update fails at a resource, and its rollback at another.
    RollbackFails {
        /// Logical id.
        resource: &'static str,
        /// The text of both events.
        reason: &'static str,
        /// Logical id of the one that cannot be rolled back.
        stuck: &'static str,
    },
    /// The next `ContinueUpdateRollback` or `RollbackStack` fails again, unless it skips the resource.
    ContinueFails {
        /// Logical id.
        resource: &'static str,
        /// The text of the event.
        reason: &'static str,
    },
    /// The next deletion fails, unless it retains the resource.
    DeleteFails {
        /// Logical id.
        resource: &'static str,
        /// The text of the event.
        reason: &'static str,
    },
}

/// A resource that fails, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    /// Logical id.
    pub(crate) resource: &'static str,
    /// The text of the event.
    pub(crate) reason: &'static str,
}

/// The operations that a fate can fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Creating a stack.
    Create,
    /// Updating one.
    Update,
    /// Rolling one back on request.
    Continue,
    /// Deleting one.
    Delete,
}

impl Fate {
    /// Whether it is about that operation.
    pub(crate) fn fits(&self, operation: Operation) -> bool {
        match self {
            Self::CreateFails { .. } => operation == Operation::Create,
            Self::UpdateRollsBack { .. } => operation == Operation::Update,
            Self::RollbackFails { .. } => matches!(operation, Operation::Create | Operation::Update),
            Self::ContinueFails { .. } => operation == Operation::Continue,
            Self::DeleteFails { .. } => operation == Operation::Delete,
        }
    }

    /// The resource that fails first.
    pub(crate) fn failure(&self) -> Failure {
        let (Self::CreateFails { resource, reason, .. }
        | Self::UpdateRollsBack { resource, reason }
        | Self::RollbackFails { resource, reason, .. }
        | Self::ContinueFails { resource, reason }
        | Self::DeleteFails { resource, reason }) = *self;
        Failure { resource, reason }
    }

    /// The resource at which the rollback fails.
    pub(crate) fn stuck(&self) -> Option<Failure> {
        match *self {
            Self::RollbackFails { reason, stuck, .. } => Some(Failure { resource: stuck, reason }),
            _ => None,
        }
    }
}

/// Faults of requests. Requests of an action are counted from 1, refused ones included.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Errors for the nth request of an action.
    pub(crate) failures: HashMap<(String, usize), ErrorKind>,
    /// The nth request of an action takes effect and is not answered.
    pub(crate) losses: Vec<(String, usize)>,
    /// The share of all requests that are throttled.
    pub(crate) throttle_fraction: f64,
    /// Where chance comes from.
    pub(crate) random: fastrand::Rng,
}

impl Default for Faults {
    fn default() -> Self {
        let (failures, losses) = (HashMap::new(), Vec::new());
        Self { failures, losses, throttle_fraction: 0.0, random: fastrand::Rng::with_seed(0) }
    }
}

impl Faults {
    /// The error ordered for the nth request of an action.
    pub(crate) fn failure(&self, action: &str, nth: usize) -> Option<ErrorKind> {
        self.failures.get(&(action.to_owned(), nth)).copied()
    }

    /// Whether chance throttles this request.
    pub(crate) fn throttles(&mut self) -> bool {
        self.throttle_fraction > 0.0 && self.random.f64() < self.throttle_fraction
    }

    /// Whether the answer to the nth request of an action is lost.
    pub(crate) fn loses(&self, action: &str, nth: usize) -> bool {
        self.losses.iter().any(|(name, number)| name == action && *number == nth)
    }
}
