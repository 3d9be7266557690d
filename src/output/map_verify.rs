//! What a check of the tenant map found, as people read it.

use std::fmt::Write as _;

use crate::ops::map::verify::{FINDINGS_TOLD_MAX, Outcome, Report, Told};

use super::Style;

/// The findings, what became of each, and what it all comes to.
pub fn text(report: &Report, style: Style) -> String {
    let mut text: String = report.findings.iter().map(|told| finding(told, style)).collect();
    if report.found() > FINDINGS_TOLD_MAX as u64 {
        for (code, tally) in &report.tallies {
            let _ = writeln!(text, "{code}: {} found, {} repaired", tally.found, tally.repaired);
        }
    }
    if report.under_way > 0 {
        let _ = writeln!(text, "{} tenants are being added, removed or changed right now", report.under_way);
    }
    if !report.uncounted.is_empty() {
        let cells: Vec<&str> = report.uncounted.iter().take(10).map(crate::domain::ids::CellId::as_str).collect();
        let more = report.uncounted.len() - cells.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let is_unread = ["newer-format", "entry-unreadable"].iter().any(|code| report.tallies.contains_key(code));
        let why = if is_unread { "while entries cannot be read" } else { "while tenants change; run it again" };
        let _ = writeln!(text, "{} {}{more} could not be counted {why}", style.warn("!"), cells.join(", "));
    }
    text + &summary(report, style)
}

fn finding(told: &Told, style: Style) -> String {
    let code = told.finding.code();
    let (word, more) = match &told.outcome {
        Outcome::Found => (style.bad(code), String::new()),
        Outcome::Repaired { done } => (style.good(code), format!("    repaired: {done}\n")),
        Outcome::Left { reason } => (style.bad(code), format!("    not repaired: {reason}\n")),
    };
    let hint = told.hint.as_ref().map(|hint| format!("    {} {hint}\n", style.strong("hint:"))).unwrap_or_default();
    format!("{word}: {}\n{more}{hint}", told.message)
}

fn summary(report: &Report, style: Style) -> String {
    let seen = format!("{} tenants in {} cells, {} fences", report.tenants, report.cells, report.fences);
    match (report.found(), report.left()) {
        (0, _) if !report.uncounted.is_empty() => format!("{seen}: nothing was found, but not all could be counted"),
        (0, _) => format!("{} {seen}: nothing is wrong", style.good("ok")),
        (found, 0) => format!("{seen}: {found} found, all repaired"),
        (found, left) => format!("{seen}: {found} found, {} repaired, {left} left", found - left),
    }
}
