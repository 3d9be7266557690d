//! CloudFormation behind the `Stacks` port.
//!
//! Constraint kept: every write carries a deterministic token or is idempotent by nature, so that each of them may be
//! repeated after a lost answer; listings read all pages.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cloudformation::types;

use crate::domain::fleet::Place;
use crate::domain::stack::{StackDetail, StackEvent, StackResource, StackSummary};
use crate::ports::{
    CallErrorKind, Called, ChangeSetState, DriftState, DriftedResource, StackRequest, Stacks, TemplateText,
};

use super::call::{Call, Caller, absent_is_fine};
use super::clients::Clients;
use super::stack_values as values;

/// Pages that one listing may have: 100 stacks each, and CloudFormation's own limit is 2,000 stacks by default.
const PAGES_MAX: usize = 1_000;

/// The adapter.
pub struct CloudFormation {
    clients: Arc<Clients>,
    caller: Caller,
}

impl CloudFormation {
    /// An adapter over these clients.
    pub fn new(clients: Arc<Clients>, caller: Caller) -> Self {
        Self { clients, caller }
    }

    async fn client(&self, place: &Place) -> aws_sdk_cloudformation::Client {
        self.clients.of(place).await.cloudformation.clone()
    }
}

/// Describes a call that is safe to repeat.
fn call(operation: &'static str, place: &Place, stack: &str) -> Call {
    let name = short_name(stack);
    let subject = if name.is_empty() { place.region.to_string() } else { format!("{name} in {}", place.region) };
    Call { operation, subject, rate_of: Some(place.clone()) }
}

/// The name within a stack's id, or the name itself.
fn short_name(stack: &str) -> &str {
    stack.split_once(":stack/").and_then(|(_, rest)| rest.split('/').next()).unwrap_or(stack)
}

/// Statuses of stacks that exist: all but `DELETE_COMPLETE`.
fn living() -> Vec<types::StackStatus> {
    types::StackStatus::values()
        .iter()
        .filter(|status| **status != "DELETE_COMPLETE")
        .map(|status| types::StackStatus::from(*status))
        .collect()
}

#[async_trait]
impl Stacks for CloudFormation {
    async fn list(&self, place: &Place) -> Called<Vec<StackSummary>> {
        let client = self.client(place).await;
        let mut stacks = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request =
                || client.list_stacks().set_stack_status_filter(Some(living())).set_next_token(token.clone()).send();
            let page = self.caller.call(call("cloudformation:ListStacks", place, ""), request).await?;
            stacks.extend(page.stack_summaries().iter().filter_map(values::summary));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(stacks)
    }

