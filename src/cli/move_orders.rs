//! `cellctl move pause | resume | throttle | cutover | abort`: what people tell a move.
//!
//! Constraint kept: an order is written first and waited for after, so that whoever stops waiting has still given it.

use clap::Args;

use crate::domain::moves::MoveId;
use crate::domain::moves::machine::Stage;
use crate::domain::moves::orders::Orders;
use crate::ops::moves::{Ended, Shown};
use crate::output::moves::show;

use super::context;
use super::move_args::rate_or_none;
use super::move_office::{MoveOffice, carry_on, resume as resume_command};
use super::moves::{ABORTED, Which, exit_code, tell};
use super::{Ran, Session};

/// Longest reason, in characters.
const REASON_MAX: usize = 200;

/// Let a move stop.
#[derive(Debug, Args)]
pub struct PauseArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Carry a move on.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

/// Set the rate of a move.
#[derive(Debug, Args)]
pub struct ThrottleArgs {
    #[command(flatten)]
    which: Which,
    /// Write units a second at most, in the copy and in the deletes at the end; 0 for no bound.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = rate_or_none)]
    rate: u64,
}

/// Let a move cut over.
#[derive(Debug, Args)]
pub struct CutoverArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Give a move up.
#[derive(Debug, Args)]
pub struct AbortArgs {
    #[command(flatten)]
    which: Which,
    /// Why, for people: up to 200 characters.
    #[arg(long, value_name = "TEXT", default_value = "somebody gave it up", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Whether to wait for the mover to obey.
#[derive(Debug, Args)]
struct WaitArgs {
    /// Do not wait for whoever carries the move on to obey.
    #[arg(long)]
    no_wait: bool,
}

/// An order that was given, for machines.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Given<'a> {
    id: &'a MoveId,
    orders: &'a Orders,
    held: bool,
}

/// Carries out `cellctl move pause`.
pub async fn pause(args: &PauseArgs, session: &Session) -> Ran {
    let office = MoveOffice::writing(session).await?;
    let id = args.which.find(&office).await?;
    let shown = office.mover().pause(&id).await?;
    if args.wait.no_wait || !is_held(&office, &shown) {
        return Ok(given(session, &office, &shown));
    }
    session.printer.note(&format!("move {id} is told to stop where it is; waiting for that"));
    let shown = office.mover().follow(&id, |shown| is_at_rest(&office, shown)).await?;
    tell(session, &shown, office.now_ms());
    Ok(if shown.state.paused { 0 } else { exit_code(&shown) })
}

/// Carries out `cellctl move resume`.
pub async fn resume(args: &ResumeArgs, session: &Session) -> Ran {
    let office = MoveOffice::writing(session).await?;
    let id = args.which.find(&office).await?;
    context::confirm(session, &format!("Carry move {id} on?"))?;
    office.mover().release(&id).await?;
    let ended = carry_on(session, &office, &id).await?;
    Ok(ended.exit_code())
}

/// Carries out `cellctl move throttle`.
pub async fn throttle(args: &ThrottleArgs, session: &Session) -> Ran {
    let office = MoveOffice::writing(session).await?;
    let id = args.which.find(&office).await?;
    let shown = office.mover().throttle(&id, args.rate).await?;
    Ok(given(session, &office, &shown))
}

/// Carries out `cellctl move cutover`.
pub async fn cutover(args: &CutoverArgs, session: &Session) -> Ran {
    let office = MoveOffice::writing(session).await?;
    let id = args.which.find(&office).await?;
    context::confirm(session, &format!("Let move {id} cut over?"))?;
    let shown = office.mover().allow_cutover(&id).await?;
    if args.wait.no_wait || !is_held(&office, &shown) {
        return Ok(given(session, &office, &shown));
    }
    session.printer.note(&format!("move {id} may cut over; waiting for that"));
    let done = |shown: &Shown| shown.state.stage.is_past_flip() || is_at_rest(&office, shown);
    let shown = office.mover().follow(&id, done).await?;
    tell(session, &shown, office.now_ms());
    Ok(cut_over(shown.state.stage))
}

/// Carries out `cellctl move abort`.
pub async fn abort(args: &AbortArgs, session: &Session) -> Ran {
    let office = MoveOffice::writing(session).await?;
    let id = args.which.find(&office).await?;
    context::confirm(session, &format!("Give move {id} up? What was copied is deleted again."))?;
    let mut shown = office.mover().give_up(&id, &args.reason).await?;
    if args.wait.no_wait {
        return Ok(given(session, &office, &shown));
    }
    if is_held(&office, &shown) {
        session.printer.note(&format!("move {id} is told to give up; waiting for that"));
        shown = office.mover().follow(&id, |shown| is_at_rest(&office, shown)).await?;
    }
    let stage = shown.state.stage;
    if stage.is_over() || stage.is_past_flip() || is_held(&office, &shown) {
        tell(session, &shown, office.now_ms());
        return Ok(given_up(stage));
    }
    // Nobody is there to obey, or not any more: this process does it.
    office.mover().release(&id).await?;
    Ok(match carry_on(session, &office, &id).await? {
        Ended::Aborted { .. } => 0,
        Ended::Completed { .. } => TOO_LATE,
        Ended::Paused | Ended::Stuck { .. } | Ended::Stopped => NOT_YET,
    })
}

/// Exit code of an order that came too late.
const TOO_LATE: u8 = 7;
/// Exit code of an order that waits for somebody to carry the move on.
const NOT_YET: u8 = 10;

/// The exit code of an abort, where a mover obeyed or did not.
fn given_up(stage: Stage) -> u8 {
    match stage {
        Stage::Aborted => 0,
        stage if stage.is_past_flip() => TOO_LATE,
        _ => NOT_YET,
    }
}

/// The exit code of the order to cut over.
fn cut_over(stage: Stage) -> u8 {
    match stage {
        Stage::Aborted => ABORTED,
        stage if stage.is_past_flip() => 0,
        _ => NOT_YET,
    }
}

/// Prints an order that was given, and what becomes of it.
fn given(session: &Session, office: &MoveOffice, shown: &Shown) -> u8 {
    let (id, held) = (&shown.state.plan.id, is_held(office, shown));
    let document = Given { id, orders: &shown.orders, held };
    session
        .printer
        .result("cellctl.move-orders/v1", &document, |_| format!("move {id}: {}", show::orders(&shown.orders)));
    if held {
        session.printer.note("whoever carries it on obeys within seconds");
    } else {
        session.printer.note(&format!("nobody carries it on; `{}` does", resume_command(session, id)));
    }
    0
}

fn is_held(office: &MoveOffice, shown: &Shown) -> bool {
    shown.holder(office.now_ms()).is_some()
}

/// Whether nothing more happens by itself.
fn is_at_rest(office: &MoveOffice, shown: &Shown) -> bool {
    shown.state.stage.is_over() || shown.waits() || !is_held(office, shown)
}

fn reason(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > REASON_MAX || text.chars().any(char::is_control) {
        return Err(format!("write 1 to {REASON_MAX} characters on one line"));
    }
    Ok(text.to_owned())
}
