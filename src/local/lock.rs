//! A lock between processes, on a file.
//!
//! Constraint kept: the kernel releases it when its holder dies, and waiting for it has a limit.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{LocalError, LocalEvent, OnEvent};

/// Longer than the slowest holder takes: one installation and one start, each at its own limit.
const WAIT_MAX: Duration = Duration::from_mins(8);
const POLL: Duration = Duration::from_millis(50);

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock, waiting while another process has it.
pub(super) async fn acquire(path: &Path, on_event: OnEvent<'_>) -> Result<Lock, LocalError> {
    acquire_within(path, WAIT_MAX, on_event).await
}

async fn acquire_within(path: &Path, limit: Duration, on_event: OnEvent<'_>) -> Result<Lock, LocalError> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = opened.map_err(|source| LocalError::io("open the lock file", path, source))?;
    let begun = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::Error(source)) => return Err(LocalError::io("lock", path, source)),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= limit => {
                return Err(LocalError::Locked { path: path.to_path_buf(), waited_s: limit.as_secs() });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !std::mem::replace(&mut told, true) {
            on_event(LocalEvent::LockAwaited { path: path.to_path_buf() });
        }
        // The blocking form cannot be given up, so the lock is asked for again until the limit.
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_holder_waits_and_gives_up_at_the_limit() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("x.lock");
        let held = acquire(&path, &mut |_| {}).await.expect("first");
        let mut events = Vec::new();
        let refused = acquire_within(&path, Duration::from_millis(10), &mut |event| events.push(event)).await;
        assert!(matches!(refused, Err(LocalError::Locked { .. })));
        assert_eq!(events, [LocalEvent::LockAwaited { path: path.clone() }]);
        drop(held);
        acquire(&path, &mut |_| {}).await.expect("free again");
    }
}
