//! A rollout, as people read it.

pub mod github;
pub mod html;
pub(in crate::output) mod words;
