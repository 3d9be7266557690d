//! How an apply ended, as people read it.

use std::fmt::Write as _;

use crate::ops::apply::{ApplyReport, CellResult};
use crate::ops::event::Outcome;

use super::Style;
use super::plan::cells_as_they_should_be;

/// Outcomes in the order in which they are counted.
const ORDER: [Outcome; 8] = [
    Outcome::Done,
    Outcome::AlreadyDone,
    Outcome::Settled,
    Outcome::RolledBack,
    Outcome::Stuck,
    Outcome::Failed,
    Outcome::Refused,
    Outcome::NotStarted,
];

/// The report as text: what went wrong first, then one line that sums up.
pub fn text(report: &ApplyReport, style: Style) -> String {
    let mut text = String::new();
    for result in report.cells.iter().filter(|r| r.outcome.is_failure()) {
        failure(&mut text, result, style);
    }
    if report.cells.is_empty() {
        let _ = writeln!(text, "{} {}", style.good("No changes."), cells_as_they_should_be(report.unchanged));
        return text;
    }
    let counts = ORDER.iter().map(|outcome| (report.count(*outcome), word(*outcome)));
    let mut parts: Vec<String> = counts.filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if report.unchanged > 0 {
        parts.push(format!("{} unchanged", report.unchanged));
    }
    let head = if report.exit_code() == 0 { style.good("Applied:") } else { style.bad("Not all applied:") };
    let _ = writeln!(text, "{head} {}.", parts.join(", "));
    text
}

fn failure(text: &mut String, result: &CellResult, style: Style) {
    let status = result.status.as_deref().map(|s| format!(" ({s})")).unwrap_or_default();
    let _ = writeln!(text, "{} {}{status}", style.bad(word(result.outcome)), style.strong(result.cell.as_str()));
    if let Some(reason) = &result.reason {
        let _ = writeln!(text, "    {reason}");
    }
    if let Some(hint) = &result.hint {
        let _ = writeln!(text, "    {} {hint}", style.strong("hint:"));
    }
}

/// The word for an outcome.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::AlreadyDone => "done before",
        Outcome::Settled => "settled",
        Outcome::RolledBack => "rolled back",
        Outcome::Stuck => "stuck",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
        Outcome::NotStarted => "not begun",
    }
}
