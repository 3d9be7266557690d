//! Carrying out a plan.
//!
//! Owns: the order, the concurrency, the bounds on failures, and the journal of an apply. Constraint kept: it executes
//! the steps of the plan and chooses nothing; each step begins only from the state that it was planned from, so that
//! running the same plan again after a kill does what is left.

pub(crate) mod artifacts;
mod conclude;
mod execute;
mod guard;
mod journal;
mod report;
mod stale;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::watch;

use crate::domain::ids::Digest;
use crate::domain::plan::{Action, Plan, Step};

use super::World;
use super::error::{ErrorKind, OpError};
use super::event::{Event, Outcome};
use super::lease::{Claim, HeldLease};
use super::plan::accounts;

pub use report::{ApplyReport, CellResult};

/// How an apply is carried out.
#[derive(Clone)]
pub struct Options {
    /// Stacks changed at a time.
    pub concurrency: Concurrency,
    /// Failed cells after which nothing new is begun.
    pub failures_max: usize,
    /// Name of the artifact bucket, with the account and Region left out (`cellctl-shop`).
    pub bucket_prefix: String,
    /// Who wants the lock.
    pub claim: Claim,
    /// Turns true when somebody asked to stop.
    pub stop: watch::Receiver<bool>,
    /// Whether it goes on although a rollout is open.
    pub during_rollout: bool,
}

/// How many stacks are changed at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as the service takes: starts with ten, grows while nothing is throttled or fails.
    Auto,
    /// So many.
    Fixed(usize),
}

/// Stacks at a time that `auto` begins with, and at most goes up to.
/// CloudFormation has no quota for this; the rate of calls is what bounds it.
const AUTO: (usize, usize) = (10, 40);

/// Carries out a plan whose digest is `digest`.
pub async fn apply(world: &World, plan: &Plan, digest: &Digest, options: &Options) -> Result<ApplyReport, OpError> {
    refuse_unusable(world, plan)?;
    refuse_other_accounts(world, plan).await?;
    if !plan.has_changes() {
        return Ok(ApplyReport::nothing_to_do(plan, digest));
    }
    let lease = HeldLease::take(world.control.clone(), Arc::clone(&world.clock), &options.claim).await?;
    let outcome = match refuse_during_rollout(world, options).await {
        Ok(()) => carry_out(world, plan, digest, options, &lease).await,
        Err(refused) => Err(refused),
    };
    let released = lease.release().await;
    if let Err(error) = released {
        // The lease ends by itself; what the cells came to must not be lost over it.
        world.reporter.report(&Event::Noted { message: format!("the lock could not be given back: {error}") });
    }
    outcome
}

/// Refuses plans that were made offline or have expired.
fn refuse_unusable(world: &World, plan: &Plan) -> Result<(), OpError> {
    if plan.accounts.is_none() {
        return Err(OpError::new(ErrorKind::Stale, "the plan was made offline: it does not know what is there")
            .hint("make it again without --offline"));
    }
    let late_s = (world.clock.now_ms() - plan.expires_at_ms) / 1000;
    if late_s >= 0 {
        return Err(OpError::new(ErrorKind::Stale, format!("the plan expired {} minutes ago", late_s / 60))
            .hint("make a new one with `cellctl plan -o FILE`"));
    }
    Ok(())
}

/// Refuses to carry out a plan with credentials of other accounts than it was made with.
async fn refuse_other_accounts(world: &World, plan: &Plan) -> Result<(), OpError> {
    let places = plan.steps.iter().map(|s| s.desired.place.clone()).collect();
    let now = accounts(world, places).await?;
    let planned = plan.accounts.clone().unwrap_or_default();
    let other = now.iter().find_map(|(place, account)| Some((account, planned.get(place)?)).filter(|(a, b)| a != b));
    let Some((account, planned)) = other else { return Ok(()) };
    let message = format!("the plan was made for account {planned}; the credentials are of account {account}");
    Err(OpError::new(ErrorKind::Refused, message).hint("choose the AWS_PROFILE that the plan was made with"))
}

