//! The domain: what a fleet is and what may be done to it.
//!
//! Constraint kept: pure. No input or output, no clock, no randomness; every function of this module gives the same
//! answer for the same arguments, on every machine.

pub mod audit;
pub mod data;
pub mod definition;
pub mod doc;
pub mod emit;
pub mod finding;
pub mod fleet;
pub mod ids;
pub mod lock;
pub mod moves;
pub mod plan;
pub mod rate;
pub mod record;
pub mod rollout;
pub mod secrets;
pub mod select;
pub mod snapshot;
pub mod stack;
pub mod template;
pub mod tenant;
