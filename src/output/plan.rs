//! A plan as people read it: groups of equal changes, the dangerous first.

use std::fmt::Write as _;

use serde::Serialize;

use crate::domain::ids::CellId;
use crate::domain::plan::group::Risk;
use crate::domain::plan::{Action, Group, Plan, groups};
use crate::domain::template::{ChangeKind, ResourceChange};

use super::Style;

/// Cells of a group that are named; of the others the number is given.
const NAMES_MAX: usize = 6;
/// Changes of a group that are shown.
const CHANGES_MAX: usize = 40;

/// A plan for machines.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanSummary<'a> {
    /// Name of the fleet.
    pub fleet: &'a str,
    /// Digest of the plan.
    pub digest: &'a str,
    /// Whether there is anything to do.
    pub has_changes: bool,
    /// Cells that are as they should be.
    pub unchanged: usize,
    /// When the plan expires, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// Cells without a definition.
    pub orphans: &'a [CellId],
    /// Groups of equal changes, the most dangerous first.
    pub groups: Vec<GroupSummary<'a>>,
}

/// A group for machines.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSummary<'a> {
    /// How dangerous it is.
    pub risk: Risk,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: &'a str,
    /// Why nothing may be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The cells.
    pub cells: &'a [&'a CellId],
    /// Tenants in them.
    pub tenants: u64,
    /// Share of the fleet's tenants that are in them, from 0 to 1.
    pub share: f64,
    /// What differs in the template.
    pub changes: &'a [ResourceChange],
}

