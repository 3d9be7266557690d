//! The lease of a rollout, where the lock on the fleet is for the time in which cells are changed.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::lock::Lease;
use crate::domain::rollout::RolloutId;
use crate::ports::rollout::Rollouts;
use crate::ports::{Called, LeaseStore};

/// The lease of one rollout.
pub(super) struct RolloutLease {
    pub(super) rollouts: Arc<dyn Rollouts>,
    pub(super) id: RolloutId,
}

#[async_trait]
impl LeaseStore for RolloutLease {
    async fn lease(&self) -> Called<Option<Lease>> {
        self.rollouts.lease(self.id).await
    }

    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        self.rollouts.swap_lease(self.id, seen, next).await
    }

    fn what(&self) -> String {
        format!("rollout {}", self.id)
    }

    fn way_out(&self) -> String {
        format!(
            "`cellctl rollout watch {0}` follows it; if its process is dead, the lease runs out within a minute, then \
             `cellctl rollout resume {0}` carries it on",
            self.id
        )
    }
}
