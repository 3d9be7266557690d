//! What GitHub shows of `cellctl plan` and `cellctl apply`.

use crate::domain::plan::group::Risk;
use crate::domain::plan::{Group, Plan, groups};
use crate::domain::template::{ChangeKind, ResourceChange};
use crate::ops::apply::{ApplyReport, CellResult};
use crate::output::plan::{cells_as_they_should_be, counted};
use crate::output::report::word;
use crate::output::rollout::words::share;

use super::markdown::{Summary, code, text};
use super::{Annotation, Shown};

/// Cells of a group that are named.
const NAMES_MAX: usize = 6;
/// Changes of a group that are named.
const CHANGES_MAX: usize = 20;

/// A plan: groups of equal changes, the most dangerous first.
pub fn plan(plan: &Plan) -> Shown {
    let groups = groups(plan);
    let head = if groups.is_empty() {
        format!("### cellctl plan: no changes\n\n{}\n", cells_as_they_should_be(plan.unchanged))
    } else {
        let cells = counted(plan.steps.len(), "cell");
        format!("### cellctl plan: {cells} of fleet {} to change\n\n{} unchanged.\n", text(&plan.fleet), plan.unchanged)
    };
    Shown {
        summary: with_groups(Summary::new(head), plan, &groups),
        annotations: groups.iter().filter_map(|group| annotation(group)).collect(),
    }
}

/// Adds the groups of a plan as a table.
pub fn with_groups(summary: Summary, plan: &Plan, groups: &[Group<'_>]) -> Summary {
    let rows = groups.iter().map(|group| row(plan, group)).collect();
    summary.table("Changes", &["Risk", "Cells", "Tenants", "What", "Why"], rows)
}

fn row(plan: &Plan, group: &Group<'_>) -> Vec<String> {
    vec![
        risk(group.risk).to_owned(),
        format!("{}: {}", group.cells.len(), names(group)),
        format!("{} ({})", group.tenants, share(group.tenants, plan.tenants)),
        changes(group.changes),
        blocked(group).map_or_else(|| text(&group.first.reason), |why| text(&why)),
    ]
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Blocked => "**blocked**",
        Risk::Replacement => "**replaces**",
        Risk::Broadened => "**allows more**",
        Risk::Deletion => "**removes**",
        Risk::Modification => "modifies",
        Risk::Creation => "creates",
        Risk::Wait => "waits",
    }
}

fn names(group: &Group<'_>) -> String {
    let mut names: Vec<String> = group.cells.iter().take(NAMES_MAX).map(|cell| code(cell.as_str())).collect();
    if group.cells.len() > NAMES_MAX {
        names.push("…".to_owned());
    }
    names.join(" ")
}

fn changes(changes: &[ResourceChange]) -> String {
    let mut lines: Vec<String> = changes.iter().take(CHANGES_MAX).map(change).collect();
    if changes.len() > CHANGES_MAX {
        lines.push(format!("… and {} more", changes.len() - CHANGES_MAX));
    }
    lines.join("<br>")
}

fn change(change: &ResourceChange) -> String {
    let sign = match &change.kind {
        ChangeKind::Added => "\\+",
        ChangeKind::Removed => "\\-",
        ChangeKind::Modified => "\\~",
        ChangeKind::Replaced(_) | ChangeKind::MaybeReplaced => "±",
    };
    let holds_data = if change.stateful { " **holds data**" } else { "" };
    let what = if change.properties.is_empty() { String::new() } else { format!(": {}", change.properties.join(", ")) };
    format!("{sign} {}{holds_data}", text(&format!("{} {}{what}", change.logical_id, change.resource_type)))
}

fn blocked(group: &Group<'_>) -> Option<String> {
    let step = group.first;
    step.blocked.as_ref().map(|blocked| blocked.message(&step.desired.cell, &step.desired.stack))
}

