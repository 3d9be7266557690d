//! From a cell's definition to the CloudFormation stack that it asks for.
//!
//! Owns: the expansion of templates, their checks, the guards that every stack must meet, and the difference between
//! two templates. Constraint kept: the same fleet, templates and function code give the same bytes and digests on
//! every machine, and nothing that breaks a guard leaves this module as a stack.

pub mod atoms;
mod build;
mod canon;
mod check;
mod context;
pub mod diff;
mod expand;
mod guards;
mod iam;
mod isolation;
pub mod render;
mod report;
pub mod source;
mod sub;

pub use build::{Injection, Parameter, PhysicalName, RenderedTemplate};
pub use context::logical;
pub use diff::{ChangeKind, ResourceChange, diff};
pub use render::{ParseText, RenderedStack, Renderer};
pub use source::TemplateSource;

#[cfg(test)]
mod tests;
