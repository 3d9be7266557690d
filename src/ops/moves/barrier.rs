//! BARRIER: waiting until no bulk request can count any more.
//!
//! Constraint kept: a bulk request is signed first, and only sent while the lease is held. What was signed counts for as
//! long as AWS takes the signature; so the end of the wait is known when the lease changes hands.

use std::time::Duration;

use crate::ops::lease::Before;

use super::context::Context;
use super::halt::Halt;

/// For how long a signed request may be taken, in milliseconds: AWS takes a signature whose time is up to five minutes off,
/// before or after (General Reference, "Troubleshooting AWS Signature Version 4 errors": "Signature expired"), and a
/// caller's clock may be off the other way.
const SIGNATURE_MS: i64 = 600_000;
/// For how long a request may count whose sender is gone or has given up waiting, in milliseconds: it is on its way or
/// being carried out. Many times what `BatchWriteItem` takes.
pub(super) const REQUEST_MS: i64 = 3_000;
/// How long it sleeps between looks at what people order.
const LOOK_MS: i64 = 500;

/// Until when bulk requests of the mover before may count, in milliseconds since 1970.
pub(super) fn bulk_until_ms(before: Before, now_ms: i64) -> i64 {
    match before {
        Before::Free => 0,
        Before::Gone => now_ms + REQUEST_MS,
        Before::Silent => now_ms + SIGNATURE_MS,
    }
}

impl Context<'_> {
    /// Waits until that time; gives for how long, in milliseconds.
    pub(super) async fn wait_until(&self, until_ms: i64) -> Result<u64, Halt> {
        let clock = &self.world.clock;
        let (began_ms, began) = (clock.monotonic_ms(), clock.now_ms());
        // By the clock that does not jump: a jump of the other must not end the wait.
        let wait_ms = u64::try_from(until_ms - began).unwrap_or(0);
        loop {
            let waited_ms = clock.monotonic_ms().saturating_sub(began_ms);
            if waited_ms >= wait_ms {
                return Ok(waited_ms);
            }
            self.check()?;
            let left_ms = (wait_ms - waited_ms).min(LOOK_MS.unsigned_abs());
            clock.sleep(Duration::from_millis(left_ms)).await;
        }
    }
}
