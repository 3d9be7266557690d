//! The types of a plan. Their serialised form is the plan file: a change needs a new format number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::fleet::Place;
use crate::domain::ids::{AccountId, CellId, Digest, Region, StackName, request_token};
use crate::domain::record::CellRecord;
use crate::domain::stack::{StackStatus, Stuck};
use crate::domain::template::ResourceChange;

/// Something that must be in the artifact bucket before a stack is changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its key in the bucket; it carries the digest.
    pub key: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// The folder of a function that it is packaged from.
    pub source: String,
}

/// What a cell's stack is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// The cell.
    pub cell: CellId,
    /// Its type.
    pub cell_type: String,
    /// Name of its template.
    pub template_name: String,
    /// Name of its stack.
    pub stack: StackName,
    /// Where it lives.
    #[serde(with = "place")]
    pub place: Place,
    /// Digest of everything below.
    pub digest: Digest,
    /// Digest of the rendered template; the body stands once in the plan.
    pub template: Digest,
    /// Values of the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// Capabilities that the template needs.
    pub capabilities: Vec<String>,
    /// What must be in the bucket first.
    pub artifacts: Vec<Artifact>,
    /// Full names of the tables that the stack makes.
    pub tables: Vec<String>,
    /// Full names of the queues that the stack makes.
    pub queues: Vec<String>,
}

/// What the listing says of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedStack {
    /// The service's id.
    pub id: String,
    /// Its status.
    pub status: StackStatus,
    /// When the last operation on it began, in milliseconds since 1970.
    pub changed_at_ms: i64,
    /// Whether its tags say that it is this cell's. Only looked up where no record vouches for it.
    pub ours: bool,
}

/// What there is.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Stacks by cell; a cell without one has none.
    pub stacks: BTreeMap<CellId, ObservedStack>,
    /// Cell records.
    pub records: BTreeMap<CellId, CellRecord>,
    /// Cells of which a table of the name to be made is there already, outside the stack: the tables.
    pub foreign_tables: BTreeMap<CellId, Vec<String>>,
    /// Tenants in each cell; a cell without any may be absent.
    pub tenants: BTreeMap<CellId, u64>,
}

/// What is done to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing may be done before somebody acts.
    Blocked,
    /// Its stack is changed.
    Update,
    /// Its stack is made.
    Create,
    /// An operation is under way: its end is awaited, then the cell is looked at again.
    Wait,
    /// It is as it should be.
    None,
}

/// Why a cell is left alone although it should change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Blocked {
    /// The stack is stuck.
    Stuck {
        /// In which way.
        stuck: Stuck,
    },
    /// The stack's status is not one that this version knows.
    UnknownStatus {
        /// The status.
        status: StackStatus,
    },
    /// A stack of that name is there and is not this cell's.
    ForeignStack,
    /// Tables of these names are there and are not the stack's own.
    ForeignTables {
        /// Their names.
        tables: Vec<String>,
    },
    /// Atoms that hold data would be replaced or removed.
    Stateful {
        /// Their logical ids.
        atoms: Vec<String>,
    },
    /// The definition moved the cell to another Region or account; a stack cannot move.
    Moved {
        /// Where its stack is.
        from: String,
    },
}

impl Blocked {
    /// What is wrong, for people.
    pub fn message(&self, cell: &CellId, stack: &StackName) -> String {
        match self {
            Self::Stuck { stuck } => format!("stack {stack} is stuck: {}", stuck.meaning()),
            Self::UnknownStatus { status } => {
                format!("stack {stack} has status {status}, which this version does not know")
            }
            Self::ForeignStack => {
                format!("a stack named {stack} exists and is not cell {cell}'s: it lacks cellctl's tags")
            }
            Self::ForeignTables { tables } => {
                format!(
                    "tables that are not the stack's own exist already: {}; making them would fail or overwrite them",
                    tables.join(", ")
                )
            }
            Self::Stateful { atoms } => {
                format!("atoms that hold data would be replaced or removed: {}", atoms.join(", "))
            }
            Self::Moved { from } => format!("the stack is in {from}; a stack cannot move"),
        }
    }

