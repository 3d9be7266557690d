//! Asking within a time, a few at a time.
//!
//! Constraint kept: nothing that is asked outlives the look, and probes that hang keep no call to AWS waiting.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use crate::domain::rollout::judge::Answer;
use crate::ports::rollout::NoAnswer;
use crate::ports::{Called, Clock};

/// Calls to AWS at a time, and probes at a time.
const AT_A_TIME: usize = 16;
/// For how long a probe may outlive its own time, in milliseconds: what hangs on after it is left behind.
const GRACE_MS: u64 = 500;

/// Why there is no answer.
const OVER: &str = "no answer before the look was over";

/// The time and the places that one look has.
pub(super) struct Ask<'a> {
    clock: &'a dyn Clock,
    until_ms: u64,
    calls: Semaphore,
    probes: Semaphore,
}

impl<'a> Ask<'a> {
    pub(super) fn new(clock: &'a dyn Clock, limit_ms: u64) -> Self {
        let until_ms = clock.monotonic_ms().saturating_add(limit_ms);
        Self { clock, until_ms, calls: Semaphore::new(AT_A_TIME), probes: Semaphore::new(AT_A_TIME) }
    }

    /// A call to AWS; otherwise why it has no answer.
    pub(super) async fn call<T>(&self, call: impl Future<Output = Called<T>>) -> Result<T, String> {
        let called = self.within(self.left_ms(), async {
            let _place = self.calls.acquire().await;
            call.await
        });
        match called.await {
            Some(answer) => answer.map_err(|error| error.to_string()),
            None => Err(OVER.to_owned()),
        }
    }

    /// A probe; none where the look was over before the probe's own time was.
    pub(super) async fn probe<T>(
        &self,
        timeout_ms: u64,
        probe: impl Future<Output = Result<T, NoAnswer>>,
    ) -> Option<Answer<T>> {
        let _place = self.within(self.left_ms(), self.probes.acquire()).await?;
        let (own_ms, left_ms) = (timeout_ms.saturating_add(GRACE_MS), self.left_ms());
        match self.within(own_ms.min(left_ms), probe).await {
            Some(Ok(answer)) => Some(Answer::Got(answer)),
            Some(Err(NoAnswer::TimedOut)) => Some(Answer::Late(timeout_ms)),
            Some(Err(NoAnswer::Failed(why))) => Some(Answer::Broken(why)),
            None => (timeout_ms < left_ms).then_some(Answer::Late(timeout_ms)),
        }
    }

    fn left_ms(&self) -> u64 {
        self.until_ms.saturating_sub(self.clock.monotonic_ms())
    }

    async fn within<T>(&self, limit_ms: u64, work: impl Future<Output = T>) -> Option<T> {
        if limit_ms == 0 {
            return None;
        }
        let over = self.clock.sleep(Duration::from_millis(limit_ms));
        match select(pin!(work), over).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        }
    }
}

/// Does something with each, a few at a time; gives what came of it in their order.
pub(super) async fn each<T, R, F: Future<Output = R>>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> F,
) -> Vec<R> {
    let works: Vec<_> = items.into_iter().map(work).collect();
    let numbered = works.into_iter().enumerate().map(|(number, work)| async move { (number, work.await) });
    let mut done: Vec<_> = stream::iter(numbered).buffer_unordered(2 * AT_A_TIME).collect().await;
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