    async fn describe(&self, place: &Place, stack: &str) -> Called<Option<StackDetail>> {
        let client = self.client(place).await;
        let request = || client.describe_stacks().stack_name(stack).send();
        match self.caller.call(call("cloudformation:DescribeStacks", place, stack), request).await {
            Ok(answer) => Ok(answer.stacks().first().and_then(values::detail)),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn template(&self, place: &Place, stack: &str) -> Called<String> {
        let client = self.client(place).await;
        let stage = types::TemplateStage::Original;
        let request = || client.get_template().stack_name(stack).template_stage(stage.clone()).send();
        let answer = self.caller.call(call("cloudformation:GetTemplate", place, stack), request).await?;
        Ok(answer.template_body().unwrap_or_default().to_owned())
    }

    async fn create(&self, place: &Place, request: &StackRequest) -> Called<String> {
        let client = self.client(place).await;
        let stack = request.stack.as_str();
        let (body, url) = text(&request.template);
        let send = || {
            client
                .create_stack()
                .stack_name(stack)
                .set_template_body(body.clone())
                .set_template_url(url.clone())
                .set_parameters(Some(values::parameters(&request.parameters)))
                .set_tags(Some(values::tags(&request.tags)))
                .set_capabilities(Some(values::capabilities(&request.capabilities)))
                .enable_termination_protection(true)
                .client_request_token(&request.token)
                .send()
        };
        let answer = self.caller.call(call("cloudformation:CreateStack", place, stack), send).await?;
        Ok(answer.stack_id().unwrap_or_default().to_owned())
    }

    async fn create_change_set(&self, place: &Place, stack: &str, name: &str, request: &StackRequest) -> Called<()> {
        let client = self.client(place).await;
        let (body, url) = text(&request.template);
        let send = || {
            client
                .create_change_set()
                .stack_name(stack)
                .change_set_name(name)
                .change_set_type(types::ChangeSetType::Update)
                .set_template_body(body.clone())
                .set_template_url(url.clone())
                .set_parameters(Some(values::parameters(&request.parameters)))
                .set_tags(Some(values::tags(&request.tags)))
                .set_capabilities(Some(values::capabilities(&request.capabilities)))
                .send()
        };
        // No token: that of the execution is the same, and one that outlives a deleted change set would find nothing.
        match self.caller.call(call("cloudformation:CreateChangeSet", place, stack), send).await {
            // The name is derived from what it holds: one that is there is this one.
            Err(error) if error.kind == CallErrorKind::AlreadyExists => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn change_set(&self, place: &Place, stack: &str, name: &str) -> Called<ChangeSetState> {
        let client = self.client(place).await;
        let mut changes = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = || {
                client
                    .describe_change_set()
                    .stack_name(stack)
                    .change_set_name(name)
                    .set_next_token(token.clone())
                    .send()
            };
            let page = self.caller.call(call("cloudformation:DescribeChangeSet", place, stack), request).await?;
            if let Some(state) = unfinished(page.status(), page.status_reason()) {
                return Ok(state);
            }
            let execution = page.execution_status().map_or("", types::ExecutionStatus::as_str);
            if matches!(execution, "EXECUTE_COMPLETE" | "EXECUTE_FAILED") {
                return Ok(ChangeSetState::Spent);
            }
            changes.extend(page.changes().iter().filter_map(values::change));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(ChangeSetState::Ready(changes))
    }

    async fn execute_change_set(&self, place: &Place, stack: &str, name: &str, token: &str) -> Called<()> {
        let client = self.client(place).await;
        let send =
            || client.execute_change_set().stack_name(stack).change_set_name(name).client_request_token(token).send();
        self.caller.call(call("cloudformation:ExecuteChangeSet", place, stack), send).await.map(|_| ())
    }

    async fn delete_change_set(&self, place: &Place, stack: &str, name: &str) -> Called<()> {
        let client = self.client(place).await;
        let send = || client.delete_change_set().stack_name(stack).change_set_name(name).send();
        absent_is_fine(self.caller.call(call("cloudformation:DeleteChangeSet", place, stack), send).await.map(|_| ()))
    }

    async fn events(&self, place: &Place, stack: &str, since_ms: i64) -> Called<Vec<StackEvent>> {
        let client = self.client(place).await;
        let mut events: Vec<StackEvent> = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = || client.describe_stack_events().stack_name(stack).set_next_token(token.clone()).send();
            let page = self.caller.call(call("cloudformation:DescribeStackEvents", place, stack), request).await?;
            let mut older = false;
            for event in page.stack_events().iter().map(values::event) {
                older |= event.at_ms < since_ms;
                if event.at_ms >= since_ms {
                    events.push(event);
                }
            }
            token = page.next_token().map(str::to_owned);
            if older || token.is_none() {
                break;
            }
        }
        events.reverse();
        Ok(events)
    }

    async fn resources(&self, place: &Place, stack: &str) -> Called<Vec<StackResource>> {
        let client = self.client(place).await;
        let mut resources = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = || client.list_stack_resources().stack_name(stack).set_next_token(token.clone()).send();
            let page = self.caller.call(call("cloudformation:ListStackResources", place, stack), request).await?;
            resources.extend(page.stack_resource_summaries().iter().map(values::resource));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(resources)
    }

    async fn delete(&self, place: &Place, stack: &str, retain: &[String], token: &str) -> Called<()> {
        let client = self.client(place).await;
        let retain = (!retain.is_empty()).then(|| retain.to_vec());
        let send = || {
            let request = client.delete_stack().stack_name(stack).client_request_token(token);
            request.set_retain_resources(retain.clone()).send()
        };
        absent_is_fine(self.caller.call(call("cloudformation:DeleteStack", place, stack), send).await.map(|_| ()))
    }

    async fn continue_rollback(&self, place: &Place, stack: &str, skip: &[String], token: &str) -> Called<()> {
        let client = self.client(place).await;
        let skip = (!skip.is_empty()).then(|| skip.to_vec());
        let send = || {
            let request = client.continue_update_rollback().stack_name(stack).client_request_token(token);
            request.set_resources_to_skip(skip.clone()).send()
        };
        self.caller.call(call("cloudformation:ContinueUpdateRollback", place, stack), send).await.map(|_| ())
    }

    async fn rollback(&self, place: &Place, stack: &str, token: &str) -> Called<()> {
        let client = self.client(place).await;
        let send = || client.rollback_stack().stack_name(stack).client_request_token(token).send();
        self.caller.call(call("cloudformation:RollbackStack", place, stack), send).await.map(|_| ())
    }

    async fn protect(&self, place: &Place, stack: &str, protected: bool) -> Called<()> {
        let client = self.client(place).await;
        let send =
            || client.update_termination_protection().stack_name(stack).enable_termination_protection(protected).send();
        self.caller.call(call("cloudformation:UpdateTerminationProtection", place, stack), send).await.map(|_| ())
    }

    async fn detect_drift(&self, place: &Place, stack: &str) -> Called<String> {
        let client = self.client(place).await;
        let send = || client.detect_stack_drift().stack_name(stack).send();
        let answer = self.caller.call(call("cloudformation:DetectStackDrift", place, stack), send).await?;
        Ok(answer.stack_drift_detection_id().unwrap_or_default().to_owned())
    }

    async fn drift_state(&self, place: &Place, detection: &str) -> Called<DriftState> {
        let client = self.client(place).await;
        let send = || client.describe_stack_drift_detection_status().stack_drift_detection_id(detection).send();
        let answer =
            self.caller.call(call("cloudformation:DescribeStackDriftDetectionStatus", place, ""), send).await?;
        let detection = answer.detection_status().map_or("", |s| s.as_str());
        Ok(DriftState {
            done: detection != "DETECTION_IN_PROGRESS",
            status: answer.stack_drift_status().map_or("UNKNOWN", |s| s.as_str()).to_owned(),
            failure: (detection == "DETECTION_FAILED")
                .then(|| answer.detection_status_reason().unwrap_or("no reason given").to_owned()),
        })
    }

    async fn drifted(&self, place: &Place, stack: &str) -> Called<Vec<DriftedResource>> {
        let client = self.client(place).await;
        let filter = [types::StackResourceDriftStatus::Modified, types::StackResourceDriftStatus::Deleted];
        let mut drifts = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = || {
                let request = client.describe_stack_resource_drifts().stack_name(stack).set_next_token(token.clone());
                request.set_stack_resource_drift_status_filters(Some(filter.to_vec())).send()
            };
            let page =
                self.caller.call(call("cloudformation:DescribeStackResourceDrifts", place, stack), request).await?;
            drifts.extend(page.stack_resource_drifts().iter().map(values::drifted));
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        Ok(drifts)
    }
}

/// The two ways in which a template is handed over.
fn text(template: &TemplateText) -> (Option<String>, Option<String>) {
    match template {
        TemplateText::Inline(body) => (Some(body.clone()), None),
        TemplateText::Url(url) => (None, Some(url.clone())),
    }
}

/// The state of a change set that cannot be executed, or cannot yet; none where it can.
/// The texts for an empty one are those of the service: "The submitted information didn't contain changes." and
/// "No updates are to be performed."
fn unfinished(status: Option<&types::ChangeSetStatus>, reason: Option<&str>) -> Option<ChangeSetState> {
    let reason = reason.unwrap_or("no reason given");
    match status.map_or("", types::ChangeSetStatus::as_str) {
        "CREATE_COMPLETE" => None,
        "FAILED" if reason.contains("didn't contain changes") || reason.contains("No updates are to be performed") => {
            Some(ChangeSetState::Empty)
        }
        "FAILED" => Some(ChangeSetState::Failed(reason.to_owned())),
        _ => Some(ChangeSetState::Pending),
    }
}
