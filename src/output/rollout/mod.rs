//! Rollouts, as people read them.

pub mod ended;
pub mod html;
pub mod list;
pub(super) mod live;
pub mod plan;
mod sections;
pub mod show;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
pub(in crate::output) mod words;
