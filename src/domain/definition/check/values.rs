//! Free text that users fill in: tags, parameters and environments, and the secrets that do not belong there.
//!
//! Constraint kept: a secret's value is in no finding; messages name the key and the kind of secret.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::super::CellFile;
use super::super::report::{Report, complaint};
use super::Settings;
use crate::domain::secrets::{looks_secret, reference_hint};

/// Tags that a user may set on a stack: AWS takes 50 (CloudFormation API reference, `CreateStack`), and cellctl sets
/// up to five of its own.
const TAGS_MAX: usize = 45;

/// Checks the labels, tags and parameters of a cell.
pub(super) fn check_cell(definition: &CellFile, settings: Settings<'_>, report: &mut Report<'_>) {
    let spec = &definition.spec;
    check_public(&["metadata", "labels"], &definition.metadata.labels, report);
    check_public(&["spec", "tags"], &spec.tags, report);
    check_secrets(&["spec", "parameters"], &spec.parameters, reference_hint(false), report);
    let of_fleet = settings.into_iter().flat_map(|fleet| fleet.spec.tags.keys());
    let keys: HashSet<&String> = spec.tags.keys().chain(of_fleet).collect();
    if keys.len() > TAGS_MAX {
        let message =
            format!("the stack would have {} tags, with those of the fleet; it may have {TAGS_MAX}", keys.len());
        report.key(&["spec", "tags"], complaint("too-many-tags", message, "remove some, here or in fleet.yaml"));
    }
}

/// Refuses secrets in labels or tags, which everybody sees who may list stacks: no reference helps there.
pub(super) fn check_public(path: &[&str], texts: &IndexMap<String, String>, report: &mut Report<'_>) {
    let hint = "remove it: tags and labels are shown to everybody who may list stacks; change the secret if this file was \
                ever committed";
    check_secrets(path, texts, hint, report);
}

/// Refuses plain-text secrets in a mapping of texts; `hint` says what to write instead.
pub(super) fn check_secrets(path: &[&str], texts: &IndexMap<String, String>, hint: &str, report: &mut Report<'_>) {
    for (key, value) in texts {
        if let Some(kind) = looks_secret(key, value) {
            let message = format!("`{key}` holds {kind} in plain text");
            report.value(&[path, &[key]].concat(), complaint("plain-secret", message, hint));
        }
    }
}
