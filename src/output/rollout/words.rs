//! The words for a rollout that its page and its summaries share.
//!
//! Constraint kept: plain text; what comes from outside is not yet escaped for the form that it is shown in.

use crate::domain::definition::Worse;
use crate::domain::rollout::event::{Changed, Event};
use crate::domain::rollout::gate::{Check, Look, Verdict};
use crate::domain::rollout::machine::{Rollout, Stage, Step};
use crate::domain::rollout::{Plan, Wave};
use crate::output::moves::units::{many, millis};
use crate::output::table::Tone;

/// A text without what steers a terminal or turns the direction of writing; line ends become blanks.
pub(in crate::output) fn legible(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let shown = |c: char| {
        if c == '\n' || c == '\t' {
            ' '
        } else if steers(c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

/// How a rollout stands, as a sentence.
pub(in crate::output) fn headline(state: &Rollout) -> (String, Tone) {
    let wave = state.current().map_or("the last wave", |wave| wave.name.as_str());
    if state.paused && !state.stage.is_over() {
        return (format!("Paused at {wave}"), Tone::Warn);
    }
    match state.stage {
        Stage::Ready if state.next() == Step::AwaitApproval => (format!("{wave} waits for approval"), Tone::Warn),
        Stage::Ready => (format!("{wave} is next"), Tone::Plain),
        Stage::Changing => (format!("Changing {wave}"), Tone::Plain),
        Stage::Baking => (format!("{wave} bakes"), Tone::Plain),
        Stage::Failed => (format!("{wave} failed"), Tone::Bad),
        Stage::Halted => (format!("Halted: {wave} failed"), Tone::Bad),
        Stage::TakingBack => (format!("Taking {wave} back"), Tone::Warn),
        Stage::TakenBack => ("Taken back; late calls are waited for".to_owned(), Tone::Warn),
        Stage::BackFailed => (format!("The rollback failed at {wave}"), Tone::Bad),
        Stage::Completed => ("Completed: every wave is good".to_owned(), Tone::Good),
        Stage::RolledBack => ("Taken back".to_owned(), Tone::Bad),
        Stage::Aborted => ("Given up; every cell was left as it was".to_owned(), Tone::Bad),
    }
}

/// How a wave stands.
pub(in crate::output) fn wave_state(state: &Rollout, number: usize) -> (&'static str, Tone) {
    let Some(progress) = state.waves.get(number) else { return ("to come", Tone::Plain) };
    let is_current = state.wave == number && state.stage != Stage::Completed;
    if let Some(back) = &progress.back {
        return if back.failed + back.not_begun > 0 {
            ("not taken back", Tone::Bad)
        } else {
            ("taken back", Tone::Warn)
        };
    }
    match state.stage {
        Stage::TakingBack if is_current => ("being taken back", Tone::Warn),
        Stage::BackFailed if is_current => ("not taken back", Tone::Bad),
        Stage::Failed | Stage::Halted if is_current => ("failed", Tone::Bad),
        Stage::Baking if is_current => ("bakes", Tone::Plain),
        Stage::Changing if is_current => ("being changed", Tone::Plain),
        Stage::Ready if is_current && state.next() == Step::AwaitApproval => ("waits for approval", Tone::Warn),
        _ if progress.passed_at_ms.is_some() => ("good", Tone::Good),
        _ if progress.started_at_ms.is_some() => ("begun", Tone::Warn),
        _ if state.stage.is_over() || state.back_to.is_some() => ("not begun", Tone::Plain),
        _ => ("to come", Tone::Plain),
    }
}

/// "12.5 %"; "–" of an unknown whole.
pub(in crate::output) fn share(part: u64, whole: u64) -> String {
    match part.saturating_mul(1000).checked_div(whole) {
        None => "–".to_owned(),
        Some(0) if part > 0 => "< 0.1 %".to_owned(),
        Some(tenths) => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// "bake 4 min 0 s of 10 min 0 s".
pub(in crate::output) fn baked(baked_ms: u64, bake_ms: u64) -> String {
    if baked_ms >= bake_ms { millis(bake_ms) } else { format!("{} of {}", millis(baked_ms), millis(bake_ms)) }
}

/// What a gate looks at.
pub(in crate::output) fn check(check: &Check) -> String {
    match check {
        Check::Stack => "every stack is complete".to_owned(),
        Check::Alarms => "no alarm of the stack is in alarm".to_owned(),
        Check::Metric(metric) => {
            let worse = if metric.worse == Worse::Higher { "higher" } else { "lower" };
            format!(
                "{} {} ({}), {worse} is worse, tolerance {} %, at least {} a side of {} s",
                metric.namespace,
                metric.name,
                metric.statistic,
                metric.tolerance_percent,
                many(u64::from(metric.points_min), "point"),
                metric.period_s
            )
        }
        Check::Queues { max } => format!("no queue holds more than {}", many(*max, "message")),
        Check::DeadLetters { max } => format!("no more than {} since the wave began", many(*max, "dead letter")),
        Check::Command { run, timeout_ms } => format!("{} ends with 0 within {}", run.join(" "), millis(*timeout_ms)),
        Check::Http { url, status, timeout_ms } => format!("{url} answers {status} within {}", millis(*timeout_ms)),
    }
}

/// The word for a verdict.
pub(in crate::output) fn verdict(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Pass => ("holds", Tone::Good),
        Verdict::Missing => ("no data", Tone::Warn),
        Verdict::Fail => ("fails", Tone::Bad),
    }
}

/// "3 done, 1 failed".
pub(in crate::output) fn changed(changed: &Changed) -> String {
    let counts = [
        (changed.failed, "failed"),
        (changed.not_begun, "not begun"),
        (changed.left_out, "left alone"),
        (changed.done, "done"),
    ];
    let parts: Vec<String> =
        counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
}

/// "errors fails, http holds".
pub(in crate::output) fn looks(gates: &[Look]) -> String {
    let parts: Vec<String> = gates.iter().map(|look| format!("{} {}", look.gate, verdict(look.verdict).0)).collect();
    if parts.is_empty() { "no gates".to_owned() } else { parts.join(", ") }
}

/// What an entry of the journal says beyond its name.
pub(in crate::output) fn detail(event: &Event, plan: &Plan) -> String {
    let name = |wave: usize| plan.waves.get(wave).map_or_else(|| format!("wave {}", wave + 1), |w| w.name.clone());
    match event {
        Event::Planned { plan } => {
            let cells: usize = plan.waves.iter().map(|wave: &Wave| wave.cells).sum();
            format!("{} in {}", many(cells as u64, "cell"), many(plan.waves.len() as u64, "wave"))
        }
        Event::TakenOver { calls_until_ms: 0 } => "whoever held it before had let go".to_owned(),
        Event::TakenOver { .. } => "whoever held it before is gone; late calls are waited for".to_owned(),
        Event::Approved { wave, who } => format!("{} by {who}", name(*wave)),
        Event::WaveStarted { wave } => name(*wave),
        Event::WaveChanged { wave, changed: ended } | Event::WaveBack { wave, changed: ended } => {
            format!("{}: {}", name(*wave), changed(ended))
        }
        Event::Baked { wave, baked_ms, looks: number, gates } => {
            let number = many(u64::from(*number), "look");
            format!("{} for {}, {number}: {}", name(*wave), millis(*baked_ms), looks(gates))
        }
        Event::WavePassed { wave, promoted_by: Some(who), .. } => format!("{}, promoted by {who}", name(*wave)),
        Event::GatesFailed { wave, baked_ms, gates } | Event::WavePassed { wave, baked_ms, gates, .. } => {
            format!("{} after {}: {}", name(*wave), millis(*baked_ms), looks(gates))
        }
        Event::RollbackStarted { first, why, who } => {
            let who = who.as_deref().map(|who| format!(", ordered by {who}")).unwrap_or_default();
            format!("down to {}: {why}{who}", name(*first))
        }
        Event::RolledBack { kept } if kept.is_empty() => "every cell has what it had before".to_owned(),
        Event::RolledBack { kept } => format!("{} with the new version", many(kept.len() as u64, "cell")),
        Event::Halted { why, .. } | Event::RollbackFailed { why, .. } | Event::Aborted { why } => why.clone(),
        Event::Paused { who } => format!("by {who}"),
        Event::Resumed | Event::Completed => String::new(),
    }
}

/// How an entry looks.
pub(in crate::output) fn tone(event: &Event) -> Tone {
    match event {
        Event::GatesFailed { .. } | Event::Halted { .. } | Event::RollbackFailed { .. } | Event::Aborted { .. } => {
            Tone::Bad
        }
        Event::WaveChanged { changed, .. } | Event::WaveBack { changed, .. } if changed.failed > 0 => Tone::Bad,
        Event::RollbackStarted { .. } | Event::RolledBack { .. } | Event::TakenOver { .. } | Event::Paused { .. } => {
            Tone::Warn
        }
        Event::WavePassed { promoted_by: Some(_), .. } => Tone::Warn,
        Event::WavePassed { .. } | Event::Completed => Tone::Good,
        _ => Tone::Plain,
    }
}
