//! Why a local endpoint could not be had, and what to do about it.
//!
//! Constraint kept: every message names the thing, the reason and the next step.

use std::io;
use std::path::{Path, PathBuf};

use super::instance::InstanceName;

/// Why a local endpoint could not be installed, started, found or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No Python, or none that is new enough.
    #[error(
        "no Python 3.10 or newer was found (tried: {tried}); MiniStack needs it. Install it (Debian, Ubuntu: `apt \
         install python3 python3-venv`; macOS: `brew install python`), or use `--engine localstack` with docker"
    )]
    NoPython {
        /// What was tried, with the outcome of each.
        tried: String,
    },
    /// Python lacks what it needs to make virtual environments.
    #[error(
        "{python} (Python {version}) has no venv module, which MiniStack is installed with. Install it (Debian, \
         Ubuntu: `apt install python3-venv`), or choose another Python"
    )]
    NoVenvModule {
        /// The Python.
        python: String,
        /// Its version.
        version: String,
    },
    /// Making the virtual environment failed for another reason.
    #[error("{python} could not make a virtual environment: {last}\nThe whole output is in {}", log.display())]
    VenvFailed {
        /// The Python.
        python: String,
        /// The last lines of its output.
        last: String,
        /// All of its output.
        log: PathBuf,
    },
    /// pip could not reach its index.
    #[error(
        "pip could not reach the package index to install MiniStack. Check the network and the proxy (HTTPS_PROXY, \
         PIP_INDEX_URL); once installed, no network is needed. The output is in {}", log.display()
    )]
    NoNetwork {
        /// All of pip's output.
        log: PathBuf,
    },
    /// A package is not the one that was pinned.
    #[error(
        "a package of MiniStack does not have the pinned hash, so it was not installed: the index serves another \
         file than PyPI did. Use PyPI or a true mirror of it (PIP_INDEX_URL). The output is in {}", log.display()
    )]
    HashMismatch {
        /// All of pip's output.
        log: PathBuf,
    },
    /// No space is left.
    #[error("no space is left to install MiniStack under {}; it needs 100 MB. Free some and run this again", path.display())]
    DiskFull {
        /// The folder that was written to.
        path: PathBuf,
    },
    /// pip failed for another reason.
    #[error("pip could not install MiniStack: {last}\nThe whole output is in {}; run this again once it is put right", log.display())]
    PipFailed {
        /// The last lines of its output.
        last: String,
        /// All of its output.
        log: PathBuf,
    },
    /// A program took longer than it may.
    #[error("{what} did not end within {limit_s} s and was stopped; look for the reason in {} and run this again", log.display())]
    TimedOut {
        /// What took too long.
        what: &'static str,
        /// The limit in seconds.
        limit_s: u64,
        /// Its output.
        log: PathBuf,
    },
    /// The endpoint's process ended before it was healthy.
    #[error("{engine} ended ({outcome}) before it answered. Its last lines:\n{last}\nThe whole log: {log}")]
    Died {
        /// The engine.
        engine: &'static str,
        /// Its exit status.
        outcome: String,
        /// The last lines of its log.
        last: String,
        /// Where its log is.
        log: String,
    },
    /// The endpoint runs and does not answer.
    #[error("{engine} did not answer {url} within {limit_s} s ({reason}) and was stopped. Its log: {log}")]
    NotHealthy {
        /// The engine.
        engine: &'static str,
        /// The health URL.
        url: String,
        /// The limit in seconds.
        limit_s: u64,
        /// What the last attempt saw.
        reason: String,
        /// Where its log is.
        log: String,
    },
    /// The port asked for belongs to someone else.
    #[error(
        "port {port} on 127.0.0.1 is in use by another process; stop that, or leave `--port` out to get a free one"
    )]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// An instance of the name runs with other options.
    #[error(
        "the local endpoint {name:?} already runs as {running} at {endpoint}; run `cellctl local down` first to get {wanted}"
    )]
    OtherRunning {
        /// The instance.
        name: InstanceName,
        /// What it is.
        running: String,
        /// Where it is.
        endpoint: String,
        /// What was asked for.
        wanted: String,
    },
    /// No docker program.
    #[error(
        "no docker program ({program}) was found; LocalStack runs in docker. Install it, or use `--engine ministack`, which needs Python only"
    )]
    NoDocker {
        /// What was looked for.
        program: String,
    },
    /// The docker daemon does not answer.
    #[error(
        "docker is installed but its daemon does not answer: {last}\nStart it (Linux: `systemctl start docker`), or use `--engine ministack`"
    )]
    NoDockerDaemon {
        /// The last lines of docker's output.
        last: String,
    },
    /// docker refused.
    #[error("docker could not {action} {container}: {last}")]
    DockerFailed {
        /// What was tried.
        action: &'static str,
        /// The container's name.
        container: String,
        /// The last lines of docker's output.
        last: String,
    },
    /// LocalStack's open release cannot keep state.
    #[error(
        "LocalStack's open release keeps no state across a stop; leave `--persist` out, or use `--engine ministack`"
    )]
    NoPersistence,
    /// The state file was written by a newer version.
    #[error("{} was written by a newer cellctl (format {found}, this one knows {known}); use that one", path.display())]
    NewerState {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The state file cannot be understood.
    #[error("{} is not a state file of cellctl ({reason}); remove it, and stop what it was for by hand", path.display())]
    BadState {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a name for an instance.
    #[error("{0:?} is not a name for a local endpoint: use 1 to 32 of a-z, 0-9 and -, beginning with a letter")]
    BadName(String),
    /// Nothing runs that could be described.
    #[error("no local endpoint {0:?} is running; start it with `cellctl local up`")]
    NotRunning(InstanceName),
    /// Someone else holds the lock for too long.
    #[error("another cellctl has held {} for {waited_s} s; wait for it to end, or end it, and run this again", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for, in seconds.
        waited_s: u64,
    },
    /// The process did not end.
    #[error("process {pid} of the local endpoint did not end after SIGKILL; look at it with `ps -p {pid}`")]
    Unkillable {
        /// The process.
        pid: u32,
    },
    /// The user has no home folder.
    #[error("the user's home folder is not known, so there is no cache folder; set HOME or XDG_CACHE_HOME")]
    NoHome,
    /// A file or a program could not be used.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl LocalError {
    /// An I/O error with what was tried and on what; a full disk gets its own kind.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull { path: path.to_path_buf() },
            _ => Self::Io { action, path: path.to_path_buf(), source },
        }
    }
}
