//! Holding the lock on the fleet while an operation runs.
//!
//! Owns: taking, renewing and giving back the lease. Constraint kept: a lease that could not be renewed in time counts
//! as lost, and whoever held it begins nothing new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::domain::lock::{HEARTBEAT_MS, LEASE_MS, Lease};
use crate::ports::{CallErrorKind, Clock, Control};

use super::error::{ErrorKind, OpError};

/// Who wants the lock, and what for.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who: the caller's identity and machine.
    pub holder: String,
    /// What for.
    pub purpose: String,
    /// Page of the CI run, where there is one.
    pub ci_url: Option<String>,
}

/// The lock, held and renewed until it is given back.
pub struct HeldLease {
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
    current: Arc<Mutex<Lease>>,
    token: Lease,
    lost: Arc<AtomicBool>,
    heartbeat: JoinHandle<()>,
}

impl HeldLease {
    /// Takes the lock, or says who holds it.
    pub async fn take(control: Arc<dyn Control>, clock: Arc<dyn Clock>, claim: &Claim) -> Result<Self, OpError> {
        let seen = control.lease().await?;
        let now_ms = clock.now_ms();
        if let Some(holder) = seen.as_ref().filter(|lease| lease.is_held(now_ms)) {
            return Err(locked(holder, now_ms));
        }
        let next = Lease {
            holder: claim.holder.clone(),
            purpose: claim.purpose.clone(),
            ci_url: claim.ci_url.clone(),
            token: seen.as_ref().map_or(1, |lease| lease.token + 1),
            acquired_at_ms: now_ms,
            expires_at_ms: now_ms + LEASE_MS,
        };
        match control.swap_lease(seen.as_ref(), &next).await {
            Ok(()) => Ok(Self::begin(control, clock, next)),
            Err(error) if error.kind == CallErrorKind::Conflict => {
                let holder = control.lease().await?;
                Err(holder.map_or_else(|| OpError::from(error), |lease| locked(&lease, now_ms)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn begin(control: Arc<dyn Control>, clock: Arc<dyn Clock>, lease: Lease) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let current = Arc::new(Mutex::new(lease.clone()));
        let beat = heartbeat(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&current), Arc::clone(&lost));
        Self { control, clock, current, token: lease, lost, heartbeat: tokio::spawn(beat) }
    }

    /// The lease, for the writes that it covers.
    pub fn lease(&self) -> &Lease {
        &self.token
    }

    /// Whether it was lost.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Gives the lock back.
    pub async fn release(self) -> Result<(), OpError> {
        self.heartbeat.abort();
        let seen = self.current.lock().await.clone();
        if self.is_lost() {
            return Ok(());
        }
        let next = Lease { expires_at_ms: 0.min(self.clock.now_ms()), ..seen.clone() };
        match self.control.swap_lease(Some(&seen), &next).await {
            // Somebody broke the lock at the last moment; there is nothing left to give back.
            Err(error) if error.kind == CallErrorKind::Conflict => Ok(()),
            other => other.map_err(OpError::from),
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

async fn heartbeat(
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
    current: Arc<Mutex<Lease>>,
    lost: Arc<AtomicBool>,
) {
    loop {
        clock.sleep(Duration::from_millis(HEARTBEAT_MS)).await;
        let mut held = current.lock().await;
        let next = Lease { expires_at_ms: clock.now_ms() + LEASE_MS, ..held.clone() };
        match control.swap_lease(Some(&held), &next).await {
            Ok(()) => *held = next,
            Err(error) if error.kind == CallErrorKind::Conflict || !held.is_held(clock.now_ms()) => {
                tracing::warn!(message = error.message, "the lock on the fleet was lost");
                lost.store(true, Ordering::SeqCst);
                return;
            }
            Err(error) => tracing::debug!(message = error.message, "a heartbeat failed; trying again"),
        }
    }
}

fn locked(lease: &Lease, now_ms: i64) -> OpError {
    let since_s = (now_ms - lease.acquired_at_ms).max(0) / 1000;
    let left_s = (lease.expires_at_ms - now_ms).max(0) / 1000;
    let ci = lease.ci_url.as_deref().map(|url| format!(" ({url})")).unwrap_or_default();
    let message = format!(
        "the fleet is locked by {}{ci} for {}, since {since_s} s; its lease runs out in {left_s} s unless it is renewed",
        lease.holder, lease.purpose
    );
    OpError::new(ErrorKind::Locked, message)
        .hint("wait for it; if its holder is dead, the lock ends by itself within a minute, or `cellctl lock break` ends it now")
}
