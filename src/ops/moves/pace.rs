//! How fast a move writes: units a second, requests at a time, and waits after a refusal.
//!
//! Constraint kept: bounded in every direction; time and chance come from the clock that it is given.
