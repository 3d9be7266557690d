//! What an update would change.
//!
//! Owns: the comparison behind updates and change sets. Constraint kept: it knows of a property only whether the
//! service can change it in place, for the types in its table; every other property it takes to be changeable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::errors::Refusal;
use super::items::naming_property;
use super::state::Facts;
use super::template::{ATTRIBUTES, Resource};

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is made.
    Add,
    /// It is changed or replaced.
    Modify,
    /// It goes.
    Remove,
    /// An existing one joins the stack.
    Import,
}

impl Action {
    /// The word of the interface.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Modify => "Modify",
            Self::Remove => "Remove",
            Self::Import => "Import",
        }
    }
}

/// One reason why a resource changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detail {
    /// `Properties`, `Metadata`, `Tags` and so on.
    pub(crate) attribute: &'static str,
    /// The property.
    pub(crate) name: Option<String>,
    /// `Never`, `Conditionally` or `Always`.
    pub(crate) recreation: &'static str,
    /// `DirectModification`, `ParameterReference` or `ResourceReference`.
    pub(crate) source: &'static str,
    /// What it refers to.
    pub(crate) entity: Option<String>,
}

/// One change of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// What happens.
    pub(crate) action: Action,
    /// Logical id.
    pub(crate) logical: Arc<str>,
    /// Type.
    pub(crate) kind: Arc<str>,
    /// `True`, `Conditional` or `False`, for a modification.
    pub(crate) replacement: Option<&'static str>,
    /// Why, for a modification.
    pub(crate) details: Vec<Detail>,
}

impl Change {
    /// A change without details.
    pub(crate) fn of(action: Action, resource: &Resource) -> Self {
        let (logical, kind) = (Arc::clone(&resource.logical), Arc::clone(&resource.kind));
        Self { action, logical, kind, replacement: None, details: Vec::new() }
    }

    /// The attributes that change, each once.
    pub(crate) fn scope(&self) -> BTreeSet<&'static str> {
        self.details.iter().map(|detail| detail.attribute).collect()
    }
}

/// The changes from one to the other, in the order of the new template, removals last. `overrides` dictates the
/// replacement of resources by logical id.
pub(crate) fn changes(
    old: &Facts,
    new: &Facts,
    overrides: &BTreeMap<String, &'static str>,
) -> Result<Vec<Change>, Refusal> {
    refuse_changed_types(old, new)?;
    let mut found: Vec<Change> = Vec::new();
    for resource in &new.template.resources {
        match old.template.resource(&resource.logical) {
            None => found.push(Change::of(Action::Add, resource)),
            Some(before) => found.extend(modification(before, resource, old, new)),
        }
    }
    add_dependents(new, &mut found);
    for change in found.iter_mut().filter(|change| change.action == Action::Modify) {
        change.replacement = overrides.get(&*change.logical).copied().or(change.replacement);
    }
    let removed = old.template.resources.iter().filter(|r| new.template.resource(&r.logical).is_none());
    found.extend(removed.map(|resource| Change::of(Action::Remove, resource)));
    Ok(found)
}

/// Whether an update to `new` would be one at all.
pub(crate) fn is_same(old: &Facts, new: &Facts, changes: &[Change]) -> bool {
    let outputs = |facts: &Facts| -> Vec<String> {
        facts.template.outputs.iter().map(|(k, v)| format!("{k}={}", super::resolve::canonical(v))).collect()
    };
    let is_opaque = new.template.resources.is_empty();
    let same_text = !is_opaque || old.template.text == new.template.text;
    changes.is_empty() && same_text && old.tags == new.tags && outputs(old) == outputs(new)
}

fn refuse_changed_types(old: &Facts, new: &Facts) -> Result<(), Refusal> {
    let changed = |r: &&Resource| old.template.resource(&r.logical).is_some_and(|before| before.kind != r.kind);
    let names: Vec<&str> = new.template.resources.iter().filter(changed).map(|r| &*r.logical).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Refusal::validation(format!(
        "Update of resource type is not permitted. The new template modifies resource type of the following \
         resources: [{}]",
        names.join(", ")
    )))
}

fn modification(before: &Resource, after: &Resource, old: &Facts, new: &Facts) -> Option<Change> {
    let keys: BTreeSet<&String> = before.properties.keys().chain(after.properties.keys()).collect();
    let mut details: Vec<Detail> = keys
        .iter()
        .filter(|key| before.properties.get(**key) != after.properties.get(**key))
        .map(|key| detail(&after.kind, key, "DirectModification", None))
        .collect();
    for (key, names) in &after.references {
        let changed = names.iter().find(|name| old.parameters.get(*name) != new.parameters.get(*name));
        details.extend(changed.map(|name| detail(&after.kind, key, "ParameterReference", Some(name.clone()))));
    }
    let changed = ATTRIBUTES.iter().filter(|name| before.attributes.get(*name) != after.attributes.get(*name));
    details.extend(changed.map(|name| plain_detail(name)));
    if old.tags != new.tags {
        details.push(plain_detail("Tags"));
    }
    if details.is_empty() {
        return None;
    }
    Some(Change { replacement: Some(replacement(&details)), details, ..Change::of(Action::Modify, after) })
}

/// What refers to a resource that may get another physical id changes along.
fn add_dependents(new: &Facts, found: &mut Vec<Change>) {
    let replaced: BTreeSet<String> = found
        .iter()
        .filter(|change| matches!(change.replacement, Some("True" | "Conditional")))
        .map(|change| change.logical.to_string())
        .collect();
    for resource in &new.template.resources {
        if found.iter().any(|change| change.logical == resource.logical) {
            continue;
        }
        let through =
            resource.references.iter().filter_map(|(key, names)| Some((key, names.intersection(&replaced).next()?)));
        let details: Vec<Detail> =
            through.map(|(key, name)| detail(&resource.kind, key, "ResourceReference", Some(name.clone()))).collect();
        if !details.is_empty() {
            let replacement = if replacement(&details) == "False" { "False" } else { "Conditional" };
            found.push(Change { replacement: Some(replacement), details, ..Change::of(Action::Modify, resource) });
        }
    }
}

fn plain_detail(attribute: &'static str) -> Detail {
    Detail { attribute, name: None, recreation: "Never", source: "DirectModification", entity: None }
}

fn detail(kind: &str, key: &str, source: &'static str, entity: Option<String>) -> Detail {
    let attribute = if key == "Tags" { "Tags" } else { "Properties" };
    Detail { attribute, name: Some(key.to_owned()), recreation: recreation(kind, key), source, entity }
}

fn replacement(details: &[Detail]) -> &'static str {
    let any = |word: &str| details.iter().any(|detail| detail.recreation == word);
    match (any("Always"), any("Conditionally")) {
        (true, _) => "True",
        (_, true) => "Conditional",
        _ => "False",
    }
}

/// Whether the service has to replace the resource, from the "Update requires" lines of the resource reference.
fn recreation(kind: &str, key: &str) -> &'static str {
    if naming_property(kind) == Some(key) {
        return "Always";
    }
    match (kind, key) {
        ("AWS::DynamoDB::Table", "KeySchema" | "LocalSecondaryIndexes" | "ImportSourceSpecification")
        | ("AWS::SQS::Queue", "FifoQueue")
        | ("AWS::SNS::Topic", "FifoTopic")
        | ("AWS::Lambda::Function", "PackageType")
        | ("AWS::Lambda::EventSourceMapping", "EventSourceArn" | "StartingPosition")
        | ("AWS::IAM::Role", "Path") => "Always",
        ("AWS::DynamoDB::Table", "AttributeDefinitions") => "Conditionally",
        _ => "Never",
    }
}