/// What is blocked is an error; what endangers data is worth a look.
fn annotation(group: &Group<'_>) -> Option<Annotation> {
    let cells = counted(group.cells.len(), "cell");
    let first = &group.first.desired.cell;
    match group.risk {
        Risk::Blocked => {
            let hint = group.first.blocked.as_ref().map(|blocked| blocked.hint(first)).unwrap_or_default();
            let why = blocked(group).unwrap_or_default();
            Some(Annotation::error(format!("{cells} blocked"), format!("{why}\n{hint}")))
        }
        Risk::Replacement | Risk::Deletion | Risk::Broadened => {
            let what = match group.risk {
                Risk::Replacement => "replaces a resource",
                Risk::Deletion => "removes a resource",
                _ => "a role may do more than before",
            };
            Some(Annotation::warning(
                format!("{cells}: {what}"),
                format!("{first} and others like it: see the summary"),
            ))
        }
        _ => None,
    }
}

/// How an apply ended, what went wrong first.
pub fn apply(report: &ApplyReport) -> Shown {
    let done = report.cells.iter().filter(|cell| is_good(cell)).count();
    let bad: Vec<&CellResult> = report.cells.iter().filter(|cell| !is_good(cell)).collect();
    let head = match (report.cells.len(), bad.len()) {
        (0, _) => format!("### cellctl apply: no changes\n\n{}\n", cells_as_they_should_be(report.unchanged)),
        (_, 0) => format!("### cellctl apply: {} done\n", counted(done, "cell")),
        (all, not) => format!("### cellctl apply: {not} of {} not done\n", counted(all, "cell")),
    };
    let rows = bad.iter().map(|cell| cell_row(cell)).collect();
    let annotations = bad.iter().filter(|cell| cell.outcome.is_failure()).map(|cell| failure(cell)).collect();
    Shown { summary: Summary::new(head).table("", &["Cell", "Outcome", "Why", "What to do"], rows), annotations }
}

fn is_good(cell: &CellResult) -> bool {
    matches!(cell.outcome, crate::ops::event::Outcome::Done | crate::ops::event::Outcome::AlreadyDone)
}

fn cell_row(cell: &CellResult) -> Vec<String> {
    let said = |said: &Option<String>| said.as_deref().map(text).unwrap_or_default();
    vec![code(cell.cell.as_str()), word(cell.outcome).to_owned(), said(&cell.reason), said(&cell.hint)]
}

fn failure(cell: &CellResult) -> Annotation {
    let said: Vec<&str> = [&cell.reason, &cell.hint].into_iter().filter_map(Option::as_deref).collect();
    Annotation::error(format!("{} {}", cell.cell, word(cell.outcome)), said.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::Action as Planned;
    use crate::ops::event::Outcome;

    fn cell(name: &str, outcome: Outcome, reason: Option<&str>) -> CellResult {
        CellResult {
            cell: name.parse().expect("a name"),
            stack: format!("shop-{name}"),
            action: Planned::Update,
            outcome,
            status: None,
            reason: reason.map(str::to_owned),
            hint: Some("look at the stack's events".to_owned()),
            duration_ms: 1,
        }
    }

    #[test]
    fn what_failed_in_an_apply_is_told_and_quoted_as_text() {
        let reason = "Value | `x` <b>\n::error::y";
        let cells = vec![cell("cell-1", Outcome::Done, None), cell("cell-2", Outcome::Failed, Some(reason))];
        let report = ApplyReport { plan: "x".to_owned(), unchanged: 0, cells, stopped: false, lock_lost: false };
        let shown = apply(&report);
        let markdown = shown.summary.text(10_000);
        assert!(markdown.starts_with("### cellctl apply: 1 of 2 cells not done\n"), "{markdown}");
        let row = "| `cell-2` | failed | Value \\| \\`x\\` \\<b\\> \\:\\:error\\:\\:y | look at the stack\\'s events |";
        assert!(markdown.contains(row) && !markdown.contains("cell-1"), "{markdown}");
        let wanted = "::error title=cell-2 failed::Value | `x` <b>%0A::error::y%0Alook at the stack's events";
        assert_eq!(super::super::commands(&shown.annotations), [wanted]);
    }
}
