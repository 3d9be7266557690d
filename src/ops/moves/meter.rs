//! How far a move is and how fast it goes, for whoever looks on.
//!
//! Constraint kept: shown at most twice a second and stored every two seconds; what cannot be stored stops nothing but a
//! mover that has lost its lease.

use crate::domain::moves::machine::Stage;
use crate::ops::event::Progress;

use super::context::Context;
use super::dirty::Dirty;
use super::halt::Halt;

/// Counts and rates.
pub(super) struct Meter {}

impl Meter {
    /// At this stage.
    pub(super) fn new(stage: Stage) -> Self {
        let _ = stage;
        Self {}
    }

    /// Begins to count anew, for a stage of about so many items.
    pub(super) fn begin(&self, stage: Stage, items_about: Option<u64>) {
        let _ = (stage, items_about);
        todo!()
    }

    /// Counts.
    pub(super) fn add(&self, items: u64, bytes: u64) {
        let _ = (items, bytes);
        todo!()
    }

    /// Notes for how long writes would stop, in milliseconds.
    pub(super) fn set_gap(&self, gap_ms: Option<u64>) {
        let _ = gap_ms;
        todo!()
    }

    /// Where the move stands.
    pub(super) fn progress(&self, context: &Context<'_>, dirty: &Dirty) -> Progress {
        let _ = (context, dirty);
        todo!()
    }

    /// Shows and stores until it is dropped, or the lease is lost.
    pub(super) async fn run(&self, context: &Context<'_>, dirty: &Dirty) -> Halt {
        let _ = (context, dirty);
        todo!()
    }
}
