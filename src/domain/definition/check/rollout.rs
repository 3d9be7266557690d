//! Waves of a rollout: names, selectors and bakes; where each of them stands, for what only all files together tell.
//!
//! Constraint kept: what passes here can be made into waves and gates, whatever cells there are.

use std::collections::HashSet;

use super::super::report::{Report, complaint, located};
use super::super::{GateKind, RolloutSpec, Seconds, SourceFile, WaveSpec};
use super::{gates, queues, tenants};
use crate::domain::finding::{Finding, did_you_mean};
use crate::domain::fleet::Cell;
use crate::domain::rollout::gate::Check;
use crate::domain::rollout::waves::{self, BAKE_DEFAULT, Problem, STACK_GATE};
use crate::domain::select::Selector;

/// Longest bake: a rollout that is open refuses every other one, and every apply.
const BAKE_MAX: Seconds = Seconds(7 * 86_400);

/// Checks waves and gates.
pub(super) fn check(spec: &RolloutSpec, report: &mut Report<'_>) {
    gates::check(spec, report);
    let mut names = HashSet::new();
    for (index, wave) in spec.waves.iter().enumerate() {
        let at = index.to_string();
        let path = |field| ["spec", "rollout", "waves", at.as_str(), field];
        if !names.insert(wave.name.as_str()) {
            let message = format!("two waves are called `{}`", wave.name);
            report.value(&path("name"), complaint("duplicate-name", message, "rename one of the two"));
        }
        check_selector(wave, &path("select"), report);
        queues::within(&path("bake"), wave.bake, Seconds(0), BAKE_MAX, report);
        check_names(wave, spec, &path("gates"), report);
        check_points(wave, spec, &path("name"), report);
    }
}

fn check_selector(wave: &WaveSpec, path: &[&str], report: &mut Report<'_>) {
    let Some(Err(error)) = wave.select.as_deref().map(str::parse::<Selector>) else { return };
    let hint = "write key=pattern, such as type=canary, as `--select` takes it";
    report.value(path, complaint("bad-selector", error.to_string(), hint));
}

/// Gates that a wave names are there, and named once.
fn check_names(wave: &WaveSpec, spec: &RolloutSpec, path: &[&str], report: &mut Report<'_>) {
    let Some(names) = &wave.gates else { return };
    tenants::unique(path, names, report);
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !spec.gates.contains_key(*name)) {
        let known = || spec.gates.keys().map(String::as_str);
        let hint = if name == STACK_GATE {
            "remove it: the status of every changed stack is always looked at".to_owned()
        } else if let Some(meant) = did_you_mean(name, known()) {
            format!("did you mean `{meant}`?")
        } else {
            format!("define it in `spec.rollout.gates`, which has {}", all(known()))
        };
        let message = format!("wave `{}` names the gate `{name}`, which is not there", wave.name);
        report.value(&[path, &[&index.to_string()]].concat(), complaint("unknown-reference", message, hint));
    }
}

fn all<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A bake during which a metric cannot have the data points that its gate asks for fails always.
fn check_points(wave: &WaveSpec, spec: &RolloutSpec, path: &[&str], report: &mut Report<'_>) {
    let bake = wave.bake.unwrap_or(BAKE_DEFAULT);
    let names = |name: &String| wave.gates.as_ref().is_none_or(|gates| gates.contains(name));
    for (name, gate) in spec.gates.iter().filter(|(name, gate)| gate.kind == GateKind::Metric && names(name)) {
        let Ok(Check::Metric(metric)) = waves::resolve(name, gate).map(|gate| gate.check) else { continue };
        let needed = Seconds(metric.points_min.saturating_mul(metric.period_s));
        if needed > bake {
            let message = format!(
                "wave `{}` bakes for {bake}, but its gate `{name}` needs {} data points of {}: it would always fail",
                wave.name,
                metric.points_min,
                Seconds(metric.period_s)
            );
            let hint = format!("set `bake` to {needed} or more, or leave the gate out with `gates`");
            report.value(path, complaint("short-bake", message, hint));
        }
    }
}

/// Where each wave stands: findings without words, as the file's tree is gone when all files are known.
#[derive(Debug)]
pub(super) struct Places {
    /// Of `spec.rollout.waves`.
    whole: Finding,
    /// Of each wave, in their order.
    each: Vec<Finding>,
}

impl Places {
    pub(super) fn of(spec: &RolloutSpec, file: &SourceFile, report: &Report<'_>) -> Self {
        let place = |path: &[&str]| {
            let finding = Finding::error("waves", &*file.path, "").as_warning();
            located(finding, report.key_position(path), &file.text)
        };
        let one = |index: usize| place(&["spec", "rollout", "waves", &index.to_string()]);
        Self { whole: place(&["spec", "rollout", "waves"]), each: (0..spec.waves.len()).map(one).collect() }
    }

    /// What does not fit between these waves and the fleet's cells. Default waves fit every fleet.
    pub(super) fn findings(&self, cells: &[(&Cell, u64)], spec: &RolloutSpec) -> Vec<Finding> {
        if spec.waves.is_empty() {
            return Vec::new();
        }
        let arranged = waves::arrange(cells, spec);
        arranged.problems.iter().chain(&arranged.notes).map(|problem| self.finding(problem)).collect()
    }

    fn finding(&self, problem: &Problem) -> Finding {
        let place = problem.wave.and_then(|index| self.each.get(index)).unwrap_or(&self.whole);
        Finding { message: problem.message.clone(), ..place.clone() }.hint(&*problem.hint)
    }
}
