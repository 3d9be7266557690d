//! How a step ended: checked against the events, recorded, and put into words.
//!
//! Constraint kept: the record follows the stack, never the other way round.

use crate::domain::plan::Step;
use crate::domain::record::{Applied, CellRecord, CellState, Failed, RECORD_FORMAT};
use crate::domain::stack::{CHANGE_STARTS, Phase, StackEvent, StackSummary, Stuck, failures};
use crate::ops::cells::record;
use crate::ops::event::Outcome;
use crate::ports::{CallError, CallErrorKind, Called};

use super::execute::{Executor, Trouble};

fn gone(step: &Step) -> CallError {
    CallError {
        kind: CallErrorKind::NotFound,
        operation: "cloudformation:DescribeStacks",
        subject: step.desired.stack.to_string(),
        message: "the stack was complete a moment ago and is gone now".to_owned(),
    }
}

impl Executor<'_> {
    /// Checks how an operation ended and records it.
    pub(super) async fn conclude(
        &self,
        step: &Step,
        summary: &StackSummary,
        since_ms: i64,
    ) -> Result<(Outcome, String), Trouble> {
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
    pub(super) async fn record_unchanged(&self, step: &Step) -> Result<(Outcome, String), Trouble> {
        let summary = self.unchanged_stack(step).await?;
        self.record_applied(step, &summary).await?;
        Ok((Outcome::Done, summary.status.to_string()))
    }

    async fn record_applied(&self, step: &Step, summary: &StackSummary) -> Called<()> {
        let detail = self.world.stacks.describe(&step.desired.place, &summary.id).await?;
        // Without its outputs the record would forget what is in the stack.
        let outputs = detail.ok_or_else(|| gone(step))?.outputs;
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
        record::put(self.world, record, self.lease, "applied").await.map(|_| ())
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
    pub(super) async fn failure(&self, step: &Step, summary: &StackSummary, since_ms: i64) -> Trouble {
        let cause = self.first_failure(step, summary, since_ms).await;
        let reason = summary.why(cause);
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
        record::put(self.world, record, self.lease, "apply-failed").await.map(|_| ())
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
}
