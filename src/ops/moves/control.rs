//! What people may order of a move under way.
//!
//! Constraint kept: an order that can have no effect is refused with the reason, and not written.

use crate::domain::moves::MoveId;
use crate::domain::moves::machine::Stage;
use crate::ops::{ErrorKind, OpError};

use super::{Mover, Shown};

impl Mover<'_> {
    /// Orders it to stop where it is and let go.
    pub async fn pause(&self, id: &MoveId) -> Result<Shown, OpError> {
        self.order(id, |orders| orders.pause = true).await?;
        self.show(id).await
    }

    /// Takes the order to pause back.
    pub async fn release(&self, id: &MoveId) -> Result<(), OpError> {
        self.order(id, |orders| orders.pause = false).await.map(|_| ())
    }

    /// Sets its rate, in write units a second; 0 for no bound.
    pub async fn throttle(&self, id: &MoveId, rate: u64) -> Result<Shown, OpError> {
        self.order(id, |orders| orders.rate = Some(rate)).await?;
        self.show(id).await
    }

    /// Lets a cutover begin that is held.
    pub async fn allow_cutover(&self, id: &MoveId) -> Result<Shown, OpError> {
        let shown = self.show(id).await?;
        refuse_late(&shown, "it is cut over already; nothing was done")?;
        self.order(id, |orders| orders.cutover = true).await?;
        self.show(id).await
    }

    /// Orders it to be given up. Refused from the flip on.
    pub async fn give_up(&self, id: &MoveId, why: &str) -> Result<Shown, OpError> {
        let shown = self.show(id).await?;
        refuse_late(&shown, "the target serves the tenant, and from there a move only goes on; nothing was done")?;
        self.order(id, |orders| orders.abort = Some(why.to_owned())).await?;
        self.show(id).await
    }
}

/// Refuses what comes after the flip, or after the end.
fn refuse_late(shown: &Shown, why: &str) -> Result<(), OpError> {
    let (id, plan) = (&shown.state.plan.id, &shown.state.plan);
    let refused = |why: String, hint: String| Err(OpError::new(ErrorKind::Refused, why).hint(hint));
    match shown.state.stage {
        Stage::Aborted => refused(
            format!("move {id} is over: it was given up"),
            format!("`cellctl move show {id}` shows its journal"),
        ),
        stage if stage.is_past_flip() => refused(
            format!("move {id} is past its flip: {why}"),
            format!(
                "`cellctl tenant move {} --rollback` takes the tenant back to {}, by a move of its own",
                plan.tenant(),
                plan.source.cell
            ),
        ),
        _ => Ok(()),
    }
}
