//! One step of a plan: a stack made, changed, or waited for.
//!
//! Constraint kept: a call whose answer was lost is read back; what would endanger data is refused by `guard`; how it
//! ended is for `conclude` to say.

use std::time::Duration;

use crate::domain::fleet::Place;
use crate::domain::ids::Digest;
use crate::domain::plan::{Action, Plan, Step};
use crate::domain::stack::{Phase, StackDetail, StackSummary};
use crate::ops::World;
use crate::ops::error::OpError;
use crate::ops::event::{Event, Outcome};
use crate::ops::lease::HeldLease;
use crate::ops::observe::{CELL_TAG, FLEET_TAG};
use crate::ops::poll::{Before, CLOCK_SLACK_MS, Poller, Wanted};
use crate::ports::{CallError, CallErrorKind, Called, ChangeSetState, StackRequest, TemplateText};

use super::Options;
use super::artifacts;
use super::guard;
use super::journal::Journal;
use super::report::CellResult;

/// For how long a change set may be worked out, in milliseconds.
const CHANGE_SET_MS_MAX: i64 = 300_000;

/// Executes steps.
pub(super) struct Executor<'a> {
    pub(super) world: &'a World,
    pub(super) plan: &'a Plan,
    pub(super) digest: &'a Digest,
    options: &'a Options,
    pub(super) lease: &'a HeldLease,
    poller: Poller,
}

/// How a step went wrong.
pub(super) struct Trouble {
    pub(super) outcome: Outcome,
    pub(super) status: Option<String>,
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { outcome: Outcome::Failed, status: None, reason: error.to_string(), hint }
    }
}

impl From<OpError> for Trouble {
    fn from(error: OpError) -> Self {
        Self { outcome: Outcome::Failed, status: None, reason: error.message, hint: error.hint }
    }
}

impl<'a> Executor<'a> {
    pub(super) fn new(
        world: &'a World,
        plan: &'a Plan,
        digest: &'a Digest,
        options: &'a Options,
        lease: &'a HeldLease,
    ) -> Self {
        Self { world, plan, digest, options, lease, poller: Poller::new(world.clone()) }
    }

    /// Executes one step and tells how it ended.
    pub(super) async fn execute(&self, step: &Step, journal: &Journal<'_>) -> CellResult {
        let cell = step.desired.cell.clone();
        self.world.reporter.report(&Event::CellStarted { cell: cell.clone(), action: step.action });
        let began_ms = self.world.clock.now_ms();
        let outcome = self.attempt(step, journal).await;
        let duration_ms = u64::try_from(self.world.clock.now_ms() - began_ms).unwrap_or(0);
        let mut result = CellResult { duration_ms, ..CellResult::not_started(step) };
        match outcome {
            Ok((outcome, status)) => {
                result.outcome = outcome;
                result.status = Some(status);
            }
            Err(trouble) => {
                result.outcome = trouble.outcome;
                result.status = trouble.status;
                result.reason = Some(trouble.reason);
                result.hint = trouble.hint;
            }
        }
        if let Err(error) = journal.finished(&result).await {
            // The outcome stands; the journal only helps a resume, which looks again anyway.
            tracing::warn!(%error, cell = %cell, "the journal could not be written");
        }
        self.world.reporter.report(&Event::CellFinished {
            cell,
            action: result.action,
            outcome: result.outcome,
            status: result.status.clone(),
            reason: result.reason.clone(),
            duration_ms,
        });
        result
    }

    async fn attempt(&self, step: &Step, journal: &Journal<'_>) -> Result<(Outcome, String), Trouble> {
        match step.action {
            Action::Create => self.create(step, journal).await,
            Action::Wait => self.wait(step, journal).await,
            _ => self.update(step, journal).await,
        }
    }

    /// The token of this run's attempt at a step.
    pub(super) fn token(&self, step: &Step) -> String {
        step.token("apply", self.lease.lease().token)
    }

