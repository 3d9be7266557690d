//! What the operations need of the world, in the domain's words.
//!
//! Owns: the traits that adapters implement, and the one error type that crosses them. Constraint kept: no type of
//! an SDK appears here; an adapter tells what an error means, not what its HTTP status was.

pub mod data;
pub mod moves;
pub mod rollout;
pub mod shop;
pub mod tenants;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::audit::Sealed;
use crate::domain::doc::{Node, Position};
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, Digest, StackName};
use crate::domain::lock::{Lease, ProcessId};
use crate::domain::record::CellRecord;
use crate::domain::rollout::RolloutId;
use crate::domain::stack::{StackDetail, StackEvent, StackResource, StackSummary};

/// What kind of failure a call met; it decides what may be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallErrorKind {
    /// The service asked to slow down, for longer than the call's budget.
    Throttled,
    /// The caller may not do this.
    Denied,
    /// The credentials are missing, wrong or have expired.
    Credentials,
    /// The endpoint could not be reached; nothing was sent.
    Unreachable,
    /// The request may or may not have taken effect: read back before anything else.
    InDoubt,
    /// What was asked for is not there.
    NotFound,
    /// Something of that name is there already.
    AlreadyExists,
    /// A condition did not hold: somebody else was first.
    Conflict,
    /// There is nothing to change.
    NoChanges,
    /// A limit of the account is reached.
    LimitExceeded,
    /// The service finds the request wrong.
    Invalid,
    /// Anything else.
    Other,
}

/// A call that did not succeed: which, on what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What it means.
    pub kind: CallErrorKind,
    /// The call, as the service and IAM name it (`cloudformation:CreateStack`).
    pub operation: &'static str,
    /// What it was about (`shop-cell-3 in eu-central-1`).
    pub subject: String,
    /// What the service said.
    pub message: String,
}

impl CallError {
    /// What to do next, where that can be said in general.
    pub fn hint(&self) -> Option<&'static str> {
        match self.kind {
            CallErrorKind::Throttled => Some("the service kept throttling; run the same command again later"),
            CallErrorKind::Denied => Some(
                "give the caller the action named above on that resource; `cellctl doctor` lists all that are needed",
            ),
            CallErrorKind::Credentials => Some(
                "sign in again (`aws sso login`, or renew the variables), check AWS_PROFILE, then run the same command again",
            ),
            CallErrorKind::Unreachable => {
                Some("check the network, the Region and AWS_ENDPOINT_URL; `cellctl doctor` tests the endpoint")
            }
            CallErrorKind::InDoubt => Some("it may have taken effect; run the same command again, it reads back first"),
            CallErrorKind::Conflict => Some("somebody else changed it meanwhile; run the same command again"),
            CallErrorKind::LimitExceeded => {
                Some("raise the quota (`cellctl doctor` shows it), or remove what is not needed")
            }
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}: {}", self.operation, self.subject, self.message)
    }
}

impl std::error::Error for CallError {}

/// Result of a call.
pub type Called<T> = Result<T, CallError>;

/// Where a template's text is: in the request, or in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateText {
    /// The text itself: at most 51,200 bytes.
    Inline(String),
    /// Address of an object in S3.
    Url(String),
}

/// What a stack is to become.
#[derive(Debug, Clone)]
pub struct StackRequest {
    /// Name of the stack.
    pub stack: StackName,
    /// Its template.
    pub template: TemplateText,
    /// Values of the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// Capabilities that the template needs.
    pub capabilities: Vec<String>,
    /// Deterministic token: the same request repeated is the same operation.
    pub token: String,
}

/// State of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetState {
    /// The service is still working it out.
    Pending,
    /// It can be executed.
    Ready(Vec<ServiceChange>),
    /// Nothing would change.
    Empty,
    /// The service refused it.
    Failed(String),
    /// It has been executed already. AWS removes such a one; LocalStack keeps it under its name.
    Spent,
}

/// A change that the service announces in a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceChange {
    /// The resource.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// `Add`, `Modify`, `Remove`, `Import` or `Dynamic`.
    pub action: String,
    /// Whether the resource is replaced.
    pub replacement: Replacement,
}

/// Whether a change replaces a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// It does.
    Yes,
    /// It may, depending on values known only later.
    Perhaps,
    /// It does not, or the service did not say.
    No,
}

