//! Equal changes shown once: "197 cells: same change".
//!
//! Constraint kept: the order is that of danger (blocked, replacements, IAM broadened, deletions, modifications,
//! creates, waits), so that what matters is read first.

use std::collections::HashMap;

use crate::domain::ids::CellId;
use crate::domain::template::{ChangeKind, ResourceChange};

use super::types::{Action, Plan, Step};

/// How dangerous a group of changes is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nothing can be done before somebody acts.
    Blocked,
    /// Something is replaced.
    Replacement,
    /// A role may do more than before.
    Broadened,
    /// Something is removed.
    Deletion,
    /// Something changes in place.
    Modification,
    /// A stack is made.
    Creation,
    /// An operation's end is awaited.
    Wait,
}

/// Cells that undergo the same change.
#[derive(Debug)]
pub struct Group<'a> {
    /// How dangerous it is.
    pub risk: Risk,
    /// The first of its steps: what it says holds for all.
    pub first: &'a Step,
    /// The cells, in the order of their names.
    pub cells: Vec<&'a CellId>,
    /// Tenants in those cells.
    pub tenants: u64,
    /// What differs in the template.
    pub changes: &'a [ResourceChange],
}

/// The groups of a plan, the most dangerous first, the largest first among equals.
pub fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut index: HashMap<Key<'_>, usize> = HashMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for step in &plan.steps {
        let at = *index.entry(key(step)).or_insert_with(|| {
            let changes = plan.changes_of(step);
            groups.push(Group { risk: risk(step, changes), first: step, cells: Vec::new(), tenants: 0, changes });
            groups.len() - 1
        });
        groups[at].cells.push(&step.desired.cell);
        groups[at].tenants += step.tenants;
    }
    groups.sort_by(|a, b| (a.risk, b.cells.len()).cmp(&(b.risk, a.cells.len())));
    groups
}

type Key<'a> = (Action, &'a str, Option<usize>, Option<&'a super::types::Blocked>, &'a str);

fn key(step: &Step) -> Key<'_> {
    // Cells that differ in their template only by what they have been so far belong to different groups; new ones
    // belong together when they are made from the same template.
    let template = if step.action == Action::Blocked { "" } else { step.desired.template.as_str() };
    (step.action, &step.reason, step.diff, step.blocked.as_ref(), template)
}

fn risk(step: &Step, changes: &[ResourceChange]) -> Risk {
    match step.action {
        Action::Blocked => Risk::Blocked,
        Action::Create => Risk::Creation,
        Action::Wait | Action::None => Risk::Wait,
        Action::Update if changes.iter().any(ResourceChange::replaces) => Risk::Replacement,
        Action::Update if changes.iter().any(|c| c.broadens_iam) => Risk::Broadened,
        Action::Update if changes.iter().any(|c| c.kind == ChangeKind::Removed) => Risk::Deletion,
        Action::Update => Risk::Modification,
    }
}
