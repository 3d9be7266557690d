//! How a rollout ended in a run, as people and machines read it.

use crate::domain::rollout::RolloutId;
use crate::domain::rollout::machine::Rollout;
use crate::ops::rollout::Ended;
use crate::output::Style;
use crate::output::moves::sheet::{Sheet, folded};
use crate::output::table::width;
use crate::output::tenants::visible;

use super::sections;

/// The end of a run, for machines.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run<'a> {
    /// The rollout.
    pub id: RolloutId,
    /// How it ended.
    pub outcome: &'a Ended,
    /// How it stands.
    pub state: &'a Rollout,
}

/// What came of it, then waves, gates and cells.
pub fn run(run: &Run<'_>, style: Style) -> String {
    run_on(run, width(), style)
}

/// The same on a terminal of that width.
pub(super) fn run_on(run: &Run<'_>, terminal: Option<u16>, style: Style) -> String {
    let waves = sections::waves(run.state, None, terminal, style);
    let sentence = folded(&sentence(run, style), terminal.map_or(usize::MAX, usize::from)).join("\n");
    let mut text = format!("{sentence}\n{}\n{waves}\n", more(run.outcome, style).text(terminal, style));
    let gates = sections::gates(run.state, None, terminal, style);
    if let Some(gates) = gates.filter(|_| *run.outcome != Ended::Completed) {
        text.push_str(&format!("\n{gates}\n"));
    }
    let troubled = sections::troubled(run.state, terminal, style);
    if !troubled.is_empty() {
        text.push_str(&format!("\n{troubled}"));
    }
    text
}

fn sentence(run: &Run<'_>, style: Style) -> String {
    let name = style.strong(&format!("rollout {}", run.id));
    match run.outcome {
        Ended::Completed => format!("{name} is {}: every wave is good", style.good("complete")),
        Ended::RolledBack { why, .. } => format!("{name} was {}: {}", style.warn("taken back"), visible(why)),
        Ended::BackFailed { why, .. } => format!("{name} {}: {}", style.bad("could not be taken back"), visible(why)),
        Ended::Halted { why, .. } => format!("{name} {}: {}", style.bad("stands still"), visible(why)),
        Ended::Aborted { why } => {
            format!("{name} was {} ({}); every cell is left as it is", style.warn("given up"), visible(why))
        }
        Ended::AwaitsApproval { wave } => {
            format!("{name} {}: wave {}", style.warn("waits for approval"), visible(wave))
        }
        Ended::Paused => format!("{name} is {}", style.warn("paused")),
        Ended::Stopped => format!("{name} has {} where it was", style.warn("stopped")),
    }
}

/// What to do, and cells that keep the new version.
fn more(outcome: &Ended, style: Style) -> Sheet {
    let mut sheet = Sheet::indented(4);
    match outcome {
        Ended::BackFailed { hint, .. } | Ended::Halted { hint, .. } => sheet.line("hint", visible(hint)),
        Ended::RolledBack { kept, .. } => kept.iter().for_each(|one| {
            let why = format!("{}: {}", sections::outcome(one, style), visible(&one.why));
            sheet.line(one.cell.to_string(), why);
        }),
        _ => {}
    }
    sheet
}
