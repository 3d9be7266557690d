//! The fleet's own file, and the fleet that is made of it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::report::{Report, complaint, located};
use super::super::{FleetFile, SourceFile};
use super::{tenants, values};
use crate::domain::finding::Finding;
use crate::domain::fleet::{Cell, Fleet, Place};
use crate::domain::ids::{Region, Residency};

/// What the stacks begin with that hold a fleet's control state (`StackName::of_control`).
const RESERVED: &str = "cellctl";

/// Checks what the schema cannot: a name that is cellctl's own, secrets in labels and tags, Regions named twice.
pub(super) fn check(definition: &FleetFile, report: &mut Report<'_>) {
    let name = definition.metadata.name.as_str();
    if name == RESERVED || name.strip_prefix(RESERVED).is_some_and(|rest| rest.starts_with('-')) {
        let message = format!("the fleet name `{name}` is reserved: cellctl's own stacks begin with `{RESERVED}-`");
        report.value(&["metadata", "name"], complaint("reserved-name", message, "choose another name"));
    }
    values::check_public(&["metadata", "labels"], &definition.metadata.labels, report);
    values::check_public(&["spec", "tags"], &definition.spec.tags, report);
    for (name, regions) in &definition.spec.residency {
        tenants::unique(&["spec", "residency", name], regions, report);
    }
}

/// Each residency with the warning that no cell is in its Regions: only all files together tell whether it holds.
pub(super) fn residency_places(
    definition: &FleetFile,
    file: &SourceFile,
    report: &Report<'_>,
) -> Vec<(String, Finding)> {
    let warning = |name: &String| {
        let message =
            format!("no cell is in a Region of the residency `{name}`: no tenant that asks for it can be placed");
        let finding = Finding::error("empty-residency", &*file.path, message)
            .hint("define a cell in one of its Regions, or remove it")
            .as_warning();
        let at = report.key_position(&["spec", "residency", name]);
        (name.clone(), located(finding, at, &file.text))
    };
    definition.spec.residency.keys().map(warning).collect()
}

/// The finding when no file describes the fleet.
pub(super) fn missing() -> Finding {
    Finding::error("missing-fleet", "fleet.yaml", "there is no fleet.yaml with `kind: Fleet`")
        .hint("write one with `apiVersion: cellctl/v1`, `kind: Fleet`, `metadata.name` and `spec.region`")
}

/// The fleet; `None` only where a name escaped the schema, which the shape check rules out.
pub(super) fn build(file: &FleetFile, cells: Vec<Cell>) -> Option<Fleet> {
    let account = file.spec.account.as_deref().map(str::parse).transpose().ok()?;
    Some(Fleet {
        name: file.metadata.name.parse().ok()?,
        labels: sorted(file.metadata.labels.iter()),
        control: Place { region: file.spec.region.parse().ok()?, account, role_arn: None },
        tags: sorted(file.spec.tags.iter()),
        concurrency: file.spec.concurrency,
        max_failures: file.spec.max_failures,
        rollout: file.spec.rollout.clone(),
        residency: residency(file)?,
        cells,
    })
}

/// The sets of Regions; `None` only where a name escaped the schema.
fn residency(file: &FleetFile) -> Option<BTreeMap<Residency, BTreeSet<Region>>> {
    let set = |(name, regions): (&String, &Vec<String>)| {
        let regions: Option<BTreeSet<Region>> = regions.iter().map(|region| region.parse().ok()).collect();
        Some((name.parse().ok()?, regions?))
    };
    file.spec.residency.iter().map(set).collect()
}

/// A mapping in the order of its keys.
pub(super) fn sorted<'a>(entries: impl Iterator<Item = (&'a String, &'a String)>) -> BTreeMap<String, String> {
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}
