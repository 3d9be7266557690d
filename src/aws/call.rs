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

use super::errors::{Failure, failure};

/// For how long a throttled call is tried again, in milliseconds: ten minutes.
const THROTTLED_FOR_MS: u64 = 600_000;
/// Attempts at a call whose service or connection fails.
const ATTEMPTS_MAX: u32 = 6;
/// Base and bound of the waits between attempts, in milliseconds.
const BACKOFF_MS: (u64, u64) = (100, 20_000);

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
        let rate = call.rate_of.as_ref().map(|place| self.rate(place));
        let began_ms = self.clock.monotonic_ms();
        let mut attempt = 0;
        let mut broken = 0;
        loop {
            self.wait_for_turn(rate.as_ref()).await;
            let failed = match send().await {
                Ok(answer) => {
                    with(rate.as_ref(), Aimd::succeeded);
                    return Ok(answer);
                }
                Err(error) => failure(&error),
            };
            tracing::debug!(operation = call.operation, subject = call.subject, attempt, ?failed.kind, message = failed.message, "call failed");
            if failed.kind == CallErrorKind::Throttled {
                let now_ms = self.clock.monotonic_ms();
                with(rate.as_ref(), |r| r.throttled(now_ms));
            } else {
                broken += 1;
            }
            if !self.may_retry(&failed, broken, began_ms) {
                return Err(error(call, failed));
            }
            let wait_ms = full_jitter_ms(attempt, BACKOFF_MS.0, BACKOFF_MS.1, self.clock.random());
            self.clock.sleep(Duration::from_millis(wait_ms)).await;
            attempt += 1;
        }
    }

    fn may_retry(&self, failed: &Failure, broken: u32, began_ms: u64) -> bool {
        match failed.kind {
            CallErrorKind::Throttled => self.clock.monotonic_ms().saturating_sub(began_ms) < THROTTLED_FOR_MS,
            CallErrorKind::Unreachable => broken < 3,
            _ => failed.transient && broken < ATTEMPTS_MAX,
        }
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

fn error(call: Call, failed: Failure) -> CallError {
    CallError { kind: failed.kind, operation: call.operation, subject: call.subject, message: failed.message }
}

/// For calls that remove something: what is not there is as gone as it is to be.
pub(crate) fn absent_is_fine(outcome: Called<()>) -> Called<()> {
    match outcome {
        Err(error) if error.kind == CallErrorKind::NotFound => Ok(()),
        other => other,
    }
}
