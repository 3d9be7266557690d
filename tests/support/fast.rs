//! CloudFormation's adapter on a clock that does not wait.
//!
//! Owns: that clock, and a run of many operations under throttling. Constraint kept: time moves only by what is slept,
//! so that the waits are those of a real run and cost nothing.

#![allow(clippy::expect_used, reason = "a helper that fails is a test that fails")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cellctl::aws::call::Caller;
use cellctl::aws::clients::{Clients, Target};
use cellctl::aws::cloudformation::CloudFormation;
use cellctl::domain::fleet::Place;
use cellctl::ports::{Called, Clock, Stacks};

use super::scripted::{Preload, Scripted};
use super::stage::{REGION, STATELESS, block_on};

/// A clock that jumps instead of waiting.
pub(crate) struct FastClock {
    now_ms: AtomicI64,
    random: Mutex<fastrand::Rng>,
}

impl FastClock {
    /// A clock whose chance comes from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Self { now_ms: AtomicI64::new(1_700_000_000_000), random }
    }
}

#[async_trait]
impl Clock for FastClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.now_ms()).unwrap_or(0)
    }

    async fn sleep(&self, duration: Duration) {
        let slept_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.fetch_add(slept_ms, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }

    fn random(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

/// What became of many operations.
pub(crate) struct Done {
    /// Why each that failed did.
    pub(crate) failed: Vec<String>,
    /// Requests that came, throttled ones included.
    pub(crate) calls: usize,
    /// For how long a real run would have waited, in milliseconds.
    pub(crate) waited_ms: i64,
}

/// Operations on one stack, one after the other.
pub(crate) struct Operations<'a> {
    endpoint: &'a Scripted,
    clock: Arc<FastClock>,
    stacks: CloudFormation,
    place: Place,
}

impl<'a> Operations<'a> {
    /// Operations at an endpoint, on a stack of their own.
    pub(crate) fn new(endpoint: &'a Scripted, clock: Arc<FastClock>) -> Self {
        endpoint.preload(Preload::new("busy", STATELESS)).expect("a stack");
        let clients = Arc::new(Clients::new(Target::Local { endpoint: endpoint.endpoint() }));
        let stacks = CloudFormation::new(clients, Caller::new(clock.clone()));
        let place = Place { account: None, region: REGION.parse().expect("a Region"), role_arn: None };
        Self { endpoint, clock, stacks, place }
    }

    /// Carries out `number` operations: reads of four kinds and a write in turn.
    pub(crate) fn run(&self, number: usize) -> Done {
        let (calls, began_ms) = (self.endpoint.calls().len(), self.clock.now_ms());
        let failed = block_on(async {
            let mut failed = Vec::new();
            for n in 0..number {
                if let Err(error) = self.operation(n).await {
                    failed.push(error.to_string());
                }
            }
            failed
        });
        let calls = self.endpoint.calls().len() - calls;
        Done { failed, calls, waited_ms: self.clock.now_ms() - began_ms }
    }

    async fn operation(&self, n: usize) -> Called<()> {
        let (stacks, place) = (&self.stacks, &self.place);
        match n % 5 {
            0 => stacks.list(place).await.map(|_| ()),
            1 => stacks.describe(place, "busy").await.map(|_| ()),
            2 => stacks.events(place, "busy", 0).await.map(|_| ()),
            3 => stacks.resources(place, "busy").await.map(|_| ()),
            _ => stacks.protect(place, "busy", n.is_multiple_of(2)).await,
        }
    }
}
