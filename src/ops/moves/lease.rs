//! The lease of a move, where the lock on the fleet is for other operations.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::lock::Lease;
use crate::domain::moves::MoveId;
use crate::ports::moves::Moves;
use crate::ports::{Called, LeaseStore};

/// The lease of one move.
pub(super) struct MoveLease {
    pub(super) moves: Arc<dyn Moves>,
    pub(super) id: MoveId,
}

#[async_trait]
impl LeaseStore for MoveLease {
    async fn lease(&self) -> Called<Option<Lease>> {
        self.moves.lease(&self.id).await
    }

    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        self.moves.swap_lease(&self.id, seen, next).await
    }

    fn what(&self) -> String {
        format!("the move {}", self.id)
    }

    fn way_out(&self) -> String {
        format!(
            "`cellctl move watch {0}` follows it; if its mover is dead, the lease runs out within a minute, then \
             `cellctl move resume {0}` carries it on",
            self.id
        )
    }
}
