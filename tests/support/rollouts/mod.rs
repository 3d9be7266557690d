//! The world of a rollout in memory, in virtual time, with chance from a seed: the real engine runs over it.
//!
//! Owns: the list of its parts. Constraints kept: every call of a pilot passes one gate, which decides what goes wrong;
//! nothing depends on anything but the seed; what a cell costs is little, so that ten thousand fit.

pub(crate) mod control;
pub(crate) mod drawn;
pub(crate) mod gate;
pub(crate) mod kept;
pub(crate) mod operator;
pub(crate) mod others;
pub(crate) mod scene;
pub(crate) mod schedule;
pub(crate) mod signals;
pub(crate) mod stacks;
pub(crate) mod state;
pub(crate) mod truth;
