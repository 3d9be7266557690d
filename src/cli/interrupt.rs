//! Ctrl-C and SIGTERM: the first asks to stop, the second leaves at once.
//!
//! Constraint kept: a command that can stop in good order says so; for every other one the first signal ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::output::Printer;

/// Tells when somebody wants to stop.
#[derive(Clone)]
pub struct Interrupt {
    graceful: Arc<AtomicBool>,
    stop: watch::Receiver<bool>,
    leave: watch::Receiver<bool>,
}

impl Interrupt {
    /// Begins to listen.
    pub fn new(printer: Arc<Printer>) -> Self {
        let graceful = Arc::new(AtomicBool::new(false));
        let (stop_now, stop) = watch::channel(false);
        let (leave_now, leave) = watch::channel(false);
        let listening = Arc::clone(&graceful);
        tokio::spawn(async move {
            signal().await;
            if listening.load(Ordering::SeqCst) {
                printer.always("stopping: what is under way is finished first; again to leave at once");
                stop_now.send_replace(true);
                signal().await;
            }
            leave_now.send_replace(true);
        });
        Self { graceful, stop, leave }
    }

    /// From now on the first signal only asks to stop; the receiver tells.
    pub fn graceful(&self) -> watch::Receiver<bool> {
        self.graceful.store(true, Ordering::SeqCst);
        self.stop.clone()
    }

    /// Ends when somebody insists on leaving.
    pub async fn insisted(&self) {
        let mut leave = self.leave.clone();
        if leave.wait_for(|leave| *leave).await.is_err() {
            // The listener is gone, and nobody can insist any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for the next signal to stop.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
