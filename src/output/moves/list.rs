//! A list of moves, as people read it.

use crate::domain::moves::machine::Stage;
use crate::output::Style;
use crate::output::table::{Field, Tone, plain, table_with};
use crate::output::tenants::time;
use crate::ports::moves::Summary;

use super::units::between;

/// The move, its cells and how far it is are always shown.
const COLUMNS_MIN: usize = 4;

/// The moves; those under way come first.
pub fn list(moves: &[Summary], style: Style) -> String {
    if moves.is_empty() {
        return "No move is under way; --all lists those that are over, too.".to_owned();
    }
    let rows = moves.iter().map(row).collect();
    table_with(COLUMNS_MIN, &["move", "from", "to", "stage", "began", "last entry", "took"], rows, style)
}

fn row(summary: &Summary) -> Vec<Field> {
    vec![
        plain(summary.id.to_string()),
        plain(summary.source.as_str()),
        plain(summary.target.as_str()),
        stage(summary),
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
