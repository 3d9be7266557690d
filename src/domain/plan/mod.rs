//! Plans: the immutable list of what an apply will do, and the only thing that an apply executes.
//!
//! Owns: how desired and observed state become steps, how equal steps are grouped for people, and the file format.
//! Constraint kept: an apply chooses nothing; whatever needs a decision is decided here, or blocked here.

pub mod file;
pub mod group;
pub mod make;
#[cfg(test)]
mod tests;
pub mod types;

pub use file::{PlanFileError, read, write};
pub use group::{Group, groups};
pub use make::{Inputs, make};
pub use types::{Action, Artifact, Basis, Blocked, Desired, Diff, Observation, ObservedStack, Plan, Step};
