//! `cellctl rollout plan | start | resume`: what begins a rollout and carries it on.
//!
//! Constraint kept: the same change is the same rollout: to start it again goes on with the open one, and does nothing where
//! all is done.

use clap::{Args, ValueEnum};

use crate::domain::definition::Rollback;
use crate::ops::OpError;
use crate::ops::rollout::{Options, Planned};
use crate::output::Format;
use crate::output::plan::counted;
use crate::output::rollout::{github, plan as show_plan};

use super::context::{self, Loaded};
use super::plan::AllowArgs;
use super::rollout::Which;
use super::rollout_office::{RolloutOffice, carry_on, tell_state};
use super::{Ran, Session};

/// Characters of a commit: from a short one to that of a SHA-256 repository.
const COMMIT_LENGTH: std::ops::RangeInclusive<usize> = 7..=64;

/// Show the waves of a rollout.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// Exit with 2 when there is something to roll out.
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Begin a rollout, or go on with it.
#[derive(Debug, Args)]
pub struct StartArgs {
    #[command(flatten)]
    what: WhatArgs,
}

/// Carry a rollout on.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

/// What is rolled out, and how.
#[derive(Debug, Args)]
struct WhatArgs {
    /// What is taken back when a wave fails [default: that of fleet.yaml, else all].
    #[arg(long, value_enum, value_name = "SCOPE")]
    rollback: Option<RollbackArg>,
    /// Only report what gates see: none fails a wave.
    #[arg(long)]
    gate_dry_run: bool,
    /// The commit that the change comes from [default: that of the CI run].
    #[arg(long, value_name = "SHA", value_parser = commit)]
    commit: Option<String>,
    #[command(flatten)]
    allow: AllowArgs,
}

/// What is taken back, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RollbackArg {
    /// All waves that were begun, the last one first.
    All,
    /// The wave that failed.
    Wave,
    /// Nothing: the rollout halts.
    None,
}

impl From<RollbackArg> for Rollback {
    fn from(typed: RollbackArg) -> Self {
        match typed {
            RollbackArg::All => Self::All,
            RollbackArg::Wave => Self::Wave,
            RollbackArg::None => Self::None,
        }
    }
}

impl WhatArgs {
    /// Flags first, then what the CI run says.
    fn options(&self, session: &Session) -> Options {
        // What the environment says is of no use where it is no commit, and no mistake of the user's.
        let of_ci = session.environment.commit.as_deref().and_then(|text| commit(text).ok());
        Options {
            rollback: self.rollback.map(Rollback::from),
            commit: self.commit.clone().or(of_ci),
            selection: session.global.select.as_ref().map(ToString::to_string),
            gate_dry_run: self.gate_dry_run,
        }
    }

    async fn plan(&self, session: &Session, loaded: &Loaded, office: &RolloutOffice) -> Result<Planned, OpError> {
        let cells = loaded.selected(session)?;
        let request = loaded.request(session, &cells, self.allow.atoms())?;
        office.pilot().plan(request, &self.options(session)).await
    }
}

/// Carries out `cellctl rollout plan`.
pub async fn plan(args: &PlanArgs, session: &Session) -> Ran {
    let loaded = context::load(session)?;
    let office = RolloutOffice::planning(session, &loaded).await?;
    let planned = args.what.plan(session, &loaded, &office).await?;
    show(session, &planned);
    if let Some(id) = planned.resumes() {
        session.printer.note(&format!("rollout {id} of this change is open; `cellctl rollout start` goes on with it"));
    } else if let Some(open) = &planned.open {
        let id = open.id;
        session.printer.note(&format!(
            "rollout {id} of another change is open, and has to end before this one: `cellctl rollout status {id}`"
        ));
    }
    Ok(if planned.has_changes() && args.detailed_exitcode { 2 } else { 0 })
}

/// Carries out `cellctl rollout start`.
pub async fn start(args: &StartArgs, session: &Session) -> Ran {
    let loaded = context::load(session)?;
    let office = RolloutOffice::planning(session, &loaded).await?;
    let planned = args.what.plan(session, &loaded, &office).await?;
    planned.refuse_other()?;
    let id = match planned.resumes() {
        Some(id) => {
            session.printer.note(&format!("rollout {id} of this change is open already; going on with it"));
            tell_standing(session, &office, id).await?;
            context::confirm(session, &format!("Carry rollout {id} on?"))?;
            id
        }
        None if !planned.has_changes() => {
            show(session, &planned);
            return Ok(0);
        }
        None => {
            if session.printer.options().format == Format::Text {
                show(session, &planned);
            }
            context::confirm(session, &question(&planned))?;
            let id = office.pilot().begin(&planned).await?;
            session.printer.note(&format!("rollout {id} is begun"));
            id
        }
    };
    Ok(carry_on(session, &office, id).await?.exit_code())
}

/// Carries out `cellctl rollout resume`.
pub async fn resume(args: &ResumeArgs, session: &Session) -> Ran {
    let office = RolloutOffice::writing(session).await?;
    let id = office.pilot().find(args.which.id).await?;
    context::confirm(session, &format!("Carry rollout {id} on?"))?;
    Ok(carry_on(session, &office, id).await?.exit_code())
}

/// Shows people what they go on with.
async fn tell_standing(
    session: &Session,
    office: &RolloutOffice,
    id: crate::domain::rollout::RolloutId,
) -> Result<(), OpError> {
    if session.printer.options().format == Format::Text {
        let shown = office.pilot().show(id).await?;
        tell_state(session, &shown, office.now_ms());
    }
    Ok(())
}

fn show(session: &Session, planned: &Planned) {
    show_plan::with_document(planned, |document| {
        session.printer.result("cellctl.rollout-plan/v1", document, |style| show_plan::text(planned, style));
    });
    session.printer.to_github(|| github::plan(planned));
}

fn question(planned: &Planned) -> String {
    let cells = planned.plan.waves.iter().map(|wave| wave.cells).sum();
    let waves = counted(planned.plan.waves.len(), "wave");
    format!("Roll this out to {} of fleet {} in {waves}?", counted(cells, "cell"), planned.plan.fleet)
}

fn commit(text: &str) -> Result<String, String> {
    let is_commit = COMMIT_LENGTH.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { Ok(text.to_ascii_lowercase()) } else { Err("write 7 to 64 hexadecimal digits".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        what: WhatArgs,
    }

    fn line(words: &[&str]) -> Result<Line, String> {
        Line::try_parse_from(["x"].iter().chain(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_typed_arrives() {
        let line = line(&["--rollback", "wave", "--gate-dry-run", "--commit", "8D1C0FFEE"]).expect("valid").what;
        assert_eq!(line.rollback.map(Rollback::from), Some(Rollback::Wave));
        assert_eq!((line.gate_dry_run, line.commit.as_deref()), (true, Some("8d1c0ffee")));
        assert!(line.allow.atoms().is_empty());
    }

    #[test]
    fn what_is_no_commit_or_scope_is_refused() {
        for words in [["--commit", "main"], ["--commit", "8d1c0f"], ["--commit", "8d1c0ffz"], ["--rollback", "some"]] {
            assert!(line(&words).is_err(), "{words:?} is taken");
        }
        assert!(commit(&"a".repeat(65)).is_err() && commit(&"a".repeat(64)).is_ok());
    }
}
