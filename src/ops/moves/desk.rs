//! What people ask of moves: begin, run, find, show, list, order.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use crate::domain::ids::InvalidId;
use crate::domain::lock::ProcessId;
use crate::domain::moves::event::Event;
use crate::domain::moves::machine::{Move, Stage};
use crate::domain::moves::orders::Orders;
use crate::domain::moves::{MoveId, Plan};
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::lease::{Claim, HeldLease};
use crate::ports::LeaseStore;
use crate::ports::moves::{LedgerWrite, Summary};

use super::carrier::{Listed, carried, carrier, hint};
use super::context::Context;
use super::dirty::Dirty;
use super::driver::{Driver, over};
use super::halt::Halt;
use super::lease::MoveLease;
use super::lease_of::Held;
use super::meter::Meter;
use super::notes::Notes;
use super::{Ended, Mover, Shown, journal, ledger, soak};

/// How often orders are tried to be given while others give some.
const ATTEMPTS_MAX: u32 = 10;
/// Moves that are over and are looked through for a tenant's last one.
pub(super) const LOOKED_BACK: u32 = 10_000;

impl Mover<'_> {
    /// Writes a plan down as a move; one that is there already is left as it is.
    pub async fn begin(&self, plan: &Plan) -> Result<MoveId, OpError> {
        let (world, id) = (self.world, &plan.id);
        if !world.moves.journal(id).await?.is_empty() {
            return Ok(id.clone());
        }
        let lease = self.take(id).await?;
        let begun = journal::begin(world, &Held { lease: &lease, actor: self.actor }, plan).await;
        lease.release().await?;
        match begun {
            Ok(()) => Ok(id.clone()),
            // Somebody else was quicker.
            Err(Halt::Lost) if !world.moves.journal(id).await?.is_empty() => Ok(id.clone()),
            Err(halt) => Err(unwritten(id, halt)),
        }
    }

    /// Takes a move's lease and carries it on, until it is over or somebody stops it. `stop` asks it to let go.
    pub async fn run(&self, id: &MoveId, stop: watch::Receiver<bool>) -> Result<Ended, OpError> {
        let state = self.state(id).await?;
        if state.stage.is_over() {
            return Ok(over(&state));
        }
        let lease = self.take(id).await?;
        let mut in_doubt = false;
        let outcome = self.run_under(id, &lease, stop, &mut in_doubt).await;
        if in_doubt {
            // A request may be under way that nobody has seen answered: the lease runs out by itself.
            drop(lease);
        } else if let Err(error) = lease.release().await {
            tracing::debug!(%error, "the lease could not be given back; it runs out by itself");
        }
        outcome
    }

    /// Says in `in_doubt` whether bulk requests may still count when it ends.
    async fn run_under(
        &self,
        id: &MoveId,
        lease: &HeldLease,
        stop: watch::Receiver<bool>,
        in_doubt: &mut bool,
    ) -> Result<Ended, OpError> {
        // Again, now that nobody else writes it.
        let state = self.state(id).await?;
        let plan = state.plan.clone();
        self.order(id, |orders| orders.pause = false).await?;
        let held = Held { lease, actor: self.actor };
        let state = self.taken_over(state, &held).await?;
        let stage = state.stage;
        let mut driver = Driver {
            context: Context::new(self.world, &plan, lease, lease.permit(), stop),
            held,
            fleet: self.fleet,
            state,
            dirty: Dirty::default(),
            capture: None,
            notes: Notes::default(),
            meter: Meter::new(stage),
            token: 0,
            compared_in_ms: AtomicU64::new(0),
        };
        let outcome = driver.drive().await;
        *in_doubt = driver.context.doubt_until_ms() > self.world.clock.now_ms();
        outcome
    }

    /// Writes down that another mover goes on, and that what held the move up is out of the way.
    async fn taken_over(&self, mut state: Move, held: &Held<'_>) -> Result<Move, OpError> {
        let mut events = Vec::new();
        if state.stage > Stage::Planned {
            let bulk_until_ms = held.lease.lease().unsettled_until_ms;
            events.push(Event::TakenOver { bulk_until_ms });
        }
        if soak::has_changed(&state) {
            // Whoever resumes it has dealt with that. First, so that the source is watched anew whoever goes on from here.
            let anew = LedgerWrite { name: ledger::SOAK.to_owned(), body: None };
            if !self.world.moves.put_ledger(&state.plan.id, &[anew], held.lease.lease()).await? {
                return Err(OpError::new(ErrorKind::Locked, "the move was taken over meanwhile"));
            }
        }
        if state.paused || state.trouble.is_some() {
            events.push(Event::Resumed);
        }
        for event in events {
            let id = state.plan.id.clone();
            state = journal::append(self.world, held, state, event).await.map_err(|halt| unwritten(&id, halt))?;
        }
        Ok(state)
    }

    async fn take(&self, id: &MoveId) -> Result<HeldLease, OpError> {
        let store: Arc<dyn LeaseStore> = Arc::new(MoveLease { moves: self.world.moves.clone(), id: id.clone() });
        let claim = Claim { actor: self.actor.clone(), purpose: "carrying it on".to_owned() };
        HeldLease::take_over(store, self.world.clock.clone(), &claim, Some(self.world.processes.as_ref())).await
    }

    /// The state of a move that is there.
    async fn state(&self, id: &MoveId) -> Result<Move, OpError> {
        let journal = self.world.moves.journal(id).await?;
        let state = Move::fold(&journal).map_err(|error| broken(id, &error))?;
        state.ok_or_else(|| no_move(&id.to_string()))
    }

    /// The move of that id; or the one that a tenant is in, or was in last.
    pub async fn find(&self, name: &str) -> Result<MoveId, OpError> {
        let mistyped = |error: InvalidId| OpError::new(ErrorKind::Usage, error.to_string());
        if name.contains(':') {
            return name.parse().map_err(mistyped);
        }
        let tenant = name.parse().map_err(mistyped)?;
        let moving = self.world.map.entry(&tenant).await?.and_then(|entry| entry.moving);
        if let Some(moving) = moving {
            return Ok(moving.id);
        }
        let of_tenant = |summaries: Vec<Summary>| summaries.into_iter().find(|one| one.id.tenant == tenant);
        if let Some(open) = of_tenant(self.world.moves.open().await?) {
            return Ok(open.id);
        }
        let last = of_tenant(self.world.moves.over(LOOKED_BACK).await?);
        last.map(|one| one.id).ok_or_else(|| no_move(name))
    }

    /// A move as it stands.
    pub async fn show(&self, id: &MoveId) -> Result<Shown, OpError> {
        let moves = &self.world.moves;
        let journal = moves.journal(id).await?;
        let state = Move::fold(&journal).map_err(|error| broken(id, &error))?;
        let state = state.ok_or_else(|| no_move(&id.to_string()))?;
        let progress = moves.ledger(id, "progress").await?.remove("progress");
        // What an older or newer version wrote there is of no use, and no error.
        let progress = progress.and_then(|body| serde_json::from_str(&body).ok());
        let is_gone = |process: &ProcessId| self.world.processes.is_gone(process);
        let lease = moves.lease(id).await?.filter(|lease| !lease.process.as_ref().is_some_and(is_gone));
        let carrier = carrier(lease.as_ref(), self.world.processes.as_ref(), self.world.clock.now_ms());
        let is_alone = carrier.is_none() && !state.stage.is_over();
        let hint = is_alone.then(|| hint(id, state.trouble.is_some()));
        Ok(Shown { state, journal, orders: moves.orders(id).await?, lease, carrier, hint, progress })
    }

    /// Moves under way with who carries them on, and up to `over` of those that are over, the latest first.
    pub async fn list(&self, over: u32) -> Result<Vec<Listed>, OpError> {
        let mut all = self.world.moves.open().await?;
        if over > 0 {
            all.extend(self.world.moves.over(over).await?);
        }
        let now_ms = self.world.clock.now_ms();
        Ok(carried(self.world.moves.as_ref(), self.world.processes.as_ref(), all, now_ms).await?)
    }

    /// Gives orders to a move that is not over; gives them as they stand then. Whether a mover is there to obey is
    /// another matter: `show` tells who holds the lease.
    pub async fn order(&self, id: &MoveId, change: impl Fn(&mut Orders) + Send + Sync) -> Result<Orders, OpError> {
        let state = self.state(id).await?;
        if state.stage.is_over() {
            return Err(OpError::new(ErrorKind::Refused, format!("the move {id} is over: {}", state.stage.as_str()))
                .hint(format!("`cellctl move receipt {id}` shows what it did")));
        }
        for _ in 0..ATTEMPTS_MAX {
            let there = self.world.moves.orders(id).await?;
            let mut wanted = there.clone();
            change(&mut wanted);
            // An order to abort that came too late is there still, and stops nobody.
            if wanted.abort.is_some() && there.abort.is_none() && state.stage.is_past_flip() {
                return Err(past_flip(&state));
            }
            if wanted == there {
                return Ok(there);
            }
            wanted.version = there.version + 1;
            if self.world.moves.put_orders(id, &wanted).await? {
                return Ok(wanted);
            }
        }
        Err(OpError::new(ErrorKind::Failed, format!("somebody else keeps giving orders to the move {id}"))
            .hint("run the same command again"))
    }
}

