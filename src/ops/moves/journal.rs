//! Writing the journal of a move.
//!
//! Constraint kept: an entry is in the state only once it is known to be stored; one whose answer was lost is read back
//! by its number, and what another mover wrote there ends this one.

use std::time::Duration;

use crate::domain::moves::Plan;
use crate::domain::moves::event::{Entry, Event};
use crate::domain::moves::machine::Move;
use crate::domain::rate::full_jitter_ms;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::event::Event as Told;
use crate::ops::tenants::must_read_back;
use crate::ports::moves::{Appended, Summary};

use super::MoveWorld;
use super::halt::Halt;
use super::lease_of::Held;

/// How often an append whose answer was lost is looked for and tried again.
const ATTEMPTS_MAX: u32 = 8;
/// Base and bound of the waits between, in milliseconds.
const BACKOFF_MS: (u64, u64) = (50, 2_000);

/// Writes the first entry of a move's journal.
pub(super) async fn begin(world: &MoveWorld, held: &Held<'_>, plan: &Plan) -> Result<(), Halt> {
    let entry = next_entry(world, held, 0, Event::Planned { plan: Box::new(plan.clone()) });
    let state = Move::begin(&entry).map_err(|error| illegal(&error))?;
    store(world, held, &entry, &state).await
}

/// Appends an event, and gives the state after it.
pub(super) async fn append(world: &MoveWorld, held: &Held<'_>, state: Move, event: Event) -> Result<Move, Halt> {
    let entry = next_entry(world, held, state.seq, event);
    let id = state.plan.id.clone();
    let next = state.apply(&entry).map_err(|error| illegal(&error))?;
    store(world, held, &entry, &next).await?;
    let (what, detail) = (entry.event.name(), entry.event.detail());
    world.reporter.report(&Told::MoveStepped { id, stage: next.stage, what, detail });
    Ok(next)
}

fn next_entry(world: &MoveWorld, held: &Held<'_>, last_seq: u64, event: Event) -> Entry {
    let (by, token) = (held.actor.user.clone(), held.lease.lease().token);
    Entry { seq: last_seq + 1, at_ms: world.clock.now_ms(), by, token, event }
}

async fn store(world: &MoveWorld, held: &Held<'_>, entry: &Entry, next: &Move) -> Result<(), Halt> {
    let id = &next.plan.id;
    let summary = Summary::of(next);
    for attempt in 0.. {
        let error = match world.moves.append(id, entry, &summary, held.lease.lease()).await {
            Ok(Appended::Done) => return Ok(()),
            Ok(Appended::Taken | Appended::LeaseLost) => {
                return if is_stored(world, entry, next).await? { Ok(()) } else { Err(Halt::Lost) };
            }
            Err(error) => error,
        };
        if !must_read_back(&error) || attempt >= ATTEMPTS_MAX {
            return Err(error.into());
        }
        tracing::debug!(%error, %id, "reading the journal back");
        if is_stored(world, entry, next).await? {
            return Ok(());
        }
        let wait_ms = full_jitter_ms(attempt, BACKOFF_MS.0, BACKOFF_MS.1, world.clock.random());
        world.clock.sleep(Duration::from_millis(wait_ms)).await;
    }
    Err(Halt::Lost)
}

/// Whether the journal has this entry in its place.
async fn is_stored(world: &MoveWorld, entry: &Entry, next: &Move) -> Result<bool, Halt> {
    let journal = world.moves.journal(&next.plan.id).await?;
    Ok(journal.iter().any(|there| there == entry))
}

fn illegal(error: &impl std::fmt::Display) -> Halt {
    OpError::new(ErrorKind::Failed, format!("the journal of the move does not add up: {error}"))
        .hint("this is a fault of cellctl; nothing was changed: keep the journal and report it")
        .into()
}
