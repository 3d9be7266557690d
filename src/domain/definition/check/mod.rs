//! The check of definitions: from files to a fleet whose every field is known to be usable.
//!
//! Owns: the order of the checks (shape, meaning of one file, meaning across files). Constraint kept: findings of all
//! files come at once; a file's tree can be dropped as soon as the file was examined, so that ten thousand cells need
//! little memory.

mod across;
mod fleet;
mod functions;
mod gates;
mod names;
mod place;
mod queues;
mod rollout;
mod tables;
mod tenants;
mod values;

use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::report::{FLEET_STEM, Report, complaint, located, stem_of};
use super::{CellFile, DefinitionKind, FleetFile, SourceFile, resolve, shape};
use crate::domain::doc::{Node, Position};
use crate::domain::finding::{Finding, Severity};
use crate::domain::fleet::{Cell, Fleet};

/// A checked fleet, and what is worth knowing about it.
#[derive(Debug)]
pub struct Checked {
    /// The fleet.
    pub fleet: Fleet,
    /// Findings that refuse nothing, sorted by file and line.
    pub warnings: Vec<Finding>,
}

/// What the fleet's file says, for the checks of its cells. `None` where the file is absent or wrong: the checks that
/// need it are then left out, as their findings would be noise.
pub type Settings<'a> = Option<&'a FleetFile>;

/// What is left of a file after its check.
#[derive(Debug)]
pub struct Examined {
    content: Option<Content>,
    findings: Vec<Finding>,
    /// Whether the file is the fleet's, in order or not.
    is_fleet: bool,
}

#[derive(Debug)]
enum Content {
    Fleet(Box<NamedFleet>),
    Cell(Box<NamedCell>),
}

/// The fleet's definition with the file that it is from.
#[derive(Debug)]
struct NamedFleet {
    definition: FleetFile,
    file: String,
    /// For each residency a warning at its place, of use only where no cell is in its Regions.
    residency: Vec<(String, Finding)>,
    /// Where its waves stand.
    waves: rollout::Places,
}

/// A cell with the place of its name, for findings across files.
#[derive(Debug)]
struct NamedCell {
    name: String,
    file: String,
    at: Position,
    excerpt: Option<String>,
    /// Absent where something is wrong with the cell, or with the fleet.
    cell: Option<Cell>,
}

impl Examined {
    /// The fleet's file, if this is it and it is in order.
    pub fn settings(&self) -> Settings<'_> {
        match &self.content {
            Some(Content::Fleet(fleet)) if self.is_fleet => Some(&fleet.definition),
            _ => None,
        }
    }

    /// A finding in place of a file that could not be read.
    pub fn unreadable(finding: Finding) -> Self {
        let is_fleet = stem_of(&finding.file) == FLEET_STEM;
        Self { content: None, findings: vec![finding], is_fleet }
    }
}

/// Checks all files of a fleet. The findings include the warnings, sorted by file and line.
pub fn check(files: &[SourceFile]) -> Result<Checked, Vec<Finding>> {
    let (fleets, cells): (Vec<&SourceFile>, Vec<&SourceFile>) = files.iter().partition(|file| file.is_fleet());
    let mut examined: Vec<Examined> = fleets.into_iter().map(|file| examine(file, None)).collect();
    let settings = examined.iter().find_map(Examined::settings);
    let of_cells: Vec<Examined> = cells.into_par_iter().map(|file| examine(file, settings)).collect();
    examined.extend(of_cells);
    assemble(examined)
}

/// Checks one file: alone, and against what the fleet's file says.
pub fn examine(file: &SourceFile, settings: Settings<'_>) -> Examined {
    let root = match &file.parsed {
        Ok(root) => root,
        Err((at, message)) => return Examined::unreadable(syntax(file, *at, message)),
    };
    let mut report = Report::new(file, root);
    let value = resolve::to_json(root, &mut report);
    let kind = kind_of(file, root);
    let content = match kind {
        DefinitionKind::Fleet => typed::<FleetFile>(kind, root, value, &mut report).map(|definition| {
            fleet::check(&definition, &mut report);
            rollout::check(&definition.spec.rollout, &mut report);
            let residency = fleet::residency_places(&definition, file, &report);
            let waves = rollout::Places::of(&definition.spec.rollout, file, &report);
            Content::Fleet(Box::new(NamedFleet { definition, file: file.path.clone(), residency, waves }))
        }),
        DefinitionKind::Cell => typed::<CellFile>(kind, root, value, &mut report)
            .map(|definition| Content::Cell(Box::new(cell(definition, file, settings, &mut report)))),
    };
    names::check_file(kind, file, root, &mut report);
    Examined { content, findings: report.into_findings(), is_fleet: file.is_fleet() }
}

