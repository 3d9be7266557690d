//! The one integration-test binary. Owns: the list of its modules. Constraint kept: every file beside this one is
//! listed here, and what several tests share lives in `tests/support`.

#[path = "../support/mod.rs"]
mod support;

mod scripted;
