//! One step of a plan: a stack made or changed, waited for, checked and recorded.
//!
//! Constraint kept: the record follows the stack, never the other way round; a call whose answer was lost is read back;
//! a change set that would replace or remove what holds data is refused unless the plan allows it.

use std::time::Duration;

use crate::domain::fleet::Place;
use crate::domain::ids::Digest;
use crate::domain::plan::{Action, Plan, Step};
use crate::domain::record::{Applied, CellRecord, CellState, Failed, RECORD_FORMAT};
use crate::domain::stack::{CHANGE_STARTS, Phase, StackDetail, StackEvent, StackSummary, Stuck, failures};
use crate::domain::template::{ResourceChange, atoms};
use crate::ops::World;
use crate::ops::error::OpError;
use crate::ops::event::{Event, Outcome};
use crate::ops::lease::HeldLease;
use crate::ops::observe::{CELL_TAG, FLEET_TAG};
use crate::ops::poll::{Before, Poller, Wanted};
use crate::ports::{
    CallError, CallErrorKind, Called, ChangeSetState, Replacement, ServiceChange, StackRequest, TemplateText,
};

use super::Options;
use super::artifacts;
use super::journal::Journal;
use super::report::CellResult;

/// Clocks of the caller and of the service may differ by this much, in milliseconds, when events are looked at.
const CLOCK_SLACK_MS: i64 = 5_000;
/// For how long a change set may be worked out, in milliseconds.
const CHANGE_SET_MS_MAX: i64 = 300_000;

/// Executes steps.
pub(super) struct Executor<'a> {
    world: &'a World,
    plan: &'a Plan,
    digest: &'a Digest,
    options: &'a Options,
    lease: &'a HeldLease,
    poller: Poller,
}

/// How a step went wrong.
struct Trouble {
    outcome: Outcome,
    status: Option<String>,
    reason: String,
    hint: Option<String>,
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

