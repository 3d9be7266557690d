//! Why whoever carries a rollout on lets go in the middle of a step.

use crate::ops::OpError;
use crate::ports::CallError;

/// Why a step was not done to its end. What it did so far is journalled, or can be done again.
#[derive(Debug, Clone)]
pub(super) enum Halt {
    /// Somebody asked this process to stop.
    Stopped,
    /// Somebody gave an order: the driver looks at it.
    Ordered,
    /// The lease is lost: nothing more may be done.
    Lost,
    /// A call failed for good. The rollout can be resumed.
    Failed(OpError),
}

impl From<CallError> for Halt {
    fn from(error: CallError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<OpError> for Halt {
    fn from(error: OpError) -> Self {
        Self::Failed(error)
    }
}
