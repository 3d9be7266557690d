//! Cells brought to what they are to be, by an apply under the lock on the fleet: forward, and back.
//!
//! Constraints kept: the apply is planned from what is there each time, so that a resume does what is left; cells that are
//! gone, or that somebody else has changed since, are left alone and named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::ids::{CellId, Digest};
use crate::domain::plan::{self, Desired};
use crate::domain::record::{CellRecord, CellState};
use crate::domain::rollout::event::{Changed, TROUBLED_MAX, Troubled};
use crate::ops::World;
use crate::ops::apply::{self, ApplyReport, CellResult, Concurrency};
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::event::Outcome;
use crate::ops::lease::{Claim, HeldLease};
use crate::ops::plan::{Request, plan};

use super::driver::Driver;
use super::halt::Halt;
use super::watch::{Counting, tell};

/// Rounds of planning and applying, where operations of an earlier run had to be waited for.
const ROUNDS_MAX: usize = 4;
/// Time between two tries to get the lock, in milliseconds.
const LOCK_TRY_MS: u64 = 2_000;
/// For how long the lock is tried for: an apply of a whole fleet may be under way.
const LOCK_TRY_MS_MAX: u64 = 7_200_000;

/// What cells are to be brought to.
pub(super) struct Goal {
    /// What each is to be.
    pub(super) desired: Vec<Desired>,
    /// Bodies of the templates.
    pub(super) bodies: BTreeMap<Digest, Arc<str>>,
    /// Atoms that may be replaced or removed, as `cell/atom`.
    pub(super) allowed: BTreeSet<String>,
    /// Cells at a time.
    pub(super) concurrency: Concurrency,
    /// Cells that may fail before nothing more is begun.
    pub(super) failures_max: usize,
    /// Cells that are left out, with the reason.
    pub(super) left_out: Vec<Troubled>,
    /// Cells that have failed already: they are not tried again.
    pub(super) failed: Vec<Troubled>,
}

/// What is known of the cells before they are changed, under the lock.
pub(super) type Records = BTreeMap<CellId, CellRecord>;