/// The error where the journal could not be written.
fn unwritten(id: &MoveId, halt: Halt) -> OpError {
    match halt {
        Halt::Failed(error) => error,
        Halt::Stuck(trouble) => OpError::new(ErrorKind::Failed, trouble.why).hint(trouble.hint),
        _ => OpError::new(ErrorKind::Locked, format!("somebody else has taken the move {id} meanwhile"))
            .hint(format!("`cellctl move show {id}` says how that goes")),
    }
}

fn past_flip(state: &Move) -> OpError {
    let (tenant, source, target) = (state.plan.tenant(), &state.plan.source.cell, &state.plan.target.cell);
    OpError::new(ErrorKind::Refused, format!("tenant {tenant} is served by {target} already: there is no way back"))
        .hint(format!("`cellctl tenant move {tenant} --rollback` takes it back to {source}, by a move of its own"))
}

fn no_move(name: &str) -> OpError {
    OpError::new(ErrorKind::Failed, format!("there is no move {name}"))
        .hint("`cellctl move list --all` shows the moves; `cellctl tenant move TENANT --to CELL` begins one")
}

fn broken(id: &MoveId, error: &impl std::fmt::Display) -> OpError {
    OpError::new(ErrorKind::Failed, format!("the journal of the move {id} does not add up: {error}"))
        .hint("somebody has changed it, or this is a fault of cellctl: keep it and report it; nothing was changed")
}
