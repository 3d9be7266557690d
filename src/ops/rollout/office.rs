//! What people ask of rollouts: find, show, list, order.

use crate::domain::lock::ProcessId;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::change::{Before, Content};
use crate::domain::rollout::machine::Rollout;
use crate::domain::rollout::orders::Orders;
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::rollout::Summary;

use super::{Pilot, Shown};

/// How often orders are tried to be given while others give some.
const ATTEMPTS_MAX: u32 = 10;
/// Name of the document that holds the content.
pub(super) const CONTENT: &str = "content";

/// Name of the document that says what a wave was before.
pub(super) fn before(wave: usize) -> String {
    format!("before-{wave}")
}

impl Pilot<'_> {
    /// The rollout of that number; without one, the open one, or else the last.
    pub async fn find(&self, id: Option<RolloutId>) -> Result<RolloutId, OpError> {
        if let Some(id) = id {
            return Ok(id);
        }
        let rollouts = &self.world.rollouts;
        if let Some(open) = rollouts.open().await? {
            return Ok(open.id);
        }
        let last = rollouts.list(1).await?.into_iter().next();
        last.map(|last| last.id).ok_or_else(|| {
            OpError::new(ErrorKind::Failed, "there has been no rollout yet").hint("`cellctl rollout start` begins one")
        })
    }

    /// A rollout as it stands.
    pub async fn show(&self, id: RolloutId) -> Result<Shown, OpError> {
        let rollouts = &self.world.rollouts;
        let journal = rollouts.journal(id).await?;
        let state = Rollout::fold(&journal).map_err(|error| broken(id, &error))?.ok_or_else(|| no_rollout(id))?;
        // What an older or newer version wrote there is of no use, and no error.
        let progress = rollouts.progress(id).await?.and_then(|body| serde_json::from_str(&body).ok());
        let is_gone = |process: &ProcessId| self.world.processes.is_gone(process);
        let lease = rollouts.lease(id).await?.filter(|lease| !lease.process.as_ref().is_some_and(is_gone));
        Ok(Shown { state, journal, orders: rollouts.orders(id).await?, lease, progress })
    }

    /// Where it stands.
    pub async fn state(&self, id: RolloutId) -> Result<Rollout, OpError> {
        let journal = self.world.rollouts.journal(id).await?;
        Rollout::fold(&journal).map_err(|error| broken(id, &error))?.ok_or_else(|| no_rollout(id))
    }

    /// Up to `limit` rollouts, the latest first.
    pub async fn list(&self, limit: u32) -> Result<Vec<Summary>, OpError> {
        Ok(self.world.rollouts.list(limit).await?)
    }

    /// What it does to which cell.
    pub async fn content(&self, id: RolloutId) -> Result<Content, OpError> {
        self.document(id, CONTENT).await
    }

    /// What the cells of a wave were before it.
    pub async fn before(&self, id: RolloutId, wave: usize) -> Result<Before, OpError> {
        self.document(id, &before(wave)).await
    }

    async fn document<T: serde::de::DeserializeOwned>(&self, id: RolloutId, name: &str) -> Result<T, OpError> {
        let lost = |why: &dyn std::fmt::Display| {
            OpError::new(ErrorKind::Failed, format!("document {name} of rollout {id} cannot be read: {why}"))
                .hint("the control table's point-in-time recovery may still have it; nothing was changed")
        };
        let text = self.world.rollouts.document(id, name).await?.ok_or_else(|| lost(&"it is not there"))?;
        serde_json::from_str(&text).map_err(|error| lost(&error))
    }

    /// Gives orders to a rollout; gives them as they stand then. Whether somebody is there to obey is another matter:
    /// `show` tells who holds the lease.
    pub async fn order(&self, id: RolloutId, change: impl Fn(&mut Orders) + Send + Sync) -> Result<Orders, OpError> {
        let state = self.state(id).await?;
        for _ in 0..ATTEMPTS_MAX {
            let there = self.world.rollouts.orders(id).await?;
            let mut wanted = there.clone();
            change(&mut wanted);
            refuse_late(&state, &there, &wanted)?;
            if wanted == there {
                return Ok(there);
            }
            wanted.version = there.version + 1;
            if self.world.rollouts.put_orders(id, &wanted).await? {
                return Ok(wanted);
            }
        }
        Err(OpError::new(ErrorKind::Failed, format!("somebody else keeps giving orders to rollout {id}"))
            .hint("run the same command again"))
    }
}

/// One that is over takes no orders, but that of taking back what can be.
fn refuse_late(state: &Rollout, there: &Orders, wanted: &Orders) -> Result<(), OpError> {
    let id = state.plan.id;
    let taken_back = wanted.rollback.is_some() && there.rollback.is_none();
    if !state.stage.is_over() || (taken_back && state.last_begun().is_some()) {
        return Ok(());
    }
    Err(OpError::new(ErrorKind::Refused, format!("rollout {id} is over: {}", state.stage.as_str())).hint(
        "to bring the change to the fleet again, or another one, change the definitions and `cellctl rollout start`",
    ))
}

fn no_rollout(id: RolloutId) -> OpError {
    OpError::new(ErrorKind::Failed, format!("there is no rollout {id}"))
        .hint("`cellctl rollout list` shows the rollouts; `cellctl rollout start` begins one")
}

fn broken(id: RolloutId, error: &impl std::fmt::Display) -> OpError {
    OpError::new(ErrorKind::Failed, format!("the journal of rollout {id} does not add up: {error}"))
        .hint("somebody has changed it, or this is a fault of cellctl: keep it and report it; nothing was changed")
}

/// A document that cannot be put into words.
pub(super) fn unwritable(name: &str, error: &dyn std::fmt::Display) -> OpError {
    OpError::new(ErrorKind::Failed, format!("{name} cannot be written: {error}"))
        .hint("this is a fault of cellctl; nothing was changed: please report it")
}
