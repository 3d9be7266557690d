//! Rollouts, as people read them.

pub mod ended;
pub mod github;
pub mod html;
pub mod list;
pub(super) mod live;
pub mod plan;
#[cfg(test)]
pub(crate) mod samples;
mod sections;
pub mod show;
mod terms;
#[cfg(test)]
mod tests;
mod timeline;
pub(in crate::output) mod words;
