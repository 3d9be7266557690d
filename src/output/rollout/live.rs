//! Rollouts under way on a terminal: waves, cells, gates and the rest of the bake, drawn anew with each event; and the
//! lines for a log.
//!
//! Constraint kept: what is drawn is the fold of the events, as the journal's is; nothing is left when the process lets go.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::domain::rollout::RolloutId;
use crate::domain::rollout::event::{Entry, Event};
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::ops::rollout::Progress;
use crate::output::Style;
use crate::output::moves::units::many;
use crate::output::table::{Tone, paint};
use crate::output::tenants::visible;

use super::{terms, timeline};

/// Waves that are drawn at a time, around the current one.
const WAVES_MAX: usize = 8;

/// What is drawn of a rollout.
#[derive(Default)]
pub(in crate::output) struct RolloutView {
    inner: Mutex<Drawn>,
}

#[derive(Default)]
struct Drawn {
    state: Option<Rollout>,
    progress: Option<Progress>,
    lines: Vec<ProgressBar>,
}

impl RolloutView {
    /// Begins to draw a rollout.
    pub(in crate::output) fn picked_up(&self, multi: &MultiProgress, state: &Rollout, style: Style) {
        let mut drawn = self.drawn();
        (drawn.state, drawn.progress) = (Some(state.clone()), None);
        drawn.draw(multi, style);
    }

    /// Takes note of an entry of the journal.
    pub(in crate::output) fn stepped(&self, multi: &MultiProgress, event: &Event, style: Style) {
        let mut drawn = self.drawn();
        drawn.state = drawn.state.take().map(|state| after(state, event));
        drawn.draw(multi, style);
    }

    /// Takes note of where it stands.
    pub(in crate::output) fn moved(&self, multi: &MultiProgress, progress: &Progress, style: Style) {
        let mut drawn = self.drawn();
        drawn.progress = Some(progress.clone());
        drawn.draw(multi, style);
    }

