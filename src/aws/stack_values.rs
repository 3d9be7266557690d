//! CloudFormation's types turned into the domain's, and back.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::primitives::DateTime;
use aws_sdk_cloudformation::types;

use crate::domain::stack::{StackDetail, StackEvent, StackResource, StackStatus, StackSummary};
use crate::ports::{DriftedResource, Replacement, ServiceChange};

fn ms(time: Option<&DateTime>) -> i64 {
    time.and_then(|t| t.to_millis().ok()).unwrap_or(0)
}

/// A listing's line; none for a name that is no stack name.
pub(super) fn summary(stack: &types::StackSummary) -> Option<StackSummary> {
    Some(StackSummary {
        name: stack.stack_name().unwrap_or_default().parse().ok()?,
        id: stack.stack_id().unwrap_or_default().to_owned(),
        status: StackStatus::new(stack.stack_status().map_or("", |s| s.as_str())),
        reason: stack.stack_status_reason().map(str::to_owned),
        changed_at_ms: ms(stack.last_updated_time().or(stack.creation_time())),
    })
}

/// Everything about a stack.
pub(super) fn detail(stack: &types::Stack) -> Option<StackDetail> {
    let summary = StackSummary {
        name: stack.stack_name().unwrap_or_default().parse().ok()?,
        id: stack.stack_id().unwrap_or_default().to_owned(),
        status: StackStatus::new(stack.stack_status().map_or("", |s| s.as_str())),
        reason: stack.stack_status_reason().map(str::to_owned),
        changed_at_ms: ms(stack.last_updated_time().or(stack.creation_time())),
    };
    let pair = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value.unwrap_or_default().to_owned()));
    Some(StackDetail {
        summary,
        tags: stack.tags().iter().filter_map(|t| pair(t.key(), t.value())).collect(),
        outputs: stack.outputs().iter().filter_map(|o| pair(o.output_key(), o.output_value())).collect(),
        parameters: stack.parameters().iter().filter_map(|p| pair(p.parameter_key(), p.parameter_value())).collect(),
        protected: stack.enable_termination_protection().unwrap_or(false),
    })
}

/// An event.
pub(super) fn event(event: &types::StackEvent) -> StackEvent {
    StackEvent {
        id: event.event_id().unwrap_or_default().to_owned(),
        at_ms: ms(event.timestamp()),
        logical_id: event.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: event.resource_type().unwrap_or_default().to_owned(),
        status: event.resource_status().map_or("", |s| s.as_str()).to_owned(),
        reason: event.resource_status_reason().map(str::to_owned),
        token: event.client_request_token().map(str::to_owned),
    }
}

/// A resource.
pub(super) fn resource(resource: &types::StackResourceSummary) -> StackResource {
    StackResource {
        logical_id: resource.logical_resource_id().unwrap_or_default().to_owned(),
        physical_id: resource.physical_resource_id().unwrap_or_default().to_owned(),
        resource_type: resource.resource_type().unwrap_or_default().to_owned(),
        status: resource.resource_status().map_or("", |s| s.as_str()).to_owned(),
    }
}

/// A change that a change set announces.
pub(super) fn change(change: &types::Change) -> Option<ServiceChange> {
    let resource = change.resource_change()?;
    let replacement = match resource.replacement().map(types::Replacement::as_str) {
        Some("True") => Replacement::Yes,
        Some("Conditional") => Replacement::Perhaps,
        _ => Replacement::No,
    };
    Some(ServiceChange {
        logical_id: resource.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: resource.resource_type().unwrap_or_default().to_owned(),
        action: resource.action().map_or("", |a| a.as_str()).to_owned(),
        replacement,
    })
}

/// A resource that has drifted.
pub(super) fn drifted(drift: &types::StackResourceDrift) -> DriftedResource {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let differences = drift.property_differences().iter();
    DriftedResource {
        logical_id: text(drift.logical_resource_id()),
        resource_type: text(drift.resource_type()),
        status: drift.stack_resource_drift_status().map_or("", |s| s.as_str()).to_owned(),
        differences: differences
            .map(|d| (text(d.property_path()), text(d.expected_value()), text(d.actual_value())))
            .collect(),
    }
}

/// Parameters of a request.
pub(super) fn parameters(values: &BTreeMap<String, String>) -> Vec<types::Parameter> {
    values.iter().map(|(k, v)| types::Parameter::builder().parameter_key(k).parameter_value(v).build()).collect()
}

/// Tags of a request.
pub(super) fn tags(values: &BTreeMap<String, String>) -> Vec<types::Tag> {
    values.iter().map(|(k, v)| types::Tag::builder().key(k).value(v).build()).collect()
}

/// Capabilities of a request.
pub(super) fn capabilities(names: &[String]) -> Vec<types::Capability> {
    names.iter().map(|name| types::Capability::from(name.as_str())).collect()
}
