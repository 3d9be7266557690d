//! Stacks: what CloudFormation does, as far as an apply and a look at gates can tell.
//!
//! Constraints kept: a stack has one operation at a time; a change set that is executed takes all others of the stack with
//! it; whatever brings a version to a cell is checked right here.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cellctl::domain::fleet::Place;
use cellctl::domain::stack::{StackDetail, StackEvent, StackResource, StackStatus, StackSummary};
use cellctl::ports::{
    CallErrorKind, Called, ChangeSetState, DriftState, DriftedResource, StackRequest, Stacks, TemplateText,
};

use super::drawn::Harm;
use super::gate::{Kind, Seat, error};
use super::scene::{NEW, OLD};
use super::state::State;

/// How long an operation on a stack takes, in milliseconds.
pub(crate) const STACK_MS: i64 = 60_000;

/// Which version a stack has, or is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Old,
    New,
}

/// A stack of the simulated service.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) cell: cellctl::domain::ids::CellId,
    pub(crate) wave: usize,
    /// Its place in its wave.
    pub(crate) place: usize,
    pub(crate) id: String,
    pub(crate) version: Version,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) status: &'static str,
    pub(crate) token: String,
    pub(crate) changed_at_ms: i64,
    pub(crate) change_sets: Vec<(String, Version)>,
    /// The operation under way: until when, to which version, how it ends.
    pub(crate) operation: Option<(i64, Version, &'static str)>,
    pub(crate) gone: bool,
}

impl Stack {
    /// As it is now.
    pub(crate) fn settle(&mut self, now_ms: i64) {
        let Some((_, to, status)) = self.operation.filter(|(until_ms, ..)| *until_ms <= now_ms) else { return };
        if status == "UPDATE_COMPLETE" {
            self.version = to;
        }
        (self.status, self.operation) = (status, None);
    }

    fn summary(&mut self, name: &str, now_ms: i64) -> Called<StackSummary> {
        self.settle(now_ms);
        let name = name.parse().map_err(|_| error(CallErrorKind::Invalid, "ListStacks", "no name"))?;
        Ok(StackSummary {
            name,
            id: self.id.clone(),
            status: StackStatus::new(self.status),
            reason: None,
            changed_at_ms: self.changed_at_ms,
        })
    }
}

impl State {
    /// A stack by name or id.
    pub(crate) fn stack(&mut self, name: &str) -> Option<(String, &mut Stack)> {
        let name = match name.strip_prefix("arn:") {
            Some(id) => id.split('/').nth(1)?.to_owned(),
            None => name.to_owned(),
        };
        let stack = self.stacks.get_mut(&name).filter(|stack| !stack.gone)?;
        Some((name, stack))
    }

    /// Whether what a probe asks for is well.
    pub(crate) fn is_well(&mut self, name: &str) -> bool {
        let now_ms = self.now_ms;
        let Harm::Unwell { wave, after_ms } = self.drawn.harm else { return true };
        let Some((_, stack)) = self.stack(name) else { return true };
        stack.settle(now_ms);
        let since_ms = stack.changed_at_ms + STACK_MS + after_ms;
        let unwell = stack.wave >= wave && stack.version == Version::New && now_ms >= since_ms;
        if unwell && self.truth.unwell_ms.is_none() {
            self.truth.unwell_ms = Some(now_ms);
        }
        !unwell
    }

    fn execute(&mut self, name: &str, change_set: &str, token: &str) -> Called<()> {
        const CALL: &str = "cloudformation:ExecuteChangeSet";
        let (now_ms, harm) = (self.now_ms, self.drawn.harm);
        let Some((_, stack)) = self.stack(name) else { return Err(missing(CALL)) };
        stack.settle(now_ms);
        let Some((_, to)) = stack.change_sets.iter().find(|(known, _)| known == change_set).cloned() else {
            return Err(missing(CALL));
        };
        if stack.operation.is_some() || stack.status == "UPDATE_ROLLBACK_FAILED" {
            return Err(error(CallErrorKind::Conflict, CALL, "the stack is busy, or stuck"));
        }
        let status = outcome(harm, stack, to);
        stack.change_sets.clear();
        token.clone_into(&mut stack.token);
        stack.changed_at_ms = now_ms;
        stack.status = "UPDATE_IN_PROGRESS";
        stack.operation = Some((now_ms + STACK_MS, to, status));
        let (cell, wave) = (stack.cell.clone(), stack.wave);
        self.note("execute", wave as u64 * 2 + u64::from(to == Version::New));
        self.changed(&cell, wave, to, status);
        Ok(())
    }
}

/// How an operation will end.
fn outcome(harm: Harm, stack: &Stack, to: Version) -> &'static str {
    match harm {
        Harm::Fails { wave, cells, stuck } if to == Version::New && stack.wave >= wave && stack.place < cells => {
            if stuck && stack.place.is_multiple_of(2) {
                "UPDATE_ROLLBACK_FAILED"
            } else {
                "UPDATE_ROLLBACK_COMPLETE"
            }
        }
        _ => "UPDATE_COMPLETE",
    }
}

fn missing(operation: &'static str) -> cellctl::ports::CallError {
    error(CallErrorKind::NotFound, operation, "does not exist")
}

fn version_of(request: &StackRequest) -> Version {
    match &request.template {
        TemplateText::Inline(body) if body == NEW => Version::New,
        _ => Version::Old,
    }
}

fn unused<T>(operation: &'static str) -> Called<T> {
    Err(error(CallErrorKind::Other, operation, "a rollout does not do this"))
}