    fn token(&self, step: &Step) -> String {
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
                if let Some(trouble) = endangered(step, &changes) {
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
        if let Err(error) = self.world.stacks.execute_change_set(place, stack, &token, &token).await {
            self.has_begun(step, &before, error).await?;
        }
        let summary = self.settled(step, before.id.clone(), Some(Before::from(&before)), since_ms).await?;
        self.conclude(step, &summary, since_ms).await
    }

    /// The stack, if it still is as it was when the step was planned; much may have happened since the apply began.
    async fn unchanged_stack(&self, step: &Step) -> Result<StackSummary, Trouble> {
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

    /// After an execute whose answer was lost, or that was refused because it has begun already: whether it has.
    async fn has_begun(&self, step: &Step, before: &StackSummary, error: CallError) -> Result<(), Trouble> {
        use CallErrorKind::{AlreadyExists, Conflict, InDoubt, NotFound};
        if !matches!(error.kind, AlreadyExists | Conflict | InDoubt | NotFound) {
            return Err(error.into());
        }
        let detail = self.world.stacks.describe(&step.desired.place, &before.id).await?;
        let begun = |s: &StackSummary| s.status.phase() == Phase::Moving || s.changed_at_ms != before.changed_at_ms;
        if detail.is_some_and(|d| begun(&d.summary)) { Ok(()) } else { Err(error.into()) }
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

    /// Checks how an operation ended and records it.
    async fn conclude(&self, step: &Step, summary: &StackSummary, since_ms: i64) -> Result<(Outcome, String), Trouble> {
        let complete = summary.status.phase() == Phase::Complete;
        // An endpoint may call an update complete although a resource failed (LocalStack does); the events tell.
        let updated = summary.status.as_str().starts_with("UPDATE_");
        if !complete || (updated && self.first_failure(step, summary, since_ms).await.is_some()) {
            return Err(self.failure(step, summary, since_ms).await);
        }
        self.record_applied(step, summary).await?;
        Ok((Outcome::Done, summary.status.to_string()))
    }

    /// The service says that nothing would change: the stack is as it should be.
    async fn record_unchanged(&self, step: &Step) -> Result<(Outcome, String), Trouble> {
        let summary = self.unchanged_stack(step).await?;
        self.record_applied(step, &summary).await?;
        Ok((Outcome::Done, summary.status.to_string()))
    }

    async fn record_applied(&self, step: &Step, summary: &StackSummary) -> Called<()> {
        let detail = self.world.stacks.describe(&step.desired.place, &summary.id).await?;
        let outputs = detail.map(|d| d.outputs).unwrap_or_default();
        let mut record = self.record(step).await?;
        record.applied = Some(Applied {
            digest: step.desired.digest.clone(),
            template: step.desired.template.clone(),
            stack_id: summary.id.clone(),
            changed_at_ms: summary.changed_at_ms,
            plan: self.digest.short().to_owned(),
            at_ms: self.world.clock.now_ms(),
            outputs,
        });
        record.failed = None;
        self.world.control.put_record(record, self.lease.lease()).await.map(|_| ())
    }

    /// The cell's record, or a new one.
    async fn record(&self, step: &Step) -> Called<CellRecord> {
        let desired = &step.desired;
        let stored = self.world.control.record(&desired.cell).await?;
        let mut record = stored.unwrap_or_else(|| CellRecord {
            format: RECORD_FORMAT,
            cell: desired.cell.clone(),
            state: CellState::Active,
            stack: desired.stack.clone(),
            region: desired.place.region.clone(),
            account: None,
            role_arn: None,
            cell_type: None,
            template: String::new(),
            applied: None,
            failed: None,
            tenants: 0,
            version: 0,
        });
        if record.state == CellState::Deleted {
            // A delete that did not come to its end: it takes no new tenants until somebody says so.
            record.state = CellState::Cordoned;
        }
        record.stack = desired.stack.clone();
        record.region = desired.place.region.clone();
        record.account.clone_from(&desired.place.account);
        record.role_arn.clone_from(&desired.place.role_arn);
        record.cell_type = Some(desired.cell_type.clone());
        record.template.clone_from(&desired.template_name);
        Ok(record)
    }

    /// Tells why an operation failed, and records it.
    async fn failure(&self, step: &Step, summary: &StackSummary, since_ms: i64) -> Trouble {
        let cause = self.first_failure(step, summary, since_ms).await;
        let reason =
            cause.or_else(|| summary.reason.clone()).unwrap_or_else(|| "the service gives no reason".to_owned());
        if let Err(error) = self.record_failed(step, summary, &reason).await {
            tracing::warn!(%error, cell = %step.desired.cell, "the failure could not be recorded");
        }
        let cell = &step.desired.cell;
        let (outcome, hint) = match summary.status.phase() {
            Phase::RolledBack => {
                (Outcome::RolledBack, "mend the cause and apply again; the cell works as before".to_owned())
            }
            Phase::Stuck(Stuck::RollbackComplete) => {
                (Outcome::RolledBack, format!("mend the cause, run `cellctl cell recover {cell}`, then apply again"))
            }
            Phase::Stuck(_) => {
                (Outcome::Stuck, format!("run `cellctl cell recover {cell}`: it says first what it will do"))
            }
            _ => (Outcome::Failed, "mend the cause and apply again".to_owned()),
        };
        Trouble { outcome, status: Some(summary.status.to_string()), reason, hint: Some(hint) }
    }

    async fn record_failed(&self, step: &Step, summary: &StackSummary, reason: &str) -> Called<()> {
        let mut record = self.record(step).await?;
        // A clean rollback leaves what was applied before, with a new time of last change.
        if summary.status.phase() == Phase::RolledBack
            && let Some(applied) = record.applied.as_mut().filter(|a| a.stack_id == summary.id)
        {
            applied.changed_at_ms = summary.changed_at_ms;
        }
        record.failed = Some(Failed {
            digest: step.desired.digest.clone(),
            status: summary.status.to_string(),
            reason: reason.to_owned(),
            at_ms: self.world.clock.now_ms(),
        });
        self.world.control.put_record(record, self.lease.lease()).await.map(|_| ())
    }

    /// The first resource that this operation failed on, with the service's words. A stack that is complete may have
    /// failed to clean up what it replaced; that is no failure of the change.
    async fn first_failure(&self, step: &Step, summary: &StackSummary, since_ms: i64) -> Option<String> {
        let token = self.token(step);
        let events = self.world.stacks.events(&step.desired.place, &summary.id, since_ms).await.ok()?;
        let complete = summary.status.phase() == Phase::Complete;
        let ours = |e: &StackEvent| since_ms == 0 || e.token.as_ref().is_none_or(|t| *t == token);
        let failed = failures(&step.desired.stack, &events, &CHANGE_STARTS);
        let mut counted = failed.into_iter().filter(|e| ours(e) && !(complete && e.status == "DELETE_FAILED"));
        counted.next().map(StackEvent::cause)
    }

    /// Refuses tables that exist and are not among the stack's own: the service would fail, an emulator may wipe them.
    async fn refuse_foreign_tables(&self, step: &Step, own: &[String]) -> Result<(), Trouble> {
        let mut foreign = Vec::new();
        for table in step.desired.tables.iter().filter(|t| !own.contains(t)) {
            if self.world.atoms.table_exists(&step.desired.place, table).await? {
                foreign.push(table.clone());
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        let blocked = crate::domain::plan::Blocked::ForeignTables { tables: foreign };
        let (cell, stack) = (&step.desired.cell, &step.desired.stack);
        let (reason, hint) = (blocked.message(cell, stack), Some(blocked.hint(cell)));
        Err(Trouble { outcome: Outcome::Refused, status: None, reason, hint })
    }

    /// The same for an update, only where the template changes: it may add tables.
    async fn refuse_new_foreign_tables(&self, step: &Step) -> Result<(), Trouble> {
        if step.diff.is_some() && !self.plan.changes_of(step).iter().any(ResourceChange::adds_table) {
            return Ok(());
        }
        let resources = self.world.stacks.resources(&step.desired.place, step.desired.stack.as_str()).await?;
        let own: Vec<String> = resources.into_iter().map(|r| r.physical_id).collect();
        self.refuse_foreign_tables(step, &own).await
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

/// The service's own word on what would be replaced or removed; the plan's guard has only the templates to go by.
fn endangered(step: &Step, changes: &[ServiceChange]) -> Option<Trouble> {
    let dangerous = |c: &&ServiceChange| {
        atoms::is_stateful(&c.resource_type) && (c.action == "Remove" || c.replacement != Replacement::No)
    };
    let names: Vec<String> = changes.iter().filter(dangerous).map(|c| c.logical_id.clone()).collect();
    let names: Vec<String> = names.into_iter().filter(|name| !step.allowed.contains(name)).collect();
    if names.is_empty() {
        return None;
    }
    let blocked = crate::domain::plan::Blocked::Stateful { atoms: names };
    let (cell, stack) = (&step.desired.cell, &step.desired.stack);
    let (reason, hint) = (blocked.message(cell, stack), Some(blocked.hint(cell)));
    Some(Trouble {
        outcome: Outcome::Refused,
        status: step.basis.status.as_ref().map(ToString::to_string),
        reason,
        hint,
    })
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
