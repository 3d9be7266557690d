//! Following a move that somebody else carries on.
//!
//! Constraint kept: reads only, once a second; what is new in the journal is reported once, in order.

use std::time::Duration;

use crate::domain::moves::MoveId;
use crate::domain::moves::event::{Entry, Event as Happened};
use crate::domain::moves::machine::Move;
use crate::ops::OpError;
use crate::ops::event::Event;

use super::{Mover, Shown};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

impl Mover<'_> {
    /// Reports what happens to a move until `done` says that this is all, and gives how it stands then.
    pub async fn follow(&self, id: &MoveId, done: impl Fn(&Shown) -> bool + Send + Sync) -> Result<Shown, OpError> {
        let mut shown = self.show(id).await?;
        let mut seen = shown.state.seq.saturating_sub(1);
        loop {
            self.report_new(&shown, seen);
            seen = shown.state.seq;
            if done(&shown) {
                self.world.reporter.report(&Event::MoveLetGo { id: id.clone() });
                return Ok(shown);
            }
            self.world.clock.sleep(LOOK).await;
            shown = self.show(id).await?;
        }
    }

    fn report_new(&self, shown: &Shown, seen: u64) {
        let reporter = &self.world.reporter;
        stages(&shown.journal)
            .into_iter()
            .filter(|(seq, _)| *seq > seen)
            .for_each(|(_, event)| reporter.report(&event));
        if let Some(progress) = &shown.progress {
            reporter.report(&Event::MoveProgressed { progress: Box::new(progress.clone()) });
        }
    }
}

/// Each entry of a journal as an event, with its number. What cannot follow ends it: `show` has refused that already.
fn stages(journal: &[Entry]) -> Vec<(u64, Event)> {
    let mut state: Option<Move> = None;
    let mut events = Vec::with_capacity(journal.len());
    for entry in journal {
        let next = match state {
            None => Move::begin(entry),
            Some(state) => state.apply(entry),
        };
        let Ok(next) = next else { break };
        events.push((entry.seq, stepped(&next, entry)));
        state = Some(next);
    }
    events
}

fn stepped(state: &Move, entry: &Entry) -> Event {
    let detail = why(&entry.event).map(str::to_owned);
    Event::MoveStepped { id: state.plan.id.clone(), stage: state.stage, what: entry.event.name(), detail }
}

fn why(event: &Happened) -> Option<&str> {
    match event {
        Happened::Reopened { why, .. } | Happened::AbortStarted { why } | Happened::Stuck { why, .. } => Some(why),
        Happened::GapFound { what, .. } => Some(what),
        _ => None,
    }
}
