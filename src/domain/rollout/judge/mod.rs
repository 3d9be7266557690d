//! Judging what a look has found: from observations to `Seen`, and from these to a `Look`.
//!
//! Constraints kept: what is not known is `Missing`, never `Pass`; every text says which thing it is about, what was found and,
//! where data are missing, what can be done.

pub mod metric;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::domain::ids::CellId;
use crate::domain::stack::{Phase, StackSummary};

use super::gate::{Gate, Look, SEEN_MAX, Seen, Verdict};

/// Characters that are kept of what was seen: services give long reasons.
const WHAT_CHARS_MAX: usize = 400;

/// Something seen in a cell.
pub fn seen(cell: &CellId, verdict: Verdict, what: impl Into<String>) -> Seen {
    Seen { cell: Some(cell.clone()), verdict, what: what.into() }
}

/// Something seen of all cells together.
pub fn seen_of_all(verdict: Verdict, what: impl Into<String>) -> Seen {
    Seen { cell: None, verdict, what: what.into() }
}

/// A look at a gate: what was seen, the worst first.
///
/// A look with missing data neither adds to the failed looks in a row nor ends their row, until the bake is over: from then on
/// it counts as a failed one.
pub fn look(gate: &Gate, seen: Vec<Seen>, cells: usize, last: Option<&Look>, at_end: bool) -> Look {
    let mut seen = seen;
    if seen.is_empty() {
        seen.push(nothing_seen(cells));
    }
    seen.sort_by_key(|one| std::cmp::Reverse(one.verdict));
    seen.truncate(SEEN_MAX);
    for one in &mut seen {
        shorten(&mut one.what);
    }
    let verdict = seen[0].verdict;
    let row = last.map_or(0, |last| last.failed_in_row);
    let failed_in_row = match verdict {
        Verdict::Pass => 0,
        Verdict::Missing if !at_end => row,
        Verdict::Missing | Verdict::Fail => row.saturating_add(1),
    };
    let counts = verdict == Verdict::Fail || (verdict == Verdict::Missing && at_end);
    let failed = counts && failed_in_row >= gate.fail_after;
    Look { gate: gate.name.clone(), verdict, failed_in_row, failed, seen, cells }
}

/// A wave of which no cell has the new version puts nothing at risk; otherwise something should have been seen.
fn nothing_seen(cells: usize) -> Seen {
    if cells == 0 {
        return seen_of_all(Verdict::Pass, "no cell of the wave has the new version");
    }
    seen_of_all(Verdict::Missing, "nothing was looked at")
}

fn shorten(what: &mut String) {
    if let Some((at, _)) = what.char_indices().nth(WHAT_CHARS_MAX) {
        what.truncate(at);
        what.push('…');
    }
}

/// A cell's stack; `left` is what tells a later operation: its id, and when its last operation began.
pub fn stack(cell: &CellId, name: &str, found: Option<&StackSummary>, left: Option<&(String, i64)>) -> Seen {
    let Some(found) = found.filter(|found| found.status.phase() != Phase::Gone) else {
        return seen(cell, Verdict::Fail, format!("stack {name} is gone"));
    };
    let status = found.status.as_str();
    match found.status.phase() {
        Phase::Moving => seen(cell, Verdict::Missing, format!("stack {name} is {status}: an operation is under way")),
        Phase::Complete if left.is_some_and(|left| *left != (found.id.clone(), found.changed_at_ms)) => {
            seen(cell, Verdict::Fail, format!("stack {name} was changed by somebody else during the bake"))
        }
        Phase::Complete => seen(cell, Verdict::Pass, format!("stack {name} is {status}")),
        Phase::Unknown => seen(cell, Verdict::Missing, format!("stack {name} is {status}, a status not known here")),
        Phase::RolledBack | Phase::Stuck(_) | Phase::Gone => {
            let why = found.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            seen(cell, Verdict::Fail, format!("stack {name} is {status}{why}"))
        }
    }
}

/// State of an alarm, and why, where the service says.
pub type AlarmState = (String, Option<String>);

/// The alarms of a cell's stack, by their names; `known` has those that the service knows.
pub fn alarms(cell: &CellId, names: &[String], known: &BTreeMap<String, AlarmState>) -> Vec<Seen> {
    if names.is_empty() {
        let what = format!("the stack of {cell} has no alarm; leave the gate out, or give the template one");
        return vec![seen(cell, Verdict::Missing, what)];
    }
    let bad: Vec<Seen> = names.iter().filter_map(|name| alarm(cell, name, known.get(name))).collect();
    if bad.is_empty() { vec![seen(cell, Verdict::Pass, format!("{} OK", counted(names.len(), "alarm")))] } else { bad }
}

