//! `cellctl move pause | resume | throttle | cutover | abort`: what people tell a move.
//!
//! Constraint kept: an order is written first and waited for after, so that whoever stops waiting has still given it.

use clap::Args;

use crate::domain::moves::MoveId;
use crate::domain::moves::orders::Orders;
use crate::ops::moves::{Ended, Shown};
use crate::output::moves::show;

use super::context;
use super::move_args::rate_or_none;
use super::move_office::{MoveOffice, carry_on, resume as resume_command};
use super::moves::{Which, exit_code, tell};
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
    Ok(if shown.state.stage.is_past_flip() { 0 } else { unfinished(&shown) })
}

/// Carries out `cellctl move abort`.
pub async fn abort(args: &AbortArgs, session: &Session) -> Ran {
    let office = MoveOffice::writing(session).await?;
    let id = args.which.find(&office).await?;
    context::confirm(session, &format!("Give move {id} up? What was copied is deleted again."))?;
    let shown = office.mover().give_up(&id, &args.reason).await?;
    let held = is_held(&office, &shown);
    if args.wait.no_wait {
        return Ok(given(session, &office, &shown));
    }
    if !held {
        // Nobody is there to obey: this process does it.
        office.mover().release(&id).await?;
        let ended = carry_on(session, &office, &id).await?;
        return Ok(if matches!(ended, Ended::Aborted { .. }) { 0 } else { given_up_late(&ended) });
    }
    session.printer.note(&format!("move {id} is told to give up; waiting for that"));
    let shown = office.mover().follow(&id, |shown| is_at_rest(&office, shown)).await?;
    tell(session, &shown, office.now_ms());
    Ok(if exit_code(&shown) == ABORTED { 0 } else { unfinished(&shown) })
}

/// Exit code of a move that was given up, where nobody asked for that.
const ABORTED: u8 = 4;
/// Exit code of an order that was not carried out, since whoever carries the move on has let go of it.
const UNFINISHED: u8 = 10;

/// A move that completed before the order reached it cannot be given up any more.
fn given_up_late(ended: &Ended) -> u8 {
    match ended {
        Ended::Completed { .. } => 7,
        other => other.exit_code(),
    }
}

fn unfinished(shown: &Shown) -> u8 {
    match exit_code(shown) {
        0 if shown.state.stage.is_past_flip() => 7,
        0 => UNFINISHED,
        code => code,
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
