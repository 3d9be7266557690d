//! The time by which the scripted endpoint lives.
//!
//! Owns: the choice between real, monotonic time and a clock that the test moves. Constraint kept: everything else
//! counts in durations since the start, so that a life of a stack is a function of one number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A clock that starts at zero.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Timestamp,
    hand: Hand,
}

#[derive(Debug)]
enum Hand {
    Real(Instant),
    /// Milliseconds since the start.
    Virtual(AtomicU64),
}

impl Clock {
    /// Follows real, monotonic time.
    pub(crate) fn real() -> Self {
        Self { origin: Timestamp::now(), hand: Hand::Real(Instant::now()) }
    }

    /// Stands still until it is advanced. Its timestamps begin a thousand million seconds into the Unix epoch, so
    /// that two runs give the same ones.
    pub(crate) fn standing() -> Self {
        let origin = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000_000);
        Self { origin, hand: Hand::Virtual(AtomicU64::new(0)) }
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        match &self.hand {
            Hand::Real(started) => started.elapsed(),
            Hand::Virtual(ms) => Duration::from_millis(ms.load(Ordering::SeqCst)),
        }
    }

    /// Moves a standing clock, in whole milliseconds. A real one is left alone: nobody can move it.
    pub(crate) fn advance(&self, by: Duration) {
        if let Hand::Virtual(ms) = &self.hand {
            ms.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// A moment as the service writes it (`2001-09-09T01:46:40.000Z`).
    pub(crate) fn stamp(&self, at: Duration) -> String {
        let since = SignedDuration::try_from(at).unwrap_or(SignedDuration::ZERO);
        format!("{:.3}", self.origin + since)
    }
}
