//! A mover's clock: virtual, and wrong at times.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use cellctl::domain::lock::ProcessId;
use cellctl::ports::{Clock, Processes};

use super::gate::Seat;

/// When every world begins, in milliseconds since 1970.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

#[async_trait]
impl Clock for Seat {
    fn now_ms(&self) -> i64 {
        self.sim.now_ms() + self.ahead_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.sim.elapsed_ms() + 1_000_000
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.awake().await;
    }

    fn random(&self) -> f64 {
        self.sim.with(|state| state.rng.f64())
    }
}

/// All movers of a schedule run on one machine.
impl Processes for Seat {
    fn me(&self) -> Option<ProcessId> {
        let (boot, space) = ("simulated".to_owned(), "one".to_owned());
        self.one_machine.then_some(ProcessId { boot, space, pid: self.number, started: u64::from(self.number) })
    }

    fn is_gone(&self, process: &ProcessId) -> bool {
        self.one_machine && self.sim.with(|state| state.dead.contains(&process.pid))
    }
}
