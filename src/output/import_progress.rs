//! The progress of an import: a bar on a terminal, a line now and then without one.
//!
//! Constraint kept: the lines of a log do not grow with the rows: one every few seconds, and one at the end.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plan::counted;

/// Time between two lines.
const PAUSE: Duration = Duration::from_secs(5);

/// Lines, not too many.
#[derive(Default)]
pub(super) struct ImportLines {
    /// When the import began, and when the last line was written.
    times: Mutex<Option<(Instant, Instant)>>,
}

impl ImportLines {
    /// The first line.
    pub(super) fn started(&self, rows: usize) -> String {
        let now = Instant::now();
        *self.times.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, now));
        format!("importing {}", counted(rows, "row"))
    }

    /// A line, where it is time for one.
    pub(super) fn moved(&self, done: usize, total: usize) -> Option<String> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, last) = times.as_mut()?;
        if done < total && last.elapsed() < PAUSE {
            return None;
        }
        *last = Instant::now();
        Some(format!("imported {done} of {}, {} a second", counted(total, "row"), rate(done, began.elapsed())))
    }
}

fn rate(done: usize, elapsed: Duration) -> u128 {
    done as u128 * 1000 / elapsed.as_millis().max(1)
}

/// A bar.
#[derive(Default)]
pub(super) struct ImportBar {
    bar: Mutex<Option<ProgressBar>>,
}

impl ImportBar {
    pub(super) fn started(&self, multi: &MultiProgress, rows: usize) {
        let bar = multi.add(ProgressBar::new(rows as u64));
        let template = "{bar:24} {pos}/{len} rows  {per_sec}  {elapsed_precise}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        *self.bar() = Some(bar);
    }

    pub(super) fn moved(&self, done: usize, total: usize) {
        let mut bar = self.bar();
        if let Some(bar) = bar.as_ref() {
            bar.set_position(done as u64);
        }
        if done >= total {
            finish(&mut bar);
        }
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ImportBar {
    fn drop(&mut self) {
        finish(&mut self.bar());
    }
}

fn finish(bar: &mut Option<ProgressBar>) {
    if let Some(bar) = bar.take() {
        bar.finish_and_clear();
    }
}
