//! Probes: a user's command, and an address, behind the `Probes` port.
//!
//! Owns: how they are run and ended. Constraint kept: each ends within its time, with all that it has started, and what is
//! read of its output is bounded.

mod command;
mod http;
mod tail;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::ports::rollout::{NoAnswer, Probes, Ran};

/// The adapter.
pub struct SystemProbes {
    /// Where commands run.
    directory: PathBuf,
    client: http::Http,
}

impl SystemProbes {
    /// Probes whose commands run in a directory.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, client: http::Http::default() }
    }
}

#[async_trait]
impl Probes for SystemProbes {
    async fn run(
        &self,
        program: &[String],
        environment: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<Ran, NoAnswer> {
        command::run(&self.directory, program, environment, timeout).await
    }

    async fn get(&self, url: &str, timeout: Duration) -> Result<u16, NoAnswer> {
        self.client.get(url, timeout).await
    }
}
