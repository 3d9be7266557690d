//! Files: definitions, templates, function code and plan files, read and written for the domain.
//!
//! Constraint kept: this is the only module that names the YAML crate, and the only one that opens a user's files.

pub mod definitions;
pub mod files;
pub mod functions;
pub mod process;
pub mod rows;
pub mod templates;
pub mod yaml;