/// Outcome of a drift detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftState {
    /// Whether the detection has ended.
    pub done: bool,
    /// `IN_SYNC`, `DRIFTED`, `UNKNOWN` or `NOT_CHECKED`.
    pub status: String,
    /// Why the detection failed, where it did.
    pub failure: Option<String>,
}

/// A resource that is not as its template says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftedResource {
    /// The resource.
    pub logical_id: String,
    /// Its type.
    pub resource_type: String,
    /// `MODIFIED` or `DELETED`.
    pub status: String,
    /// Each difference: path, expected, actual.
    pub differences: Vec<(String, String, String)>,
}

/// CloudFormation, in one account and Region at a time.
#[async_trait]
pub trait Stacks: Send + Sync {
    /// All stacks that are not deleted, in one listing pass.
    async fn list(&self, place: &Place) -> Called<Vec<StackSummary>>;
    /// One stack by name or id; none where it does not exist. By id it also finds deleted ones.
    async fn describe(&self, place: &Place, stack: &str) -> Called<Option<StackDetail>>;
    /// The stack's template as it was submitted.
    async fn template(&self, place: &Place, stack: &str) -> Called<String>;
    /// Begins to create a stack, with termination protection; gives its id.
    async fn create(&self, place: &Place, request: &StackRequest) -> Called<String>;
    /// Makes a change set of this name for an update of a stack, by its name or id.
    async fn create_change_set(&self, place: &Place, stack: &str, name: &str, request: &StackRequest) -> Called<()>;
    /// State of a change set, all pages.
    async fn change_set(&self, place: &Place, stack: &str, name: &str) -> Called<ChangeSetState>;
    /// Begins to execute a change set.
    async fn execute_change_set(&self, place: &Place, stack: &str, name: &str, token: &str) -> Called<()>;
    /// Removes a change set; no error where there is none.
    async fn delete_change_set(&self, place: &Place, stack: &str, name: &str) -> Called<()>;
    /// The events of a stack at or after `since_ms`, oldest first.
    async fn events(&self, place: &Place, stack: &str, since_ms: i64) -> Called<Vec<StackEvent>>;
    /// The resources of a stack.
    async fn resources(&self, place: &Place, stack: &str) -> Called<Vec<StackResource>>;
    /// Begins to delete a stack, leaving `retain` behind (only after a failed delete).
    async fn delete(&self, place: &Place, stack: &str, retain: &[String], token: &str) -> Called<()>;
    /// Begins to finish a failed rollback, without the resources in `skip`.
    async fn continue_rollback(&self, place: &Place, stack: &str, skip: &[String], token: &str) -> Called<()>;
    /// Begins to take back a failed update or create.
    async fn rollback(&self, place: &Place, stack: &str, token: &str) -> Called<()>;
    /// Sets termination protection.
    async fn protect(&self, place: &Place, stack: &str, protected: bool) -> Called<()>;
    /// Begins to look for drift; gives the detection's id.
    async fn detect_drift(&self, place: &Place, stack: &str) -> Called<String>;
    /// State of a drift detection.
    async fn drift_state(&self, place: &Place, detection: &str) -> Called<DriftState>;
    /// What has drifted.
    async fn drifted(&self, place: &Place, stack: &str) -> Called<Vec<DriftedResource>>;
}

/// The account and identity behind the credentials for a place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Identity {
    /// The account: twelve digits.
    pub account: String,
    /// Who the caller is.
    pub arn: String,
}

/// Who the caller is.
#[async_trait]
pub trait Identities: Send + Sync {
    /// The caller's identity in a place.
    async fn identity(&self, place: &Place) -> Called<Identity>;
    /// Which of `actions` the caller may not do, as far as the service can tell.
    async fn denied_actions(&self, place: &Place, actions: &[&str]) -> Called<Vec<String>>;
    /// Difference between the service's clock and ours; positive when ours is behind.
    async fn clock_skew(&self, place: &Place) -> Called<i64>;
    /// The value in force of a service quota; none where the service does not know it.
    async fn quota(&self, place: &Place, service: &str, code: &str) -> Called<Option<f64>>;
}

/// Whether something is left in an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It does not exist.
    Gone,
    /// It holds nothing, by a consistent read where the service has one.
    Empty,
    /// It holds something, or that cannot be told for its type.
    Perhaps,
}

