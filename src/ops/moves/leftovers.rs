//! What a move leaves behind when it is over, taken away: notes of writers, and its ledger.

use crate::ports::moves::{LEDGER_MAX, LedgerWrite};

use super::context::{Context, Side};
use super::halt::Halt;

impl Context<'_> {
    /// Deletes every note that writers have left in the source.
    pub(super) async fn forget_notes(&self) -> Result<(), Halt> {
        let (table, mut after) = (self.fence_table(Side::Source), 0);
        loop {
            let page = self.world.fences.notes(&table, self.tenant(), after).await?;
            let numbers: Vec<u64> = page.notes.iter().map(|note| note.number).collect();
            if !numbers.is_empty() {
                self.world.fences.forget(&table, self.tenant(), &numbers).await?;
            }
            match numbers.last().filter(|_| page.more) {
                Some(last) => after = *last,
                None => return Ok(()),
            }
        }
    }

    /// Deletes the ledger: nothing goes on from it any more.
    pub(super) async fn clear_ledger(&self) -> Result<(), Halt> {
        let id = &self.plan.id;
        let names: Vec<String> = self.world.moves.ledger(id, "").await?.into_keys().collect();
        for part in names.chunks(LEDGER_MAX) {
            let delete = |name: &String| LedgerWrite { name: name.clone(), body: None };
            let writes: Vec<LedgerWrite> = part.iter().map(delete).collect();
            if !self.world.moves.put_ledger(id, &writes, self.lease.lease()).await? {
                return Err(Halt::Lost);
            }
        }
        Ok(())
    }
}
