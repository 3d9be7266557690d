//! What CloudFormation says of a stack, and what that means for a cell.
//!
//! Owns: the reading of every stack status of the service. Constraint kept: a status that cellctl does not know is
//! never taken for good news.
//! Source of the statuses: AWS CloudFormation API Reference, data type `Stack`, `StackStatus`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::StackName;

/// A stack status, as the service writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StackStatus(pub String);

/// What a status means for the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// An operation is under way.
    Moving,
    /// The last operation succeeded.
    Complete,
    /// The last update failed and was taken back: the stack works, as it was before.
    RolledBack,
    /// No operation goes on and none can begin before somebody acts.
    Stuck(Stuck),
    /// The stack is gone.
    Gone,
    /// A status that this version of cellctl does not know.
    Unknown,
}

/// The ways in which a stack gets stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stuck {
    /// `CREATE_FAILED`: the create failed and was not rolled back.
    CreateFailed,
    /// `ROLLBACK_COMPLETE`: the create failed and was rolled back; only a delete is possible.
    RollbackComplete,
    /// `ROLLBACK_FAILED`: the create failed and so did its rollback.
    RollbackFailed,
    /// `UPDATE_FAILED`: an update failed and was not rolled back.
    UpdateFailed,
    /// `UPDATE_ROLLBACK_FAILED`: an update failed and so did its rollback.
    UpdateRollbackFailed,
    /// `REVIEW_IN_PROGRESS`: a change set for a create was made and never executed.
    Review,
    /// `DELETE_FAILED`: a delete left resources behind.
    DeleteFailed,
}

impl Stuck {
    /// What has happened, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::CreateFailed => "the create failed and was not rolled back; what it made is still there",
            Self::RollbackComplete => "the create failed and was rolled back; the stack is an empty shell",
            Self::RollbackFailed => "the create failed and its rollback failed too",
            Self::UpdateFailed => "an update failed and was not rolled back",
            Self::UpdateRollbackFailed => "an update failed and its rollback failed too",
            Self::Review => "a change set for a create was made and never executed",
            Self::DeleteFailed => "a delete could not remove every resource",
        }
    }
}

impl StackStatus {
    /// A status from its text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The status as the service writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it means for the cell.
    pub fn phase(&self) -> Phase {
        match self.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Phase::Complete,
            "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => Phase::RolledBack,
            "CREATE_FAILED" => Phase::Stuck(Stuck::CreateFailed),
            "ROLLBACK_COMPLETE" => Phase::Stuck(Stuck::RollbackComplete),
            "ROLLBACK_FAILED" => Phase::Stuck(Stuck::RollbackFailed),
            "UPDATE_FAILED" => Phase::Stuck(Stuck::UpdateFailed),
            "UPDATE_ROLLBACK_FAILED" | "IMPORT_ROLLBACK_FAILED" => Phase::Stuck(Stuck::UpdateRollbackFailed),
            "REVIEW_IN_PROGRESS" => Phase::Stuck(Stuck::Review),
            "DELETE_FAILED" => Phase::Stuck(Stuck::DeleteFailed),
            "DELETE_COMPLETE" => Phase::Gone,
            other if other.ends_with("_IN_PROGRESS") => Phase::Moving,
            _ => Phase::Unknown,
        }
    }

    /// Whether a failed operation is being, or has been, taken back.
    pub fn is_rollback(&self) -> bool {
        self.0.contains("ROLLBACK")
    }
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A line of a stack listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackSummary {
    /// Name of the stack.
    pub name: StackName,
    /// The service's id: unlike the name, never used again.
    pub id: String,
    /// Its status.
    pub status: StackStatus,
    /// Why it has that status, where the service says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the last operation began, in milliseconds since 1970: that of the last update, else of the create.
    pub changed_at_ms: i64,
}

/// Everything about one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackDetail {
    /// What a listing says of it.
    pub summary: StackSummary,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Values of its parameters; those marked `NoEcho` come as asterisks.
    pub parameters: BTreeMap<String, String>,
    /// Whether deleting it is refused by the service.
    pub protected: bool,
}

/// Something that happened to one resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// The service's id of the event.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The resource; the stack's own name for events of the stack itself.
    pub logical_id: String,
    /// Type of the resource.
    pub resource_type: String,
    /// Status of the resource.
    pub status: String,
    /// Why, where the service says.
    pub reason: Option<String>,
    /// Token of the request that caused it.
    pub token: Option<String>,
}

impl StackEvent {
    /// Whether a resource failed; a cancelled one is a follow-up, not a cause.
    pub fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED") && !self.reason.as_deref().unwrap_or_default().contains("cancelled")
    }

    /// Whether it is about the stack itself, not about a resource of it, be that a stack too.
    pub fn is_of_stack(&self, stack: &StackName) -> bool {
        self.resource_type == "AWS::CloudFormation::Stack" && self.logical_id == stack.as_str()
    }
}

/// Statuses in which a stack begins to be created or changed.
pub const CHANGE_STARTS: [&str; 3] = ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS"];
/// Statuses in which it begins to be taken back or deleted.
pub const RECOVERY_STARTS: [&str; 3] = ["UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"];