    /// What to do about it.
    pub fn hint(&self, cell: &CellId) -> String {
        match self {
            Self::Stuck { .. } => format!("run `cellctl cell recover {cell}`: it says first what it will do"),
            Self::UnknownStatus { .. } => "upgrade cellctl, or look at the stack in the console".to_owned(),
            Self::ForeignStack => "rename the cell, or delete that stack if nobody needs it".to_owned(),
            Self::ForeignTables { .. } => {
                "a deleted cell leaves its tables behind on purpose: rename the cell, or delete the tables once nobody needs them"
                    .to_owned()
            }
            Self::Stateful { atoms } => {
                let first = atoms.first().map_or("TABLE", String::as_str);
                format!("undo the change, or name each on the command line: --allow-replace {cell}/{first}")
            }
            Self::Moved { .. } => "undo the change of Region or account; make a new cell there and move the tenants".to_owned(),
        }
    }
}

/// The state that a step was planned from. When it no longer holds, the plan is stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// Id of the stack; none where there was none.
    pub stack_id: Option<String>,
    /// Status of the stack.
    pub status: Option<StackStatus>,
    /// When the last operation on the stack had begun.
    pub changed_at_ms: Option<i64>,
    /// Digest that the record said was applied.
    pub applied: Option<Digest>,
}

/// What is done to one cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Why, for people: "new", "template and tags differ", "changed outside cellctl".
    pub reason: String,
    /// Why nothing may be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
    /// The state it was planned from.
    pub basis: Basis,
    /// What the stack is to be.
    pub desired: Desired,
    /// The diff of the template, as an index into the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<usize>,
    /// Atoms that hold data and that the operator allowed to be replaced or removed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub allowed: BTreeSet<String>,
    /// Tenants in the cell.
    #[serde(default)]
    pub tenants: u64,
}

impl Step {
    /// The deterministic token of a request that carries out this step: derived from what is wanted, from the state it
    /// was planned from, and from `attempt` (the fencing token of the run), so that a repeat within a run is the same
    /// request, and a later attempt is another one.
    pub fn token(&self, request: &str, attempt: u64) -> String {
        let changed = self.basis.changed_at_ms.unwrap_or(0).to_string();
        let attempt = attempt.to_string();
        let parts = [
            request,
            self.desired.stack.as_str(),
            self.desired.digest.as_str(),
            self.basis.stack_id.as_deref().unwrap_or(""),
            changed.as_str(),
            attempt.as_str(),
        ];
        request_token(parts)
    }
}

/// The difference between two templates, shared by all cells that go from one to the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Digest of the template that is applied.
    pub from: Digest,
    /// Digest of the template that is wanted.
    pub to: Digest,
    /// What differs.
    pub changes: Vec<ResourceChange>,
}

/// A plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Name of the fleet.
    pub fleet: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// After this time it is refused.
    pub expires_at_ms: i64,
    /// The account behind the credentials of each place, by `Place::key`; none for an offline plan, which cannot be
    /// applied.
    pub accounts: Option<BTreeMap<String, String>>,
    /// The selector, as typed.
    pub selection: Option<String>,
    /// One step a cell that is not as it should be.
    pub steps: Vec<Step>,
    /// Number of cells that are as they should be.
    pub unchanged: usize,
    /// Cells that have a stack or a record and no definition any more.
    pub orphans: Vec<CellId>,
    /// Diffs of templates.
    pub diffs: Vec<Diff>,
    /// Bodies of the templates that the steps name, by digest.
    pub templates: BTreeMap<Digest, Arc<str>>,
    /// Tenants in all cells of the fleet.
    #[serde(default)]
    pub tenants: u64,
}

impl Plan {
    /// Whether there is anything to do.
    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Create | Action::Update | Action::Wait))
    }

    /// Steps that somebody has to act on first.
    pub fn blocked(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action == Action::Blocked)
    }

    /// The changes of a step's template.
    pub fn changes_of(&self, step: &Step) -> &[ResourceChange] {
        step.diff.and_then(|index| self.diffs.get(index)).map_or(&[], |diff| &diff.changes)
    }
}

/// A place in a plan file.
mod place {
    use super::{AccountId, Deserialize, Place, Region, Serialize};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        region: Region,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<AccountId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role_arn: Option<String>,
    }

    pub(super) fn serialize<S: Serializer>(place: &Place, serializer: S) -> Result<S::Ok, S::Error> {
        let Place { region, account, role_arn } = place.clone();
        Written { region, account, role_arn }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
        let Written { region, account, role_arn } = Written::deserialize(deserializer)?;
        Ok(Place { region, account, role_arn })
    }
}
