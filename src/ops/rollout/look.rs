//! Looking at gates.
use super::RolloutWorld;
use crate::domain::rollout::Wave;
use crate::domain::rollout::change::{Before, CellChange};
use crate::domain::rollout::gate::Look;
pub(super) struct Watched {
    pub(super) cells: Vec<CellChange>,
    pub(super) controls: Vec<CellChange>,
    pub(super) before: Before,
    pub(super) since_ms: i64,
}
pub(super) struct Looker {
    world: RolloutWorld,
    watched: Watched,
}
impl Looker {
    pub(super) fn new(world: RolloutWorld, watched: Watched) -> Self {
        Self { world, watched }
    }
    pub(super) async fn look(&mut self, _: &Wave, _: &[Look], _: bool) -> Vec<Look> {
        let _ = (&self.world, &self.watched);
        Vec::new()
    }
}
