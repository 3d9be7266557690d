//! Names: of files, of cells, and of what AWS will call a cell's atoms.
//!
//! Owns: the limits of physical names and the rule that makes a logical id of an atom's name. Constraint kept: no two
//! atoms of a cell meet under one name, in the template or in the account.

use std::collections::HashMap;

use super::super::report::{Complaint, FLEET_STEM, Report, complaint};
use super::super::{CellFile, CellSpec, DefinitionKind, SourceFile};
use super::Settings;
use crate::domain::doc::Node;
use crate::domain::ids::CellId;

/// Table that every cell has, for the fences of its tenants.
const FENCES: &str = "fences";
/// Queue that every cell with queues has, for messages of tenants that moved away.
const MOVED: &str = "moved";
/// What the name of a dead-letter queue ends in.
const DEAD_LETTERS: &str = "-dead-letters";
/// What the name of a queue that keeps order must end in.
const FIFO: &str = ".fifo";

/// Checks that a file is named after what it holds.
pub(super) fn check_file(kind: DefinitionKind, file: &SourceFile, root: &Node, report: &mut Report<'_>) {
    let stem = file.stem();
    let is_fleet_file = stem == FLEET_STEM;
    match kind {
        DefinitionKind::Fleet if !is_fleet_file => {
            let hint = "a directory holds one fleet, in fleet.yaml; move this there, or write `kind: Cell`";
            report.value(&["kind"], complaint("file-name", "a file other than fleet.yaml describes a fleet", hint));
        }
        DefinitionKind::Cell if is_fleet_file => {
            let hint = "move the cell to a file of its own; fleet.yaml holds `kind: Fleet`";
            report.value(&["kind"], complaint("file-name", "fleet.yaml describes a cell", hint));
        }
        DefinitionKind::Cell => {
            let name = root.get("metadata").and_then(|m| m.get("name")).and_then(Node::as_str);
            if let Some(name) = name.filter(|name| *name != stem && name.parse::<CellId>().is_ok()) {
                let message = format!("the file is called `{stem}`, but the cell `{name}`");
                let hint = format!("rename the file to {name}.yaml, or the cell to {stem}");
                report.value(&["metadata", "name"], complaint("file-name", message, hint));
            }
        }
        DefinitionKind::Fleet => {}
    }
}

/// Checks the names of a cell's atoms.
pub(super) fn check_cell(definition: &CellFile, settings: Settings<'_>, report: &mut Report<'_>) {
    let spec = &definition.spec;
    if definition.metadata.name == FLEET_STEM {
        let message = "a cell cannot be called `fleet`: its file would be that of the fleet";
        report.value(&["metadata", "name"], complaint("reserved-name", message, "choose another name"));
    }
    collisions("tables", spec.tables.keys(), report);
    collisions("queues", spec.queues.keys(), report);
    collisions("functions", spec.functions.keys(), report);
    reserved(spec, report);
    if let Some(fleet) = settings {
        lengths(spec, &format!("{}-{}", fleet.metadata.name, definition.metadata.name), report);
    }
}

/// Logical ids have letters and digits only, so hyphens go: `a-b` and `aB` would be one resource.
fn collisions<'a>(kind: &str, names: impl Iterator<Item = &'a String>, report: &mut Report<'_>) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for name in names {
        let logical = pascal_case(name);
        if let Some(first) = seen.get(&logical) {
            let message = format!("`{name}` and `{first}` would both be `{logical}` in the template");
            let hint = "rename one: CloudFormation's logical ids have no hyphens";
            report.key(&["spec", kind, name], complaint("duplicate-name", message, hint));
        }
        seen.entry(logical).or_insert(name);
    }
}

/// `order-events` becomes `OrderEvents`.
fn pascal_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split('-') {
        let mut chars = part.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

fn reserved(spec: &CellSpec, report: &mut Report<'_>) {
    if spec.tables.contains_key(FENCES) {
        let message = "the table name `fences` is reserved: every cell has one, for the fences of its tenants";
        report.key(&["spec", "tables", FENCES], complaint("reserved-name", message, "choose another name"));
    }
    if spec.queues.contains_key(MOVED) {
        let message = "the queue name `moved` is reserved: every cell with queues has one, for messages of tenants that \
                       moved away";
        report.key(&["spec", "queues", MOVED], complaint("reserved-name", message, "choose another name"));
    }
    for name in spec.queues.keys() {
        let owner = name.strip_suffix(DEAD_LETTERS).filter(|owner| spec.queues.contains_key(*owner));
        if let Some(owner) = owner {
            let message = format!("`{name}` is the name of the dead-letter queue that `{owner}` gets");
            report.key(&["spec", "queues", name], complaint("reserved-name", message, "choose another name"));
        }
    }
}

/// Limits of the full names: `DynamoDB` 255, SQS 80 with its suffixes, Lambda 64 (API references, `CreateTable`,
/// `CreateQueue`, `CreateFunction`).
fn lengths(spec: &CellSpec, stack: &str, report: &mut Report<'_>) {
    for name in spec.tables.keys() {
        length("tables", name, &format!("{stack}-{name}"), 255, report);
    }
    for (name, queue) in &spec.queues {
        let suffix = if queue.fifo { FIFO } else { "" };
        length("queues", name, &format!("{stack}-{name}{DEAD_LETTERS}{suffix}"), 80, report);
    }
    for name in spec.functions.keys() {
        length("functions", name, &format!("{stack}-{name}"), 64, report);
    }
}

fn length(kind: &str, name: &str, full: &str, chars_max: usize, report: &mut Report<'_>) {
    if full.len() > chars_max {
        report.key(&["spec", kind, name], too_long(full, chars_max));
    }
}

fn too_long(full: &str, chars_max: usize) -> Complaint {
    let over = full.len() - chars_max;
    let message = format!("the full name `{full}` has {} characters; AWS takes {chars_max}", full.len());
    complaint("name-too-long", message, format!("shorten the name by {over}"))
}
