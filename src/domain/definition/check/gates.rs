//! Gates of a rollout: which fields a kind has and needs, their ranges, and secrets that do not belong there.
//!
//! Constraint kept: a field that would have no effect is refused: a gate that looks at less than was meant is worse than
//! none.

use super::super::report::{Report, complaint};
use super::super::{GateKind, GateSpec, RolloutSpec, Seconds};
use super::{queues, values};
use crate::domain::finding::did_you_mean;
use crate::domain::rollout::waves::STACK_GATE;
use crate::domain::secrets::{argument_secret, looks_secret};

const TIMEOUT_MIN: Seconds = Seconds(1);
/// A probe may take this long: all gates of a look wait for the slowest one.
const TIMEOUT_MAX: Seconds = Seconds(300);
/// `CloudWatch` keeps points of a minute for 15 days; shorter ones are for high-resolution metrics only, which few are
/// (`CloudWatch` API reference, `GetMetricData`, `Period`).
const PERIOD_MIN: Seconds = Seconds(60);
const PERIOD_MAX: Seconds = Seconds(86_400);
/// What stands for a cell's own.
const PLACEHOLDERS: [&str; 3] = ["cell", "stack", "region"];

const SECRET_HINT: &str = "remove it: gates are shown and kept in the rollout's journal; let a command read it from where secrets \
                           are kept, and change it if this file was ever committed";

/// Checks all gates, and that each is in some wave.
pub(super) fn check(spec: &RolloutSpec, report: &mut Report<'_>) {
    let unused = unused(spec);
    for (name, gate) in &spec.gates {
        let path = ["spec", "rollout", "gates", name.as_str()];
        if name == STACK_GATE {
            let message = "the gate name `stack` is reserved: the status of every changed stack is always looked at";
            report.key(&path, complaint("reserved-name", message, "choose another name"));
        }
        if unused.contains(&name) {
            let message = format!("no wave has the gate `{name}`");
            let hint = "name it in the `gates` of a wave, or remove it";
            report.key(&path, complaint("no-effect", message, hint).warning());
        }
        check_fields(gate, &path, report);
        check_ranges(gate, &path, report);
        check_texts(gate, &path, report);
        check_secrets(gate, &path, report);
    }
}

/// Gates that are in no wave. None where a wave names a gate that is not there: it may be one of them, misspelt.
fn unused(spec: &RolloutSpec) -> Vec<&String> {
    let named = || spec.waves.iter().flat_map(|wave| wave.gates.iter().flatten());
    let has_all = spec.waves.is_empty() || spec.waves.iter().any(|wave| wave.gates.is_none());
    if has_all || named().any(|name| !spec.gates.contains_key(name)) {
        return Vec::new();
    }
    spec.gates.keys().filter(|name| !named().any(|other| other == *name)).collect()
}

/// What a kind needs, and what it may have beside `failAfter`.
fn fields(kind: GateKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        GateKind::Alarms => (&[], &[]),
        GateKind::Metric => {
            (&["namespace", "metric", "dimensions"], &["statistic", "worse", "tolerance", "minPoints", "period"])
        }
        GateKind::Queues | GateKind::DeadLetters => (&[], &["max"]),
        GateKind::Command => (&["run"], &["timeout"]),
        GateKind::Http => (&["url"], &["status", "timeout"]),
    }
}

fn word(kind: GateKind) -> &'static str {
    match kind {
        GateKind::Alarms => "alarms",
        GateKind::Metric => "metric",
        GateKind::Queues => "queues",
        GateKind::DeadLetters => "deadLetters",
        GateKind::Command => "command",
        GateKind::Http => "http",
    }
}

/// The fields that a gate has.
fn written(gate: &GateSpec) -> Vec<&'static str> {
    let all = [
        ("namespace", gate.namespace.is_some()),
        ("metric", gate.metric.is_some()),
        ("dimensions", !gate.dimensions.is_empty()),
        ("statistic", gate.statistic.is_some()),
        ("worse", gate.worse.is_some()),
        ("tolerance", gate.tolerance.is_some()),
        ("minPoints", gate.min_points.is_some()),
        ("period", gate.period.is_some()),
        ("max", gate.max.is_some()),
        ("run", !gate.run.is_empty()),
        ("url", gate.url.is_some()),
        ("status", gate.status.is_some()),
        ("timeout", gate.timeout.is_some()),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}

