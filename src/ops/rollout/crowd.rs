//! Rollouts and moves keep out of each other's way.
//!
//! Constraint kept: cells are marked before it is looked which moves hold room in them, and a move reserves only where no
//! mark is, so that one of the two always sees the other.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::ids::CellId;
use crate::domain::moves::machine::Stage;
use crate::ports::moves::Summary;

use super::driver::Driver;
use super::halt::Halt;

/// Time between two looks at the moves.
const LOOK: Duration = Duration::from_secs(2);

impl Driver<'_> {
    /// Marks cells, and waits until no move holds room in them.
    pub(super) async fn clear_the_way(&self, cells: &[CellId]) -> Result<(), Halt> {
        let (world, id) = (self.pilot.world, self.state.plan.id);
        if !world.rollouts.mark(id, cells, self.hand.lease.lease()).await? {
            return Err(Halt::Lost);
        }
        let cells: BTreeSet<&CellId> = cells.iter().collect();
        while let Some(summary) = self.move_in(&cells).await? {
            self.waits_for(Some(format!(
                "the move {} from {} to {} ({})",
                summary.id,
                summary.source,
                summary.target,
                if summary.waits() { "which waits for people" } else { summary.stage.as_str() }
            )));
            self.check()?;
            world.world.clock.sleep(LOOK).await;
        }
        self.waits_for(None);
        Ok(())
    }

    /// A move that holds room in one of the cells, or leaves it.
    async fn move_in(&self, cells: &BTreeSet<&CellId>) -> Result<Option<Summary>, Halt> {
        let open = self.pilot.world.moves.open().await?;
        for summary in open.into_iter().filter(|one| cells.contains(&one.source) || cells.contains(&one.target)) {
            if summary.stage != Stage::Planned || self.has_reserved(&summary).await? {
                return Ok(Some(summary));
            }
        }
        Ok(None)
    }

    /// Whether a move that has not said so yet has taken room: the entry tells.
    async fn has_reserved(&self, summary: &Summary) -> Result<bool, Halt> {
        let entry = self.pilot.world.world.map.entry(&summary.id.tenant).await?;
        Ok(entry.and_then(|entry| entry.moving).is_some_and(|moving| moving.id == summary.id))
    }

    /// Takes all marks of this rollout away, but those of `keep`.
    pub(super) async fn unmark_but(&self, keep: &[CellId]) -> Result<(), Halt> {
        let (world, id) = (self.pilot.world, self.state.plan.id);
        let marks = world.rollouts.marks().await?;
        let ours = marks.into_iter().filter(|(cell, by)| *by == id && !keep.contains(cell));
        let ours: Vec<CellId> = ours.map(|(cell, _)| cell).collect();
        if ours.is_empty() || world.rollouts.unmark(id, &ours, self.hand.lease.lease()).await? {
            Ok(())
        } else {
            Err(Halt::Lost)
        }
    }
}
