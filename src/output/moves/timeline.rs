//! The journal of a move, as people read it.

use crate::domain::moves::event::{Entry, Event};
use crate::domain::moves::machine::Move;
use crate::output::Style;
use crate::output::table::{Field, Tone, plain, table_with};
use crate::output::tenants::{time, visible};

use super::receipt::{gap, proof};
use super::units::{between, bytes, many, millis};

/// What happened, its facts, and how long after the plan are always shown.
const COLUMNS_MIN: usize = 3;

/// A row for each entry, the first one first.
pub(super) fn timeline(journal: &[Entry], state: &Move, style: Style) -> String {
    let rows = journal.iter().map(|entry| row(entry, state)).collect();
    table_with(COLUMNS_MIN, &["after", "what", "detail", "when", "by"], rows, style)
}

fn row(entry: &Entry, state: &Move) -> Vec<Field> {
    vec![
        plain(between(state.plan.at_ms, entry.at_ms)),
        (entry.event.name().to_owned(), tone(&entry.event)),
        plain(detail(&entry.event, state)),
        plain(time(entry.at_ms)),
        plain(visible(&entry.by)),
    ]
}

fn tone(event: &Event) -> Tone {
    match event {
        Event::Stuck { .. } => Tone::Bad,
        Event::GapFound { .. } | Event::Reopened { .. } | Event::AbortStarted { .. } | Event::Paused => Tone::Warn,
        Event::Completed { .. } | Event::Flipped { .. } => Tone::Good,
        _ => Tone::Plain,
    }
}

fn detail(event: &Event, state: &Move) -> String {
    let (source, target) = (&state.plan.source.cell, &state.plan.target.cell);
    match event {
        Event::Planned { plan } => format!("{source} → {target}, level {}", plan.options.fence.as_str()),
        Event::TakenOver { bulk_until_ms: 0 } => "the mover before had let go".to_owned(),
        Event::TakenOver { bulk_until_ms } => {
            format!("bulk requests of the mover before may count until {}", time(*bulk_until_ms))
        }
        Event::Reserved => format!("room in {target} is taken, its fence is held"),
        Event::CaptureStarted => "changes are read from here on".to_owned(),
        Event::GapFound { table, what } => format!("{}: {}; all is compared", visible(table), visible(what)),
        Event::Copied { items, bytes: size } => format!("{}, {}", many(*items, "item"), bytes(*size)),
        Event::Barred { waited_ms } => format!("no bulk request counts any more; waited {}", millis(*waited_ms)),
        Event::Reconciled { rounds, keys } => {
            format!("{} in {}", many(*keys, "key"), many(u64::from(*rounds), "round"))
        }
        Event::Guarded => "writers leave notes".to_owned(),
        Event::Verified { repaired, passes, .. } => {
            format!("both cells hold the same; {} repaired, {}", many(*repaired, "key"), passes_in_words(*passes))
        }
        Event::CutoverStarted { deadline_ms, .. } => format!("{source} is sealed until {}", time(*deadline_ms)),
        Event::Reopened { epoch, why } => format!("{source} is open again, at epoch {epoch}: {}", visible(why)),
        Event::Flipped { gap: length, proof: shown } => format!("{}; {}", gap(length), proof(*shown)),
        Event::Landed => format!("{target} serves the tenant, and the map says so"),
        Event::QueuesMoved { messages } => format!("{} carried over", many(*messages, "message")),
        Event::Soaked => "the grace period is over".to_owned(),
        Event::Kept { why } => format!("what {source} still holds is kept: {}", visible(why)),
        Event::Cleaned { items } => format!("{} deleted in {source}", many(*items, "item")),
        Event::Completed { .. } => "the receipt is written".to_owned(),
        Event::AbortStarted { why } => visible(why),
        Event::Cleared { items } => format!("{} deleted in {target}; {source} is open", many(*items, "item")),
        Event::Aborted => format!("{source} serves the tenant as before"),
        Event::Stuck { code, why, .. } => format!("{}: {}", visible(code), visible(why)),
        Event::Resumed | Event::Paused => String::new(),
    }
}

fn passes_in_words(passes: u32) -> String {
    if passes == 1 { "1 pass".to_owned() } else { format!("{passes} passes") }
}
