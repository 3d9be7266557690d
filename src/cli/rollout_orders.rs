//! `cellctl rollout pause | promote | approve`: what people tell a rollout that is to go on.
//!
//! Constraint kept: an order is written first and waited for after, so that whoever stops waiting has still given it.

use clap::Args;

use crate::domain::rollout::RolloutId;
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::domain::rollout::orders::{Orders, Word};
use crate::ops::{ErrorKind, OpError};
use crate::output::rollout::show;

use super::context;
use super::rollout::Which;
use super::rollout_office::{RolloutOffice, command, exit_code, tell_state};
use super::{Ran, Session};

/// Let a rollout stop.
#[derive(Debug, Args)]
pub struct PauseArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Let a wave pass.
#[derive(Debug, Args)]
pub struct PromoteArgs {
    #[command(flatten)]
    which: Which,
}

/// Let a wave begin.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    #[command(flatten)]
    which: Which,
    /// The wave, by its name; those before it are approved, too. The one that is next to be approved when absent.
    #[arg(long, value_name = "NAME")]
    wave: Option<String>,
}

/// Whether to wait.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Only give the order: do not wait for whoever carries the rollout on, and do not carry it out here.
    #[arg(long)]
    pub no_wait: bool,
}

/// An order that was given, for machines.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Given<'a> {
    id: RolloutId,
    orders: &'a Orders,
    held: bool,
}

/// Carries out `cellctl rollout pause`.
pub async fn pause(args: &PauseArgs, session: &Session) -> Ran {
    let office = RolloutOffice::writing(session).await?;
    let id = office.pilot().find(args.which.id).await?;
    let shown = office.pilot().show(id).await?;
    if !office.is_held(&shown) && !shown.state.stage.is_over() {
        session.printer.note(&format!("nobody carries rollout {id} on: it stands still already"));
        tell_state(session, &shown, office.now_ms());
        return Ok(0);
    }
    office.pilot().order(id, |orders| orders.pause = true).await?;
    if args.wait.no_wait {
        return given(session, &office, id).await;
    }
    session.printer.note(&format!("rollout {id} is told to stop where it is; waiting for that"));
    let shown = office.pilot().follow(id, |shown| shown.is_at_rest(office.now_ms())).await?;
    tell_state(session, &shown, office.now_ms());
    Ok(if shown.state.paused { 0 } else { exit_code(&shown.state) })
}

/// Carries out `cellctl rollout promote`.
pub async fn promote(args: &PromoteArgs, session: &Session) -> Ran {
    let office = RolloutOffice::writing(session).await?;
    let id = office.pilot().find(args.which.id).await?;
    let state = office.pilot().state(id).await?;
    let (wave, name) = promotable(&state)?;
    let overlooked = if state.stage == Stage::Baking { "" } else { ", although it failed" };
    context::confirm(session, &format!("Let wave {name} of rollout {id} pass{overlooked}?"))?;
    let by = office.user();
    office.pilot().order(id, |orders| orders.promote = Some(Word { wave, by: by.clone() })).await?;
    given(session, &office, id).await
}

/// The wave that can be let pass.
fn promotable(state: &Rollout) -> Result<(usize, String), OpError> {
    let id = state.plan.id;
    let wave = state.current().filter(|_| matches!(state.stage, Stage::Baking | Stage::Failed | Stage::Halted));
    let name = wave.map(|wave| wave.name.clone());
    name.map(|name| (state.wave, name)).ok_or_else(|| {
        let message = format!("no wave of rollout {id} bakes or has failed: it is {}", state.stage.as_str());
        OpError::new(ErrorKind::Refused, message).hint(format!("`cellctl rollout status {id}` shows where it stands"))
    })
}

