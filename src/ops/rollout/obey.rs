//! Obeying what people order.
//!
//! Constraint kept: an order is taken back only after what it led to is in the journal; obeyed twice, it does nothing more.

use crate::domain::rollout::event::Event;
use crate::domain::rollout::machine::Stage;
use crate::domain::rollout::orders::Orders;

use super::driver::Driver;
use super::halt::Halt;

impl Driver<'_> {
    /// Looks at the orders, and obeys.
    pub(super) async fn obey(&mut self) -> Result<(), Halt> {
        let orders = self.pilot.world.rollouts.orders(self.state.plan.id).await?;
        if let Some(event) = self.answer(&orders) {
            self.note(event).await?;
        }
        self.clear(&orders).await
    }

    /// What the strongest order leads to; none where there is none that fits.
    fn answer(&self, orders: &Orders) -> Option<Event> {
        let (stage, wave) = (self.state.stage, self.state.wave);
        if let Some(why) = orders.abort.clone().filter(|_| !stage.is_over()) {
            return Some(Event::Aborted { why });
        }
        if let Some(scope) = orders.rollback
            && let Some(first) = self.state.back_from(scope)
        {
            let (who, why) = (orders.rollback_by.clone(), "somebody ordered it".to_owned());
            return Some(Event::RollbackStarted { first, why, who });
        }
        if stage.is_over() {
            return None;
        }
        // With nothing to take back, nothing may begin either.
        if orders.rollback.is_some() && stage == Stage::Ready {
            return Some(Event::Aborted { why: "it was to be taken back before any cell was changed".to_owned() });
        }
        if let Some(word) = orders.promote.as_ref().filter(|word| word.wave == wave)
            && matches!(stage, Stage::Baking | Stage::Failed | Stage::Halted)
        {
            let (baked_ms, gates) = (self.state.baked_ms, self.state.gates.clone());
            return Some(Event::WavePassed { wave, baked_ms, promoted_by: Some(word.by.clone()), gates });
        }
        if let Some(word) = orders.approve.as_ref().filter(|word| word.wave >= wave)
            && stage == Stage::Ready
            && self.state.approved <= word.wave
        {
            return Some(Event::Approved { wave: word.wave, who: word.by.clone() });
        }
        (orders.pause && !self.state.paused).then(|| Event::Paused { who: "an order".to_owned() })
    }

    /// Takes back what is obeyed, or does not fit any more. Somebody may order something new meanwhile: that stays.
    async fn clear(&self, obeyed: &Orders) -> Result<(), Halt> {
        let wanted = Orders {
            version: obeyed.version + 1,
            pause: obeyed.pause,
            // One that came before there was anything to look at says nothing of what is seen later.
            promote: None,
            approve: obeyed.approve.clone().filter(|word| word.wave >= self.state.approved),
            abort: None,
            rollback: None,
            rollback_by: None,
        };
        let is_same = Orders { version: obeyed.version, ..wanted.clone() } == *obeyed;
        if !is_same && !self.pilot.world.rollouts.put_orders(self.state.plan.id, &wanted).await? {
            // The next turn looks at the new ones.
            return Err(Halt::Ordered);
        }
        Ok(())
    }
}
