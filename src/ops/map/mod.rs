//! The tenant map as a whole: read in order, exported, restored, compared and counted.
//!
//! Constraint kept: nothing here holds the map; memory is bounded by pages, batches and the number of cells.

pub mod diff;
pub mod export;
pub mod file;
pub mod import;
mod judge;
pub mod stats;
pub mod stream;
pub mod verify;
