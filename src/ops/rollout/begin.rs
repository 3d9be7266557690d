//! Beginning a rollout, and carrying it on.
//!
//! Constraint kept: all that it needs is stored before its first entry, so that any machine can go on, whatever is checked out
//! there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::domain::lock::ProcessId;
use crate::domain::plan::Step;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::event::{Entry, Event};
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::ops::apply::{self, Concurrency};
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::event::Event as Told;
use crate::ops::lease::{Claim, HeldLease};
use crate::ports::moves::Appended;
use crate::ports::rollout::Summary;
use crate::ports::{CallErrorKind, LeaseStore};

use super::driver::Driver;
use super::journal::Hand;
use super::lease::RolloutLease;
use super::office::{CONTENT, unwritable};
use super::{Ended, Pilot, Planned, Progress};

/// Numbers that are tried while others begin rollouts.
const NUMBERS_MAX: u32 = 10;

impl Pilot<'_> {
    /// Makes a plan the open rollout. The one that is open already is gone on with where it is of the same change.
    pub async fn begin(&self, planned: &Planned) -> Result<RolloutId, OpError> {
        self.store_artifacts(planned).await?;
        for _ in 0..NUMBERS_MAX {
            if let Some(open) = self.world.rollouts.open().await? {
                return same_or_refused(&open, planned);
            }
            let last = self.world.rollouts.list(1).await?.first().map_or(0, |last| last.id.0);
            if let Some(id) = self.begin_as(RolloutId(last + 1), planned).await? {
                return Ok(id);
            }
        }
        Err(OpError::new(ErrorKind::Locked, "others keep beginning rollouts").hint("run the same command again"))
    }

    /// None: somebody else was faster.
    async fn begin_as(&self, id: RolloutId, planned: &Planned) -> Result<Option<RolloutId>, OpError> {
        let world = self.world;
        let mut plan = planned.plan.clone();
        plan.id = id;
        let text = serde_json::to_string(&planned.content).map_err(|error| unwritable(CONTENT, &error))?;
        match world.rollouts.put_document(id, CONTENT, &text).await {
            Ok(()) => {}
            // One that never began has left its content under this number.
            Err(error) if error.kind == CallErrorKind::Conflict => return self.skip(id, planned).await,
            Err(error) => return Err(error.into()),
        }
        self.enter(plan, id).await
    }

    /// A number whose content is another one's is passed over.
    async fn skip(&self, id: RolloutId, planned: &Planned) -> Result<Option<RolloutId>, OpError> {
        if !self.world.rollouts.journal(id).await?.is_empty() {
            return Ok(None);
        }
        Box::pin(self.begin_as(RolloutId(id.0 + 1), planned)).await
    }

    async fn enter(&self, plan: crate::domain::rollout::Plan, id: RolloutId) -> Result<Option<RolloutId>, OpError> {
        let lease = self.take(id).await?;
        let hand = Hand { lease: &lease, actor: self.actor };
        let entry: Entry = hand.entry(1, self.world.world.clock.now_ms(), Event::Planned { plan: Box::new(plan) });
        let state = Rollout::begin(&entry).map_err(|error| OpError::new(ErrorKind::Failed, error.to_string()))?;
        let appended = self.world.rollouts.append(id, &entry, &Summary::of(&state), lease.lease()).await;
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the lease could not be given back; it runs out by itself");
        }
        match appended {
            Ok(Appended::Done) => Ok(Some(id)),
            Ok(Appended::Taken | Appended::LeaseLost) => Ok(None),
            // In doubt: the journal tells.
            Err(error) => {
                let stored = self.world.rollouts.journal(id).await?.first() == Some(&entry);
                if stored { Ok(Some(id)) } else { Err(error.into()) }
            }
        }
    }

    /// Stores the code and the large templates of all cells.
    async fn store_artifacts(&self, planned: &Planned) -> Result<(), OpError> {
        let changed: BTreeSet<_> = planned.content.waves.iter().flatten().map(|cell| &cell.desired.cell).collect();
        let steps: Vec<&Step> = planned.changes.steps.iter().filter(|s| changed.contains(&s.desired.cell)).collect();
        let options = apply::Options {
            concurrency: Concurrency::Auto,
            failures_max: 0,
            bucket_prefix: self.bucket_prefix.to_owned(),
            claim: Claim { actor: self.actor.clone(), purpose: String::new() },
            stop: watch::channel(false).1,
            during_rollout: false,
        };
        apply::artifacts::store(&self.world.world, &planned.changes, &steps, &options).await
    }

    async fn take(&self, id: RolloutId) -> Result<HeldLease, OpError> {
        let store: Arc<dyn LeaseStore> = Arc::new(RolloutLease { rollouts: self.world.rollouts.clone(), id });
        let claim = Claim { actor: self.actor.clone(), purpose: "carrying it on".to_owned() };
        let (clock, processes) = (self.world.world.clock.clone(), self.world.processes.as_ref());
        HeldLease::take_over(store, clock, &claim, Some(processes)).await
    }

    /// Takes a rollout's lease and carries it on, until it is over or somebody has to act. `stop` asks it to let go.
    pub async fn run(&self, id: RolloutId, stop: watch::Receiver<bool>) -> Result<Ended, OpError> {
        let lease = self.take(id).await?;
        let outcome = self.run_under(id, &lease, stop).await;
        self.world.world.reporter.report(&Told::RolloutLetGo { id });
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the lease could not be given back; it runs out by itself");
        }
        outcome
    }

    async fn run_under(&self, id: RolloutId, lease: &HeldLease, stop: watch::Receiver<bool>) -> Result<Ended, OpError> {
        let state = self.state(id).await?;
        self.world.world.reporter.report(&Told::RolloutPickedUp { state: Box::new(state.clone()) });
        let content = self.content(id).await?;
        self.order(id, |orders| orders.pause = false).await.or_else(|error| {
            // One that is over takes no orders, and says below how it ended.
            if state.stage.is_over() { Ok(super::Orders::default()) } else { Err(error) }
        })?;
        let standing = Arc::new(Mutex::new(Progress::of(&state)));
        let hand = Hand { lease, actor: self.actor };
        let quit = watch::channel(false).0;
        let mut driver = Driver { pilot: *self, hand, state, content, stop, quit, standing, bake: None };
        driver.take_over().await?;
        driver.drive().await
    }

    /// Whether a process is certain to be gone.
    pub fn is_gone(&self, process: &ProcessId) -> bool {
        self.world.processes.is_gone(process)
    }
}

