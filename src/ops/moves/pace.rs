//! How fast a move works: waits after a refusal, units a second, requests at a time.
//!
//! Constraint kept: bounded in every direction; time and chance come from the world's clock.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::ports::{CallError, CallErrorKind, Called};

use super::context::Context;
use super::halt::Halt;

/// How often a call is made again at most; with the waits between, some ten seconds.
pub(super) const RETRIES_MAX: u32 = 9;
/// First and longest bound of the wait before another try, in milliseconds.
const WAIT_MS: (u64, u64) = (50, 10_000);
/// A wait for units is cut into pieces of at most this, in milliseconds, so that a new rate is heeded soon.
const SLICE_MS: u64 = 500;
/// Requests at a time: at first, and at the most.
const WIDTH: (usize, usize) = (16, 32);
/// A refusal counts once in this time, in milliseconds: those that were under way with it say nothing new.
const HALVE_MS: u64 = 200;

/// Whether a call may succeed when it is made again, with nothing changed.
pub(super) fn is_passing(error: &CallError) -> bool {
    matches!(error.kind, CallErrorKind::Throttled | CallErrorKind::InDoubt | CallErrorKind::Unreachable)
}

/// How long to wait before try number `attempt` + 1: anything up to a bound that doubles ("Exponential backoff and jitter",
/// AWS architecture blog, full jitter). `chance` is from 0 to 1.
pub(super) fn wait_ms(attempt: u32, chance: f64) -> u64 {
    let bound = WAIT_MS.0.saturating_mul(1 << attempt.min(16)).min(WAIT_MS.1);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some seconds, positive"
    )]
    let ms = (bound as f64 * chance) as u64;
    ms
}

/// Waits before try number `attempt` + 1.
pub(super) async fn back_off(context: &Context<'_>, attempt: u32) {
    let clock = &context.world.clock;
    clock.sleep(Duration::from_millis(wait_ms(attempt, clock.random()))).await;
}

/// Makes a call that does the same however often it is made, until it is answered, or too often.
pub(super) async fn patiently<T, C, F>(context: &Context<'_>, call: C) -> Result<T, Halt>
where
    C: Fn() -> F,
    F: Future<Output = Called<T>>,
{
    let mut attempt = 0;
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error) if attempt >= RETRIES_MAX || !is_passing(&error) => return Err(error.into()),
            Err(error) => tracing::debug!(%error, attempt, "a call of a move failed; trying again"),
        }
        if context.lease.is_lost() {
            return Err(Halt::Lost);
        }
        back_off(context, attempt).await;
        attempt += 1;
    }
}

/// Units a second: a bucket that holds what a second gives, and may be overdrawn by one request.
pub(super) struct Bucket {
    inner: Mutex<Level>,
}

struct Level {
    units: f64,
    at_ms: u64,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(now_ms: u64) -> Self {
        Self { inner: Mutex::new(Level { units: f64::INFINITY, at_ms: now_ms }) }
    }

    /// Waits until so many units may be used. The rate may change meanwhile, and the wait may be long: what ends a step
    /// ends it.
    pub(super) async fn take(&self, context: &Context<'_>, units: u64) -> Result<(), Halt> {
        let clock = &context.world.clock;
        while let Some(wait_ms) = self.try_take(context.rate(), units, clock.monotonic_ms()) {
            context.check()?;
            clock.sleep(Duration::from_millis(wait_ms.clamp(1, SLICE_MS))).await;
        }
        Ok(())
    }

    /// Uses units, or says how long to wait, in milliseconds.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates and times are far below 2^53"
    )]
    fn try_take(&self, rate: Option<u64>, units: u64, now_ms: u64) -> Option<u64> {
        let mut level = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = rate? as f64;
        let gained = now_ms.saturating_sub(level.at_ms) as f64 * rate / 1000.0;
        level.units = (level.units + gained).min(rate);
        level.at_ms = now_ms;
        if level.units > 0.0 {
            level.units -= units as f64;
            return None;
        }
        Some((-level.units / rate * 1000.0).ceil() as u64 + 1)
    }
}

/// Requests at a time: one more for each round without a refusal, half of them after one (D. Chiu and R. Jain, "Analysis of
/// the increase and decrease algorithms for congestion avoidance", 1989).
pub(super) struct Gate {
    inner: Mutex<Width>,
    freed: Notify,
}

struct Width {
    limit: f64,
    busy: usize,
    halved_ms: Option<u64>,
}

/// A place in the gate, given back when it is dropped.
pub(super) struct Place<'g> {
    gate: &'g Gate,
}

impl Gate {
    /// One that nobody has gone through.
    pub(super) fn new() -> Self {
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let limit = WIDTH.0 as f64;
        Self { inner: Mutex::new(Width { limit, busy: 0, halved_ms: None }), freed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Width> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place.
    pub(super) async fn enter(&self) -> Place<'_> {
        loop {
            let freed = self.freed.notified();
            if self.try_enter() {
                return Place { gate: self };
            }
            freed.await;
        }
    }

    fn try_enter(&self) -> bool {
        let mut width = self.lock();
        let free = width.busy < width.places();
        width.busy += usize::from(free);
        free
    }

    /// A request went through.
    pub(super) fn went_well(&self) {
        let mut width = self.lock();
        let before = width.places();
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let most = WIDTH.1 as f64;
        width.limit = (width.limit + 1.0 / width.limit).min(most);
        if width.places() > before {
            self.freed.notify_one();
        }
    }

    /// One was refused for its pace.
    pub(super) fn was_throttled(&self, now_ms: u64) {
        let mut width = self.lock();
        if width.halved_ms.is_none_or(|at_ms| now_ms.saturating_sub(at_ms) >= HALVE_MS) {
            width.halved_ms = Some(now_ms);
            width.limit = (width.limit / 2.0).max(1.0);
        }
    }
}

impl Width {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 32")]
    fn places(&self) -> usize {
        self.limit as usize
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.lock().busy -= 1;
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
