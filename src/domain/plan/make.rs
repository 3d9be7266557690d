//! Desired state and observed state become a plan.
//!
//! Constraint kept: pure and total; every cell of the fleet ends in exactly one of the plan's lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::ids::{CellId, Digest};
use crate::domain::record::{CellRecord, CellState};
use crate::domain::stack::Phase;
use crate::domain::template::{ChangeKind, ResourceChange};

use super::types::{Action, Basis, Blocked, Desired, Diff, Observation, ObservedStack, Plan, Step};

/// How long a plan may be applied after it was made, in milliseconds: a day.
pub const PLAN_LIFE_MS: i64 = 86_400_000;

/// Changes from one template to another, by their digests.
pub type Diffs = HashMap<(Digest, Digest), Vec<ResourceChange>>;

/// What a plan is made of.
pub struct Inputs<'a> {
    /// Name of the fleet.
    pub fleet: &'a str,
    /// The account behind the credentials of each place, by `Place::key`; none offline.
    pub accounts: Option<BTreeMap<String, String>>,
    /// The selector, as typed.
    pub selection: Option<String>,
    /// The selected cells as they should be.
    pub desired: Vec<Desired>,
    /// Names of all cells that have a definition, selected or not.
    pub defined: BTreeSet<CellId>,
    /// What there is.
    pub observed: &'a Observation,
    /// Changes between templates, for all pairs that `needs_diff` named.
    pub diffs: Diffs,
    /// Bodies of the desired templates.
    pub bodies: &'a BTreeMap<Digest, Arc<str>>,
    /// Atoms that may be replaced or removed, as `cell/atom`.
    pub allowed: &'a BTreeSet<String>,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// The pair of templates whose difference a plan needs for this cell: that of its stack and that which is wanted.
/// The first is the applied one, as the record has it.
pub fn needs_diff(desired: &Desired, observed: &Observation) -> Option<(Digest, Digest)> {
    let record = observed.records.get(&desired.cell);
    let stack = observed.stacks.get(&desired.cell)?;
    let (action, _, _) = classify(desired, Some(stack), record, None);
    (action == Action::Update).then(|| templates(desired, stack, record))
}

/// The template of the stack and the one that is wanted.
fn templates(desired: &Desired, stack: &ObservedStack, record: Option<&CellRecord>) -> (Digest, Digest) {
    let applied = record.and_then(|r| r.applied.as_ref());
    let from = applied.map_or_else(|| unknown_template(&stack.id), |a| a.template.clone());
    (from, desired.template.clone())
}

/// Stands for the template of a stack that no record describes.
pub fn unknown_template(stack_id: &str) -> Digest {
    Digest::of(stack_id.as_bytes())
}

/// Makes the plan.
pub fn make(inputs: Inputs<'_>) -> Plan {
    let mut diffs = DiffTable::new(inputs.diffs);
    let mut steps = Vec::new();
    let mut unchanged = 0;
    for desired in inputs.desired {
        let step = step(desired, inputs.observed, &mut diffs, inputs.allowed);
        if step.action == Action::None {
            unchanged += 1;
        } else {
            steps.push(step);
        }
    }
    let used = |step: &Step| matches!(step.action, Action::Create | Action::Update);
    let wanted: BTreeSet<&Digest> = steps.iter().filter(|s| used(s)).map(|s| &s.desired.template).collect();
    let templates = wanted.into_iter().filter_map(|d| Some((d.clone(), Arc::clone(inputs.bodies.get(d)?)))).collect();
    Plan {
        fleet: inputs.fleet.to_owned(),
        created_at_ms: inputs.now_ms,
        expires_at_ms: inputs.now_ms + PLAN_LIFE_MS,
        accounts: inputs.accounts,
        selection: inputs.selection,
        steps,
        unchanged,
        orphans: orphans(&inputs.defined, inputs.observed),
        diffs: diffs.list,
        templates,
        tenants: inputs.observed.tenants.values().sum(),
    }
}

/// Cells that are still there although their definition is gone. An apply never deletes them.
fn orphans(defined: &BTreeSet<CellId>, observed: &Observation) -> Vec<CellId> {
    let live = observed.records.values().filter(|r| r.state != CellState::Deleted).map(|r| &r.cell);
    live.filter(|cell| !defined.contains(*cell)).cloned().collect()
}

/// The diffs that the plan lists, each once.
struct DiffTable {
    known: Diffs,
    list: Vec<Diff>,
    index: HashMap<(Digest, Digest), usize>,
}

impl DiffTable {
    fn new(known: Diffs) -> Self {
        Self { known, list: Vec::new(), index: HashMap::new() }
    }

    fn find(&mut self, pair: (Digest, Digest)) -> Option<usize> {
        if let Some(index) = self.index.get(&pair) {
            return Some(*index);
        }
        let changes = self.known.remove(&pair)?;
        self.list.push(Diff { from: pair.0.clone(), to: pair.1.clone(), changes });
        self.index.insert(pair, self.list.len() - 1);
        Some(self.list.len() - 1)
    }
}