impl Driver<'_> {
    /// Writes down that another process goes on, and that what held it up is out of the way.
    async fn take_over(&mut self) -> Result<(), OpError> {
        if self.state.stage.is_over() {
            return Ok(());
        }
        let calls_until_ms = self.hand.lease.lease().unsettled_until_ms;
        let begun = self.state.stage != Stage::Ready || self.state.wave > 0;
        let mut events = Vec::new();
        if begun {
            events.push(Event::TakenOver { calls_until_ms });
        }
        if self.state.paused {
            events.push(Event::Resumed);
        }
        for event in events {
            self.note(event).await.map_err(|halt| match halt {
                super::halt::Halt::Failed(error) => error,
                _ => OpError::new(ErrorKind::Locked, "somebody else carries the rollout on now"),
            })?;
        }
        Ok(())
    }
}

impl Planned {
    /// Refuses where a rollout of another change is open.
    pub fn refuse_other(&self) -> Result<(), OpError> {
        self.open.as_ref().map_or(Ok(()), |open| same_or_refused(open, self).map(drop))
    }
}

/// The open rollout goes on where it is of the same change; another one has to end first.
fn same_or_refused(open: &Summary, planned: &Planned) -> Result<RolloutId, OpError> {
    if open.change == planned.plan.change {
        return Ok(open.id);
    }
    let of = |commit: &Option<String>| commit.as_ref().map(|sha| format!(" (commit {sha})")).unwrap_or_default();
    let message = format!(
        "rollout {}{} is open, and is of another change than this one{}; nothing was done",
        open.id,
        of(&open.commit),
        of(&planned.plan.commit)
    );
    Err(OpError::new(ErrorKind::Refused, message).hint(format!(
        "let it end (`cellctl rollout watch {0}`), or end it with `cellctl rollout rollback {0}` or `cellctl rollout abort {0}`; \
         then start again",
        open.id
    )))
}

impl Progress {
    /// Of a rollout that nobody has carried on yet.
    fn of(state: &Rollout) -> Self {
        Self {
            id: state.plan.id,
            at_ms: state.at_ms,
            wave: state.wave,
            stage: state.stage,
            done: 0,
            failed: 0,
            under_way: Vec::new(),
            baked_ms: state.baked_ms,
            gates: state.gates.clone(),
            waits_for: None,
        }
    }
}
