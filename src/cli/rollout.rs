//! `cellctl rollout`: what is typed, and looking at rollouts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::domain::rollout::RolloutId;
use crate::fs::files;
use crate::output::rollout::{github, html, list, show};

use super::plan::cannot_write;
use super::rollout_end::{self, AbortArgs, RollbackArgs};
use super::rollout_office::{RolloutOffice, exit_code, tell_state};
use super::rollout_orders::{self, ApproveArgs, PauseArgs, PromoteArgs};
use super::rollout_start::{self, PlanArgs, ResumeArgs, StartArgs};
use super::{Ran, Session};

/// Bring what the definitions say to the fleet, wave by wave.
#[derive(Debug, Args)]
pub struct RolloutArgs {
    #[command(subcommand)]
    command: RolloutCommand,
}

#[derive(Debug, Subcommand)]
enum RolloutCommand {
    /// Show the waves of a rollout, what they put at risk, how long they take, and what differs.
    ///
    /// Nothing is changed. Next: `cellctl rollout start`.
    Plan(PlanArgs),
    /// Begin a rollout, or go on with the open one of the same change, and carry it on to its end.
    ///
    /// Shows the plan and asks first; without a terminal it needs --yes. After a stop or a kill, run it again.
    Start(StartArgs),
    /// Show where a rollout stands: waves, gates, who carries it on, its journal, what to do next.
    Status(Which),
    /// Follow a rollout until it is over, or waits for somebody.
    Watch(Which),
    /// List rollouts, the latest first.
    List(ListArgs),
    /// Let a rollout stop where it is. Stacks that are being changed are finished first.
    Pause(PauseArgs),
    /// Carry a rollout on in this process: one that was paused or approved, or whose process is gone.
    Resume(ResumeArgs),
    /// Let a wave pass although its bake is not over, or although it failed.
    Promote(PromoteArgs),
    /// Let a wave begin that needs approval.
    Approve(ApproveArgs),
    /// End a rollout with every cell left as it is. To take it back, use rollback.
    Abort(AbortArgs),
    /// Take a rollout back to what the cells were before it, also after it is complete.
    Rollback(RollbackArgs),
    /// Write a report of a rollout: timeline, waves, evidence of the gates.
    Report(ReportArgs),
}

/// Which rollout.
#[derive(Debug, Args)]
pub struct Which {
    /// The number of the rollout; the open one when absent, or else the last one.
    #[arg(value_name = "NUMBER")]
    pub id: Option<RolloutId>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

#[derive(Debug, Args)]
struct ReportArgs {
    #[command(flatten)]
    which: Which,
    /// Write it to this file, as one page that loads nothing from elsewhere.
    #[arg(long, value_name = "FILE", required = true)]
    html: PathBuf,
}

/// Carries out the command.
pub async fn run(args: RolloutArgs, session: &Session) -> Ran {
    match args.command {
        RolloutCommand::Plan(args) => rollout_start::plan(&args, session).await,
        RolloutCommand::Start(args) => rollout_start::start(&args, session).await,
        RolloutCommand::Status(which) => status(&which, session).await,
        RolloutCommand::Watch(which) => watch(&which, session).await,
        RolloutCommand::List(args) => list_all(&args, session).await,
        RolloutCommand::Pause(args) => rollout_orders::pause(&args, session).await,
        RolloutCommand::Resume(args) => rollout_start::resume(&args, session).await,
        RolloutCommand::Promote(args) => rollout_orders::promote(&args, session).await,
        RolloutCommand::Approve(args) => rollout_orders::approve(&args, session).await,
        RolloutCommand::Abort(args) => rollout_end::abort(&args, session).await,
        RolloutCommand::Rollback(args) => rollout_end::rollback(&args, session).await,
        RolloutCommand::Report(args) => report(&args, session).await,
    }
}

async fn status(which: &Which, session: &Session) -> Ran {
    let office = RolloutOffice::reading(session).await?;
    let id = office.pilot().find(which.id).await?;
    let shown = office.pilot().show(id).await?;
    let now_ms = office.now_ms();
    session.printer.result("cellctl.rollout/v1", &shown, |style| show::show(&shown, now_ms, style));
    session.printer.to_github(|| github::status(&shown.state));
    Ok(0)
}

async fn watch(which: &Which, session: &Session) -> Ran {
    let office = RolloutOffice::reading(session).await?;
    let id = office.pilot().find(which.id).await?;
    let first = office.pilot().show(id).await?;
    if first.holder(office.now_ms()).is_none() && !first.waits() {
        session.printer.note(&format!("nobody carries rollout {id} on at the moment: `cellctl rollout resume {id}`"));
    }
    let done = |shown: &crate::ops::rollout::Shown| shown.waits() && shown.is_at_rest(office.now_ms());
    let shown = office.pilot().follow(id, done).await?;
    tell_state(session, &shown, office.now_ms());
    Ok(exit_code(&shown.state))
}

async fn list_all(args: &ListArgs, session: &Session) -> Ran {
    let office = RolloutOffice::reading(session).await?;
    let rollouts = office.pilot().list(args.limit).await?;
    session.printer.result("cellctl.rollout-list/v1", &rollouts, |style| list::list(&rollouts, style));
    Ok(0)
}

async fn report(args: &ReportArgs, session: &Session) -> Ran {
    let office = RolloutOffice::reading(session).await?;
    let id = office.pilot().find(args.which.id).await?;
    let shown = office.pilot().show(id).await?;
    let content = office.pilot().content(id).await?;
    let page = html::page(&shown, &content)?;
    files::write_atomically(&args.html, &page).map_err(|error| cannot_write(&args.html, &error))?;
    let data = serde_json::json!({ "id": id, "file": args.html, "bytes": page.len() });
    session.printer.result("cellctl.rollout-report/v1", &data, |_| {
        format!("the report of rollout {id} is in {}", args.html.display())
    });
    Ok(0)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        _rollout: RolloutArgs,
    }

    fn is_taken(line: &str) -> bool {
        Line::try_parse_from(["rollout"].into_iter().chain(line.split(' '))).is_ok()
    }

    #[test]
    fn lines_that_mean_something_are_taken_and_others_are_not() {
        for line in ["status", "status 12", "watch 3", "list --limit 5", "pause --no-wait", "promote 12", "resume"] {
            assert!(is_taken(line), "{line}");
        }
        for line in ["approve --wave zero", "rollback 12 --scope wave", "abort --why mistake", "report --html a.html"] {
            assert!(is_taken(line), "{line}");
        }
        for line in ["status 0", "status x", "list --limit 0", "rollback --scope none", "report", "start 12"] {
            assert!(!is_taken(line), "{line}");
        }
    }
}