impl Driver<'_> {
    /// Takes the lock, makes the goal of what the records say, and carries it out.
    pub(super) async fn under_lock(
        &self,
        purpose: &str,
        goal: impl FnOnce(&Records) -> Result<Goal, Halt> + Send,
    ) -> Result<Changed, Halt> {
        let lock = self.lock(purpose).await?;
        let outcome = async {
            let records = self.pilot.world.world.control.records().await?;
            let records = records.into_iter().map(|record| (record.cell.clone(), record)).collect();
            self.converge(goal(&records)?, &lock).await
        };
        let outcome = outcome.await;
        if let Err(error) = lock.release().await {
            tracing::debug!(%error, "the lock could not be given back; it runs out by itself");
        }
        outcome
    }

    /// The lock on the fleet, as soon as it is free.
    async fn lock(&self, purpose: &str) -> Result<HeldLease, Halt> {
        let world = &self.pilot.world.world;
        let claim = Claim { actor: self.hand.actor.clone(), purpose: purpose.to_owned() };
        let mut waited_ms = 0;
        loop {
            let taken = HeldLease::take(world.control.clone(), Arc::clone(&world.clock), &claim).await;
            match taken {
                Ok(lock) => {
                    self.waits_for(None);
                    return Ok(lock);
                }
                Err(error) if error.kind == ErrorKind::Locked && waited_ms < LOCK_TRY_MS_MAX => {
                    self.waits_for(Some(error.message));
                }
                Err(error) => return Err(error.into()),
            }
            self.check()?;
            if *self.quit.borrow() {
                return Err(Halt::Ordered);
            }
            world.clock.sleep(Duration::from_millis(LOCK_TRY_MS)).await;
            waited_ms += LOCK_TRY_MS;
        }
    }

    async fn converge(&self, goal: Goal, lock: &HeldLease) -> Result<Changed, Halt> {
        let mut changed = Changed {
            failed: goal.failed.len(),
            left_out: goal.left_out.len(),
            troubled: [goal.failed.clone(), goal.left_out.clone()].concat(),
            ..Changed::default()
        };
        tell(&self.standing, |progress| (progress.done, progress.failed) = (0, changed.failed));
        if changed.failed > goal.failures_max {
            changed.not_begun = goal.desired.len();
            return Ok(bounded(changed));
        }
        let mut results: BTreeMap<CellId, CellResult> = BTreeMap::new();
        for _ in 0..ROUNDS_MAX {
            let report = self.round(&goal, changed.failed, lock).await?;
            let again =
                report.must_look_again() && !report.stopped && !report.cells.iter().any(|c| c.outcome.is_failure());
            let lost = report.lock_lost;
            results.extend(report.cells.into_iter().map(|result| (result.cell.clone(), result)));
            if lost {
                return Err(Halt::Failed(lock_lost()));
            }
            if !again {
                break;
            }
        }
        for result in results.values() {
            count(&mut changed, result);
        }
        changed.done = goal.desired.len() - (changed.failed - goal.failed.len()) - changed.not_begun;
        Ok(bounded(changed))
    }

    async fn round(&self, goal: &Goal, failed: usize, lock: &HeldLease) -> Result<ApplyReport, Halt> {
        let inner = &self.pilot.world.world;
        let reporter = Counting { inner: Arc::clone(&inner.reporter), standing: Arc::clone(&self.standing) };
        let world = World { reporter: Arc::new(reporter), ..inner.clone() };
        let request = Request {
            fleet: self.pilot.fleet.name.to_string(),
            selection: None,
            desired: goal.desired.clone(),
            defined: goal.desired.iter().map(|desired| desired.cell.clone()).collect(),
            bodies: goal.bodies.clone(),
            allowed: goal.allowed.clone(),
        };
        let plan = plan(&world, request).await?;
        let (_, digest) = plan::file::write(&plan).map_err(|error| super::office::unwritable("plan", &error))?;
        let options = apply::Options {
            concurrency: goal.concurrency,
            failures_max: goal.failures_max - failed,
            bucket_prefix: self.pilot.bucket_prefix.to_owned(),
            claim: Claim { actor: self.hand.actor.clone(), purpose: String::new() },
            stop: self.quit.subscribe(),
            during_rollout: true,
        };
        if plan.has_changes() {
            return Ok(apply::carry_out(&world, &plan, &digest, &options, lock).await?);
        }
        Ok(ApplyReport::nothing_to_do(&plan, &digest))
    }
}

/// Cells without those that are gone, which are given with the reason. `is_new` ones may have no record.
pub(super) fn gone(desired: &Desired, is_new: bool, records: &Records) -> Option<Troubled> {
    let record = records.get(&desired.cell);
    let is_gone = record.is_none_or(|record| record.state == CellState::Deleted);
    (is_gone && !is_new).then(|| troubled(&desired.cell, "gone", "it was deleted after the rollout was planned"))
}

/// A cell with what is the matter.
pub(super) fn troubled(cell: &CellId, outcome: &str, why: impl Into<String>) -> Troubled {
    Troubled { cell: cell.clone(), outcome: outcome.to_owned(), why: why.into() }
}

fn count(changed: &mut Changed, result: &CellResult) {
    match result.outcome {
        Outcome::Done | Outcome::AlreadyDone => {}
        Outcome::NotStarted | Outcome::Settled => changed.not_begun += 1,
        outcome => {
            changed.failed += 1;
            let why = result.reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
            changed.troubled.push(troubled(&result.cell, word(outcome), why));
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::RolledBack => "rolled-back",
        Outcome::Stuck => "stuck",
        Outcome::Refused => "refused",
        _ => "failed",
    }
}

/// The worst first, no more than fit into an entry.
fn bounded(mut changed: Changed) -> Changed {
    let rank = |one: &Troubled| match one.outcome.as_str() {
        "stuck" => 0,
        "failed" | "refused" => 1,
        "rolled-back" => 2,
        _ => 3,
    };
    changed.troubled.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.cell.cmp(&b.cell)));
    changed.troubled.truncate(TROUBLED_MAX);
    changed
}

fn lock_lost() -> OpError {
    OpError::new(ErrorKind::Locked, "the lock on the fleet was lost while cells were changed")
        .hint("`cellctl rollout resume` goes on: it looks at what is there first")
}
