//! The journal on the page: looks that say the same are one row, and only so many rows are there.

use serde::Serialize;

use crate::domain::rollout::event::{Entry, Event};
use crate::ops::rollout::Shown;
use crate::output::moves::units::between;
use crate::output::rollout::words;

use super::view::{class, moment};

/// Rows at the most: the last ones.
const ROWS_MAX: usize = 500;

#[derive(Debug, Serialize)]
pub(super) struct Journal {
    rows: Vec<Row>,
    /// Entries in all.
    entries: usize,
    /// Rows before the first one that is shown.
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Row {
    /// Its number, or those of several.
    seq: String,
    what: &'static str,
    tone: &'static str,
    detail: String,
    after: String,
    when: String,
    by: String,
}

pub(super) fn journal(shown: &Shown) -> Journal {
    let groups: Vec<&[Entry]> = shown.journal.chunk_by(says_the_same).collect();
    let left_out = groups.len().saturating_sub(ROWS_MAX);
    let rows = groups.iter().skip(left_out).filter_map(|group| row(shown, group)).collect();
    Journal { rows, entries: shown.journal.len(), left_out }
}

/// Whether two looks at the gates came to the same.
fn says_the_same(one: &Entry, next: &Entry) -> bool {
    let (Event::Baked { wave: a, gates: before, .. }, Event::Baked { wave: b, gates: after, .. }) =
        (&one.event, &next.event)
    else {
        return false;
    };
    a == b && words::looks(before) == words::looks(after)
}

/// One row for entries that say the same: the last of them.
fn row(shown: &Shown, group: &[Entry]) -> Option<Row> {
    let (first, last) = (group.first()?, group.last()?);
    let several = group.len() > 1;
    let detail = words::detail(&last.event, &shown.state.plan);
    Some(Row {
        seq: if several { format!("{}–{}", first.seq, last.seq) } else { last.seq.to_string() },
        what: last.event.name(),
        tone: class(words::tone(&last.event)),
        detail: if several { format!("{detail} ({} entries)", group.len()) } else { detail },
        after: between(shown.state.plan.at_ms, last.at_ms),
        when: moment(last.at_ms),
        by: last.by.clone(),
    })
}
