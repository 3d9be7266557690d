//! Progress on stderr: bars on a terminal, one line a change of state without one, JSON lines where asked for.
//!
//! Constraint kept: progress never goes to stdout, except as events of `--output ndjson`, where it is the data.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::domain::ids::CellId;
use crate::domain::plan::Action;
use crate::domain::rollout::event::Event as RolloutEvent;
use crate::ops::event::{Event, Outcome, Reporter};

use super::import_progress::{ImportBar, ImportLines};
use super::moves::progress as moves;
use super::plan::counted;
use super::rollout::live;
use super::{Format, Printer, Style, report};

/// The reporter that fits the printer's options and the terminal.
pub fn reporter(printer: &Arc<Printer>) -> Arc<dyn Reporter> {
    let options = printer.options();
    if options.format == Format::Ndjson {
        return Arc::new(JsonLines { printer: Arc::clone(printer) });
    }
    if options.quiet {
        return Arc::new(crate::ops::event::Silent);
    }
    if std::io::stderr().is_terminal() {
        return Arc::new(Bars::new(Style::new(options.color_err)));
    }
    Arc::new(Lines {
        printer: Arc::clone(printer),
        import: ImportLines::default(),
        rollout: live::WaitLines::default(),
    })
}

/// Each event as a line of JSON on stdout.
struct JsonLines {
    printer: Arc<Printer>,
}

impl Reporter for JsonLines {
    fn report(&self, event: &Event) {
        self.printer.document("cellctl.event/v1", event, false);
    }
}

/// A line for each change of state.
struct Lines {
    printer: Arc<Printer>,
    import: ImportLines,
    rollout: live::WaitLines,
}

impl Reporter for Lines {
    fn report(&self, event: &Event) {
        let line = match event {
            Event::ImportStarted { rows } => Some(self.import.started(*rows)),
            Event::RowsImported { done, total } => self.import.moved(*done, *total),
            Event::RolloutProgressed { progress } => self.rollout.moved(progress),
            _ => line(event, self.printer.style_err()),
        };
        if let Some(line) = line {
            self.printer.note(&line);
        }
    }
}

/// The line for an event; none for those that only move a bar.
fn line(event: &Event, style: Style) -> Option<String> {
    match event {
        Event::ApplyStarted { plan, cells } => Some(format!("applying plan {plan}: {}", counted(*cells, "cell"))),
        Event::ArtifactStored { key, bytes } => Some(format!("stored {} ({bytes} bytes)", short_key(key))),
        Event::CellStarted { cell, action } => Some(format!("{cell}: {} begun", verb(*action))),
        Event::ResourceChanged { cell, logical_id, status, reason, .. } if status.ends_with("_FAILED") => {
            Some(format!("{cell}: {logical_id} {status}: {}", reason.as_deref().unwrap_or("no reason given")))
        }
        Event::CellFinished { cell, action, outcome, reason, duration_ms, .. } => {
            Some(finished(cell, *action, *outcome, reason.as_deref(), *duration_ms, style))
        }
        Event::MoveStepped { id, what, detail, .. } => Some(moves::line(id, what, detail.as_deref(), style)),
        Event::RolloutPickedUp { state } => Some(live::begun(state)),
        Event::RolloutStepped { id, wave, what } => Some(live::line(*id, wave.as_deref(), what, style)),
        Event::ResourceChanged { .. }
        | Event::ImportStarted { .. }
        | Event::RowsImported { .. }
        | Event::MoveProgressed { .. }
        | Event::MoveLetGo { .. }
        | Event::RolloutProgressed { .. }
        | Event::RolloutLetGo { .. } => None,
        Event::Noted { message } => Some(message.clone()),
    }
}

/// The key of an artifact with its digest shortened.
fn short_key(key: &str) -> String {
    let (folder, name) = key.split_once('/').unwrap_or(("", key));
    let (digest, ending) = name.split_once('.').unwrap_or((name, ""));
    let digest: String = digest.chars().take(12).collect();
    format!("{folder}/{digest}….{ending}")
}

fn finished(
    cell: &CellId,
    action: Action,
    outcome: Outcome,
    reason: Option<&str>,
    duration_ms: u64,
    style: Style,
) -> String {
    let word = report::word(outcome);
    let word = if outcome.is_failure() { style.bad(word) } else { style.good(word) };
    let reason = reason.map(|r| format!(": {r}")).unwrap_or_default();
    format!("{cell}: {} {word} after {}{reason}", verb(action), seconds(duration_ms))
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Wait => "wait",
        Action::Blocked | Action::None => "look",
    }
}

