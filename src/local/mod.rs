//! Local AWS endpoints: MiniStack in a private virtual environment, or LocalStack through docker.
//!
//! Owns: installing, starting, finding and stopping them. Constraints kept: an endpoint listens on the loopback
//! address only; a process is ended only when it is provably the one that was started here; nothing is printed
//! (progress goes out as [`LocalEvent`]s); the environment is taken from [`LocalSettings`], never read.

mod command;
mod docker;
mod engine;
mod error;
mod event;
mod exports;
mod health;
mod instance;
mod launch;
mod lock;
mod owned;
mod process;
mod python;
mod settings;
mod venv;

pub use engine::{Down, Status, Up, UpOptions, down, status, up};
pub use error::LocalError;
pub use event::{LocalEvent, OnEvent};
pub use exports::{ACCESS_KEY_ID, Exports, SECRET_ACCESS_KEY, Shell};
pub use instance::{Engine, Instance, InstanceName, Runner};
pub use owned::{OwnedInstance, OwnedOptions};
pub use settings::LocalSettings;

/// The port that AWS emulators use by custom; another is taken when it is not free.
pub const PORT_DEFAULT: u16 = 4566;

/// The Region of a local endpoint for what does not name one.
pub const REGION_DEFAULT: &str = "us-east-1";
