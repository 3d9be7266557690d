//! A rollout, as people read it.

pub mod html;
pub(in crate::output) mod words;