    /// Takes the drawing away.
    pub(in crate::output) fn let_go(&self) {
        *self.drawn() = Drawn::default();
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawn {
    fn draw(&mut self, multi: &MultiProgress, style: Style) {
        let Some(state) = &self.state else { return };
        let texts = view(state, self.progress.as_ref(), style);
        while self.lines.len() > texts.len() {
            self.lines.pop().iter().for_each(ProgressBar::finish_and_clear);
        }
        for (index, text) in texts.into_iter().enumerate() {
            if index == self.lines.len() {
                let line = multi.insert(index, ProgressBar::new_spinner());
                line.set_style(line_style(index == 0));
                if index == 0 {
                    line.enable_steady_tick(Duration::from_millis(250));
                }
                self.lines.push(line);
            }
            self.lines[index].set_message(text);
        }
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        self.lines.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// The first line shows a sign of life.
fn line_style(is_first: bool) -> ProgressStyle {
    let template = if is_first { "{spinner} {wide_msg}" } else { "  {wide_msg}" };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The state after an event that is told without its number and time; as it was where the event does not belong there.
fn after(state: Rollout, event: &Event) -> Rollout {
    let (seq, at_ms) = (state.seq + 1, state.at_ms);
    let entry = Entry { seq, at_ms, by: String::new(), token: 0, event: event.clone() };
    let before = state.clone();
    state.apply(&entry).unwrap_or(before)
}

/// The lines that are drawn.
pub(super) fn view(state: &Rollout, progress: Option<&Progress>, style: Style) -> Vec<String> {
    let plan = &state.plan;
    let paused = if state.paused { ", paused" } else { "" };
    let number = (state.wave + 1).min(plan.waves.len());
    let mut lines =
        vec![format!("rollout {}: {}{paused}, wave {number} of {}", plan.id, state.stage.as_str(), plan.waves.len())];
    let first = state.wave.saturating_sub(WAVES_MAX / 2).min(plan.waves.len().saturating_sub(WAVES_MAX));
    let shown = first..plan.waves.len().min(first + WAVES_MAX);
    let widest = plan.waves[shown.clone()].iter().map(|wave| wave.name.chars().count()).max().unwrap_or(0);
    lines.extend(shown.clone().map(|index| wave_line(state, index, progress, widest, style)));
    let hidden = plan.waves.len() - shown.len();
    if hidden > 0 {
        lines.push(format!("… and {}", many(hidden as u64, "more wave")));
    }
    if state.stage == Stage::Baking {
        lines.extend(gate_lines(state, progress, style));
    }
    lines.extend(progress.and_then(|now| now.waits_for.as_ref()).map(|what| format!("waits for {}", visible(what))));
    lines
}

/// "first   20 cells   changing, 12 done, 1 failed: cell-3, cell-4 under way".
fn wave_line(state: &Rollout, index: usize, progress: Option<&Progress>, widest: usize, style: Style) -> String {
    let wave = &state.plan.waves[index];
    let mut text = format!("{:<widest$}  {:<9}  ", visible(&wave.name), many(wave.cells as u64, "cell"));
    text.push_str(&paint(&terms::wave(state, index, progress), style));
    let is_working = index == state.wave && matches!(state.stage, Stage::Changing | Stage::TakingBack);
    if let Some(now) = progress.filter(|now| is_working && now.wave == index && now.stage == state.stage) {
        text.push_str(&format!(", {} done", now.done));
        if now.failed > 0 {
            text.push_str(&format!(", {}", style.bad(&format!("{} failed", now.failed))));
        }
        if !now.under_way.is_empty() {
            text.push_str(&format!(": {} under way", terms::names(&now.under_way)));
        }
    }
    text
}

/// A line for each gate, the worst first.
fn gate_lines(state: &Rollout, progress: Option<&Progress>, style: Style) -> Vec<String> {
    let mut looks: Vec<_> = terms::gates(state, progress).iter().collect();
    looks.sort_by_key(|look| std::cmp::Reverse((look.failed, look.verdict)));
    let line = |look: &&crate::domain::rollout::gate::Look| {
        let verdict = terms::verdict(look);
        let seen = look.seen.first().filter(|_| verdict.1 != Tone::Good);
        let seen = seen.map(|seen| format!(": {}", visible(&seen.what))).unwrap_or_default();
        format!("  gate {} {}{seen}", visible(&look.gate), paint(&verdict, style))
    };
    looks.iter().map(line).collect()
}

/// The line for whoever begins to carry a rollout on, or to follow it.
pub(in crate::output) fn begun(state: &Rollout) -> String {
    let cells: usize = state.plan.waves.iter().map(|wave| wave.cells).sum();
    let waves = many(state.plan.waves.len() as u64, "wave");
    let stage = match state.current().filter(|_| !state.stage.is_over()) {
        Some(wave) => format!("{}: {}", visible(&wave.name), terms::wave(state, state.wave, None).0),
        None => state.stage.as_str().to_owned(),
    };
    format!("rollout {}: {} in {waves}; {stage}", state.plan.id, many(cells as u64, "cell"))
}

/// The line for an entry of the journal.
pub(in crate::output) fn line(id: RolloutId, wave: Option<&str>, event: &Event, style: Style) -> String {
    let wave = wave.filter(|_| timeline::wave_of(event).is_some());
    let wave = wave.map(|wave| format!("{}: ", visible(wave))).unwrap_or_default();
    let word = paint(&(event.name().to_owned(), timeline::tone(event)), style);
    format!("rollout {id}: {wave}{word}: {}", visible(&timeline::detail(event)))
}

/// What a rollout waits for, told once each time.
#[derive(Default)]
pub(in crate::output) struct WaitLines {
    told: Mutex<Option<String>>,
}

impl WaitLines {
    /// The line, where it waits for something else than before.
    pub(in crate::output) fn moved(&self, progress: &Progress) -> Option<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == progress.waits_for {
            return None;
        }
        told.clone_from(&progress.waits_for);
        let what = progress.waits_for.as_ref()?;
        Some(format!("rollout {}: waits for {}", progress.id, visible(what)))
    }
}
