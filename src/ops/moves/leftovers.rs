//! What a move leaves behind when it is over, taken away: its ledger.

use crate::ports::moves::{LEDGER_MAX, LedgerWrite};

use super::context::Context;
use super::halt::Halt;

impl Context<'_> {
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
