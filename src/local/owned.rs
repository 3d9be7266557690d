//! An endpoint that lives as long as its owner: for the demo and the tests.
//!
//! Constraint kept: nothing is left running and no contents are left on disk, however the owner ends. On an orderly end
//! `Drop` does it; when the owner is killed, the process itself notices that its standard input has ended.

use std::path::PathBuf;

use tempfile::TempDir;

use super::instance::endpoint_of;
use super::launch::{self, Launch, Launched};
use super::{Exports, LocalError, LocalEvent, LocalSettings, OnEvent, venv};

/// What the endpoint is started with.
#[derive(Debug, Clone)]
pub struct OwnedOptions {
    /// The Region for what does not name one.
    pub region: String,
    /// Where the log goes. It stays, so that a failure can be looked into.
    pub log: PathBuf,
}

/// A MiniStack on a free port, with a folder of its own. Dropping it ends it.
#[derive(Debug)]
pub struct OwnedInstance {
    launched: Launched,
    region: String,
    // Dropped after the process has ended.
    _dir: TempDir,
}

impl OwnedInstance {
    /// Starts it and waits until it answers; installs MiniStack first when it is not there.
    pub async fn start(
        settings: &LocalSettings,
        options: &OwnedOptions,
        on_event: OnEvent<'_>,
    ) -> Result<Self, LocalError> {
        let installed = venv::ensure(settings, on_event).await?;
        let dir = tempfile::Builder::new().prefix("cellctl-local-").tempdir();
        let dir = dir.map_err(|source| LocalError::io("create a folder in", &std::env::temp_dir(), source))?;
        let nonce = launch::nonce();
        let launch = Launch {
            installed: &installed,
            listener: launch::bind(0)?,
            state_dir: dir.path(),
            log: &options.log,
            nonce: &nonce,
            region: &options.region,
            persist: false,
            follow: true,
        };
        let launched = launch.spawn()?;
        // From here on an early return, or a cancelled future, drops it and so ends the process.
        let mut owned = Self { launched, region: options.region.clone(), _dir: dir };
        on_event(LocalEvent::Started {
            what: format!("process {}", owned.pid()),
            log: options.log.display().to_string(),
        });
        owned.launched.until_healthy(&nonce, &options.log, on_event).await?;
        Ok(owned)
    }

    /// Its URL, always on 127.0.0.1.
    pub fn endpoint(&self) -> String {
        endpoint_of(self.launched.port)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.launched.child.id()
    }

    /// The variables that lead a program to it and away from any account.
    pub fn exports(&self) -> Exports {
        Exports::new(&self.endpoint(), &self.region)
    }
}

impl Drop for OwnedInstance {
    fn drop(&mut self) {
        self.launched.kill();
    }
}
