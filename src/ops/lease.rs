//! Holding the lock on the fleet while an operation runs.
//!
//! Owns: taking, renewing and giving back the lease. Constraint kept: a lease that could not be renewed in time counts
//! as lost, and whoever held it begins nothing new. Clocks decide only when a dead holder's lease may be taken over,
//! never whether a write counts: that is the fencing token's part.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::domain::audit::Actor;
use crate::domain::lock::{HEARTBEAT_MS, LEASE_MS, Lease, ProcessId, SIGNED_MS, UNDER_WAY_MS};
use crate::ports::data::Permit;
use crate::ports::{CallError, CallErrorKind, Called, Clock, LeaseStore, Processes};

use super::error::{ErrorKind, OpError};

/// A lease that ran out longer ago than this is dead whatever the clocks say, in milliseconds: AWS refuses callers
/// whose clock is five minutes off.
const SURELY_DEAD_MS: i64 = 300_000;
/// How often a lease that seems to have run out is looked at before it is taken over, in milliseconds.
const WATCH_MS: u64 = 2_000;

/// Who wants the lock, and what for.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who.
    pub actor: Actor,
    /// What for.
    pub purpose: String,
}

/// How the holder of a lease before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nobody held it, or whoever did gave it back.
    Free,
    /// Its process is gone.
    Gone,
    /// It was not heard of for as long as a lease lasts.
    Silent,
}

/// The lock, held and renewed until it is given back.
pub struct HeldLease {
    shared: Arc<Shared>,
    token: Lease,
    actor: Actor,
    end: watch::Sender<bool>,
    heartbeat: JoinHandle<()>,
}

struct Shared {
    control: Arc<dyn LeaseStore>,
    clock: Arc<dyn Clock>,
    current: Mutex<Lease>,
    lost: AtomicBool,
    /// When the lease runs out, by our own monotonic clock.
    valid_until_ms: AtomicU64,
    /// The same by the wall clock, which goes on while the machine sleeps.
    wall_until_ms: AtomicI64,
}

/// The leave to send what carries no condition: by both clocks, since one of them may have stood still.
impl Permit for Shared {
    fn is_valid(&self) -> bool {
        !self.lost.load(Ordering::SeqCst)
            && self.clock.monotonic_ms() < self.valid_until_ms.load(Ordering::SeqCst)
            && self.clock.now_ms() < self.wall_until_ms.load(Ordering::SeqCst)
    }
}

impl HeldLease {
    /// Takes the lock, or says who holds it.
    pub async fn take(control: Arc<dyn LeaseStore>, clock: Arc<dyn Clock>, claim: &Claim) -> Result<Self, OpError> {
        Self::take_over(control, clock, claim, None).await
    }