/// Puts the files together: one fleet, every name once. Sorted by file and line.
pub fn assemble(examined: Vec<Examined>) -> Result<Checked, Vec<Finding>> {
    let mut findings = Vec::new();
    let (mut fleets, mut cells) = (Vec::new(), Vec::new());
    if !examined.iter().any(|one| one.is_fleet) {
        findings.push(fleet::missing());
    }
    for one in examined {
        findings.extend(one.findings);
        match one.content {
            Some(Content::Fleet(fleet)) if one.is_fleet => fleets.push(*fleet),
            Some(Content::Cell(cell)) => cells.push(*cell),
            _ => {}
        }
    }
    cells.sort_by(|a, b| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
    findings.extend(across::fleets(&fleets));
    findings.extend(across::duplicates(&cells));
    findings.extend(across::overlaps(&cells));
    findings.extend(across::empty_residencies(&fleets, &cells));
    if !findings.iter().any(|f| f.severity == Severity::Error) {
        findings.extend(across::waves(&fleets, &cells));
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    if findings.iter().any(|f| f.severity == Severity::Error) {
        return Err(findings);
    }
    let cells = cells.into_iter().filter_map(|named| named.cell).collect();
    let fleet = fleets.first().and_then(|fleet| fleet::build(&fleet.definition, cells));
    fleet.map(|fleet| Checked { fleet, warnings: findings }).ok_or_else(|| vec![fleet::missing()])
}

/// The kind that a file says it is; where it does not, the kind that its name stands for.
fn kind_of(file: &SourceFile, root: &Node) -> DefinitionKind {
    match root.get("kind").and_then(Node::as_str) {
        Some("Fleet") => DefinitionKind::Fleet,
        Some("Cell") => DefinitionKind::Cell,
        _ if file.is_fleet() => DefinitionKind::Fleet,
        _ => DefinitionKind::Cell,
    }
}

/// Checks the shape and gives the typed definition.
fn typed<T: DeserializeOwned>(kind: DefinitionKind, root: &Node, value: Json, report: &mut Report<'_>) -> Option<T> {
    if !shape::check(kind, root, &value, report) {
        return None;
    }
    match serde_json::from_value(value) {
        Ok(definition) => Some(definition),
        Err(error) => {
            let hint = "compare the file with the schema that `cellctl schema` prints";
            report.value(&[], complaint("bad-value", format!("the definition cannot be read: {error}"), hint));
            None
        }
    }
}

/// The checks of a cell's meaning, and the cell.
fn cell(definition: CellFile, file: &SourceFile, settings: Settings<'_>, report: &mut Report<'_>) -> NamedCell {
    tables::check(&definition.spec, report);
    queues::check(&definition.spec, report);
    functions::check(&definition.spec, report);
    tenants::check(&definition.spec, report);
    values::check_cell(&definition, settings, report);
    names::check_cell(&definition, settings, report);
    let place = place::check(&definition.spec, settings, report);
    let at = report.key_position(&["metadata", "name"]);
    let name = definition.metadata.name.clone();
    let excerpt = located(Finding::error("", "", ""), at, &file.text).excerpt;
    let cell = settings.and_then(|fleet| place::build(definition, place?, fleet, file));
    NamedCell { name, file: file.path.clone(), at, excerpt, cell }
}

fn syntax(file: &SourceFile, at: Position, message: &str) -> Finding {
    let finding = Finding::error("syntax", &*file.path, format!("this is not valid YAML: {message}"))
        .hint("look at this line and the one before: indentation, a missing quote, colon or bracket");
    located(finding, at, &file.text)
}
