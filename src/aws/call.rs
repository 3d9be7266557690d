//! One call to AWS: limited in rate, retried where that is safe, bounded in time.
//!
//! Owns: retries, time-outs and the adaptive rate. Constraint kept: the SDK's own retries are off, so that there is one
//! budget; a throttled call is tried again until its time is up and never counts as the outcome of an operation. Every
//! call may be repeated: reads are, and each write carries a token or a condition that makes the second a no-op.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::domain::fleet::Place;
use crate::domain::rate::{Aimd, full_jitter_ms};
use crate::ports::{CallError, CallErrorKind, Called, Clock};

use super::errors::{Failure, Retry, failure};

/// For how long a throttled call is tried again, in milliseconds: ten minutes.
const THROTTLED_FOR_MS: u64 = 600_000;
/// Attempts at a call whose service or connection fails.
const ATTEMPTS_MAX: u32 = 6;
/// Base and bound of the waits between attempts, in milliseconds.
const BACKOFF_MS: (u64, u64) = (100, 20_000);
/// For how long a call that collides with others is tried again, in milliseconds: 64 writers of one item take turns for
/// a few seconds.
const COLLIDED_FOR_MS: u64 = 60_000;
/// Base and bound of the waits after a collision, in milliseconds: from about the time of one transaction to that of
/// 64 of them.
const COLLISION_BACKOFF_MS: (u64, u64) = (20, 1_000);

/// What is called, on what.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The call as IAM names it.
    pub(crate) operation: &'static str,
    /// What it is about.
    pub(crate) subject: String,
    /// Whose rate it counts against; none for services whose limits cellctl does not come near.
    pub(crate) rate_of: Option<Place>,
}

/// What a call has been through.
struct Tries {
    began_ms: u64,
    /// All that failed, throttles included, without collisions.
    failed: u32,
    /// Those that failed because the service or the connection did.
    broken: u32,
    /// Those that met another request at the same items.
    collided: u32,
    /// Whether one may have taken effect, now or later: then no later failure means that nothing was written.
    in_doubt: bool,
}

/// Repeats of a batch that the service answers in part.
pub(crate) struct Leftovers {
    began_ms: u64,
    asked: u32,
}

/// Makes calls.
#[derive(Clone)]
pub struct Caller {
    clock: Arc<dyn Clock>,
    rates: Arc<Mutex<HashMap<Place, Arc<Mutex<Aimd>>>>>,
}

