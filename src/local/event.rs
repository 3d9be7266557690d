//! Progress of local endpoints, in the past tense.
//!
//! Constraint kept: an event says what happened; whoever receives it decides whether and how to show it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where progress goes; the caller decides whether and how to show it.
pub type OnEvent<'a> = &'a mut (dyn FnMut(LocalEvent) + Send);

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

impl fmt::Display for LocalEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockAwaited { path } => write!(f, "waited for another cellctl, which held {}", path.display()),
            Self::VenvCreated { path, python } => {
                write!(f, "made a virtual environment with Python {python} in {}", path.display())
            }
            Self::PackagesInstalled { took } => write!(f, "installed MiniStack in {:.1} s", took.as_secs_f64()),
            Self::StaleRemoved { endpoint } => write!(f, "cleared away {endpoint}, which had ended by itself"),
            Self::PortReplaced { taken, used } => write!(f, "found port {taken} in use and took {used}"),
            Self::Started { what, log } => write!(f, "started {what} (log: {log})"),
            Self::Healthy { endpoint, took } => write!(f, "{endpoint} answered after {:.1} s", took.as_secs_f64()),
            Self::Stopped { endpoint } => write!(f, "stopped {endpoint}"),
        }
    }
}
