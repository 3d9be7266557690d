//! What tests and benchmarks share. Owns: the list of its modules. Constraint kept: nothing here is a test, and
//! nothing here is used by the program.

pub(crate) mod chaos;
pub(crate) mod emulator;
pub(crate) mod fast;
pub(crate) mod map;
pub(crate) mod moves;
pub(crate) mod rollout_stories;
pub(crate) mod rollouts;
pub(crate) mod samples;
pub(crate) mod scripted;
pub(crate) mod stage;
pub(crate) mod writers;
