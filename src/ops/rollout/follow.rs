//! Following a rollout that somebody else carries on.
//!
//! Constraint kept: reads only, once a second; what is new in the journal is reported once, in order.

use std::time::Duration;

use crate::domain::lock::Lease;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::event::Entry;
use crate::domain::rollout::machine::{Rollout, Step};
use crate::ops::OpError;
use crate::ops::event::Event;

use super::{Pilot, Shown};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

impl Shown {
    /// Who carries it on, at `now_ms`.
    pub fn holder(&self, now_ms: i64) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.is_held(now_ms))
    }

    /// Whether it goes on only once somebody has acted, or not at all.
    pub fn waits(&self) -> bool {
        matches!(self.state.next(), Step::AwaitApproval | Step::Wait | Step::Rest)
    }

    /// Whether nothing more happens by itself, at `now_ms`.
    pub fn is_at_rest(&self, now_ms: i64) -> bool {
        self.state.stage.is_over() || self.holder(now_ms).is_none()
    }
}

impl Pilot<'_> {
    /// Reports what happens to a rollout until `done` says that this is all, and gives how it stands then.
    pub async fn follow(&self, id: RolloutId, done: impl Fn(&Shown) -> bool + Send + Sync) -> Result<Shown, OpError> {
        let world = &self.world.world;
        let mut shown = self.show(id).await?;
        world.reporter.report(&Event::RolloutPickedUp { state: Box::new(shown.state.clone()) });
        while !done(&shown) {
            if let Some(progress) = &shown.progress {
                world.reporter.report(&Event::RolloutProgressed { progress: Box::new(progress.clone()) });
            }
            world.clock.sleep(LOOK).await;
            let seen = shown.state.seq;
            shown = self.show(id).await?;
            for step in steps(&shown.journal, seen) {
                world.reporter.report(&step);
            }
        }
        world.reporter.report(&Event::RolloutLetGo { id });
        Ok(shown)
    }
}

/// The entries of a journal after a number, as events. What cannot follow ends it: `show` has refused that already.
fn steps(journal: &[Entry], seen: u64) -> Vec<Event> {
    let mut state: Option<Rollout> = None;
    let mut events = Vec::new();
    for entry in journal {
        let wave = state.as_ref().and_then(Rollout::current).map(|wave| wave.name.clone());
        let next = match state {
            None => Rollout::begin(entry),
            Some(state) => state.apply(entry),
        };
        let Ok(next) = next else { break };
        if entry.seq > seen {
            events.push(Event::RolloutStepped { id: next.plan.id, wave, what: Box::new(entry.event.clone()) });
        }
        state = Some(next);
    }
    events
}