fn step(desired: Desired, observed: &Observation, diffs: &mut DiffTable, allowed: &BTreeSet<String>) -> Step {
    let record = observed.records.get(&desired.cell);
    let stack = observed.stacks.get(&desired.cell);
    let foreign = observed.foreign_tables.get(&desired.cell);
    let (mut action, reason, mut blocked) = classify(&desired, stack, record, foreign);
    let updated = stack.filter(|_| action == Action::Update);
    let diff = updated.and_then(|stack| diffs.find(templates(&desired, stack, record)));
    let allowed = allowed_of(&desired.cell, allowed);
    if let Some(atoms) = diff.and_then(|index| endangered(&diffs.list[index].changes, &allowed)) {
        action = Action::Blocked;
        blocked = Some(Blocked::Stateful { atoms });
    }
    let basis = Basis {
        stack_id: stack.map(|s| s.id.clone()),
        status: stack.map(|s| s.status.clone()),
        changed_at_ms: stack.map(|s| s.changed_at_ms),
        applied: record.and_then(|r| r.applied.as_ref()).map(|a| a.digest.clone()),
    };
    let tenants = observed.tenants.get(&desired.cell).copied().unwrap_or(0);
    Step { action, reason, blocked, basis, desired, diff, allowed, tenants }
}

/// The atoms of this cell among those that the operator named.
fn allowed_of(cell: &CellId, allowed: &BTreeSet<String>) -> BTreeSet<String> {
    let own =
        |name: &String| name.split_once('/').filter(|(c, _)| *c == cell.as_str()).map(|(_, atom)| atom.to_owned());
    allowed.iter().filter_map(own).collect()
}

/// Atoms that hold data, that the change would replace or remove, and that nobody allowed.
fn endangered(changes: &[ResourceChange], allowed: &BTreeSet<String>) -> Option<Vec<String>> {
    let dangerous = |c: &&ResourceChange| c.stateful && (c.replaces() || c.kind == ChangeKind::Removed);
    let atoms = changes.iter().filter(dangerous).map(|c| c.logical_id.clone()).filter(|atom| !allowed.contains(atom));
    let atoms: Vec<String> = atoms.collect();
    (!atoms.is_empty()).then_some(atoms)
}

/// What is to be done to a cell, and why.
fn classify(
    desired: &Desired,
    stack: Option<&ObservedStack>,
    record: Option<&CellRecord>,
    foreign_tables: Option<&Vec<String>>,
) -> (Action, String, Option<Blocked>) {
    let refuse = |blocked: Blocked| (Action::Blocked, "blocked".to_owned(), Some(blocked));
    if let Some(from) = record.and_then(|r| moved_from(desired, r)) {
        return refuse(Blocked::Moved { from });
    }
    let Some(stack) = stack else {
        return match foreign_tables {
            Some(tables) if !tables.is_empty() => refuse(Blocked::ForeignTables { tables: tables.clone() }),
            _ => (Action::Create, "new".to_owned(), None),
        };
    };
    let applied = record.and_then(|r| r.applied.as_ref());
    if !stack.ours && applied.is_none_or(|a| a.stack_id != stack.id) {
        return refuse(Blocked::ForeignStack);
    }
    match stack.status.phase() {
        Phase::Moving => (Action::Wait, format!("{} since another run", stack.status), None),
        Phase::Stuck(stuck) => refuse(Blocked::Stuck { stuck }),
        Phase::Unknown => refuse(Blocked::UnknownStatus { status: stack.status.clone() }),
        Phase::Gone => (Action::Create, "new".to_owned(), None),
        Phase::Complete | Phase::RolledBack => difference(desired, stack, record),
    }
}

/// Where the stack is, when the definition says another place.
fn moved_from(desired: &Desired, record: &CellRecord) -> Option<String> {
    record.applied.as_ref()?;
    let other_account = match (&record.account, &desired.place.account) {
        (Some(was), Some(is)) => was != is,
        _ => false,
    };
    if record.state == CellState::Deleted || (record.region == desired.place.region && !other_account) {
        return None;
    }
    let account = record.account.as_ref().map(|a| format!(" of account {a}")).unwrap_or_default();
    Some(format!("{}{account}", record.region))
}

fn difference(
    desired: &Desired,
    stack: &ObservedStack,
    record: Option<&CellRecord>,
) -> (Action, String, Option<Blocked>) {
    let update = |reason: &str| (Action::Update, reason.to_owned(), None);
    let Some(applied) = record.and_then(|r| r.applied.as_ref()) else {
        return update("not recorded as complete");
    };
    if applied.stack_id != stack.id {
        return update("the stack was made again outside cellctl");
    }
    if applied.digest != desired.digest {
        let what =
            if applied.template == desired.template { "parameters, tags or code differ" } else { "template differs" };
        return update(what);
    }
    if applied.changed_at_ms != stack.changed_at_ms {
        return update("changed outside cellctl");
    }
    (Action::None, "as it should be".to_owned(), None)
}