/// Atoms of cells: tables and queues.
#[async_trait]
pub trait Atoms: Send + Sync {
    /// Whether a table of that name exists.
    async fn table_exists(&self, place: &Place, name: &str) -> Called<bool>;
    /// Whether something is left in an atom, by its type and physical id.
    async fn content(&self, place: &Place, resource_type: &str, physical_id: &str) -> Called<Content>;
    /// Deletes a table or queue that a failed create has left behind. The caller has seen that it is empty; one that
    /// is gone is no error.
    async fn delete_leftover(&self, place: &Place, resource_type: &str, physical_id: &str) -> Called<()>;
}

/// The artifact bucket of a place.
#[async_trait]
pub trait Artifacts: Send + Sync {
    /// Whether the object is there.
    async fn exists(&self, place: &Place, bucket: &str, key: &str) -> Called<bool>;
    /// Stores an object unless it is there already.
    async fn put(&self, place: &Place, bucket: &str, key: &str, bytes: Vec<u8>) -> Called<()>;
    /// The address that CloudFormation reads the object from.
    fn url(&self, place: &Place, bucket: &str, key: &str) -> String;
}

/// An entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// Number of the entry, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened, as one word.
    pub event: String,
    /// Details for people and for a resume.
    pub body: serde_json::Value,
}

/// Where a lease is kept.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// The lease, as it is.
    async fn lease(&self) -> Called<Option<Lease>>;
    /// Writes the lease if it still is as `seen` says; `Conflict` otherwise.
    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()>;
    /// What it is the lease of, for people.
    fn what(&self) -> String {
        "the fleet".to_owned()
    }
    /// What somebody can do who finds it taken.
    fn way_out(&self) -> String {
        "wait for it; if its holder is dead, the lease runs out within a minute, or `cellctl lock break` ends it now"
            .to_owned()
    }
}

/// Processes of this machine.
pub trait Processes: Send + Sync {
    /// This process; none where it cannot be told apart from others.
    fn me(&self) -> Option<ProcessId>;
    /// Whether a process is certain to be gone: it ran on this machine, under this kernel, and is there no more.
    fn is_gone(&self, process: &ProcessId) -> bool;
}

/// The control table of the fleet. Its lease is the lock on the fleet.
#[async_trait]
pub trait Control: LeaseStore {
    /// Whether the table is there.
    async fn ready(&self) -> Called<bool>;
    /// All cell records, by a consistent read.
    async fn records(&self) -> Called<Vec<CellRecord>>;
    /// One cell record, by a consistent read.
    async fn record(&self, cell: &CellId) -> Called<Option<CellRecord>>;
    /// Writes a record if the stored one still has version `record.version` (0: none is stored) and the lease's token
    /// is still the lock's; gives the record with its new version. The same transaction appends `audit` to the cell's
    /// chain, and brings the cell's load (`CellLoad`) to the record's state and place, its counters left alone. A record
    /// in state `deleted` is written only while the load counts no tenant.
    async fn put_record(&self, record: CellRecord, lease: &Lease, audit: &Sealed) -> Called<CellRecord>;
    /// Removes a record under the same conditions, and appends `audit`. The load stays, in state `deleted`: it keeps
    /// the end of the chain.
    async fn delete_record(&self, record: &CellRecord, lease: &Lease, audit: &Sealed) -> Called<()>;
    /// Appends to a journal if no entry has that number yet, under the lease.
    async fn append(&self, journal: &str, entry: &JournalEntry, lease: &Lease) -> Called<()>;
    /// A whole journal, in order.
    async fn journal(&self, journal: &str) -> Called<Vec<JournalEntry>>;
    /// The rollout that is open.
    async fn open_rollout(&self) -> Called<Option<RolloutId>>;
}

/// Function code, packaged from a folder.
pub trait Packages: Send + Sync {
    /// The package of a folder: its bytes and their digest. The error says what is wrong with the folder.
    fn package(&self, source: &str) -> Result<(Vec<u8>, Digest), String>;
}

/// Reads a template's text into a document. The error says where and why it cannot be read.
pub type Parse = fn(&str) -> Result<Node, (Position, String)>;

/// Time and chance, so that a test can hold both.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// Milliseconds since some moment in the past; it never goes back.
    fn monotonic_ms(&self) -> u64;
    /// The same in microseconds, where the clock is that fine.
    fn monotonic_us(&self) -> u64 {
        self.monotonic_ms().saturating_mul(1_000)
    }
    /// Waits.
    async fn sleep(&self, duration: Duration);
    /// A number from 0 up to but not including 1.
    fn random(&self) -> f64;
}