    async fn create(&self, step: &Step, journal: &Journal<'_>) -> Result<(Outcome, String), Trouble> {
        if let Err(refused) = self.refuse_foreign_tables(step, &[]).await {
            // A listing may lag behind: the tables may be those of this very stack, made by a run that was killed.
            return match self.own_stack(step).await? {
                Some(stack_id) => self.adopt(step, stack_id, journal).await,
                None => Err(refused),
            };
        }
        let token = self.token(step);
        journal.calling(&step.desired.cell, &token).await?;
        self.refuse_without_lock()?;
        let since_ms = self.world.clock.now_ms() - CLOCK_SLACK_MS;
        match self.world.stacks.create(&step.desired.place, &self.request(step, &token)?).await {
            Ok(stack_id) => {
                let summary = self.settled(step, stack_id, None, since_ms).await?;
                self.conclude(step, &summary, since_ms).await
            }
            Err(error) if matches!(error.kind, CallErrorKind::AlreadyExists | CallErrorKind::InDoubt) => {
                match self.own_stack(step).await? {
                    Some(stack_id) => self.adopt(step, stack_id, journal).await,
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The id of the stack of that name, if its tags say that it is this cell's.
    async fn own_stack(&self, step: &Step) -> Called<Option<String>> {
        let detail = self.world.stacks.describe(&step.desired.place, step.desired.stack.as_str()).await?;
        Ok(detail.filter(|d| d.summary.status.phase() != Phase::Gone && self.is_ours(d, step)).map(|d| d.summary.id))
    }

    fn is_ours(&self, detail: &StackDetail, step: &Step) -> bool {
        let tag = |key: &str| detail.tags.get(key).map(String::as_str);
        tag(CELL_TAG) == Some(step.desired.cell.as_str()) && tag(FLEET_TAG) == Some(&self.plan.fleet)
    }

    /// Goes on with a stack that another run has made: what it holds is compared by the service before it is recorded.
    async fn adopt(&self, step: &Step, stack_id: String, journal: &Journal<'_>) -> Result<(Outcome, String), Trouble> {
        let since_ms = self.world.clock.now_ms() - CLOCK_SLACK_MS;
        let summary = self.settled(step, stack_id, None, since_ms).await?;
        match summary.status.phase() {
            Phase::Complete => self.update(&rebased(step, &summary), journal).await,
            _ => Err(self.failure(step, &summary, 0).await),
        }
    }

    async fn wait(&self, step: &Step, journal: &Journal<'_>) -> Result<(Outcome, String), Trouble> {
        let resumed = journal.has_called(&step.desired.cell);
        let since_ms = step.basis.changed_at_ms.unwrap_or(0) - CLOCK_SLACK_MS;
        let stack_id = step.basis.stack_id.clone().unwrap_or_else(|| step.desired.stack.to_string());
        let summary = self.settled(step, stack_id, None, since_ms).await?;
        match summary.status.phase() {
            Phase::Complete if resumed => self.update(&rebased(step, &summary), journal).await,
            Phase::RolledBack if !resumed => Ok((Outcome::Settled, summary.status.to_string())),
            Phase::Complete => Ok((Outcome::Settled, summary.status.to_string())),
            _ => Err(self.failure(step, &summary, since_ms).await),
        }
    }

    async fn update(&self, step: &Step, journal: &Journal<'_>) -> Result<(Outcome, String), Trouble> {
        let before = self.unchanged_stack(step).await?;
        // By name: not every endpoint finds change sets by the stack's id, and the id has just been compared.
        let (place, stack) = (&step.desired.place, step.desired.stack.as_str());
        let token = self.token(step);
        let since_ms = self.world.clock.now_ms() - CLOCK_SLACK_MS;
        self.refuse_new_foreign_tables(step).await?;
        match self.proposed(step, &token).await? {
            ChangeSetState::Ready(changes) => {
                if let Some(trouble) = guard::endangered(step, &changes) {
                    self.world.stacks.delete_change_set(place, stack, &token).await?;
                    return Err(trouble);
                }
            }
            ChangeSetState::Empty => {
                self.world.stacks.delete_change_set(place, stack, &token).await?;
                return self.record_unchanged(step).await;
            }
            ChangeSetState::Failed(reason) => {
                self.world.stacks.delete_change_set(place, stack, &token).await?;
                return Err(invalid_change(&reason));
            }
            ChangeSetState::Pending | ChangeSetState::Spent => return Err(slow_change_set(&token)),
        }
        journal.calling(&step.desired.cell, &token).await?;
        self.refuse_without_lock()?;
        if let Err(error) = self.world.stacks.execute_change_set(place, stack, &token, &token).await {
            self.has_begun(step, &before, error).await?;
        }
        let summary = self.settled(step, before.id.clone(), Some(Before::from(&before)), since_ms).await?;
        self.conclude(step, &summary, since_ms).await
    }

    /// A process that stood still after its last entry may have lost the lock: CloudFormation does not look at it.
    fn refuse_without_lock(&self) -> Result<(), Trouble> {
        if self.lease.permit().is_valid() {
            return Ok(());
        }
        Err(Trouble {
            outcome: Outcome::Failed,
            status: None,
            reason: "the lock on the fleet ran out before the stack was changed; nothing was begun".to_owned(),
            hint: Some("run the same command again".to_owned()),
        })
    }

    /// The stack, if it still is as it was when the step was planned; much may have happened since the apply began.
    pub(super) async fn unchanged_stack(&self, step: &Step) -> Result<StackSummary, Trouble> {
        let stack = step.basis.stack_id.as_deref().unwrap_or(step.desired.stack.as_str());
        let detail = self.world.stacks.describe(&step.desired.place, stack).await?;
        let summary = detail.map(|d| d.summary);
        let same = |s: &StackSummary| {
            Some(&s.id) == step.basis.stack_id.as_ref() && Some(s.changed_at_ms) == step.basis.changed_at_ms
        };
        summary.filter(same).ok_or_else(|| Trouble {
            outcome: Outcome::Failed,
            status: None,
            reason: format!("stack {} was changed by somebody else since the plan was made", step.desired.stack),
            hint: Some("make a new plan".to_owned()),
        })
    }

    /// After an execute whose answer was lost, or that was refused because it has begun already: whether it has. One that
    /// has not, and may be on its way, finds its change set gone.
    async fn has_begun(&self, step: &Step, before: &StackSummary, error: CallError) -> Result<(), Trouble> {
        use CallErrorKind::{AlreadyExists, Conflict, InDoubt, NotFound};
        if !matches!(error.kind, AlreadyExists | Conflict | InDoubt | NotFound) {
            return Err(error.into());
        }
        if self.is_begun(step, before).await? {
            return Ok(());
        }
        if error.kind == InDoubt {
            let (stacks, token) = (&self.world.stacks, self.token(step));
            let deleted = stacks.delete_change_set(&step.desired.place, step.desired.stack.as_str(), &token).await;
            if self.is_begun(step, before).await? {
                return Ok(());
            }
            deleted?;
        }
        Err(error.into())
    }

    /// Whether anything has happened to the stack since.
    async fn is_begun(&self, step: &Step, before: &StackSummary) -> Called<bool> {
        let detail = self.world.stacks.describe(&step.desired.place, &before.id).await?;
        let begun = |s: &StackSummary| s.status.phase() == Phase::Moving || s.changed_at_ms != before.changed_at_ms;
        Ok(detail.is_some_and(|d| begun(&d.summary)))
    }

    /// Makes the change set. One of that name that an earlier run has executed is made anew.
    async fn proposed(&self, step: &Step, token: &str) -> Result<ChangeSetState, Trouble> {
        let (stacks, place, stack) = (&self.world.stacks, &step.desired.place, step.desired.stack.as_str());
        let request = self.request(step, token)?;
        stacks.create_change_set(place, stack, token, &request).await?;
        let state = self.worked_out(place, stack, token).await?;
        if state != ChangeSetState::Spent {
            return Ok(state);
        }
        stacks.delete_change_set(place, stack, token).await?;
        stacks.create_change_set(place, stack, token, &request).await?;
        Ok(self.worked_out(place, stack, token).await?)
    }

    async fn settled(
        &self,
        step: &Step,
        stack_id: String,
        before: Option<Before>,
        since_ms: i64,
    ) -> Called<StackSummary> {
        let desired = &step.desired;
        let wanted = Wanted {
            cell: desired.cell.clone(),
            place: desired.place.clone(),
            stack: desired.stack.clone(),
            stack_id,
            before,
            token: Some(self.token(step)),
            since_ms,
        };
        self.poller.settled(wanted).await
    }

    /// Waits until the service has worked out a change set.
    async fn worked_out(&self, place: &Place, stack: &str, name: &str) -> Called<ChangeSetState> {
        let until_ms = self.world.clock.now_ms() + CHANGE_SET_MS_MAX;
        let mut pause_ms = 100;
        loop {
            let state = self.world.stacks.change_set(place, stack, name).await?;
            if state != ChangeSetState::Pending || self.world.clock.now_ms() > until_ms {
                return Ok(state);
            }
            self.world.clock.sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(3_000);
        }
    }

    fn request(&self, step: &Step, token: &str) -> Result<StackRequest, Trouble> {
        let desired = &step.desired;
        let body = self.plan.templates.get(&desired.template).ok_or_else(|| Trouble {
            outcome: Outcome::Failed,
            status: None,
            reason: format!("the plan holds no template {}", desired.template.short()),
            hint: Some("make a new plan".to_owned()),
        })?;
        let template = if artifacts::is_inline(body) {
            TemplateText::Inline(body.to_string())
        } else {
            let bucket = artifacts::bucket(self.options, self.plan, &desired.place);
            let key = artifacts::template_key(&desired.template);
            TemplateText::Url(self.world.artifacts.url(&desired.place, &bucket, &key))
        };
        Ok(StackRequest {
            stack: desired.stack.clone(),
            template,
            parameters: desired.parameters.clone(),
            tags: desired.tags.clone(),
            capabilities: desired.capabilities.clone(),
            token: token.to_owned(),
        })
    }
}

/// The step as it goes on from a stack that has settled meanwhile.
fn rebased(step: &Step, summary: &StackSummary) -> Step {
    let mut step = step.clone();
    step.basis.stack_id = Some(summary.id.clone());
    step.basis.status = Some(summary.status.clone());
    step.basis.changed_at_ms = Some(summary.changed_at_ms);
    step
}

fn invalid_change(reason: &str) -> Trouble {
    Trouble {
        outcome: Outcome::Failed,
        status: None,
        reason: format!("CloudFormation refused the change: {reason}"),
        hint: Some("mend the definition or the template, then plan again".to_owned()),
    }
}

fn slow_change_set(name: &str) -> Trouble {
    Trouble {
        outcome: Outcome::Failed,
        status: None,
        reason: format!("change set {name} was not worked out within {} s", CHANGE_SET_MS_MAX / 1000),
        hint: Some("run the same command again".to_owned()),
    }
}
