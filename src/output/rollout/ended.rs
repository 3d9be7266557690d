//! How a rollout ended in a run, as people and machines read it.

use crate::domain::rollout::RolloutId;
use crate::domain::rollout::machine::Rollout;
use crate::ops::rollout::Ended;
use crate::output::Style;
use crate::output::table::width;
use crate::output::tenants::visible;

use super::sections;

/// The end of a run, for machines.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run<'a> {
    /// The rollout.
    pub id: RolloutId,
    /// How it ended; none where there was nothing to roll out.
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
    let mut text = format!("{}\n\n{waves}\n", sentence(run, style));
    let gates = sections::gates(run.state, None, terminal, style);
    if let Some(gates) = gates.filter(|_| *run.outcome != Ended::Completed) {
        text.push_str(&format!("\n{gates}\n"));
    }
    let troubled = sections::troubled(run.state, style);
    if !troubled.is_empty() {
        text.push_str(&format!("\n{troubled}"));
    }
    text
}

fn sentence(run: &Run<'_>, style: Style) -> String {
    let name = style.strong(&format!("rollout {}", run.id));
    let hinted = |what: &str, why: &str, hint: &str| {
        format!("{name} {what}: {}\n    {} {}", visible(why), style.strong("hint:"), visible(hint))
    };
    match run.outcome {
        Ended::Completed => format!("{name} is {}: every wave is good", style.good("complete")),
        Ended::RolledBack { why, kept } => {
            let kept = kept.iter().map(|one| format!("\n    {}: {}", sections::head(one, style), visible(&one.why)));
            format!("{name} was {}: {}{}", style.warn("taken back"), visible(why), kept.collect::<String>())
        }
        Ended::BackFailed { why, hint, .. } => hinted(&style.bad("could not be taken back"), why, hint),
        Ended::Halted { why, hint } => hinted(&style.bad("stands still"), why, hint),
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