/// The resources that failed in the newest operation, in order: that which began when the stack itself last took one of
/// the statuses `starts`. An earlier operation, seconds ago, may have failed too; its causes are not this one's. `events`
/// are oldest first; where they do not show the start, all of them count.
pub fn failures<'a>(stack: &StackName, events: &'a [StackEvent], starts: &[&str]) -> Vec<&'a StackEvent> {
    let begins = |e: &StackEvent| e.is_of_stack(stack) && starts.contains(&e.status.as_str());
    let began = events.iter().rposition(begins).unwrap_or(0);
    events[began..].iter().filter(|e| !e.is_of_stack(stack) && e.is_failure()).collect()
}

/// The first cause among the failures of the newest operation, in words.
pub fn first_cause(stack: &StackName, events: &[StackEvent], starts: &[&str]) -> Option<String> {
    failures(stack, events, starts).first().map(|failed| failed.cause())
}

impl StackSummary {
    /// Why the last operation ended as it did: the cause that the events name, else what the service says of the stack.
    pub fn why(&self, cause: Option<String>) -> String {
        cause.or_else(|| self.reason.clone()).unwrap_or_else(|| "the service gives no reason".to_owned())
    }
}

impl StackEvent {
    /// The failure in words: the resource, its type, and why.
    pub fn cause(&self) -> String {
        let why = self.reason.as_deref().unwrap_or("no reason given");
        format!("{} ({}): {why}", self.logical_id, self.resource_type)
    }
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackResource {
    /// Name in the template.
    pub logical_id: String,
    /// Name or id at the service.
    pub physical_id: String,
    /// Type of the resource.
    pub resource_type: String,
    /// Status of the resource.
    pub status: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical_id: &str, status: &str, reason: Option<&str>) -> StackEvent {
        let stack = ["shop-cell-1", "Nested"].contains(&logical_id);
        StackEvent {
            id: String::new(),
            at_ms: 0,
            logical_id: logical_id.to_owned(),
            resource_type: if stack { "AWS::CloudFormation::Stack" } else { "AWS::SQS::Queue" }.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            token: None,
        }
    }

    #[test]
    fn causes_are_those_of_the_newest_operation_without_its_follow_ups() {
        let stack: StackName = "shop-cell-1".parse().expect("valid");
        let events = [
            event("shop-cell-1", "UPDATE_IN_PROGRESS", None),
            event("Old", "UPDATE_FAILED", Some("last time")),
            event("shop-cell-1", "UPDATE_ROLLBACK_COMPLETE", None),
            event("shop-cell-1", "UPDATE_IN_PROGRESS", None),
            event("Nested", "UPDATE_IN_PROGRESS", None),
            event("Other", "UPDATE_FAILED", Some("Resource update cancelled")),
            event("New", "UPDATE_FAILED", Some("this time")),
            event("shop-cell-1", "UPDATE_ROLLBACK_IN_PROGRESS", None),
        ];
        let names = |events: &[StackEvent], starts: &[&str]| -> Vec<String> {
            failures(&stack, events, starts).into_iter().map(|e| e.logical_id.clone()).collect()
        };
        assert_eq!(names(&events, &CHANGE_STARTS), ["New"]);
        assert!(names(&events, &RECOVERY_STARTS).is_empty());
        assert_eq!(names(&events[1..2], &CHANGE_STARTS), ["Old"]);
        let cause = first_cause(&stack, &events, &CHANGE_STARTS);
        assert_eq!(cause.as_deref(), Some("New (AWS::SQS::Queue): this time"));
    }

    #[test]
    fn every_documented_status_has_a_phase() {
        let documented = [
            "CREATE_IN_PROGRESS",
            "CREATE_FAILED",
            "CREATE_COMPLETE",
            "ROLLBACK_IN_PROGRESS",
            "ROLLBACK_FAILED",
            "ROLLBACK_COMPLETE",
            "DELETE_IN_PROGRESS",
            "DELETE_FAILED",
            "DELETE_COMPLETE",
            "UPDATE_IN_PROGRESS",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_COMPLETE",
            "UPDATE_FAILED",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_FAILED",
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE",
            "REVIEW_IN_PROGRESS",
            "IMPORT_IN_PROGRESS",
            "IMPORT_COMPLETE",
            "IMPORT_ROLLBACK_IN_PROGRESS",
            "IMPORT_ROLLBACK_FAILED",
            "IMPORT_ROLLBACK_COMPLETE",
        ];
        for status in documented {
            assert_ne!(StackStatus::new(status).phase(), Phase::Unknown, "{status}");
        }
        assert_eq!(StackStatus::new("FROBNICATED").phase(), Phase::Unknown);
        assert_eq!(StackStatus::new("ROLLBACK_COMPLETE").phase(), Phase::Stuck(Stuck::RollbackComplete));
        assert_eq!(StackStatus::new("UPDATE_ROLLBACK_COMPLETE").phase(), Phase::RolledBack);
    }
}
