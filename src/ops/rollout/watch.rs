//! What goes on beside a step: orders are looked at, progress is told.
//!
//! Constraint kept: an order is obeyed within seconds; a call to CloudFormation that is under way is let end.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::domain::rollout::machine::Stage;
use crate::domain::rollout::orders::Orders;
use crate::ops::event::{Event, Outcome, Reporter};

use super::Progress;
use super::driver::Driver;
use super::halt::Halt;

/// How often it looks at what people order.
const LOOK: Duration = Duration::from_secs(1);

/// Where a rollout stands, kept while cells are changed.
pub(super) type Standing = Arc<Mutex<Progress>>;

/// Changes what is told of where it stands.
pub(super) fn tell(standing: &Standing, change: impl FnOnce(&mut Progress)) {
    change(&mut standing.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Counts the cells of a wave while an apply tells of them.
pub(super) struct Counting {
    pub(super) inner: Arc<dyn Reporter>,
    pub(super) standing: Standing,
}

impl Reporter for Counting {
    fn report(&self, event: &Event) {
        tell(&self.standing, |progress| match event {
            Event::CellStarted { cell, .. } => progress.under_way.push(cell.clone()),
            Event::CellFinished { cell, outcome, .. } => {
                progress.under_way.retain(|one| one != cell);
                match outcome {
                    Outcome::Done | Outcome::AlreadyDone => progress.done += 1,
                    outcome if outcome.is_failure() => progress.failed += 1,
                    _ => {}
                }
            }
            _ => {}
        });
        self.inner.report(event);
    }
}

/// What becomes of a step when an order comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It is dropped where it is.
    Now,
    /// It begins nothing more, and is let end.
    LetEnd,
}

impl Driver<'_> {
    /// Whether somebody wants it to stop, or the lease is lost.
    pub(super) fn check(&self) -> Result<(), Halt> {
        if self.hand.lease.is_lost() {
            return Err(Halt::Lost);
        }
        if *self.stop.borrow() { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// Tells what it waits for.
    pub(super) fn waits_for(&self, what: Option<String>) {
        tell(&self.standing, |progress| progress.waits_for = what);
    }

    /// Does some work, with an eye on orders and on the lease.
    pub(super) async fn beside<T>(&self, cut: Cut, work: impl Future<Output = Result<T, Halt>>) -> Result<T, Halt> {
        let mut work = pin!(work);
        loop {
            let look = pin!(self.pilot.world.world.clock.sleep(LOOK));
            match select(work.as_mut(), look).await {
                Either::Left((ended, _)) => return ended,
                Either::Right(_) => {}
            }
            let halted = match self.check() {
                Err(halt) => Some(halt),
                Ok(()) => self.has_orders().await.then_some(Halt::Ordered),
            };
            if let Some(halt) = halted {
                if cut == Cut::Now {
                    return Err(halt);
                }
                self.quit.send_replace(true);
            }
            self.publish().await;
        }
    }

    /// Whether there is an order that the step has to make room for. One that cannot be read is looked for again.
    async fn has_orders(&self) -> bool {
        match self.pilot.world.rollouts.orders(self.state.plan.id).await {
            Ok(orders) => self.interrupts(&orders),
            Err(error) => {
                tracing::debug!(%error, "the orders could not be read");
                false
            }
        }
    }

    fn interrupts(&self, orders: &Orders) -> bool {
        let promotes = orders.promote.as_ref().is_some_and(|word| word.wave == self.state.wave);
        orders.pause
            || orders.abort.is_some()
            || (orders.rollback.is_some() && self.state.last_begun().is_some())
            || (promotes && self.state.stage == Stage::Baking)
    }

    /// Tells where it stands. Nothing depends on it.
    pub(super) async fn publish(&self) {
        let mut progress = self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        progress.at_ms = self.pilot.world.world.clock.now_ms();
        (progress.wave, progress.stage) = (self.state.wave, self.state.stage);
        let (rollouts, lease) = (&self.pilot.world.rollouts, self.hand.lease.lease());
        if let Ok(text) = serde_json::to_string(&progress)
            && let Err(error) = rollouts.put_progress(self.state.plan.id, &text, lease).await
        {
            tracing::debug!(%error, "the progress could not be written");
        }
        self.pilot.world.world.reporter.report(&Event::RolloutProgressed { progress: Box::new(progress) });
    }
}
