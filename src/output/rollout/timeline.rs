//! The journal of a rollout, as people read it.

use crate::domain::rollout::event::{Changed, Entry, Event};
use crate::domain::rollout::machine::Rollout;
use crate::output::Style;
use crate::output::moves::units::many;
use crate::output::table::{Field, Tone, plain, table_on};
use crate::output::tenants::{time, visible};

use super::terms;

/// What happened, its facts, and how long after the plan are always shown.
const COLUMNS_MIN: usize = 3;

/// A row for each entry, the first one first; looks at gates that only go on baking are left out.
pub(super) fn timeline(journal: &[Entry], state: &Rollout, terminal: Option<u16>, style: Style) -> String {
    let told = journal.iter().filter(|entry| !matches!(entry.event, Event::Baked { .. }));
    let rows = told.map(|entry| row(entry, state)).collect();
    table_on(terminal, COLUMNS_MIN, &["after", "what", "detail", "when", "by"], rows, style)
}

fn row(entry: &Entry, state: &Rollout) -> Vec<Field> {
    let name = |wave: usize| state.plan.waves.get(wave).map(|wave| wave.name.as_str());
    let about = wave_of(&entry.event).and_then(name).map(|name| format!("{name}: ")).unwrap_or_default();
    vec![
        plain(terms::between(state.plan.at_ms, entry.at_ms)),
        (entry.event.name().to_owned(), tone(&entry.event)),
        plain(visible(&format!("{about}{}", detail(&entry.event)))),
        plain(time(entry.at_ms)),
        plain(visible(&entry.by)),
    ]
}

/// The wave that an event names.
pub(super) fn wave_of(event: &Event) -> Option<usize> {
    match event {
        Event::Approved { wave, .. }
        | Event::WaveStarted { wave }
        | Event::WaveChanged { wave, .. }
        | Event::Baked { wave, .. }
        | Event::GatesFailed { wave, .. }
        | Event::WavePassed { wave, .. }
        | Event::WaveBack { wave, .. } => Some(*wave),
        _ => None,
    }
}

/// How an event looks.
pub(super) fn tone(event: &Event) -> Tone {
    match event {
        Event::GatesFailed { .. } | Event::Halted { .. } | Event::RollbackFailed { .. } => Tone::Bad,
        Event::WaveChanged { changed, .. } | Event::WaveBack { changed, .. } if changed.failed > 0 => Tone::Bad,
        Event::RollbackStarted { .. } | Event::RolledBack { .. } | Event::Aborted { .. } | Event::Paused { .. } => {
            Tone::Warn
        }
        Event::WavePassed { .. } | Event::Completed => Tone::Good,
        _ => Tone::Plain,
    }
}

/// What there is to say of an event beside its name and wave. It may hold what steers a terminal.
pub(super) fn detail(event: &Event) -> String {
    match event {
        Event::Planned { plan } => {
            let cells: usize = plan.waves.iter().map(|wave| wave.cells).sum();
            format!("{} in {}", many(cells as u64, "cell"), many(plan.waves.len() as u64, "wave"))
        }
        Event::TakenOver { calls_until_ms: 0 } => "the process before had let go".to_owned(),
        Event::TakenOver { calls_until_ms } => {
            format!("calls of the process before may count until {}", time(*calls_until_ms))
        }
        Event::Approved { who, .. } | Event::Paused { who } => format!("by {who}"),
        Event::WaveStarted { .. } => "what its cells were is written down".to_owned(),
        Event::WaveChanged { changed, .. } | Event::WaveBack { changed, .. } => self::changed(changed),
        Event::Baked { baked_ms, gates, .. } => {
            format!("for {}; gates: {}", terms::span(*baked_ms), terms::gates_in_short(gates))
        }
        Event::GatesFailed { baked_ms, gates, .. } => {
            let first = gates.iter().find(|look| look.failed).and_then(|look| look.seen.first());
            let what = first.map(|seen| format!(": {}", seen.what)).unwrap_or_default();
            format!("after {}: {}{what}", terms::span(*baked_ms), terms::gates_in_short(gates))
        }
        Event::WavePassed { baked_ms, promoted_by: None, .. } => format!("baked for {}", terms::span(*baked_ms)),
        Event::WavePassed { baked_ms, promoted_by: Some(who), .. } => {
            format!("promoted by {who} after {}", terms::span(*baked_ms))
        }
        Event::Halted { why, .. } | Event::RollbackFailed { why, .. } | Event::Aborted { why } => why.clone(),
        Event::RollbackStarted { why, who, .. } => match who {
            Some(who) => format!("{why}, says {who}"),
            None => why.clone(),
        },
        Event::RolledBack { kept } if !kept.is_empty() => {
            let cells: Vec<_> = kept.iter().map(|one| &one.cell).collect();
            format!("but for {}", terms::names(&cells))
        }
        Event::RolledBack { .. } => "every cell is as it was".to_owned(),
        Event::Completed => "every wave is good".to_owned(),
        Event::Resumed => "somebody carries it on".to_owned(),
    }
}

/// "19 done, 1 failed".
fn changed(changed: &Changed) -> String {
    let counts = [
        (changed.done, "done"),
        (changed.failed, "failed"),
        (changed.not_begun, "not begun"),
        (changed.left_out, "left out"),
    ];
    let parts: Vec<String> =
        counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    let first = changed.troubled.first().map(|one| format!(": {}: {}", one.cell, one.why)).unwrap_or_default();
    if parts.is_empty() { "nothing was left to do".to_owned() } else { format!("{}{first}", parts.join(", ")) }
}