fn check_fields(gate: &GateSpec, path: &[&str], report: &mut Report<'_>) {
    let (needed, allowed) = fields(gate.kind);
    let (found, kind) = (written(gate), word(gate.kind));
    for field in needed.iter().filter(|field| !found.contains(field)) {
        let message = format!("`kind: {kind}` needs `{field}`");
        report.key(path, complaint("bad-gate", message, format!("add `{field}:`")));
    }
    for field in found.iter().filter(|field| !needed.contains(field) && !allowed.contains(field)) {
        let message = format!("`{field}` has no meaning with `kind: {kind}`");
        let known: Vec<String> =
            needed.iter().chain(allowed).chain(&["failAfter"]).map(|name| format!("`{name}`")).collect();
        let hint = format!("remove it; the fields of this kind are {}", known.join(", "));
        report.key(&[path, &[field]].concat(), complaint("bad-gate", message, hint));
    }
}

fn check_ranges(gate: &GateSpec, path: &[&str], report: &mut Report<'_>) {
    let at = |field| [path, &[field]].concat();
    queues::within(&at("timeout"), gate.timeout, TIMEOUT_MIN, TIMEOUT_MAX, report);
    queues::within(&at("period"), gate.period, PERIOD_MIN, PERIOD_MAX, report);
    if let Some(period) = gate.period.filter(|period| *period > PERIOD_MIN && !period.0.is_multiple_of(PERIOD_MIN.0)) {
        let message = format!("`period` is {period}, which is no whole number of minutes");
        report.value(&at("period"), complaint("bad-value", message, "CloudWatch has data points of whole minutes"));
    }
}

/// Placeholders are known, and a metric is the cell's own.
fn check_texts(gate: &GateSpec, path: &[&str], report: &mut Report<'_>) {
    for (name, value) in &gate.dimensions {
        check_placeholders(value, &[path, &["dimensions", name]].concat(), report);
    }
    for (index, value) in gate.run.iter().enumerate() {
        check_placeholders(value, &[path, &["run", &index.to_string()]].concat(), report);
    }
    if let Some(url) = &gate.url {
        check_placeholders(url, &[path, &["url"]].concat(), report);
    }
    let tells_apart = |value: &String| value.contains("${cell}") || value.contains("${stack}");
    if gate.kind == GateKind::Metric && !gate.dimensions.is_empty() && !gate.dimensions.values().any(tells_apart) {
        let message =
            "no dimension says which cell is meant: cells of one account and Region would be compared with themselves";
        let hint = "use `${cell}` or `${stack}` in a dimension, such as FunctionName: \"${stack}-processor\"";
        report.key(&[path, &["dimensions"]].concat(), complaint("same-metric", message, hint).warning());
    }
}

fn check_placeholders(text: &str, path: &[&str], report: &mut Report<'_>) {
    for rest in text.split("${").skip(1) {
        let name = rest.split_once('}').map_or(rest, |(name, _)| name);
        if rest.contains('}') && PLACEHOLDERS.contains(&name) {
            continue;
        }
        let hint = did_you_mean(name, PLACEHOLDERS).map_or_else(
            || "`${cell}`, `${stack}` and `${region}` are filled in".to_owned(),
            |meant| format!("did you mean `${{{meant}}}`?"),
        );
        let name: String = name.chars().take(40).collect();
        report.value(path, complaint("unknown-placeholder", format!("nothing is filled in for `${{{name}}}`"), hint));
    }
}

fn check_secrets(gate: &GateSpec, path: &[&str], report: &mut Report<'_>) {
    values::check_secrets(&[path, &["dimensions"]].concat(), &gate.dimensions, SECRET_HINT, report);
    let mut before = "";
    for (index, argument) in gate.run.iter().enumerate() {
        if let Some(kind) = argument_secret(before, argument) {
            let message = format!("argument {} of `run` holds {kind} in plain text", index + 1);
            let found = complaint("plain-secret", message, SECRET_HINT).hidden();
            report.value(&[path, &["run", &index.to_string()]].concat(), found);
        }
        before = argument;
    }
    if let Some(kind) = gate.url.as_deref().and_then(url_secret) {
        let message = format!("`url` holds {kind} in plain text");
        report.value(&[path, &["url"]].concat(), complaint("plain-secret", message, SECRET_HINT).hidden());
    }
}

/// What an address gives away: a user before the host, or a secret in its query.
fn url_secret(url: &str) -> Option<&'static str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("a user name or password");
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    looks_secret("", url).or_else(|| pairs.find_map(|(key, value)| looks_secret(key, value)))
}
