//! Cells, checks and drift, as people read them.

use std::fmt::Write as _;

use crate::domain::record::CellState;
use crate::domain::stack::{Phase, StackStatus};
use crate::ops::cells::drift::CellDrift;
use crate::ops::cells::view::{CellRow, CellView};
use crate::ops::doctor::{Check, Health};

use super::Style;
use super::bar;
use super::table::{self, Field, Tone, plain, table, width};

/// The list of cells.
pub fn list(rows: &[CellRow], style: Style) -> String {
    if rows.is_empty() {
        return "There are no cells.".to_owned();
    }
    let fields = rows.iter().map(row).collect();
    let headings =
        ["cell", "type", "state", "stack status", "filled", "tenants", "weight", "share", "region", "applied"];
    table(&headings, fields, style)
}

fn row(row: &CellRow) -> Vec<Field> {
    vec![
        plain(row.cell.as_str()),
        plain(row.cell_type.as_deref().unwrap_or("(no definition)")),
        state(row.state),
        status(row),
        filled(row),
        of(row.tenants, row.capacity, "/"),
        of(row.weight, row.weight_capacity, "/"),
        plain(format!("{:.1} %", row.share * 100.0)),
        plain(row.region.as_str()),
        plain(row.applied.as_deref().unwrap_or("-")),
    ]
}

/// How much of the limit that is reached first is used.
fn filled(row: &CellRow) -> Field {
    match row.headroom {
        _ if has_drifted(row) => ("drifted".to_owned(), Tone::Bad),
        Some(headroom) => bar::field(1.0 - headroom, width()),
        None => plain("-"),
    }
}

/// No cell holds fewer than no tenants: then the counters are wrong.
fn has_drifted(row: &CellRow) -> bool {
    row.tenants < 0 || row.weight < 0
}

/// "3/500", and "3" where there is no limit.
fn of(used: i64, limit: Option<u64>, between: &str) -> Field {
    let tone = if used < 0 { Tone::Bad } else { Tone::Plain };
    (limit.map_or_else(|| used.to_string(), |limit| format!("{used}{between}{limit}")), tone)
}

fn state(state: Option<CellState>) -> Field {
    match state {
        None => plain("-"),
        Some(CellState::Active) => plain("active"),
        Some(other) => (other.as_str().to_owned(), Tone::Warn),
    }
}

fn status(row: &CellRow) -> Field {
    let Some(text) = &row.status else { return ("not provisioned".to_owned(), Tone::Warn) };
    let tone = match StackStatus::new(text).phase() {
        Phase::Complete if row.failed.is_none() => Tone::Good,
        Phase::Complete | Phase::RolledBack | Phase::Moving => Tone::Warn,
        _ => Tone::Bad,
    };
    let note = if row.failed.is_some() { " (last change failed)" } else { "" };
    (format!("{text}{note}"), tone)
}

/// Everything about one cell.
pub fn show(view: &CellView, style: Style) -> String {
    let row = &view.row;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{} {value}", style.strong(&format!("{:<12}", format!("{name}:"))));
    };
    line("cell", row.cell.as_str());
    line("type", row.cell_type.as_deref().unwrap_or("(no definition)"));
    line("state", row.state.map_or("not provisioned", CellState::as_str));
    line("region", &row.region);
    line("stack", &format!("{} {}", row.stack, row.status.as_deref().unwrap_or("(none)")));
    line("protected", if view.protected { "yes" } else { "no" });
    line("tenants", &tenants(row));
    line("weight", &of(row.weight, row.weight_capacity, " of ").0);
    line("filled", &table::paint(&filled_in_words(row), style));
    if let (Some(applied), Some(plan)) = (&row.applied, &view.plan) {
        line("applied", &format!("{applied} by plan {plan}{}", at(view.applied_at_ms)));
    }
    if let Some(failed) = &row.failed {
        line("failed", failed);
    }
    if !view.outputs.is_empty() {
        let rows = view.outputs.iter().map(|(k, v)| vec![plain(k.as_str()), plain(v.as_str())]).collect();
        let _ = writeln!(text, "\n{}", table(&["output", "value"], rows, style));
    }
    if !view.resources.is_empty() {
        let rows = view
            .resources
            .iter()
            .map(|r| vec![plain(r.logical_id.as_str()), plain(r.resource_type.as_str()), plain(r.status.as_str())]);
        let _ = writeln!(text, "\n{}", table(&["resource", "type", "status"], rows.collect(), style));
    }
    text
}

/// "3 of 500, 12.5 % of the fleet's".
fn tenants(row: &CellRow) -> String {
    format!("{}, {:.1} % of the fleet's", of(row.tenants, row.capacity, " of ").0, row.share * 100.0)
}

fn filled_in_words(row: &CellRow) -> Field {
    let (text, tone) = filled(row);
    let words = match row.headroom {
        _ if has_drifted(row) => "the counters have drifted from the entries: run map verify".to_owned(),
        Some(left) if left <= 0.0 => format!("{text}, no room for another tenant"),
        Some(left) => format!("{text}, {} left", bar::percent(left)),
        None => "no definition, no limits".to_owned(),
    };
    (words, tone)
}

fn at(ms: Option<i64>) -> String {
    let time = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|t| format!(" at {}", t.strftime("%Y-%m-%d %H:%M:%S UTC"))).unwrap_or_default()
}

/// What has drifted.
pub fn drift(cells: &[CellDrift], style: Style) -> String {
    let mut text = String::new();
    for cell in cells {
        let word = match cell.status.as_str() {
            "IN_SYNC" => style.good("in sync"),
            "DRIFTED" => style.bad("drifted"),
            "NOT_PROVISIONED" => style.faint("not provisioned"),
            other => style.warn(&other.to_lowercase()),
        };
        let _ = writeln!(text, "{} {word}", style.strong(cell.cell.as_str()));
        if let Some(failure) = &cell.failure {
            let _ = writeln!(text, "    {failure}");
        }
        for resource in &cell.resources {
            let status = resource.status.to_lowercase();
            let _ = writeln!(text, "    {} {} {status}", resource.logical_id, style.faint(&resource.resource_type));
            for (path, expected, actual) in &resource.differences {
                let _ = writeln!(text, "        {path}: template {expected}, actual {actual}");
            }
        }
    }
    if cells.iter().any(|c| c.status == "DRIFTED") {
        let _ =
            writeln!(text, "Nothing was changed. Mend it by hand, or put the change into the definition and apply.");
    }
    text
}

/// What the doctor found.
pub fn checks(checks: &[Check], style: Style) -> String {
    let mut text = String::new();
    for check in checks {
        let word = match check.health {
            Health::Ok => style.good("ok  "),
            Health::Warn => style.warn("warn"),
            Health::Fail => style.bad("fail"),
        };
        let _ = writeln!(text, "{word} {}: {}", check.name, check.detail);
        if let Some(hint) = &check.hint {
            let _ = writeln!(text, "     {} {hint}", style.strong("hint:"));
        }
    }
    text
}
