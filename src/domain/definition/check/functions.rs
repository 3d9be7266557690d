//! Functions: what they refer to, what sets them off, and their environment.
//!
//! Constraint kept: every atom that a function names is in the same cell; a cell refers to nothing outside itself.

use std::collections::HashSet;

use super::super::report::{Report, complaint};
use super::super::{CellSpec, Function, Seconds};
use super::{queues, values};
use crate::domain::finding::did_you_mean;
use crate::domain::secrets::reference_hint;

/// Time-out of a function that names none.
pub(super) const TIMEOUT_DEFAULT: Seconds = Seconds(30);
/// Longest time-out (Lambda quotas).
const TIMEOUT_MAX: Seconds = Seconds(900);
/// Most messages of a FIFO queue in one batch (Lambda guide, "Using Lambda with Amazon SQS").
const FIFO_BATCH_MAX: u32 = 10;
/// Bytes of all names and values of an environment (Lambda quotas).
const ENVIRONMENT_BYTES_MAX: usize = 4096;
/// Variables below `AWS_` that Lambda leaves to the user (Lambda guide, "Using environment variables").
const AWS_ALLOWED: [&str; 3] =
    ["AWS_LAMBDA_EXEC_WRAPPER", "AWS_NODEJS_CONNECTION_REUSE_ENABLED", "AWS_STS_REGIONAL_ENDPOINTS"];

/// Checks all functions of a cell.
pub(super) fn check(spec: &CellSpec, report: &mut Report<'_>) {
    for (name, function) in &spec.functions {
        let path = ["spec", "functions", name.as_str()];
        let timeout = [path.as_slice(), &["timeout"]].concat();
        queues::within(&timeout, function.timeout, Seconds(1), TIMEOUT_MAX, report);
        check_references(&path, spec, function, report);
        check_batch(&path, spec, function, report);
        check_environment(&path, function, report);
    }
}

fn check_references(path: &[&str; 3], spec: &CellSpec, function: &Function, report: &mut Report<'_>) {
    let tables: Vec<&str> = spec.tables.keys().map(String::as_str).collect();
    let queues: Vec<&str> = spec.queues.keys().map(String::as_str).collect();
    for (field, names, kind, known) in [
        ("consumes", &function.consumes, "queue", &queues),
        ("sends", &function.sends, "queue", &queues),
        ("streams", &function.streams, "table", &tables),
        ("reads", &function.reads, "table", &tables),
        ("writes", &function.writes, "table", &tables),
    ] {
        let mut seen = HashSet::new();
        for (index, name) in names.iter().enumerate() {
            let index = index.to_string();
            let at = [path.as_slice(), &[field, &index]].concat();
            if !seen.insert(name) {
                let message = format!("`{name}` is in `{field}` twice");
                report.value(&at, complaint("duplicate-reference", message, "remove one of the two"));
            } else if !known.contains(&name.as_str()) {
                let message = format!("`{field}` names `{name}`, but the cell has no such {kind}");
                report.value(&at, complaint("unknown-reference", message, unknown_hint(name, kind, known)));
            }
        }
    }
}

fn unknown_hint(name: &str, kind: &str, known: &[&str]) -> String {
    if let Some(meant) = did_you_mean(name, known.iter().copied()) {
        return format!("did you mean `{meant}`?");
    }
    if known.is_empty() {
        return format!("the cell has no {kind}s yet; add it below `{kind}s`");
    }
    format!("its {kind}s are {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))
}

fn check_batch(path: &[&str; 3], spec: &CellSpec, function: &Function, report: &mut Report<'_>) {
    let Some(size) = function.batch_size else { return };
    let at = [path.as_slice(), &["batchSize"]].concat();
    let fifo = function.consumes.iter().find(|q| spec.queues.get(*q).is_some_and(|q| q.fifo));
    if let Some(queue) = fifo.filter(|_| size > FIFO_BATCH_MAX) {
        let message = format!("`batchSize` is {size}, but `{queue}` is a FIFO queue");
        let hint = format!("use 1 to {FIFO_BATCH_MAX}: Lambda takes no more from a FIFO queue at a time");
        report.value(&at, complaint("bad-value", message, hint));
    }
    if function.consumes.is_empty() && function.streams.is_empty() {
        let hint = "remove it, or name a queue in `consumes` or a table in `streams`";
        let message = "`batchSize` has no effect: nothing hands batches to the function";
        report.key(&at, complaint("no-effect", message, hint).warning());
    }
}

fn check_environment(path: &[&str; 3], function: &Function, report: &mut Report<'_>) {
    let at = [path.as_slice(), &["environment"]].concat();
    let bytes: usize = function.environment.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES_MAX {
        let message = format!("the environment has {bytes} bytes; Lambda takes {ENVIRONMENT_BYTES_MAX}");
        report.key(&at, complaint("bad-value", message, "move long values into a table, a parameter or the code"));
    }
    for key in function.environment.keys().filter(|key| is_reserved(key)) {
        let message = format!("the variable `{key}` is reserved for Lambda");
        let hint = "choose a name that begins with neither `AWS_` nor `LAMBDA_`";
        report.key(&[at.as_slice(), &[key]].concat(), complaint("reserved-name", message, hint));
    }
    for (key, _) in function.environment.iter().filter(|(_, value)| value.contains("{{resolve:ssm-secure:")) {
        let message = format!("`{key}` uses an ssm-secure reference, which Lambda does not resolve here");
        let hint = "keep it in Secrets Manager and write {{resolve:secretsmanager:NAME:SecretString:KEY}}";
        report.value(&[at.as_slice(), &[key]].concat(), complaint("bad-reference", message, hint));
    }
    values::check_secrets(&at, &function.environment, reference_hint(true), report);
}

fn is_reserved(key: &str) -> bool {
    (key.starts_with("AWS_") || key.starts_with("LAMBDA_")) && !AWS_ALLOWED.contains(&key)
}