/// Refuses to change cells behind the back of a rollout: they would get what its waves and gates are there to hold back.
async fn refuse_during_rollout(world: &World, options: &Options) -> Result<(), OpError> {
    let open = if options.during_rollout { None } else { world.control.open_rollout().await? };
    let Some(id) = open else { return Ok(()) };
    let message = format!("rollout {id} is open: it decides which cells are changed when; nothing was done");
    Err(OpError::new(ErrorKind::Refused, message).hint(format!(
        "`cellctl rollout status {id}` shows it; wait for its end, or give it up with `cellctl rollout abort {id}`; \
         --during-rollout goes on all the same"
    )))
}

/// Carries out a plan under a lock that is held already.
pub(crate) async fn carry_out(
    world: &World,
    plan: &Plan,
    digest: &Digest,
    options: &Options,
    lease: &HeldLease,
) -> Result<ApplyReport, OpError> {
    let journal = journal::Journal::open(world, digest, lease).await?;
    let steps = stale::sort_out(world, plan, &journal).await?;
    let todo: Vec<&Step> = steps.todo.iter().collect();
    world.reporter.report(&Event::ApplyStarted { plan: digest.short().to_owned(), cells: todo.len() });
    artifacts::store(world, plan, &todo, options).await?;
    let executor = execute::Executor::new(world, plan, digest, options, lease);
    let mut results = steps.already;
    results.extend(drive(&executor, &journal, &todo, options, lease).await);
    let report = ApplyReport::new(plan, digest, results, *options.stop.borrow(), lease.is_lost());
    if !lease.is_lost()
        && let Err(error) = journal.ended(&report).await
    {
        world.reporter.report(&Event::Noted { message: format!("the end could not be journalled: {error}") });
    }
    Ok(report)
}

/// Executes the steps, as many at a time as asked for, until all are done, too many have failed, or somebody stops it.
async fn drive(
    executor: &execute::Executor<'_>,
    journal: &journal::Journal<'_>,
    todo: &[&Step],
    options: &Options,
    lease: &HeldLease,
) -> Vec<CellResult> {
    let failures = AtomicUsize::new(0);
    let halted = || *options.stop.borrow() || lease.is_lost() || failures.load(Ordering::SeqCst) > options.failures_max;
    let gate = Gate::new(options.concurrency);
    let width = gate.width_max();
    let work = stream::iter(todo).map(|step| {
        let (failures, gate) = (&failures, &gate);
        let halted = &halted;
        async move {
            let _permit = gate.enter().await;
            if halted() {
                return CellResult::not_started(step);
            }
            let result = executor.execute(step, journal).await;
            if result.outcome.is_failure() {
                failures.fetch_add(1, Ordering::SeqCst);
            } else {
                gate.widen();
            }
            result
        }
    });
    work.buffer_unordered(width).collect().await
}

/// Bounds the steps under way; with `auto` the bound grows by one for each step that succeeded.
struct Gate {
    permits: tokio::sync::Semaphore,
    width: AtomicUsize,
    width_max: usize,
}

impl Gate {
    fn new(concurrency: Concurrency) -> Self {
        let (width, width_max) = match concurrency {
            Concurrency::Auto => AUTO,
            Concurrency::Fixed(n) => (n.max(1), n.max(1)),
        };
        Self { permits: tokio::sync::Semaphore::new(width), width: AtomicUsize::new(width), width_max }
    }

    fn width_max(&self) -> usize {
        self.width_max
    }

    async fn enter(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.permits.acquire().await.ok()
    }

    fn widen(&self) {
        if self.width.fetch_add(1, Ordering::SeqCst) < self.width_max {
            self.permits.add_permits(1);
        }
    }
}

/// Whether a step is one that changes a stack or waits for it.
fn is_work(step: &Step) -> bool {
    matches!(step.action, Action::Create | Action::Update | Action::Wait)
}

/// The outcome of steps that are not work: those that are blocked.
fn blocked_result(step: &Step) -> CellResult {
    let stack = &step.desired.stack;
    let cell = &step.desired.cell;
    let reason = step.blocked.as_ref().map(|b| b.message(cell, stack));
    let hint = step.blocked.as_ref().map(|b| b.hint(cell));
    CellResult { outcome: Outcome::Refused, reason, hint, ..CellResult::not_started(step) }
}
