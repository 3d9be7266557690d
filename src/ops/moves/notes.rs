//! The notes that writers leave while the source is guarded.
//!
//! Constraint kept: a note is deleted only when its keys were carried over after it was read.

use super::context::Context;
use super::dirty::Dirty;
use super::halt::Halt;

/// The notes that were read and are not deleted yet.
#[derive(Default)]
pub(super) struct Notes {}

impl Notes {
    /// Reads all notes, consistently, and marks the keys of those that are new; gives how many those are.
    pub(super) async fn read(&self, context: &Context<'_>, dirty: &Dirty) -> Result<usize, Halt> {
        let _ = (context, dirty);
        todo!()
    }

    /// Deletes the notes of which no key is dirty any more.
    pub(super) async fn forget_done(&self, context: &Context<'_>, dirty: &Dirty) -> Result<(), Halt> {
        let _ = (context, dirty);
        todo!()
    }

    /// How many notes named a table or a key that the plan does not know.
    pub(super) fn strange(&self) -> u64 {
        todo!()
    }
}
