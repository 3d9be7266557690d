//! How moves ended in a run, as people read it.

use crate::ops::moves::Ended;
use crate::ops::moves::many::Run;
use crate::output::Style;
use crate::output::table::{Field, Tone, plain, table};
use crate::output::tenants::visible;

use super::units::{many, micros};
use super::{failure, receipt};

/// One move with its receipt, or a row for each and what went wrong below.
pub fn runs(runs: &[Run], style: Style) -> String {
    if let [run] = runs {
        return one(run, style);
    }
    let rows = runs.iter().map(row).collect();
    let mut text = table(&["tenant", "move", "ended", "items", "gap"], rows, style);
    text.push('\n');
    for run in runs {
        text.push_str(&trouble(run, style));
    }
    text.push_str(&format!("\n{}.\n", summary(runs)));
    text
}

fn one(run: &Run, style: Style) -> String {
    let tenant = style.strong(run.tenant.as_str());
    match &run.outcome {
        Some(Ended::Completed { receipt: done }) => {
            let head = format!("{tenant} is in {} now, at epoch {}", style.good(done.target.as_str()), done.epoch);
            format!("{head}\n\n{}", receipt::receipt(done, style))
        }
        _ => trouble(run, style),
    }
}

fn row(run: &Run) -> Vec<Field> {
    let id = run.id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let (items, gap) = match &run.outcome {
        Some(Ended::Completed { receipt }) => (receipt.items_copied.to_string(), micros(receipt.gap.length_us)),
        _ => ("-".to_owned(), "-".to_owned()),
    };
    vec![plain(run.tenant.as_str()), plain(id), word(run), plain(items), plain(gap)]
}

fn word(run: &Run) -> Field {
    let (word, tone) = match (&run.failure, &run.outcome) {
        (Some(_), _) => ("failed", Tone::Bad),
        (None, Some(Ended::Completed { .. })) => ("completed", Tone::Good),
        (None, Some(Ended::Aborted { .. })) => ("aborted", Tone::Warn),
        (None, Some(Ended::Paused)) => ("paused", Tone::Warn),
        (None, Some(Ended::Stuck { .. })) => ("stuck", Tone::Bad),
        (None, Some(Ended::Stopped)) => ("stopped", Tone::Warn),
        (None, None) => ("not begun", Tone::Warn),
    };
    (word.to_owned(), tone)
}

/// What is to be told of a move that did not complete; nothing of one that did.
fn trouble(run: &Run, style: Style) -> String {
    let tenant = style.strong(run.tenant.as_str());
    match (&run.failure, &run.outcome) {
        (Some(why), _) => failure(&run.tenant, why, style),
        (None, Some(Ended::Completed { .. })) => String::new(),
        (None, Some(Ended::Aborted { why })) => {
            format!("{tenant}: the move was given up ({}); the cell that it was in serves it as before\n", visible(why))
        }
        (None, Some(Ended::Paused)) => format!("{tenant}: somebody paused the move\n"),
        (None, Some(Ended::Stuck { trouble })) => format!(
            "{tenant}: {} ({}): {}\n    {} {}\n",
            style.bad("the move is stuck"),
            trouble.code,
            visible(&trouble.why),
            style.strong("hint:"),
            visible(&trouble.hint)
        ),
        (None, Some(Ended::Stopped)) => format!("{tenant}: the move has stopped where it was\n"),
        (None, None) => format!("{tenant}: the move was not begun\n"),
    }
}

fn summary(runs: &[Run]) -> String {
    let done = runs.iter().filter(|run| run.exit_code() == 0).count();
    format!("{done} of {} completed", many(runs.len() as u64, "move"))
}
