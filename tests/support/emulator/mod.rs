//! A local AWS endpoint, a fleet on it, and the real program run against both.
//!
//! Owns: which endpoint the emulator suite uses. Constraint kept: one MiniStack serves a whole test process and ends
//! with it; `CELLCTL_TEST_ENDPOINT` names another endpoint instead; either way each test has an account of its own, so
//! that tests in parallel, and earlier runs on the same endpoint, never meet.

#![allow(clippy::expect_used, reason = "a helper that fails is a test that fails")]

mod aws;
pub(crate) mod movable;
pub(crate) mod proxy;
pub(crate) mod rollouts;
mod run;
mod shop;
mod tables;

use std::path::Path;

use cellctl::local::{LocalSettings, OwnedInstance, OwnedOptions};
use tokio::sync::OnceCell;

pub(crate) use proxy::{Proxy, Seen, When};
pub(crate) use run::{Output, Running};
pub(crate) use shop::{Shop, small_cell};
pub(crate) use tables::{Tables, cell_record, record};

/// The Region of every test.
pub(crate) const REGION: &str = "eu-central-1";

/// Which emulator answers: what they get wrong differs, and tests say for each what they expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The one that the suite starts by itself.
    MiniStack,
    /// The one that `CELLCTL_TEST_ENDPOINT` names.
    LocalStack,
}

/// The endpoint of this process.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its address.
    pub(crate) url: String,
    /// What it is.
    pub(crate) engine: Engine,
    // Its process sees the end of this one, whichever way that comes.
    _owned: Option<OwnedInstance>,
}

static ENDPOINT: OnceCell<Endpoint> = OnceCell::const_new();

/// The endpoint, started by the first test that asks.
pub(crate) async fn endpoint() -> &'static Endpoint {
    ENDPOINT.get_or_init(start).await
}

async fn start() -> Endpoint {
    let named = std::env::vars().find(|(name, value)| name == "CELLCTL_TEST_ENDPOINT" && !value.is_empty());
    if let Some((_, url)) = named {
        return Endpoint { url, engine: Engine::LocalStack, _owned: None };
    }
    let temp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let settings = LocalSettings::at(temp.join("cellctl"), std::env::vars_os());
    let log = temp.join(format!("emulator-{}.log", std::process::id()));
    let options = OwnedOptions { region: REGION.to_owned(), log };
    let owned = OwnedInstance::start(&settings, &options, &mut |_| {}).await.expect("MiniStack starts");
    Endpoint { url: owned.endpoint(), engine: Engine::MiniStack, _owned: Some(owned) }
}