/// Carries out `cellctl rollout approve`.
pub async fn approve(args: &ApproveArgs, session: &Session) -> Ran {
    let office = RolloutOffice::writing(session).await?;
    let id = office.pilot().find(args.which.id).await?;
    let state = office.pilot().state(id).await?;
    let wave = approvable(&state, args.wave.as_deref())?;
    let name = &state.plan.waves[wave].name;
    context::confirm(session, &format!("Let wave {name} of rollout {id} begin once it is its turn?"))?;
    let by = office.user();
    let given_before = |orders: &Orders| orders.approve.as_ref().is_some_and(|word| word.wave >= wave);
    office
        .pilot()
        .order(id, |orders| {
            if !given_before(orders) {
                orders.approve = Some(Word { wave, by: by.clone() });
            }
        })
        .await?;
    given(session, &office, id).await
}

/// The wave of that name, or the next one that needs approval and has none.
fn approvable(state: &Rollout, name: Option<&str>) -> Result<usize, OpError> {
    let id = state.plan.id;
    let open = |index: usize| index >= state.wave.max(state.approved) && state.waves[index].started_at_ms.is_none();
    let waves = state.plan.waves.iter().enumerate();
    let needs: Vec<_> = waves.filter(|(index, wave)| wave.approval && open(*index)).collect();
    let found = needs.iter().find(|(_, wave)| name.is_none_or(|name| wave.name == name));
    found.map(|(index, _)| *index).ok_or_else(|| {
        let message = match name {
            Some(name) => format!("rollout {id} has no wave {name:?} that needs approval and has none"),
            None => format!("no wave of rollout {id} needs approval that it does not have"),
        };
        let waits: Vec<&str> = needs.iter().map(|(_, wave)| wave.name.as_str()).collect();
        let hint = if waits.is_empty() {
            format!("`cellctl rollout status {id}` shows its waves")
        } else {
            format!("these do: {}", waits.join(", "))
        };
        OpError::new(ErrorKind::Refused, message).hint(hint)
    })
}

/// Prints an order that was given, and what becomes of it.
pub async fn given(session: &Session, office: &RolloutOffice, id: RolloutId) -> Ran {
    let shown = office.pilot().show(id).await?;
    let held = office.is_held(&shown);
    let document = Given { id, orders: &shown.orders, held };
    session.printer.result("cellctl.rollout-orders/v1", &document, |_| {
        format!("rollout {id}: {}", show::orders(&shown.orders, &shown.state))
    });
    if held {
        session.printer.note("whoever carries it on obeys within seconds");
    } else {
        let resume = command(session, &format!("resume {id}"));
        session.printer.note(&format!("nobody carries it on; `{resume}` does"));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rollout::event::{Changed, Event};
    use crate::output::rollout::samples::{begun, passed, shown};

    fn refusal<T>(found: Result<T, OpError>) -> OpError {
        found.err().expect("refused")
    }

    #[test]
    fn the_wave_that_is_approved_is_the_one_named_or_the_next_that_needs_it() {
        let state = shown(begun(1)).state;
        assert_eq!(approvable(&state, None).expect("a wave"), 3);
        assert_eq!(approvable(&state, Some("zero")).expect("a wave"), 3);
        let wrong = refusal(approvable(&state, Some("rest")));
        assert_eq!((wrong.exit_code(), wrong.hint.as_deref()), (7, Some("these do: zero")));
        let given = [Event::Approved { wave: 3, who: "ann".to_owned() }];
        let state = shown((0..3).flat_map(passed).chain(given).collect()).state;
        assert!(refusal(approvable(&state, None)).message.contains("needs approval that it does not have"));
    }

    #[test]
    fn only_a_wave_that_bakes_or_failed_is_let_pass() {
        assert!(refusal(promotable(&shown(Vec::new()).state)).message.contains("it is ready"));
        let changed = Event::WaveChanged { wave: 1, changed: Changed::default() };
        let state = shown(begun(1).into_iter().chain([changed]).collect()).state;
        assert_eq!(promotable(&state).expect("a wave"), (1, "first".to_owned()));
    }
}