/// Hands a summary of the plan to `use_it`; it borrows from the plan.
pub fn with_summary<R>(plan: &Plan, digest: &str, use_it: impl FnOnce(&PlanSummary<'_>) -> R) -> R {
    let groups = groups(plan);
    let summary = PlanSummary {
        fleet: &plan.fleet,
        digest,
        has_changes: plan.has_changes(),
        unchanged: plan.unchanged,
        expires_at_ms: plan.expires_at_ms,
        orphans: &plan.orphans,
        groups: groups.iter().map(|group| group_summary(plan, group)).collect(),
    };
    use_it(&summary)
}

fn group_summary<'a>(plan: &Plan, group: &'a Group<'a>) -> GroupSummary<'a> {
    let step = group.first;
    GroupSummary {
        risk: group.risk,
        action: step.action,
        reason: &step.reason,
        blocked: step.blocked.as_ref().map(|b| b.message(&step.desired.cell, &step.desired.stack)),
        hint: step.blocked.as_ref().map(|b| b.hint(&step.desired.cell)),
        cells: &group.cells,
        tenants: group.tenants,
        share: share(plan, group.tenants),
        changes: group.changes,
    }
}

/// The plan as text.
pub fn text(plan: &Plan, style: Style) -> String {
    let groups = groups(plan);
    let mut text = String::new();
    for group in &groups {
        group_text(&mut text, plan, group, style);
    }
    for orphan in &plan.orphans {
        let hint = format!("`cellctl cell delete {orphan}` removes it");
        let _ =
            writeln!(text, "{} {orphan} has no definition any more; apply leaves it alone, {hint}", style.warn("?"));
    }
    text.push_str(&summary_line(plan, style));
    text
}

/// "Plan: 2 to create, 1 to update, 1 blocked, 3 unchanged."
fn summary_line(plan: &Plan, style: Style) -> String {
    let count = |action: Action| plan.steps.iter().filter(|s| s.action == action).count();
    if plan.steps.is_empty() {
        return format!("{} {}\n", style.good("No changes."), cells_as_they_should_be(plan.unchanged));
    }
    let parts = [
        (count(Action::Create), "to create"),
        (count(Action::Update), "to update"),
        (count(Action::Wait), "to wait for"),
        (count(Action::Blocked), "blocked"),
        (plan.unchanged, "unchanged"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    format!("{} {}.\n{}", style.strong("Plan:"), parts.join(", "), at_risk(plan))
}

/// "All 5 cells are as they should be."
pub fn cells_as_they_should_be(count: usize) -> String {
    match count {
        0 => "There are no cells.".to_owned(),
        1 => "The cell is as it should be.".to_owned(),
        n => format!("All {n} cells are as they should be."),
    }
}

fn group_text(text: &mut String, plan: &Plan, group: &Group<'_>, style: Style) {
    let (sign, verb) = match group.first.action {
        Action::Blocked => (style.bad("!"), "blocked"),
        Action::Create => (style.good("+"), "create"),
        Action::Update => (style.warn("~"), "update"),
        Action::Wait => (style.faint("…"), "wait for"),
        Action::None => (style.faint("="), "keep"),
    };
    let cells = if group.cells.len() == 1 { String::new() } else { format!("{} cells: ", group.cells.len()) };
    let reason =
        if group.first.action == Action::Blocked { String::new() } else { format!(" ({})", group.first.reason) };
    let _ = writeln!(text, "{sign} {} {cells}{}{reason}{}", style.strong(verb), names(group), tenants(plan, group));
    if let Some(blocked) = &group.first.blocked {
        let (cell, stack) = (&group.first.desired.cell, &group.first.desired.stack);
        let _ = writeln!(
            text,
            "    {}\n    {} {}",
            blocked.message(cell, stack),
            style.strong("hint:"),
            blocked.hint(cell)
        );
    }
    for change in group.changes.iter().take(CHANGES_MAX) {
        let _ = writeln!(text, "    {}", change_text(change, style));
    }
    if group.changes.len() > CHANGES_MAX {
        let _ = writeln!(text, "    … and {} more changes", group.changes.len() - CHANGES_MAX);
    }
    if group.first.action == Action::Create {
        let _ = writeln!(text, "    {}", style.faint(&what_is_made(group)));
    }
}

fn names(group: &Group<'_>) -> String {
    let shown: Vec<&str> = group.cells.iter().take(NAMES_MAX).map(|c| c.as_str()).collect();
    let more = group.cells.len().saturating_sub(NAMES_MAX);
    if more == 0 { shown.join(", ") } else { format!("{}, … and {more} more", shown.join(", ")) }
}

fn tenants(plan: &Plan, group: &Group<'_>) -> String {
    if group.tenants == 0 {
        return String::new();
    }
    let plural = if group.tenants == 1 { "" } else { "s" };
    format!(" — {} tenant{plural}, {:.1} % of all", group.tenants, share(plan, group.tenants) * 100.0)
}

/// The share of the fleet's tenants that some of them are, from 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "a share for people")]
fn share(plan: &Plan, tenants: u64) -> f64 {
    if plan.tenants == 0 { 0.0 } else { tenants as f64 / plan.tenants as f64 }
}

/// "Tenants in cells that change: 120 of 2400, 5.0 % of all."
fn at_risk(plan: &Plan) -> String {
    let touched = plan.steps.iter().filter(|step| step.action != Action::Blocked);
    let tenants: u64 = touched.map(|step| step.tenants).sum();
    if tenants == 0 {
        return String::new();
    }
    let share = share(plan, tenants) * 100.0;
    format!("Tenants in cells that change: {tenants} of {}, {share:.1} % of all.\n", plan.tenants)
}

fn what_is_made(group: &Group<'_>) -> String {
    let desired = &group.first.desired;
    let place = &desired.place.region;
    format!(
        "stack {}, {}, {}, {}, in {place}, template {}",
        desired.stack,
        counted(desired.tables.len(), "table"),
        counted(desired.queues.len(), "queue"),
        counted(desired.artifacts.len(), "code package"),
        desired.template_name
    )
}

/// "1 table", "2 tables".
pub fn counted(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn change_text(change: &ResourceChange, style: Style) -> String {
    let (sign, note) = match &change.kind {
        ChangeKind::Added => (style.good("+"), String::new()),
        ChangeKind::Removed => (style.bad("-"), String::new()),
        ChangeKind::Modified => (style.warn("~"), String::new()),
        ChangeKind::Replaced(why) => (style.bad("±"), format!(" {}", style.bad(&format!("replaced: {why}")))),
        ChangeKind::MaybeReplaced => (style.bad("±"), format!(" {}", style.bad("may be replaced"))),
    };
    let stateful = if change.stateful { style.warn(" [holds data]") } else { String::new() };
    let iam = if change.broadens_iam { style.warn(" [allows more than before]") } else { String::new() };
    let what = if change.properties.is_empty() { String::new() } else { format!(": {}", change.properties.join(", ")) };
    format!("{sign} {} {}{what}{note}{stateful}{iam}", change.logical_id, style.faint(&change.resource_type))
}
