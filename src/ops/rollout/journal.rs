//! Writing the journal of a rollout.
//!
//! Constraint kept: an entry is in the state only once it is known to be stored; one whose answer was lost is read back by
//! its number, and what somebody else wrote there ends this run.

use std::time::Duration;

use crate::domain::audit::Actor;
use crate::domain::rate::full_jitter_ms;
use crate::domain::rollout::event::{Entry, Event};
use crate::domain::rollout::machine::Rollout;
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::event::Event as Told;
use crate::ops::lease::HeldLease;
use crate::ops::tenants::must_read_back;
use crate::ports::moves::Appended;
use crate::ports::rollout::Summary;

use super::RolloutWorld;
use super::halt::Halt;

/// How often an append whose answer was lost is looked for and tried again.
const ATTEMPTS_MAX: u32 = 8;
/// Base and bound of the waits between, in milliseconds.
const BACKOFF_MS: (u64, u64) = (50, 2_000);

/// Who writes: the lease, and who holds it.
#[derive(Clone, Copy)]
pub(super) struct Hand<'a> {
    pub(super) lease: &'a HeldLease,
    pub(super) actor: &'a Actor,
}

impl Hand<'_> {
    /// An entry of this hand.
    pub(super) fn entry(&self, seq: u64, at_ms: i64, event: Event) -> Entry {
        Entry { seq, at_ms, by: self.actor.user.clone(), token: self.lease.lease().token, event }
    }
}

/// Appends an event, and gives the state after it.
pub(super) async fn append(
    world: &RolloutWorld,
    hand: Hand<'_>,
    state: Rollout,
    event: Event,
) -> Result<Rollout, Halt> {
    let entry = hand.entry(state.seq + 1, world.world.clock.now_ms(), event);
    let (id, wave) = (state.plan.id, state.current().map(|wave| wave.name.clone()));
    let next = state.apply(&entry).map_err(|error| illegal(&error))?;
    store(world, hand, &entry, &next).await?;
    world.world.reporter.report(&Told::RolloutStepped { id, wave, what: Box::new(entry.event) });
    Ok(next)
}

/// Stores an entry, whatever its number.
pub(super) async fn store(world: &RolloutWorld, hand: Hand<'_>, entry: &Entry, next: &Rollout) -> Result<(), Halt> {
    let (id, summary) = (next.plan.id, Summary::of(next));
    for attempt in 0..=ATTEMPTS_MAX {
        let error = match world.rollouts.append(id, entry, &summary, hand.lease.lease()).await {
            Ok(Appended::Done) => return Ok(()),
            Ok(Appended::Taken | Appended::LeaseLost) => {
                return if is_stored(world, entry, next).await? { Ok(()) } else { Err(Halt::Lost) };
            }
            Err(error) => error,
        };
        if !must_read_back(&error) || attempt == ATTEMPTS_MAX {
            return Err(error.into());
        }
        tracing::debug!(%error, %id, "reading the journal back");
        if is_stored(world, entry, next).await? {
            return Ok(());
        }
        let clock = &world.world.clock;
        let wait_ms = full_jitter_ms(attempt, BACKOFF_MS.0, BACKOFF_MS.1, clock.random());
        clock.sleep(Duration::from_millis(wait_ms)).await;
    }
    Err(Halt::Lost)
}

/// Whether the journal has this entry in its place.
async fn is_stored(world: &RolloutWorld, entry: &Entry, next: &Rollout) -> Result<bool, Halt> {
    let journal = world.rollouts.journal(next.plan.id).await?;
    Ok(journal.iter().any(|there| there == entry))
}

fn illegal(error: &impl std::fmt::Display) -> Halt {
    OpError::new(ErrorKind::Failed, format!("the journal of the rollout does not add up: {error}"))
        .hint("this is a fault of cellctl; nothing was changed: keep the journal and report it")
        .into()
}
