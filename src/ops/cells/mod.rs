//! Operations on single cells: looking at them, cordoning, deleting, recovering, drift.

pub mod delete;
pub mod drift;
pub mod record;
pub mod recover;
pub mod state;
pub mod view;