/// "1.4 s", "3 min 20 s".
fn seconds(ms: u64) -> String {
    if ms >= 60_000 {
        format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000)
    } else {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    }
}

/// Bars that are shown at a time, below the one that counts the cells.
const BARS_MAX: usize = 12;

/// A bar for all cells and one for each cell under way.
struct Bars {
    style: Style,
    multi: MultiProgress,
    state: Mutex<BarsState>,
    import: ImportBar,
    moves: moves::MoveBars,
    rollout: live::RolloutView,
}

#[derive(Default)]
struct BarsState {
    total: Option<ProgressBar>,
    cells: HashMap<CellId, ProgressBar>,
}

impl Bars {
    fn new(style: Style) -> Self {
        Self {
            style,
            multi: MultiProgress::new(),
            state: Mutex::default(),
            import: ImportBar::default(),
            moves: moves::MoveBars::default(),
            rollout: live::RolloutView::default(),
        }
    }

    fn print(&self, text: &str) {
        // A terminal that cannot be written to shows no bars either.
        let _ = self.multi.println(text);
    }

    fn started(&self, cells: usize) {
        let total = self.multi.add(ProgressBar::new(cells as u64));
        total.set_style(style_of("{bar:24} {pos}/{len} cells  {elapsed_precise}"));
        total.enable_steady_tick(Duration::from_millis(250));
        // One of an apply that did not come to its end is still there.
        self.state().total.replace(total).iter().for_each(ProgressBar::finish_and_clear);
    }

    fn cell_started(&self, cell: &CellId, action: Action) {
        let mut state = self.state();
        if state.cells.len() >= BARS_MAX {
            return;
        }
        let bar = self.multi.add(ProgressBar::new_spinner());
        bar.set_style(style_of("  {spinner} {prefix:24} {wide_msg}"));
        bar.set_prefix(cell.to_string());
        bar.set_message(verb(action).to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        state.cells.insert(cell.clone(), bar);
    }

    fn resource(&self, cell: &CellId, text: String) {
        if let Some(bar) = self.state().cells.get(cell) {
            bar.set_message(text);
        }
    }

    fn cell_finished(&self, cell: &CellId) {
        let mut state = self.state();
        if let Some(bar) = state.cells.remove(cell) {
            bar.finish_and_clear();
        }
        let Some(total) = &state.total else { return };
        total.inc(1);
        if total.length() == Some(total.position()) {
            total.finish_and_clear();
        }
    }

    /// Nothing of the applies of a rollout is left either: its result is printed next.
    fn rollout_let_go(&self) {
        self.rollout.let_go();
        self.state().total.take().iter().for_each(ProgressBar::finish_and_clear);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, BarsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Reporter for Bars {
    fn report(&self, event: &Event) {
        match event {
            Event::ApplyStarted { cells, .. } => self.started(*cells),
            Event::CellStarted { cell, action } => self.cell_started(cell, *action),
            Event::ResourceChanged { cell, logical_id, status, .. } => {
                self.resource(cell, format!("{logical_id} {status}"));
            }
            Event::CellFinished { cell, .. } => self.cell_finished(cell),
            Event::ImportStarted { rows } => self.import.started(&self.multi, *rows),
            Event::RowsImported { done, total } => self.import.moved(*done, *total),
            Event::MoveProgressed { progress } => self.moves.moved(&self.multi, progress),
            Event::MoveLetGo { id } => self.moves.let_go(id),
            Event::RolloutPickedUp { state } => self.rollout.picked_up(&self.multi, state, self.style),
            Event::RolloutStepped { what, .. } => self.rollout.stepped(&self.multi, what, self.style),
            Event::RolloutProgressed { progress } => self.rollout.moved(&self.multi, progress, self.style),
            Event::RolloutLetGo { .. } => self.rollout_let_go(),
            _ => {}
        }
        // What a look at gates came to is drawn.
        let drawn = matches!(event, Event::RolloutStepped { what, .. } if matches!(**what, RolloutEvent::Baked { .. }));
        let shown = matches!(
            event,
            Event::CellFinished { .. }
                | Event::ArtifactStored { .. }
                | Event::MoveStepped { .. }
                | Event::RolloutStepped { .. }
                | Event::Noted { .. }
        );
        let failed = matches!(event, Event::ResourceChanged { status, .. } if status.ends_with("_FAILED"));
        if let Some(line) = line(event, self.style).filter(|_| (shown && !drawn) || failed) {
            self.print(&line);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let state = self.state();
        state.cells.values().chain(state.total.as_ref()).for_each(ProgressBar::finish_and_clear);
    }
}