    /// The same, for holders who send requests without a condition; from one whose process is seen to be gone, without
    /// waiting for its lease to run out.
    pub async fn take_over(
        control: Arc<dyn LeaseStore>,
        clock: Arc<dyn Clock>,
        claim: &Claim,
        processes: Option<&dyn Processes>,
    ) -> Result<Self, OpError> {
        let seen = control.lease().await?;
        let (seen, before) = match seen {
            None => (None, Before::Free),
            Some(lease) => {
                let (lease, before) = vacant(control.as_ref(), clock.as_ref(), lease, processes).await?;
                (Some(lease), before)
            }
        };
        let now_ms = clock.now_ms();
        let next = Lease {
            holder: claim.actor.user.clone(),
            purpose: claim.purpose.clone(),
            ci_url: claim.actor.ci_url.clone(),
            nonce: nonce(clock.as_ref()),
            token: seen.as_ref().map_or(1, |lease| lease.token + 1),
            acquired_at_ms: now_ms,
            expires_at_ms: now_ms + LEASE_MS,
            unsettled_until_ms: seen
                .as_ref()
                .filter(|_| processes.is_some())
                .map_or(0, |lease| unsettled_until_ms(lease, before, now_ms)),
            process: processes.and_then(Processes::me),
        };
        match control.swap_lease(seen.as_ref(), &next).await {
            Ok(()) => Ok(Self::begin(control, clock, next, claim.actor.clone())),
            Err(error) if error.kind == CallErrorKind::Conflict => {
                let holder = control.lease().await?;
                Err(holder.map_or_else(|| OpError::from(error), |lease| locked(control.as_ref(), &lease, now_ms)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn begin(control: Arc<dyn LeaseStore>, clock: Arc<dyn Clock>, lease: Lease, actor: Actor) -> Self {
        let valid_until_ms = AtomicU64::new(clock.monotonic_ms() + LEASE_MS.unsigned_abs());
        let wall_until_ms = AtomicI64::new(lease.expires_at_ms);
        let shared = Arc::new(Shared {
            control,
            clock,
            current: Mutex::new(lease.clone()),
            lost: AtomicBool::new(false),
            valid_until_ms,
            wall_until_ms,
        });
        let (end, ended) = watch::channel(false);
        let heartbeat = tokio::spawn(heartbeat(Arc::clone(&shared), ended));
        Self { shared, token: lease, actor, end, heartbeat }
    }

    /// The leave to send what carries no condition, for as long as the lease is held.
    pub fn permit(&self) -> Arc<dyn Permit> {
        self.shared.clone()
    }

    /// The lease, for the writes that it covers.
    pub fn lease(&self) -> &Lease {
        &self.token
    }

    /// Who holds it, for the audit log.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whether it was lost, or could not be renewed in time.
    pub fn is_lost(&self) -> bool {
        self.shared.lost.load(Ordering::SeqCst)
            || self.shared.clock.monotonic_ms() >= self.shared.valid_until_ms.load(Ordering::SeqCst)
    }

    /// Gives the lock back.
    pub async fn release(mut self) -> Result<(), OpError> {
        self.end.send_replace(true);
        // A heartbeat under way is let finish, so that it does not collide with the release.
        let _ = (&mut self.heartbeat).await;
        if self.shared.lost.load(Ordering::SeqCst) {
            return Ok(());
        }
        let seen = self.shared.current.lock().await.clone();
        let next = Lease { expires_at_ms: 0, ..seen.clone() };
        match self.shared.control.swap_lease(Some(&seen), &next).await {
            // Somebody broke the lock at the last moment; there is nothing left to give back.
            Err(error) if error.kind == CallErrorKind::Conflict => Ok(()),
            other => other.map_err(OpError::from),
        }
    }
}

/// Until when requests without a condition may count that earlier holders have sent.
fn unsettled_until_ms(last: &Lease, before: Before, now_ms: i64) -> i64 {
    let own_ms = match before {
        Before::Free => 0,
        Before::Gone => now_ms + UNDER_WAY_MS,
        Before::Silent => now_ms + SIGNED_MS,
    };
    own_ms.max(last.unsettled_until_ms)
}

/// A number that no other run is likely to have.
fn nonce(clock: &dyn Clock) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53 and positive")]
    let number = (clock.random() * 9_007_199_254_740_992.0) as u64;
    number
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

/// The lease as it stands once nobody holds it, and how its holder ended. An error where somebody does.
async fn vacant(
    control: &dyn LeaseStore,
    clock: &dyn Clock,
    lease: Lease,
    processes: Option<&dyn Processes>,
) -> Result<(Lease, Before), OpError> {
    if lease.expires_at_ms == 0 {
        return Ok((lease, Before::Free));
    }
    let is_gone = |process: &ProcessId| processes.is_some_and(|processes| processes.is_gone(process));
    if lease.process.as_ref().is_some_and(is_gone) {
        return Ok((lease, Before::Gone));
    }
    let now_ms = clock.now_ms();
    if lease.is_held(now_ms) {
        return Err(locked(control, &lease, now_ms));
    }
    let lease = until_dead(control, clock, lease).await?;
    let before = if lease.expires_at_ms == 0 { Before::Free } else { Before::Silent };
    Ok((lease, before))
}

/// A lease that was given back is free. One that merely ran out by our clock may be a live holder's whose clock is
/// behind ours: then it is watched for as long as a lease lasts, and any heartbeat in that time means that it is held.
/// Gives the lease as it stands then.
async fn until_dead(control: &dyn LeaseStore, clock: &dyn Clock, seen: Lease) -> Result<Lease, OpError> {
    if seen.expires_at_ms == 0 || clock.now_ms() - seen.expires_at_ms > SURELY_DEAD_MS {
        return Ok(seen);
    }
    let until_ms = clock.monotonic_ms() + LEASE_MS.unsigned_abs();
    while clock.monotonic_ms() < until_ms {
        clock.sleep(Duration::from_millis(WATCH_MS)).await;
        match control.lease().await? {
            Some(lease) if lease.expires_at_ms == 0 => return Ok(lease),
            Some(lease) if lease != seen => return Err(locked(control, &lease, clock.now_ms())),
            _ => {}
        }
    }
    Ok(seen)
}

async fn heartbeat(shared: Arc<Shared>, mut ended: watch::Receiver<bool>) {
    loop {
        // In this order, so that a simulated run is the same each time.
        tokio::select! {
            biased;
            _ = ended.changed() => return,
            () = shared.clock.sleep(Duration::from_millis(HEARTBEAT_MS)) => {}
        }
        if !beat(&shared).await {
            shared.lost.store(true, Ordering::SeqCst);
            return;
        }
    }
}

/// Renews the lease; false when it is certain that it is no longer ours.
async fn beat(shared: &Shared) -> bool {
    let mut held = shared.current.lock().await;
    let began_ms = shared.clock.monotonic_ms();
    let next = Lease { expires_at_ms: shared.clock.now_ms() + LEASE_MS, ..held.clone() };
    let swapped =
        tokio::time::timeout(Duration::from_millis(HEARTBEAT_MS), shared.control.swap_lease(Some(&held), &next));
    let expires_at_ms = next.expires_at_ms;
    let outcome = match swapped.await {
        Ok(Ok(())) => Ok(Some(next)),
        Ok(Err(error)) if error.kind != CallErrorKind::Conflict => Err(error),
        // Taken by another, or our own renewal whose answer was lost: the item tells.
        Ok(Err(_)) | Err(_) => ours(shared, &held).await,
    };
    match outcome {
        Ok(Some(lease)) => {
            if lease.expires_at_ms == expires_at_ms {
                shared.valid_until_ms.store(began_ms + LEASE_MS.unsigned_abs(), Ordering::SeqCst);
                shared.wall_until_ms.store(expires_at_ms, Ordering::SeqCst);
            }
            *held = lease;
            true
        }
        Ok(None) => {
            tracing::warn!("the lease on {} was lost", shared.control.what());
            false
        }
        Err(error) => {
            tracing::debug!(message = error.message, "a heartbeat failed; trying again");
            true
        }
    }
}

/// The lease as it stands, if it is still this holder's.
async fn ours(shared: &Shared, held: &Lease) -> Called<Option<Lease>> {
    let stored: Result<Option<Lease>, CallError> = shared.control.lease().await;
    Ok(stored?.filter(|lease| lease.token == held.token && lease.nonce == held.nonce && lease.expires_at_ms != 0))
}

fn locked(store: &dyn LeaseStore, lease: &Lease, now_ms: i64) -> OpError {
    let since_s = (now_ms - lease.acquired_at_ms).max(0) / 1000;
    let left_s = (lease.expires_at_ms - now_ms).max(0) / 1000;
    let ci = lease.ci_url.as_deref().map(|url| format!(" ({url})")).unwrap_or_default();
    let message = format!(
        "{} is locked by {}{ci} for {}, since {since_s} s; its lease runs out in {left_s} s unless it is renewed",
        store.what(),
        lease.holder,
        lease.purpose
    );
    OpError::new(ErrorKind::Locked, message).hint(store.way_out())
}
