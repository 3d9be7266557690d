//! A list of moves, as people read it.

use crate::domain::moves::machine::Stage;
use crate::ops::moves::carrier::Listed;
use crate::output::Style;
use crate::output::table::{Field, Tone, plain, table_with};
use crate::output::tenants::{time, visible};
use crate::ports::moves::Summary;

use super::units::between;

/// The move, its cells, how far it is and who carries it on are always shown.
const COLUMNS_MIN: usize = 5;

/// The moves; those under way come first. What to do about those that nobody carries on comes last.
pub fn list(moves: &[Listed], style: Style) -> String {
    if moves.is_empty() {
        return "No move is under way; --all lists those that are over, too.".to_owned();
    }
    let rows = moves.iter().map(row).collect();
    let headings = ["move", "from", "to", "stage", "carrier", "began", "last entry", "took"];
    let table = table_with(COLUMNS_MIN, &headings, rows, style);
    let hint = |listed: &Listed| Some(format!("\n{} {}", style.strong("hint:"), listed.hint.as_ref()?));
    moves.iter().filter_map(hint).fold(table, |text, hint| text + &hint)
}

fn row(listed: &Listed) -> Vec<Field> {
    let summary = &listed.summary;
    vec![
        plain(summary.id.to_string()),
        plain(summary.source.as_str()),
        plain(summary.target.as_str()),
        stage(summary),
        carrier(listed),
        plain(time(summary.planned_at_ms)),
        plain(time(summary.at_ms)),
        plain(between(summary.planned_at_ms, summary.at_ms)),
    ]
}

fn stage(summary: &Summary) -> Field {
    let stage = summary.stage.as_str();
    match (summary.stage, &summary.stuck) {
        (Stage::Completed, _) => (stage.to_owned(), Tone::Good),
        (Stage::Aborted, _) => plain(stage),
        (_, Some(code)) => (format!("{stage}, stuck: {code}"), Tone::Bad),
        (_, None) if summary.paused => (format!("{stage}, paused"), Tone::Warn),
        (_, None) => plain(stage),
    }
}

fn carrier(listed: &Listed) -> Field {
    match &listed.carrier {
        Some(carrier) => plain(visible(&carrier.holder)),
        None if listed.summary.stage.is_over() => plain("-"),
        None => ("nobody".to_owned(), Tone::Warn),
    }
}