fn alarm(cell: &CellId, name: &str, known: Option<&AlarmState>) -> Option<Seen> {
    let Some((state, reason)) = known else {
        let what = format!("alarm {name} is not there, although the stack has it: was it deleted by hand?");
        return Some(seen(cell, Verdict::Missing, what));
    };
    let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    match state.as_str() {
        "OK" => None,
        "ALARM" => Some(seen(cell, Verdict::Fail, format!("alarm {name} is in alarm{why}"))),
        "INSUFFICIENT_DATA" => Some(seen(cell, Verdict::Missing, format!("alarm {name} has no data{why}"))),
        other => Some(seen(cell, Verdict::Missing, format!("alarm {name} is {other}, a state not known here"))),
    }
}

/// A number of things.
pub fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Whether a queue holds dead letters, by its name: the example template ends them in `-dead-letters` and
/// `-stream-failures`; `-dlq` is common elsewhere.
pub fn is_for_dead_letters(queue: &str) -> bool {
    let name = queue.strip_suffix(".fifo").unwrap_or(queue);
    ["-dead-letters", "-dead-letter", "-stream-failures", "-dlq"].iter().any(|end| name.ends_with(end))
}

/// A queue and the messages in it; none where there is no such queue.
pub type QueueDepth = (String, Option<u64>);

/// Queues of a cell that may hold up to `max` messages.
pub fn queues(cell: &CellId, depths: &[QueueDepth], max: u64) -> Vec<Seen> {
    of_queues(cell, depths, "queue", |queue, messages| {
        let most = format!("queue {queue} holds {}, allowed are {max}", amount(messages));
        (messages > max).then_some(most)
    })
}

/// Dead-letter queues of a cell that may hold up to `max` messages more than `before`; one not in there was empty.
pub fn dead_letters(cell: &CellId, depths: &[QueueDepth], before: &BTreeMap<String, u64>, max: u64) -> Vec<Seen> {
    of_queues(cell, depths, "dead-letter queue", |queue, messages| {
        let earlier = before.get(queue).copied().unwrap_or(0);
        let more = messages.saturating_sub(earlier);
        (more > max).then(|| {
            let was = if earlier == 0 { "none".to_owned() } else { earlier.to_string() };
            format!("queue {queue} holds {}, and held {was} before the wave; allowed are {max} more", amount(messages))
        })
    })
}

fn amount(messages: u64) -> String {
    if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") }
}

fn of_queues(
    cell: &CellId,
    depths: &[QueueDepth],
    kind: &str,
    too_deep: impl Fn(&str, u64) -> Option<String>,
) -> Vec<Seen> {
    if depths.is_empty() {
        return vec![seen(cell, Verdict::Missing, format!("{cell} has no {kind}; leave the gate out of this wave"))];
    }
    let bad: Vec<Seen> = depths
        .iter()
        .filter_map(|(queue, messages)| match messages {
            None => Some(seen(cell, Verdict::Missing, format!("queue {queue} is not there"))),
            Some(messages) => too_deep(queue, *messages).map(|what| seen(cell, Verdict::Fail, what)),
        })
        .collect();
    if !bad.is_empty() {
        return bad;
    }
    let deepest = depths.iter().filter_map(|(_, messages)| *messages).max().unwrap_or(0);
    let what = format!("{}, at most {} in one", counted(depths.len(), kind), amount(deepest));
    vec![seen(cell, Verdict::Pass, what)]
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// It answered.
    Got(T),
    /// It did not within its time, in milliseconds.
    Late(u64),
    /// It could not be begun, or broke off: why.
    Broken(String),
}

/// A command: its exit code, none where a signal ended it, and the last line that it wrote.
pub fn command(cell: &CellId, program: &str, answer: &Answer<(Option<i32>, String)>) -> Seen {
    match answer {
        Answer::Got((Some(0), line)) => {
            seen(cell, Verdict::Pass, format!("{program} ended with exit code 0{}", said(line)))
        }
        Answer::Got((Some(code), line)) => {
            seen(cell, Verdict::Fail, format!("{program} ended with exit code {code}{}", said(line)))
        }
        Answer::Got((None, line)) => {
            seen(cell, Verdict::Fail, format!("{program} was ended by a signal{}", said(line)))
        }
        Answer::Late(ms) => seen(cell, Verdict::Fail, format!("{program} did not end within {}", seconds(*ms))),
        Answer::Broken(why) => seen(cell, Verdict::Fail, format!("{program} could not be run: {why}")),
    }
}

fn said(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

/// An address: the status that it answered with. What follows a `?` is not shown: it may hold a token.
pub fn http(cell: &CellId, url: &str, status: u16, answer: &Answer<u16>) -> Seen {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    match answer {
        Answer::Got(found) if *found == status => seen(cell, Verdict::Pass, format!("{shown} answered {found}")),
        Answer::Got(found) => seen(cell, Verdict::Fail, format!("{shown} answered {found}, not {status}")),
        Answer::Late(ms) => seen(cell, Verdict::Fail, format!("{shown} did not answer within {}", seconds(*ms))),
        Answer::Broken(why) => seen(cell, Verdict::Fail, format!("{shown} did not answer: {why}")),
    }
}

/// A time in seconds, for people.
fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}
