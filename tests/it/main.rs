//! The one integration-test binary. Owns: the list of its modules. Constraint kept: every file beside this one is
//! listed here, and what several tests share lives in `tests/support`.

#[path = "../support/mod.rs"]
mod support;

// `cfg(test)` says nothing new to the compiler; it tells clippy that helpers in there are tests too.
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod ci;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod excerpts;
#[cfg(test)]
mod github;
#[cfg(test)]
mod local;
#[cfg(test)]
mod model;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod report;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod stuck;
#[cfg(test)]
mod trouble;
