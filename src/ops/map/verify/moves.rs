//! Moves that nobody carries on.
//!
//! Constraint kept: a move is told only where two looks, some seconds apart, found nobody and the same last entry: a mover
//! takes its lease anew between its first entry and its first step. One that somebody has paused waits as it was told to.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::moves::MoveId;
use crate::domain::tenant::verify::Finding;
use crate::ops::OpError;
use crate::ops::moves::MoveWorld;
use crate::ops::moves::carrier::{Listed, carried};

use super::{Inspector, Outcome, Report, Told};

/// Time between the two looks.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Where the moves under way are listed.
#[async_trait]
pub trait UnderWay: Send + Sync {
    /// All of them, with who carries each on.
    async fn under_way(&self) -> Result<Vec<Listed>, OpError>;
}

#[async_trait]
impl UnderWay for MoveWorld {
    async fn under_way(&self) -> Result<Vec<Listed>, OpError> {
        let open = self.moves.open().await?;
        Ok(carried(self.moves.as_ref(), self.processes.as_ref(), open, self.clock.now_ms()).await?)
    }
}

impl Inspector<'_> {
    /// Looks for moves that nobody carries on. Nothing is repaired: `cellctl move resume` needs somebody who stays.
    pub(super) async fn moves(&self, moves: &dyn UnderWay, report: &mut Report) -> Result<(), OpError> {
        let before = alone(moves.under_way().await?);
        if before.is_empty() {
            return Ok(());
        }
        self.world.clock.sleep(AGAIN_AFTER).await;
        for (id, (since_ms, advice)) in alone(moves.under_way().await?) {
            if before.get(&id).is_some_and(|(before_ms, _)| *before_ms == since_ms) {
                let finding = Finding::MoveAlone { tenant: id.tenant.clone(), id, since_ms, advice };
                report.add(Told::new(finding, Outcome::Found));
            }
        }
        Ok(())
    }
}

/// Those that nobody carries on although they should go on: when each had its last entry, and what to do.
fn alone(listed: Vec<Listed>) -> BTreeMap<MoveId, (i64, String)> {
    let going = listed.into_iter().filter(|listed| !listed.summary.paused);
    let alone = going.filter_map(|listed| Some((listed.summary.id, (listed.summary.at_ms, listed.hint?))));
    alone.collect()
}