impl Caller {
    /// A caller with fresh rates.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rates: Arc::default() }
    }

    /// Sends a request until it is answered for good.
    pub(crate) async fn call<T, E, F, Fut>(&self, call: Call, send: F) -> Called<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.send(call, send, THROTTLED_FOR_MS).await
    }

    /// The same for a caller that sets the pace itself: a throttle is given back at once.
    pub(crate) async fn call_unless_throttled<T, E, F, Fut>(&self, call: Call, send: F) -> Called<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.send(call, send, 0).await
    }

    async fn send<T, E, F, Fut>(&self, call: Call, send: F, throttled_for_ms: u64) -> Called<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let rate = call.rate_of.as_ref().map(|place| self.rate(place));
        let mut tries =
            Tries { began_ms: self.clock.monotonic_ms(), failed: 0, broken: 0, collided: 0, in_doubt: false };
        loop {
            self.wait_for_turn(rate.as_ref()).await;
            let failed = match send().await {
                Ok(answer) => {
                    with(rate.as_ref(), Aimd::succeeded);
                    return Ok(answer);
                }
                Err(error) => failure(&error),
            };
            tracing::debug!(operation = call.operation, subject = call.subject, tries.failed, tries.collided, ?failed.kind, message = failed.message, "call failed");
            if failed.kind == CallErrorKind::Throttled {
                let now_ms = self.clock.monotonic_ms();
                with(rate.as_ref(), |r| r.throttled(now_ms));
            }
            tries.in_doubt |= failed.kind == CallErrorKind::InDoubt;
            match self.wait_ms(&failed, &mut tries, throttled_for_ms) {
                Some(wait_ms) => self.clock.sleep(Duration::from_millis(wait_ms)).await,
                None => return Err(error(call, failed, tries.in_doubt)),
            }
        }
    }

    /// How long to wait before the next attempt; none where there is to be no other.
    fn wait_ms(&self, failed: &Failure, tries: &mut Tries, throttled_for_ms: u64) -> Option<u64> {
        let for_ms = self.clock.monotonic_ms().saturating_sub(tries.began_ms);
        if failed.retry == Retry::Collided {
            let (base_ms, max_ms) = COLLISION_BACKOFF_MS;
            tries.collided += 1;
            let wait_ms = full_jitter_ms(tries.collided - 1, base_ms, max_ms, self.clock.random());
            return (for_ms < COLLIDED_FOR_MS).then_some(wait_ms);
        }
        tries.failed += 1;
        tries.broken += u32::from(failed.kind != CallErrorKind::Throttled);
        let again = match failed.kind {
            CallErrorKind::Throttled => for_ms < throttled_for_ms,
            CallErrorKind::Unreachable => tries.broken < 3,
            _ => failed.retry == Retry::Failed && tries.broken < ATTEMPTS_MAX,
        };
        again.then(|| full_jitter_ms(tries.failed - 1, BACKOFF_MS.0, BACKOFF_MS.1, self.clock.random()))
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// A number from 0 up to but not including 1.
    pub(crate) fn random(&self) -> f64 {
        self.clock.random()
    }

    /// For a batch that may be answered in part.
    pub(crate) fn leftovers(&self) -> Leftovers {
        Leftovers { began_ms: self.clock.monotonic_ms(), asked: 0 }
    }

    /// Waits before what is left of a batch is asked for again: leaving some of it is a throttle in another form. False
    /// when the time of a throttled call is up.
    pub(crate) async fn may_ask_again(&self, leftovers: &mut Leftovers) -> bool {
        let wait_ms = full_jitter_ms(leftovers.asked, BACKOFF_MS.0, BACKOFF_MS.1, self.clock.random());
        leftovers.asked += 1;
        self.clock.sleep(Duration::from_millis(wait_ms)).await;
        self.clock.monotonic_ms().saturating_sub(leftovers.began_ms) < THROTTLED_FOR_MS
    }

    async fn wait_for_turn(&self, rate: Option<&Arc<Mutex<Aimd>>>) {
        let now_ms = self.clock.monotonic_ms();
        let wait_ms = rate.map_or(0, |rate| rate.lock().unwrap_or_else(PoisonError::into_inner).take(now_ms));
        if wait_ms > 0 {
            self.clock.sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    fn rate(&self, place: &Place) -> Arc<Mutex<Aimd>> {
        let now_ms = self.clock.monotonic_ms();
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rates.entry(place.clone()).or_insert_with(|| Arc::new(Mutex::new(Aimd::new(now_ms)))))
    }
}

fn with(rate: Option<&Arc<Mutex<Aimd>>>, change: impl FnOnce(&mut Aimd)) {
    if let Some(rate) = rate {
        change(&mut rate.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn error(call: Call, failed: Failure, in_doubt: bool) -> CallError {
    let unsent = matches!(failed.kind, CallErrorKind::Throttled | CallErrorKind::Unreachable);
    let kind = if in_doubt && unsent { CallErrorKind::InDoubt } else { failed.kind };
    CallError { kind, operation: call.operation, subject: call.subject, message: failed.message }
}

/// For calls that remove something: what is not there is as gone as it is to be.
pub(crate) fn absent_is_fine(outcome: Called<()>) -> Called<()> {
    match outcome {
        Err(error) if error.kind == CallErrorKind::NotFound => Ok(()),
        other => other,
    }
}
