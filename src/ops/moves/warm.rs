//! COPY of a move back to a cell that still holds what the tenant had when it left: what differs is carried over.
//!
//! Constraints kept: nothing is believed of what the target holds: a key is equal by comparison, or reconciled, or a stream
//! tells of it; no bulk request is under way while keys are reconciled.

use crate::domain::moves::event::Event;
use crate::ports::moves::LedgerWrite;

use super::clean::clean;
use super::compare::{Part, keys_of, parts};
use super::context::Side;
use super::driver::Driver;
use super::halt::Halt;
use super::ledger;
use super::reconcile::{Round, reconcile};

/// Parts of differing buckets at most, each of which takes a look at the whole table: with more, copying is cheaper.
const PARTS_MAX: usize = 16;
/// Items count as they are, those past their time to live too: one that was deleted elsewhere is not to come back.
const NOTHING_EXPIRED: i64 = i64::MIN;
/// The document that says that everything is copied.
const COLD: &str = "cold";

impl Driver<'_> {
    /// Compares both sides, carries over what differs, and copies everything where that is too much.
    pub(super) async fn copy_warm(&self) -> Result<Event, Halt> {
        if !ledger::read(&self.context, COLD).await?.is_empty() {
            return self.copy_cold().await;
        }
        let parts = parts(&self.context, &self.meter, NOTHING_EXPIRED).await?;
        if parts.len() > PARTS_MAX {
            let body = Some("true".to_owned());
            ledger::write(&self.context, &[LedgerWrite { name: COLD.to_owned(), body }]).await?;
            return self.copy_cold().await;
        }
        for part in &parts {
            self.carry_over(part).await?;
        }
        Ok(Event::Copied { items: 0, bytes: 0 })
    }

    /// Keys that do not fit beside those of the streams are looked for again.
    async fn carry_over(&self, part: &Part) -> Result<(), Halt> {
        loop {
            self.context.check()?;
            let keys = keys_of(&self.context, part, NOTHING_EXPIRED).await?;
            let mut fits = true;
            for (table, key) in keys {
                fits &= self.dirty.mark(table, key);
            }
            reconcile(&self.context, self.state.target_epoch(), &self.dirty, Round::ALL).await?;
            if fits {
                return Ok(());
            }
        }
    }

    /// The target is emptied first: what the source has no more must not stay there. Once a page was copied it is empty.
    async fn copy_cold(&self) -> Result<Event, Halt> {
        if ledger::read(&self.context, ledger::COPY).await?.is_empty() {
            let epoch = self.state.target_epoch();
            let guard = self.context.incoming(epoch);
            clean(&self.context, Side::Target, &guard, 0, &self.meter).await?;
            // A delete that nobody has seen answered must not meet the copy.
            self.context.renew_hold();
            self.context.hold_target(epoch).await?;
        }
        self.copy_all().await
    }
}
