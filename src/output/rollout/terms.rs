//! The words for where a rollout and its waves stand.
//!
//! Constraint kept: the status, the live view and the end of a run use the same ones.

use crate::domain::definition::Rollback;
use crate::domain::rollout::gate::{Look, Verdict};
use crate::domain::rollout::machine::{Rollout, Stage, Step};
use crate::ops::rollout::Progress;
use crate::output::moves::units::millis;
use crate::output::table::{Field, Tone, plain};
use crate::output::tenants::visible;

/// Cells that are named; of the others the number is given.
const NAMES_MAX: usize = 6;
/// Digits of a digest or commit that people are shown.
const DIGITS: usize = 12;

/// "10 min", "1 min 30 s": without what is zero.
pub(super) fn span(ms: u64) -> String {
    let text = millis(ms);
    let whole = [" 0 s", " 0 min", " 0 h"].into_iter().find_map(|zero| text.strip_suffix(zero));
    whole.unwrap_or(&text).to_owned()
}

/// The time between two moments, in milliseconds.
pub(super) fn between(from_ms: i64, to_ms: i64) -> String {
    span(u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0))
}

/// "0.5 %" of all tenants.
pub(super) fn share(tenants: u64, all: u64) -> String {
    format!("{:.1} %", part(tenants, all) * 100.0)
}

/// What part of all some are, from 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "a share for people")]
pub(super) fn part(some: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
}

/// "cell-1, cell-2, … and 18 more".
pub(super) fn names<T: std::fmt::Display>(all: &[T]) -> String {
    let shown: Vec<String> = all.iter().take(NAMES_MAX).map(ToString::to_string).collect();
    match all.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{}, … and {more} more", shown.join(", ")),
    }
}

/// The first digits of a commit.
pub(super) fn short(commit: &str) -> String {
    visible(&commit.chars().take(DIGITS).collect::<String>())
}

/// What is taken back when a wave fails.
pub(super) fn rollback(scope: Rollback) -> &'static str {
    match scope {
        Rollback::All => "all waves that were begun are taken back",
        Rollback::Wave => "it is taken back; the waves before it stay",
        Rollback::None => "the rollout halts, and nothing is taken back by itself",
    }
}

/// For how long the wave has baked, in milliseconds, as whoever carries it on said last.
pub(super) fn baked_ms(state: &Rollout, progress: Option<&Progress>) -> u64 {
    let now = progress.filter(|now| state.stage == Stage::Baking && now.stage == state.stage && now.wave == state.wave);
    now.map_or(state.baked_ms, |now| now.baked_ms.max(state.baked_ms))
}

/// The last look at the gates, as whoever carries it on said last.
pub(super) fn gates<'a>(state: &'a Rollout, progress: Option<&'a Progress>) -> &'a [Look] {
    let now = progress.filter(|now| state.stage == Stage::Baking && now.wave == state.wave && !now.gates.is_empty());
    now.map_or(&state.gates, |now| &now.gates)
}

/// How long a wave still bakes, in milliseconds; none where none does.
pub(super) fn bake_left_ms(state: &Rollout, progress: Option<&Progress>) -> Option<u64> {
    let wave = state.current().filter(|_| state.stage == Stage::Baking)?;
    Some(wave.bake_ms.saturating_sub(baked_ms(state, progress)))
}

/// Where a wave stands.
pub(super) fn wave(state: &Rollout, index: usize, progress: Option<&Progress>) -> Field {
    let Some(wave) = state.waves.get(index) else { return plain("-") };
    let (is_begun, is_current) = (wave.started_at_ms.is_some(), index == state.wave);
    let going_back = matches!(state.stage, Stage::TakingBack | Stage::TakenBack | Stage::BackFailed);
    match &wave.back {
        Some(back) if back.failed + back.not_begun > 0 => return ("not taken back".to_owned(), Tone::Bad),
        Some(_) => return ("taken back".to_owned(), Tone::Warn),
        None if going_back && is_current => return ("being taken back".to_owned(), Tone::Warn),
        None if going_back && is_begun && index < state.wave && state.back_to.is_some_and(|first| first <= index) => {
            return ("to be taken back".to_owned(), Tone::Warn);
        }
        None => {}
    }
    if wave.passed_at_ms.is_some() {
        return ("passed".to_owned(), Tone::Good);
    }
    match state.stage {
        Stage::Aborted if is_begun => ("left as it is".to_owned(), Tone::Warn),
        stage if is_current && !stage.is_over() => current(state, progress),
        _ => plain("not begun"),
    }
}

/// Where the wave stands that the rollout is at.
fn current(state: &Rollout, progress: Option<&Progress>) -> Field {
    match state.stage {
        Stage::Changing => plain("changing"),
        Stage::Baking => match bake_left_ms(state, progress) {
            Some(0) | None => plain("baking, last look"),
            Some(left) => plain(format!("baking, {} left", span(left))),
        },
        Stage::Failed => ("failed".to_owned(), Tone::Bad),
        Stage::Halted => ("failed, halted".to_owned(), Tone::Bad),
        Stage::Ready if state.next() == Step::AwaitApproval => ("waits for approval".to_owned(), Tone::Warn),
        _ => plain("next"),
    }
}

/// The word for a verdict.
pub(super) fn verdict(look: &Look) -> Field {
    match look.verdict {
        Verdict::Pass => ("holds".to_owned(), Tone::Good),
        Verdict::Missing if look.failed => ("failed: no data".to_owned(), Tone::Bad),
        Verdict::Missing => ("no data yet".to_owned(), Tone::Warn),
        Verdict::Fail if look.failed => ("failed".to_owned(), Tone::Bad),
        Verdict::Fail => ("does not hold".to_owned(), Tone::Warn),
    }
}

/// "2 hold, 1 without data (latency)": how gates stand, in a few words.
pub(super) fn gates_in_short(looks: &[Look]) -> String {
    let named = |verdict: Verdict| -> Vec<&str> {
        looks.iter().filter(|look| look.verdict == verdict).map(|look| look.gate.as_str()).collect()
    };
    let said = |verdict: Verdict, words: &str| {
        let names = named(verdict);
        (!names.is_empty()).then(|| format!("{} {words} ({})", names.len(), visible(&names.join(", "))))
    };
    let hold = named(Verdict::Pass).len();
    let parts = [
        said(Verdict::Fail, "failing"),
        said(Verdict::Missing, "without data"),
        (hold > 0).then(|| format!("{hold} holding")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "not looked at yet".to_owned() } else { parts.join(", ") }
}
