//! BARRIER: waiting until no bulk request can count any more.
//!
//! Constraint kept: a bulk request is signed first, and only sent while the lease is held. What was signed counts for as
//! long as AWS takes the signature; so the end of the wait is known when the lease changes hands.

use std::time::Duration;

use super::context::Context;
use super::halt::Halt;

/// How long it sleeps between looks at what people order.
const LOOK_MS: i64 = 500;

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
