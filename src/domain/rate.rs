//! How fast to call: additive increase, multiplicative decrease.
//!
//! Owns: the arithmetic of one shared rate for one account and Region. Constraint kept: pure; time comes in as an
//! argument, so that the behaviour can be tested without waiting.
//! Source: D. Chiu and R. Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in
//! computer networks" (1989); jitter after M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog).

/// A call rate that adapts to the answers.
#[derive(Debug, Clone)]
pub struct Aimd {
    rate: f64,
    tokens: f64,
    refilled_at_ms: u64,
    cut_at_ms: u64,
}

/// Calls a second at the start: below what CloudFormation grants to describe calls, by experience some 10 a second.
const RATE_START: f64 = 10.0;
/// Calls that may be made at once at the start: most commands make no more, and so do not wait at all.
const BURST_START: f64 = 5.0;
/// Calls a second at the least, so that work goes on however hard the service throttles.
const RATE_MIN: f64 = 2.0;
/// Calls a second at the most.
const RATE_MAX: f64 = 100.0;
/// What each unthrottled call adds, in calls a second: one more call a second for every two seconds at 10 a second.
const INCREASE: f64 = 0.05;
/// What a throttled call leaves of the rate.
const DECREASE: f64 = 0.7;
/// Throttles within this time are one signal: the calls were under way together.
const CUT_PAUSE_MS: u64 = 500;

impl Aimd {
    /// A fresh rate at time `now_ms` of any monotonic clock.
    pub fn new(now_ms: u64) -> Self {
        Self { rate: RATE_START, tokens: BURST_START, refilled_at_ms: now_ms, cut_at_ms: 0 }
    }

    /// Takes the right to make one call; gives the milliseconds to wait before making it.
    pub fn take(&mut self, now_ms: u64) -> u64 {
        self.refill(now_ms);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            return 0;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and far below 2^53")]
        let wait_ms = (-self.tokens / self.rate * 1000.0).ceil() as u64;
        wait_ms
    }

    /// Tells that a call was answered without throttling.
    pub fn succeeded(&mut self) {
        self.rate = (self.rate + INCREASE).min(RATE_MAX);
    }

    /// Tells that a call was throttled.
    pub fn throttled(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.cut_at_ms) < CUT_PAUSE_MS && self.cut_at_ms != 0 {
            return;
        }
        self.cut_at_ms = now_ms.max(1);
        self.rate = (self.rate * DECREASE).max(RATE_MIN);
    }

    /// Calls a second at present.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    fn refill(&mut self, now_ms: u64) {
        #[allow(clippy::cast_precision_loss, reason = "a span of milliseconds is far below 2^53")]
        let elapsed_s = now_ms.saturating_sub(self.refilled_at_ms) as f64 / 1000.0;
        self.refilled_at_ms = now_ms.max(self.refilled_at_ms);
        // A burst of a tenth of a second's calls, at least one: an idle spell does not save up a flood.
        let burst = (self.rate / 10.0).max(1.0);
        self.tokens = (self.tokens + elapsed_s * self.rate).min(burst.max(self.tokens));
    }
}

/// The wait before retry number `attempt` (from 0): uniform between 0 and `base × 2^attempt`, at most `max_ms`.
/// `random` is a number from 0 up to but not including 1.
pub fn full_jitter_ms(attempt: u32, base_ms: u64, max_ms: u64, random: f64) -> u64 {
    let ceiling = base_ms.saturating_mul(1_u64 << attempt.min(20)).min(max_ms);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "bounded by max_ms"
    )]
    let wait_ms = (ceiling as f64 * random) as u64;
    wait_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_spread_at_the_rate() {
        let mut rate = Aimd::new(0);
        let waits: Vec<u64> = (0..15).map(|_| rate.take(0)).collect();
        assert_eq!(waits[..5], [0; 5]);
        assert_eq!((waits[5], waits[14]), (100, 1000));
    }

    #[test]
    fn throttles_cut_once_for_calls_under_way_together_and_recover_slowly() {
        let mut rate = Aimd::new(0);
        rate.throttled(1000);
        rate.throttled(1100);
        assert!((rate.rate() - 7.0).abs() < 1e-9);
        rate.throttled(1600);
        assert!((rate.rate() - 4.9).abs() < 1e-9);
        (0..100).for_each(|_| rate.succeeded());
        assert!((rate.rate() - 9.9).abs() < 1e-9);
        (0..100).for_each(|n| rate.throttled(10_000 * (n + 1)));
        assert!(rate.rate() >= RATE_MIN);
    }

    #[test]
    fn jitter_stays_below_its_ceiling() {
        assert_eq!(full_jitter_ms(0, 100, 20_000, 0.5), 50);
        assert_eq!(full_jitter_ms(3, 100, 20_000, 0.5), 400);
        assert_eq!(full_jitter_ms(60, 100, 20_000, 0.5), 10_000);
    }
}
