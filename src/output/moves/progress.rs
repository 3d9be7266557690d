//! The progress of moves: a bar for each on a terminal.
//!
//! Constraint kept: as many bars as moves that are carried on here, and none is left when its mover has let go.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::domain::moves::MoveId;
use crate::ops::event::Progress;
use crate::output::Style;
use crate::output::table::width;
use crate::output::tenants::visible;

use super::show::progress as in_words;

/// Below this width a bar is short, so that there is room for words, in characters.
const WIDE_MIN: u16 = 80;
/// Bars that are shown at a time.
const BARS_MAX: usize = 12;

/// A bar for each move.
#[derive(Default)]
pub(in crate::output) struct MoveBars {
    bars: Mutex<HashMap<MoveId, ProgressBar>>,
}

impl MoveBars {
    /// Shows where a move stands.
    pub(in crate::output) fn moved(&self, multi: &MultiProgress, progress: &Progress) {
        let mut bars = self.bars();
        if bars.len() >= BARS_MAX && !bars.contains_key(&progress.id) {
            return;
        }
        let bar = bars.entry(progress.id.clone()).or_insert_with(|| begin(multi, &progress.id));
        bar.set_style(bar_style(progress.items_about.is_some()));
        bar.set_length(progress.items_about.unwrap_or(progress.items).max(progress.items).max(1));
        bar.set_position(progress.items);
        bar.set_message(format!("{}: {}", progress.stage.as_str(), in_words(progress)));
    }

    /// Takes the bar of a move away.
    pub(in crate::output) fn let_go(&self, id: &MoveId) {
        if let Some(bar) = self.bars().remove(id) {
            bar.finish_and_clear();
        }
    }

    fn bars(&self) -> MutexGuard<'_, HashMap<MoveId, ProgressBar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MoveBars {
    fn drop(&mut self) {
        self.bars().drain().for_each(|(_, bar)| bar.finish_and_clear());
    }
}

fn begin(multi: &MultiProgress, id: &MoveId) -> ProgressBar {
    let bar = multi.add(ProgressBar::new(1));
    bar.set_style(bar_style(false));
    bar.set_prefix(id.to_string());
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A bar where it is known how much there is, else a sign of life.
fn bar_style(is_bounded: bool) -> ProgressStyle {
    let is_narrow = width().is_some_and(|width| width < WIDE_MIN);
    let extent = match (is_bounded, is_narrow) {
        (true, false) => "{bar:16}",
        (true, true) => "{bar:8}",
        (false, _) => "{spinner}",
    };
    let template = format!("  {{prefix}} {extent}  {{wide_msg}}");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The line for an entry of the journal.
pub(in crate::output) fn line(id: &MoveId, what: &str, detail: Option<&str>, style: Style) -> String {
    let word = match what {
        "stuck" | "gap-found" => style.bad(what),
        "completed" | "flipped" | "landed" => style.good(what),
        "reopened" | "paused" | "abort-started" | "aborted" => style.warn(what),
        _ => what.to_owned(),
    };
    let detail = detail.map(|detail| format!(": {}", visible(detail))).unwrap_or_default();
    format!("{id}: {word}{detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_line_that_steers_no_terminal() {
        let id: MoveId = "acme:12".parse().expect("a move");
        let said = |what, detail| line(&id, what, detail, Style::new(false));
        assert_eq!(said("copied", None), "acme:12: copied");
        assert_eq!(said("stuck", Some("the \u{1b}[2Jstream")), "acme:12: stuck: the \u{fffd}[2Jstream");
        assert!(line(&id, "stuck", None, Style::new(true)).contains("\u{1b}[1;31mstuck"));
    }
}
