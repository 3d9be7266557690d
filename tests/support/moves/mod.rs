//! The world of a move in memory, in virtual time, with chance from a seed: the real engine runs over it.
//!
//! Owns: the list of its parts. Constraints kept: what a port does here is what AWS does, at its strictest; every call
//! of a mover passes one gate, which decides what goes wrong; nothing depends on anything but the seed.

pub(crate) mod actors;
pub(crate) mod back;
pub(crate) mod clock;
pub(crate) mod consumers;
pub(crate) mod control;
pub(crate) mod counts;
pub(crate) mod data;
pub(crate) mod drawn;
pub(crate) mod fences;
pub(crate) mod gate;
pub(crate) mod movers;
pub(crate) mod queues;
pub(crate) mod scene;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod streams;
pub(crate) mod tables;
pub(crate) mod truth;
