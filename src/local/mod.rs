//! Local AWS endpoints: MiniStack in a private virtual environment, or LocalStack through docker.
//!
//! Owns: installing, starting, finding and stopping them. Constraints kept: an endpoint listens on the loopback
//! address only; a process is ended only when it is provably the one that was started here; nothing is printed
//! (progress goes out as [`LocalEvent`]s); the environment is taken from [`LocalSettings`], never read.

mod command;
mod docker;
mod engine;
mod error;
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
pub use exports::{ACCESS_KEY_ID, Exports, SECRET_ACCESS_KEY, Shell};
pub use instance::{Engine, Instance, InstanceName, Runner};
pub use owned::{OwnedInstance, OwnedOptions};
pub use settings::LocalSettings;

use std::path::PathBuf;
use std::time::Duration;

/// The port that AWS emulators use by custom; another is taken when it is not free.
pub const PORT_DEFAULT: u16 = 4566;

/// The Region of a local endpoint for what does not name one.
pub const REGION_DEFAULT: &str = "us-east-1";

/// What has happened while an endpoint was brought up or taken down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalEvent {
    /// Another cellctl held the lock, and this one has begun to wait for it.
    LockAwaited {
        /// The lock file.
        path: PathBuf,
    },
    /// A virtual environment was made.
    VenvCreated {
        /// Where it is.
        path: PathBuf,
        /// The version of the Python that made it.
        python: String,
    },
    /// The pinned packages were installed and checked against their hashes.
    PackagesInstalled {
        /// How long it took.
        took: Duration,
    },
    /// The state of an instance that no longer runs was removed.
    StaleRemoved {
        /// The endpoint it had.
        endpoint: String,
    },
    /// The usual port was in use, and a free one was chosen.
    PortReplaced {
        /// The port that was in use.
        taken: u16,
        /// The port that is used instead.
        used: u16,
    },
    /// The endpoint's process or container was started.
    Started {
        /// The process, or the container's name.
        what: String,
        /// Where its log is: a path, or the command that shows it.
        log: String,
    },
    /// The endpoint answered its health check.
    Healthy {
        /// The URL.
        endpoint: String,
        /// Time from start to answer.
        took: Duration,
    },
    /// The endpoint was stopped.
    Stopped {
        /// The URL it had.
        endpoint: String,
    },
}

/// Where progress goes; the caller decides whether and how to show it.
pub type OnEvent<'a> = &'a mut (dyn FnMut(LocalEvent) + Send);
