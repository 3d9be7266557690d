//! Parts of a rollout that several views show: its waves, its gates, the cells that did not go as they should.
//!
//! Constraint kept: names and reasons from outside steer no terminal.

use crate::domain::rollout::event::{Changed, Troubled};
use crate::domain::rollout::gate::Verdict;
use crate::domain::rollout::machine::{Progress as WaveProgress, Rollout, Stage};
use crate::ops::rollout::Progress;
use crate::output::Style;
use crate::output::moves::sheet::Sheet;
use crate::output::moves::units::many;
use crate::output::table::{Field, Tone, plain, table_on};
use crate::output::tenants::visible;

use super::terms;

/// The wave, its cells, and where it stands are always shown.
const WAVE_COLUMNS_MIN: usize = 3;
/// The gate, the verdict and what was seen are always shown.
const GATE_COLUMNS_MIN: usize = 3;
/// Cells that are named one by one.
const TROUBLED_MAX: usize = 10;

/// A row for each wave.
pub(super) fn waves(state: &Rollout, progress: Option<&Progress>, terminal: Option<u16>, style: Style) -> String {
    let headings = ["wave", "cells", "state", "done", "failed", "tenants", "share", "took", "approval"];
    let rows = (0..state.plan.waves.len()).map(|index| wave_row(state, index, progress)).collect();
    table_on(terminal, WAVE_COLUMNS_MIN, &headings, rows, style)
}

fn wave_row(state: &Rollout, index: usize, progress: Option<&Progress>) -> Vec<Field> {
    let (plan, wave) = (&state.plan.waves[index], &state.waves[index]);
    let (done, failed) = counts(state, index, wave, progress);
    let approval = match plan.approval {
        true if index < state.approved || wave.started_at_ms.is_some() => "given",
        true => "needed",
        false => "-",
    };
    vec![
        plain(visible(&plan.name)),
        plain(plan.cells.to_string()),
        terms::wave(state, index, progress),
        plain(done.map_or_else(|| "-".to_owned(), |done| done.to_string())),
        failed.map_or_else(
            || plain("-"),
            |failed| (failed.to_string(), if failed > 0 { Tone::Bad } else { Tone::Plain }),
        ),
        plain(plan.tenants.to_string()),
        plain(terms::share(plan.tenants, state.plan.tenants)),
        plain(took(wave)),
        plain(approval),
    ]
}

/// Cells that are done and that failed: on the way back, where it is on that; none where it was not begun.
fn counts(
    state: &Rollout,
    index: usize,
    wave: &WaveProgress,
    progress: Option<&Progress>,
) -> (Option<usize>, Option<usize>) {
    let under_way = matches!(state.stage, Stage::Changing | Stage::TakingBack) && index == state.wave;
    if let Some(now) = progress.filter(|now| under_way && now.wave == index && now.stage == state.stage) {
        return (Some(now.done), Some(now.failed));
    }
    let ended: Option<&Changed> = wave.back.as_ref().or(wave.changed.as_ref());
    (ended.map(|ended| ended.done), ended.map(|ended| ended.failed))
}

fn took(wave: &WaveProgress) -> String {
    let end = wave.back_at_ms.or(wave.passed_at_ms).or(wave.changed_at_ms);
    wave.started_at_ms.zip(end).map_or_else(|| "-".to_owned(), |(from, to)| terms::between(from, to))
}

/// A row for each gate of the wave that it is at, the worst first; none where there is nothing to tell.
pub(super) fn gates(
    state: &Rollout,
    progress: Option<&Progress>,
    terminal: Option<u16>,
    style: Style,
) -> Option<String> {
    let mut looks: Vec<_> = terms::gates(state, progress).iter().collect();
    // Of a rollout that is over, only what did not hold is of interest.
    let all_hold = looks.iter().all(|look| look.verdict == Verdict::Pass);
    if looks.is_empty() || (state.stage.is_over() && all_hold) {
        return None;
    }
    looks.sort_by_key(|look| std::cmp::Reverse((look.failed, look.verdict)));
    let rows = looks.into_iter().map(|look| {
        let seen = look.seen.first().map_or_else(|| "-".to_owned(), |seen| visible(&seen.what));
        let cell = look.seen.first().and_then(|seen| seen.cell.as_ref()).map_or("-", |cell| cell.as_str());
        let fields = [plain(seen), plain(cell), plain(look.cells.to_string()), plain(look.failed_in_row.to_string())];
        [plain(visible(&look.gate)), terms::verdict(look)].into_iter().chain(fields).collect()
    });
    let headings = ["gate", "verdict", "seen", "in", "cells", "failing looks"];
    Some(table_on(terminal, GATE_COLUMNS_MIN, &headings, rows.collect(), style))
}

/// Cells that did not go as they should: one line each, and how many more there are.
pub(super) fn troubled(state: &Rollout, terminal: Option<u16>, style: Style) -> String {
    let forward = state.waves.iter().filter_map(|wave| wave.changed.as_ref());
    let back = state.waves.iter().filter_map(|wave| wave.back.as_ref());
    let mut sheet = Sheet::default();
    for (changed, way) in forward.map(|one| (one, "")).chain(back.map(|one| (one, ", on the way back"))) {
        lines(&mut sheet, changed, way, style);
    }
    sheet.text(terminal, style)
}

fn lines(sheet: &mut Sheet, changed: &Changed, way: &str, style: Style) {
    for one in changed.troubled.iter().take(TROUBLED_MAX) {
        sheet.line(one.cell.to_string(), format!("{}{way}: {}", outcome(one, style), visible(&one.why)));
    }
    let all = (changed.failed + changed.left_out).max(changed.troubled.len());
    let more = all.saturating_sub(TROUBLED_MAX.min(changed.troubled.len()));
    if more > 0 {
        sheet.line("more", format!("{}{way}; --output json has more of them", many(more as u64, "cell")));
    }
}

/// "rolled back".
pub(super) fn outcome(one: &Troubled, style: Style) -> String {
    let is_left_out = matches!(one.outcome.as_str(), "new" | "changed-since" | "gone");
    let word = visible(&one.outcome.replace('-', " "));
    if is_left_out { style.warn(&word) } else { style.bad(&word) }
}
