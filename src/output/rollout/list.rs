//! A list of rollouts, as people read it.

use crate::domain::rollout::machine::Stage;
use crate::output::Style;
use crate::output::table::{Field, Tone, plain, table_on, width};
use crate::output::tenants::{time, visible};
use crate::ports::rollout::Summary;

use super::terms;

/// The rollout, how far it is, and its wave are always shown.
const COLUMNS_MIN: usize = 3;

/// The rollouts, the latest first.
pub fn list(rollouts: &[Summary], style: Style) -> String {
    list_on(rollouts, width(), style)
}

/// The same on a terminal of that width.
pub(super) fn list_on(rollouts: &[Summary], terminal: Option<u16>, style: Style) -> String {
    if rollouts.is_empty() {
        return "There has been no rollout yet; `cellctl rollout start` begins one.".to_owned();
    }
    let rows = rollouts.iter().map(row).collect();
    let headings = ["rollout", "stage", "wave", "cells", "began", "took", "commit", "change", "why"];
    table_on(terminal, COLUMNS_MIN, &headings, rows, style)
}

fn row(summary: &Summary) -> Vec<Field> {
    vec![
        plain(summary.id.to_string()),
        stage(summary),
        plain(wave(summary)),
        plain(summary.cells.to_string()),
        plain(time(summary.planned_at_ms)),
        plain(terms::between(summary.planned_at_ms, summary.at_ms)),
        plain(summary.commit.as_deref().map_or_else(|| "-".to_owned(), terms::short)),
        plain(summary.change.short()),
        plain(summary.why.as_deref().map_or_else(|| "-".to_owned(), visible)),
    ]
}

fn stage(summary: &Summary) -> Field {
    let word = summary.stage.as_str();
    match summary.stage {
        Stage::Completed => (word.to_owned(), Tone::Good),
        Stage::Halted | Stage::Failed | Stage::BackFailed => (word.to_owned(), Tone::Bad),
        Stage::RolledBack | Stage::Aborted | Stage::TakingBack | Stage::TakenBack => (word.to_owned(), Tone::Warn),
        _ if summary.paused => (format!("{word}, paused"), Tone::Warn),
        _ => plain(word),
    }
}

/// "first (2 of 4)".
fn wave(summary: &Summary) -> String {
    match &summary.wave_name {
        Some(name) => format!("{} ({} of {})", visible(name), summary.wave + 1, summary.waves),
        None => format!("all {}", summary.waves),
    }
}
