//! The shape check: is every field known, present where it must be, and of the right form?
//!
//! Owns: running the schema over a document and placing what it refuses. Constraint kept: every refusal becomes a
//! finding of its own; a valid document costs one pass and no allocation of errors.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::complaint::{self, Site};
use super::report::{Complaint, FINDINGS_MAX, Report, complaint};
use super::schema::{DefinitionKind, compiled};
use crate::domain::doc::Node;
use crate::domain::finding::did_you_mean;

/// Reports everything in `value` that the kind's schema refuses; says whether nothing was.
pub(super) fn check(kind: DefinitionKind, root: &Node, value: &Value, report: &mut Report<'_>) -> bool {
    let compiled = match compiled(kind) {
        Ok(compiled) => compiled,
        Err(error) => {
            let hint = "this is a bug in cellctl; please report it";
            report.value(&[], complaint("internal", format!("the schema does not compile: {error}"), hint));
            return false;
        }
    };
    if compiled.validator.is_valid(value) {
        return true;
    }
    let errors: Vec<_> = compiled.validator.iter_errors(value).take(FINDINGS_MAX + 1).collect();
    let typos = near_misses(&errors, &compiled.document);
    for error in &errors {
        place(error, &compiled.document, root, &typos, report);
    }
    false
}

/// Missing fields that an unknown field beside them was most likely meant to be, with the path of their mapping.
fn near_misses(errors: &[ValidationError<'_>], document: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for error in errors {
        let Kind::AdditionalProperties { unexpected } = error.kind() else { continue };
        let known = known_fields(error, document);
        let path = error.instance_path().as_str();
        let meant = unexpected.iter().take(FINDINGS_MAX).filter_map(|word| did_you_mean(word, known.iter().copied()));
        found.extend(meant.map(|field| (path.to_owned(), field.to_owned())));
    }
    found
}

/// Writes one refusal of the schema into the report, at the key, the value or the parent.
fn place(
    error: &ValidationError<'_>,
    document: &Value,
    root: &Node,
    typos: &[(String, String)],
    report: &mut Report<'_>,
) {
    let pointer = error.instance_path().as_str();
    let tokens = tokens_of(pointer);
    let path: Vec<&str> = tokens.iter().map(String::as_str).collect();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let known = known_fields(error, document);
            for field in unexpected.iter().take(FINDINGS_MAX + 1) {
                report.key(&joined(&path, field), complaint::unknown_field(field, &path, &known));
            }
        }
        Kind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            if !typos.iter().any(|(at, meant)| at == pointer && meant == field) {
                report.key(&path, complaint::missing_field(field, &path, parent_schema(error, document)));
            }
        }
        Kind::PropertyNames { error: inner } => {
            let key = inner.instance().as_str().unwrap_or_default();
            report.key(&joined(&path, key), complaint::bad_key(key, &path, parent_schema(error, document)));
        }
        Kind::MaxProperties { .. } | Kind::MaxItems { .. } => {
            report.key(&path, bad_value(error, document, root, &path));
        }
        _ => report.value(&path, bad_value(error, document, root, &path)),
    }
}

fn bad_value(error: &ValidationError<'_>, document: &Value, root: &Node, path: &[&str]) -> Complaint {
    let site =
        Site { path, node: root.follow(path).0, value: error.instance(), schema: parent_schema(error, document) };
    complaint::bad_value(error, &site)
}

fn joined<'a>(path: &[&'a str], last: &'a str) -> Vec<&'a str> {
    path.iter().copied().chain([last]).collect()
}

/// The schema that holds the keyword which failed.
fn parent_schema<'d>(error: &ValidationError<'_>, document: &'d Value) -> &'d Value {
    let path = error.schema_path().as_str();
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    document.pointer(parent).unwrap_or(&Value::Null)
}

fn known_fields<'d>(error: &ValidationError<'_>, document: &'d Value) -> Vec<&'d str> {
    let properties = parent_schema(error, document).get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// The tokens of a JSON pointer.
fn tokens_of(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}
