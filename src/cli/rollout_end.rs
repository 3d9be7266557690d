//! `cellctl rollout abort | rollback`: what people tell a rollout that is to end.
//!
//! Constraint kept: an order is written first and waited for after; where nobody is there to obey it, it is carried out here.

use clap::{Args, ValueEnum};

use crate::domain::definition::Rollback;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::domain::rollout::orders::Orders;
use crate::ops::rollout::{Ended, Shown};
use crate::ops::{ErrorKind, OpError};
use crate::output::plan::counted;

use super::context;
use super::rollout::Which;
use super::rollout_office::{RolloutOffice, carry_on, exit_code, tell_state};
use super::rollout_orders::{WaitArgs, given};
use super::{Ran, Session};

/// Longest reason, in characters.
const WHY_MAX: usize = 200;

/// End a rollout.
#[derive(Debug, Args)]
pub struct AbortArgs {
    #[command(flatten)]
    which: Which,
    /// Why, for people: up to 200 characters.
    #[arg(long, value_name = "TEXT", default_value = "no reason was given", value_parser = why)]
    why: String,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Take a rollout back.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    which: Which,
    /// How much of it.
    #[arg(long, value_enum, value_name = "SCOPE", default_value_t = ScopeArg::All)]
    scope: ScopeArg,
    #[command(flatten)]
    wait: WaitArgs,
}

/// How much is taken back, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeArg {
    /// Every wave that was begun, the last one first.
    All,
    /// The last wave that was begun.
    Wave,
}

impl From<ScopeArg> for Rollback {
    fn from(typed: ScopeArg) -> Self {
        match typed {
            ScopeArg::All => Self::All,
            ScopeArg::Wave => Self::Wave,
        }
    }
}

/// Carries out `cellctl rollout abort`.
pub async fn abort(args: &AbortArgs, session: &Session) -> Ran {
    let office = RolloutOffice::writing(session).await?;
    let id = office.pilot().find(args.which.id).await?;
    context::confirm(session, &format!("End rollout {id}? Every cell is left as it is."))?;
    let why = format!("{}: {}", office.user(), args.why);
    office.pilot().order(id, |orders| orders.abort = Some(why.clone())).await?;
    obeyed(session, &office, id, args.wait.no_wait, Stage::Aborted).await
}

/// Carries out `cellctl rollout rollback`.
pub async fn rollback(args: &RollbackArgs, session: &Session) -> Ran {
    let office = RolloutOffice::writing(session).await?;
    let id = office.pilot().find(args.which.id).await?;
    let state = office.pilot().state(id).await?;
    let is_under_way = matches!(state.stage, Stage::TakingBack | Stage::TakenBack);
    let scope = Rollback::from(args.scope);
    context::confirm(session, &rollback_question(&state, scope)?)?;
    if !is_under_way {
        let by = office.user();
        let order = |orders: &mut Orders| {
            (orders.rollback, orders.rollback_by) = (Some(scope), Some(by.clone()));
        };
        office.pilot().order(id, order).await?;
    }
    obeyed(session, &office, id, args.wait.no_wait, Stage::RolledBack).await
}

/// What is asked before a rollout is taken back; refuses where there is nothing to take back.
fn rollback_question(state: &Rollout, scope: Rollback) -> Result<String, OpError> {
    let id = state.plan.id;
    if matches!(state.stage, Stage::TakingBack | Stage::TakenBack) {
        return Ok(format!("Rollout {id} is being taken back already. Go on with that?"));
    }
    let nothing = || {
        let what = if state.stage.is_over() { state.stage.as_str() } else { "no wave was begun" };
        let message = format!("there is nothing of rollout {id} to take back: {what}");
        let hint = match state.stage {
            stage if stage.is_over() => "to get an older version, check it out and `cellctl rollout start`".to_owned(),
            _ => format!("`cellctl rollout abort {id}` ends it"),
        };
        OpError::new(ErrorKind::Refused, message).hint(hint)
    };
    let (first, last) = state.back_from(scope).zip(state.last_begun()).ok_or_else(nothing)?;
    let waves = state.plan.waves.get(first..=last).unwrap_or_default();
    let names: Vec<&str> = waves.iter().rev().map(|wave| wave.name.as_str()).collect();
    let cells: usize = waves.iter().map(|wave| wave.cells).sum();
    Ok(format!("Take rollout {id} back: {} ({})?", names.join(", "), counted(cells, "cell")))
}

