//! `cellctl move`: looking at moves.

use clap::{Args, Subcommand};

use crate::domain::moves::MoveId;
use crate::domain::moves::machine::Stage;
use crate::ops::OpError;
use crate::ops::moves::Shown;
use crate::output::moves::{list, receipt, show};

use super::move_office::{MoveOffice, no_receipt};
use super::move_orders::{self, AbortArgs, CutoverArgs, PauseArgs, ResumeArgs, ThrottleArgs};
use super::{Ran, Session};

/// Moves that are over, where --all does not say how many.
const OVER_DEFAULT: u32 = 1000;

/// Look at moves of tenants, and tell them what to do.
#[derive(Debug, Args)]
pub struct MovesArgs {
    #[command(subcommand)]
    command: MovesCommand,
}

#[derive(Debug, Subcommand)]
enum MovesCommand {
    /// List the moves under way.
    List(ListArgs),
    /// Show everything about a move: where it stands, who carries it on, its journal, what to do next.
    Show(Which),
    /// Follow a move until it is over, or waits for somebody.
    Watch(Which),
    /// Let a move stop where it is. The tenant is served as it was.
    Pause(PauseArgs),
    /// Carry a move on in this process: one that was paused, that was stuck, or whose mover is gone.
    Resume(ResumeArgs),
    /// Set how fast a move may go.
    Throttle(ThrottleArgs),
    /// Let a move cut over that was begun with --hold-cutover.
    Cutover(CutoverArgs),
    /// Give a move up: the source serves the tenant as before. Not possible once the target does.
    Abort(AbortArgs),
    /// Print the receipt of a move that is done.
    Receipt(Which),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Those that are over, too, the latest first.
    #[arg(long)]
    all: bool,
    /// At most so many that are over.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
}

/// Which move.
#[derive(Debug, Args)]
pub struct Which {
    /// The move's id, such as acme:12, or the tenant: its move under way, or its last one.
    #[arg(value_name = "MOVE")]
    pub name: String,
}

/// Carries out the command.
pub async fn run(args: MovesArgs, session: &Session) -> Ran {
    match args.command {
        MovesCommand::List(args) => list_all(&args, session).await,
        MovesCommand::Show(which) => show_one(&which, session).await,
        MovesCommand::Watch(which) => watch(&which, session).await,
        MovesCommand::Pause(args) => move_orders::pause(&args, session).await,
        MovesCommand::Resume(args) => move_orders::resume(&args, session).await,
        MovesCommand::Throttle(args) => move_orders::throttle(&args, session).await,
        MovesCommand::Cutover(args) => move_orders::cutover(&args, session).await,
        MovesCommand::Abort(args) => move_orders::abort(&args, session).await,
        MovesCommand::Receipt(which) => print_receipt(&which, session).await,
    }
}

impl Which {
    /// Finds the move.
    pub async fn find(&self, office: &MoveOffice) -> Result<MoveId, OpError> {
        office.mover().find(&self.name).await
    }
}

impl ListArgs {
    /// How many of those that are over are wanted.
    fn over(&self) -> u32 {
        self.limit.unwrap_or(if self.all { OVER_DEFAULT } else { 0 })
    }
}

async fn list_all(args: &ListArgs, session: &Session) -> Ran {
    let office = MoveOffice::reading(session).await?;
    let moves = office.mover().list(args.over()).await?;
    session.printer.result("cellctl.move-list/v1", &moves, |style| list::list(&moves, style));
    Ok(0)
}

async fn show_one(which: &Which, session: &Session) -> Ran {
    let office = MoveOffice::reading(session).await?;
    let id = which.find(&office).await?;
    let shown = office.mover().show(&id).await?;
    let now_ms = office.now_ms();
    session.printer.result("cellctl.move/v1", &shown, |style| show::show(&shown, now_ms, style));
    Ok(0)
}

async fn watch(which: &Which, session: &Session) -> Ran {
    let office = MoveOffice::reading(session).await?;
    let id = which.find(&office).await?;
    let first = office.mover().show(&id).await?;
    if first.holder(office.now_ms()).is_none() && !first.state.stage.is_over() && !first.waits() {
        session.printer.note(&format!("nobody carries move {id} on at the moment: `cellctl move resume {id}`"));
    }
    let shown = office.mover().follow(&id, |shown| shown.state.stage.is_over() || shown.waits()).await?;
    tell(session, &shown, office.now_ms());
    Ok(exit_code(&shown))
}

/// Prints where a move stands.
pub fn tell(session: &Session, shown: &Shown, now_ms: i64) {
    session.printer.result("cellctl.move/v1", shown, |style| show::head(shown, now_ms, style));
}

/// Exit code of a move that was given up, where that is not what was asked for.
pub const ABORTED: u8 = 4;

/// The exit code of who waited for a move: as that of who carried it on.
pub fn exit_code(shown: &Shown) -> u8 {
    match shown.state.stage {
        Stage::Aborted => ABORTED,
        _ if shown.waits() => 10,
        _ => 0,
    }
}

async fn print_receipt(which: &Which, session: &Session) -> Ran {
    let office = MoveOffice::reading(session).await?;
    let id = which.find(&office).await?;
    let state = office.mover().show(&id).await?.state;
    let Some(found) = &state.tally.receipt else { return Err(no_receipt(&id, state.stage.as_str())) };
    session.printer.result("cellctl.move-receipt/v1", found, |style| receipt::receipt(found, style));
    Ok(0)
}
