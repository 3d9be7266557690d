//! How an import ended, as people read it.
//!
//! Constraint kept: a file with a million bad rows does not fill the screen; machines get all of them.

use std::fmt::Write as _;

use crate::domain::tenant::row::BadRow;
use crate::ops::OpError;
use crate::ops::tenants::import::{CellCount, ImportReport};

use super::Style;
use super::findings;
use super::plan::counted;
use super::table::{plain, table};

/// Complaints about bad rows that people are shown.
const BAD_MAX: usize = 20;
/// Cells that people are shown.
const CELLS_MAX: usize = 20;

/// The report: what is wrong first, then the cells, then one line that sums up.
pub fn text(report: &ImportReport, file: &str, style: Style) -> String {
    let mut text = String::new();
    if !report.bad.is_empty() {
        let shown: Vec<_> = report.bad.iter().take(BAD_MAX).map(|bad| bad.finding(file)).collect();
        text.push_str(&findings::text(&shown, style));
        text.push_str(&more(report.bad.len()));
    }
    if !report.cells.is_empty() {
        let row = |cell: &CellCount| {
            vec![plain(cell.cell.as_str()), plain(cell.added.to_string()), plain(cell.updated.to_string())]
        };
        let rows = report.cells.iter().take(CELLS_MAX).map(row).collect();
        let _ = writeln!(text, "{}", table(&["cell", "added", "updated"], rows, style));
        if report.cells.len() > CELLS_MAX {
            let _ = writeln!(
                text,
                "and {} (--output json lists all)",
                counted(report.cells.len() - CELLS_MAX, "more cell")
            );
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{} {}: {}.", head(report, style), counted(report.rows, "row"), counts(report));
    text
}

fn head(report: &ImportReport, style: Style) -> String {
    match (report.planned, report.stopped, report.bad.is_empty()) {
        (true, ..) => style.strong("Would import, of"),
        (_, true, _) => style.warn("Stopped, of"),
        (_, _, false) => style.bad("Partly imported, of"),
        _ => style.good("Imported"),
    }
}

/// "7 added, 3 unchanged".
fn counts(report: &ImportReport) -> String {
    let counts = [
        (report.added, "added"),
        (report.updated, "updated"),
        (report.finished, "finished that had been cut off"),
        (report.unchanged, "unchanged"),
        (report.bad_rows, "bad"),
        (report.left, "left"),
    ];
    let parts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    parts.join(", ")
}

/// The error of an import with bad rows, of which nothing was written.
pub fn refusal(report: &ImportReport, file: &str, for_people: bool) -> OpError {
    let shown = if for_people { BAD_MAX } else { report.bad.len() };
    let found = report.bad.iter().take(shown).map(|bad| bad.finding(file)).collect();
    let is_about_file = report.bad.iter().any(BadRow::is_about_file);
    let is_empty = report.bad.iter().any(|bad| bad.code == "no-rows");
    let verb = if report.bad_rows == 1 { "is" } else { "are" };
    let message = match (is_empty, is_about_file) {
        (true, _) => format!("{file} has no rows; nothing was written"),
        (_, true) => format!("{file} is not understood; nothing was written"),
        _ => format!("{} of {} {verb} bad; nothing was written", report.bad_rows, counted(report.rows, "row")),
    };
    let rest = if for_people { more(report.bad.len()) } else { String::new() };
    let error = OpError::invalid(format!("{message}{}", rest.trim_end()), found);
    if is_about_file { error.hint("docs/import.md describes the formats") } else { error.hint(way_out()) }
}

fn way_out() -> &'static str {
    "mend the rows; or import the good ones alone with --partial"
}

/// Says that there are more complaints than were shown.
fn more(complaints: usize) -> String {
    match complaints.saturating_sub(BAD_MAX) {
        0 => String::new(),
        rest => format!("; {} (--output json lists all)\n", counted(rest, "more complaint")),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::tenant::row::At;

    use super::*;

    fn report(rows: usize, bad: Vec<BadRow>) -> ImportReport {
        ImportReport {
            planned: false,
            stopped: false,
            rows,
            added: rows - bad.len(),
            updated: 0,
            finished: 0,
            unchanged: 0,
            bad_rows: bad.len(),
            left: 0,
            cells: Vec::new(),
            bad,
        }
    }

    fn bad(row: u64, code: &'static str) -> BadRow {
        BadRow::new(At { row, line: row }, code, "it is bad")
    }

    #[test]
    fn an_import_is_summed_up_in_a_sentence() {
        let said = |report| text(&report, "a.csv", Style::new(false));
        assert_eq!(said(report(2, vec![])), "Imported 2 rows: 2 added.\n");
        assert!(said(report(2, vec![bad(1, "x")])).ends_with("Partly imported, of 2 rows: 1 added, 1 bad.\n"));
        let planned = ImportReport { planned: true, ..report(1, vec![]) };
        assert_eq!(said(planned), "Would import, of 1 row: 1 added.\n");
    }

    #[test]
    fn a_refusal_counts_the_bad_rows_or_names_what_the_file_lacks() {
        let said = |rows, bad| refusal(&report(rows, bad), "a.csv", true).message;
        assert_eq!(said(1, vec![bad(1, "x")]), "1 of 1 row is bad; nothing was written");
        assert_eq!(said(3, vec![bad(1, "x"), bad(2, "x")]), "2 of 3 rows are bad; nothing was written");
        assert_eq!(said(1, vec![bad(0, "no-rows")]), "a.csv has no rows; nothing was written");
        assert_eq!(said(1, vec![bad(0, "not-yaml")]), "a.csv is not understood; nothing was written");
    }
}