/// Waits for whoever carries the rollout on, or carries it on here; ends with 0 once it is as was ordered.
async fn obeyed(session: &Session, office: &RolloutOffice, id: RolloutId, no_wait: bool, wanted: Stage) -> Ran {
    if no_wait {
        return given(session, office, id).await;
    }
    let mut shown = office.pilot().show(id).await?;
    if office.is_held(&shown) {
        session.printer.note(&format!("whoever carries rollout {id} on is told; waiting for that"));
        shown = office.pilot().follow(id, |shown| is_settled(shown) || !office.is_held(shown)).await?;
    }
    if is_settled(&shown) {
        tell_state(session, &shown, office.now_ms());
        return Ok(if shown.state.stage == wanted { 0 } else { exit_code(&shown.state) });
    }
    // Nobody is there to obey, or not any more: this process does it.
    let ended = carry_on(session, office, id).await?;
    Ok(match (&ended, wanted) {
        (Ended::Aborted { .. }, Stage::Aborted) | (Ended::RolledBack { .. }, Stage::RolledBack) => 0,
        _ => ended.exit_code(),
    })
}

/// Whether the order was obeyed as far as that goes by itself.
fn is_settled(shown: &Shown) -> bool {
    let is_pending = shown.orders.rollback.is_some() || shown.orders.abort.is_some();
    !is_pending && (shown.state.stage.is_over() || shown.state.stage == Stage::BackFailed)
}

fn why(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > WHY_MAX || text.chars().any(char::is_control) {
        return Err(format!("write 1 to {WHY_MAX} characters on one line"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rollout::event::{Changed, Event};
    use crate::output::rollout::samples::{begun, passed, shown};

    fn question(events: Vec<Event>, scope: Rollback) -> Result<String, OpError> {
        rollback_question(&shown(events).state, scope)
    }

    #[test]
    fn what_is_taken_back_is_named_the_last_wave_first() {
        let all = question(begun(2), Rollback::All).expect("possible");
        assert_eq!(all, "Take rollout 12 back: rest, first, canary (10 cells)?");
        let last = question((0..2).flat_map(passed).collect(), Rollback::Wave).expect("possible");
        assert_eq!(last, "Take rollout 12 back: first (1 cell)?");
        let back = Event::RollbackStarted { first: 0, why: String::new(), who: None };
        let again = question(begun(1).into_iter().chain([back]).collect(), Rollback::All).expect("possible");
        assert!(again.contains("is being taken back already"), "{again}");
    }

    #[test]
    fn what_was_not_begun_or_is_back_is_not_taken_back() {
        let refused = question(Vec::new(), Rollback::All).expect_err("refused");
        assert_eq!(refused.exit_code(), 7);
        assert_eq!(refused.hint.as_deref(), Some("`cellctl rollout abort 12` ends it"));
        let back = [
            Event::RollbackStarted { first: 0, why: String::new(), who: None },
            Event::WaveBack { wave: 0, changed: Changed::default() },
            Event::RolledBack { kept: Vec::new() },
        ];
        let refused = question(begun(0).into_iter().chain(back).collect(), Rollback::All).expect_err("refused");
        assert!(refused.message.ends_with("to take back: rolled-back"), "{}", refused.message);
    }

    #[test]
    fn an_order_is_settled_once_it_is_obeyed_to_its_end() {
        let mut shown = shown(begun(0));
        assert!(!is_settled(&shown));
        shown.state.stage = Stage::BackFailed;
        assert!(is_settled(&shown));
        shown.orders.rollback = Some(Rollback::All);
        assert!(!is_settled(&shown));
        shown.state.stage = Stage::Completed;
        assert!(!is_settled(&shown));
    }

    #[test]
    fn a_reason_is_one_line() {
        assert!(why("the alarm is wrong").is_ok());
        assert!(why(" ").is_err() && why("a\nb").is_err() && why(&"x".repeat(201)).is_err());
    }
}