#[async_trait]
impl Stacks for Seat {
    async fn list(&self, place: &Place) -> Called<Vec<StackSummary>> {
        let region = place.region.to_string();
        self.call(Kind::Read, "cloudformation:ListStacks", move |state| {
            let now_ms = state.now_ms;
            let names = state.by_region.get(&region).cloned().unwrap_or_default();
            let found = names.iter().filter_map(|name| {
                let stack = state.stacks.get_mut(name).filter(|stack| !stack.gone)?;
                Some(stack.summary(name, now_ms))
            });
            found.collect()
        })
        .await
    }

    async fn describe(&self, _: &Place, stack: &str) -> Called<Option<StackDetail>> {
        let stack = stack.to_owned();
        self.call(Kind::Read, "cloudformation:DescribeStacks", move |state| {
            let now_ms = state.now_ms;
            let Some((name, found)) = state.stack(&stack) else { return Ok(None) };
            Ok(Some(StackDetail {
                summary: found.summary(&name, now_ms)?,
                tags: found.tags.clone(),
                outputs: BTreeMap::new(),
                parameters: BTreeMap::new(),
                protected: true,
            }))
        })
        .await
    }

    async fn template(&self, _: &Place, stack: &str) -> Called<String> {
        let stack = stack.to_owned();
        self.call(Kind::Read, "cloudformation:GetTemplate", move |state| {
            let now_ms = state.now_ms;
            let (_, found) = state.stack(&stack).ok_or_else(|| missing("cloudformation:GetTemplate"))?;
            found.settle(now_ms);
            Ok(if found.version == Version::New { NEW } else { OLD }.to_owned())
        })
        .await
    }

    async fn create(&self, _: &Place, _: &StackRequest) -> Called<String> {
        unused("cloudformation:CreateStack")
    }

    async fn create_change_set(&self, _: &Place, stack: &str, name: &str, request: &StackRequest) -> Called<()> {
        let (stack, name, version) = (stack.to_owned(), name.to_owned(), version_of(request));
        self.call(Kind::Write, "cloudformation:CreateChangeSet", move |state| {
            let now_ms = state.now_ms;
            if version == Version::Old && state.truth.first_back_ms.is_none() {
                state.truth.first_back_ms = Some(now_ms);
            }
            let (_, found) = state.stack(&stack).ok_or_else(|| missing("cloudformation:CreateChangeSet"))?;
            found.change_sets.retain(|(known, _)| *known != name);
            found.change_sets.push((name, version));
            Ok(())
        })
        .await
    }

    async fn change_set(&self, _: &Place, stack: &str, name: &str) -> Called<ChangeSetState> {
        let (stack, name) = (stack.to_owned(), name.to_owned());
        self.call(Kind::Read, "cloudformation:DescribeChangeSet", move |state| {
            let now_ms = state.now_ms;
            let lost = || missing("cloudformation:DescribeChangeSet");
            let (_, found) = state.stack(&stack).ok_or_else(lost)?;
            found.settle(now_ms);
            let (_, version) = found.change_sets.iter().find(|(known, _)| *known == name).ok_or_else(lost)?;
            let same = *version == found.version;
            Ok(if same { ChangeSetState::Empty } else { ChangeSetState::Ready(Vec::new()) })
        })
        .await
    }

    async fn execute_change_set(&self, _: &Place, stack: &str, name: &str, token: &str) -> Called<()> {
        let (stack, name, token) = (stack.to_owned(), name.to_owned(), token.to_owned());
        self.call(Kind::Write, "cloudformation:ExecuteChangeSet", move |state| state.execute(&stack, &name, &token))
            .await
    }

    async fn delete_change_set(&self, _: &Place, stack: &str, name: &str) -> Called<()> {
        let (stack, name) = (stack.to_owned(), name.to_owned());
        self.call(Kind::Write, "cloudformation:DeleteChangeSet", move |state| {
            if let Some((_, found)) = state.stack(&stack) {
                found.change_sets.retain(|(known, _)| *known != name);
            }
            Ok(())
        })
        .await
    }

    async fn events(&self, _: &Place, stack: &str, _: i64) -> Called<Vec<StackEvent>> {
        let stack = stack.to_owned();
        self.call(Kind::Read, "cloudformation:DescribeStackEvents", move |state| {
            let now_ms = state.now_ms;
            let Some((name, found)) = state.stack(&stack) else { return Ok(Vec::new()) };
            let status = found.summary(&name, now_ms)?.status.to_string();
            let ends_ms = if found.operation.is_some() { found.changed_at_ms } else { found.changed_at_ms + STACK_MS };
            Ok(vec![StackEvent {
                id: String::new(),
                at_ms: ends_ms,
                logical_id: name,
                resource_type: "AWS::CloudFormation::Stack".to_owned(),
                status,
                reason: None,
                token: Some(found.token.clone()),
            }])
        })
        .await
    }

    async fn resources(&self, _: &Place, _: &str) -> Called<Vec<StackResource>> {
        self.call(Kind::Read, "cloudformation:ListStackResources", |_| Ok(Vec::new())).await
    }

    async fn delete(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        unused("cloudformation:DeleteStack")
    }

    async fn continue_rollback(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        unused("cloudformation:ContinueUpdateRollback")
    }

    async fn rollback(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        unused("cloudformation:RollbackStack")
    }

    async fn protect(&self, _: &Place, _: &str, _: bool) -> Called<()> {
        unused("cloudformation:UpdateTerminationProtection")
    }

    async fn detect_drift(&self, _: &Place, _: &str) -> Called<String> {
        unused("cloudformation:DetectStackDrift")
    }

    async fn drift_state(&self, _: &Place, _: &str) -> Called<DriftState> {
        unused("cloudformation:DescribeStackDriftDetectionStatus")
    }

    async fn drifted(&self, _: &Place, _: &str) -> Called<Vec<DriftedResource>> {
        unused("cloudformation:DescribeStackResourceDrifts")
    }
}
