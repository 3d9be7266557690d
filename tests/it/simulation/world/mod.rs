//! An in-memory world behind the ports, in virtual time, with one fault at a chosen call.
//!
//! Owns: the calls of that world and where they go wrong; its parts are `stacks`, `control`, `tenants` and `machine`.
//! Constraint kept: a run depends on the chosen fault alone, so that a failure can be repeated by its number.

mod control;
mod machine;
mod stacks;
mod tenants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use cellctl::domain::ids::CellId;
use cellctl::domain::lock::Lease;
use cellctl::domain::record::CellRecord;
use cellctl::domain::tenant::Entry;
use cellctl::domain::tenant::fence::FenceTable;
use cellctl::ops::World;
use cellctl::ops::event::Silent;
use cellctl::ops::moves::carrier::Listed;
use cellctl::ports::{CallError, CallErrorKind, Called, Clock, JournalEntry};
use tokio::sync::Notify;

use crate::support::map::MapState;

use stacks::Stack;
pub(crate) use stacks::stack_of;

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before the call takes effect.
    CrashBefore,
    /// The process dies after the call took effect.
    CrashAfter,
    /// The call takes effect and its answer is lost.
    LostAnswer,
}

#[derive(Default)]
struct State {
    stacks: BTreeMap<String, Stack>,
    records: BTreeMap<CellId, CellRecord>,
    map: MapState,
    /// An entry as it was, which the next query of its bucket still shows.
    behind: Option<Entry>,
    /// Fence tables that were deleted.
    gone: BTreeSet<FenceTable>,
    /// Cells whose loads cannot be read.
    spoilt: BTreeSet<CellId>,
    lease: Option<Lease>,
    under_way: Vec<Listed>,
    journals: BTreeMap<String, Vec<JournalEntry>>,
    calls: usize,
    randoms: u32,
    cut_off: bool,
    colliding: bool,
    creates: BTreeMap<String, usize>,
    executes: BTreeMap<String, usize>,
}

/// The simulated world. Clones share it.
#[derive(Clone)]
pub(crate) struct Sim {
    state: Arc<Mutex<State>>,
    fault: Option<(usize, Fault)>,
    crashed: Arc<Notify>,
    start: tokio::time::Instant,
    ahead_ms: i64,
}

impl Sim {
    pub(crate) fn new() -> Self {
        let start = tokio::time::Instant::now();
        Self { state: Arc::default(), fault: None, crashed: Arc::default(), start, ahead_ms: 0 }
    }

    /// The same world, seen from a machine whose clock is ahead.
    pub(crate) fn ahead(&self, ahead_ms: i64) -> Self {
        Self { ahead_ms, ..self.healthy() }
    }

    /// The same world, in which the `nth` call from now (from 1) goes wrong.
    pub(crate) fn with_fault(&self, nth: usize, fault: Fault) -> Self {
        let at = self.state().calls + nth;
        Self { fault: Some((at, fault)), crashed: Arc::default(), ..self.clone() }
    }

    /// The same world without a fault.
    pub(crate) fn healthy(&self) -> Self {
        Self { fault: None, crashed: Arc::default(), ..self.clone() }
    }

    /// Ends when the process has died.
    pub(crate) async fn crash(&self) {
        self.crashed.notified().await;
    }

    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(crate) fn world(&self) -> World {
        let shared = Arc::new(self.clone());
        World {
            stacks: shared.clone(),
            identities: shared.clone(),
            atoms: shared.clone(),
            artifacts: shared.clone(),
            control: shared.clone(),
            map: shared.clone(),
            fences: shared.clone(),
            audit: shared.clone(),
            packages: shared.clone(),
            clock: shared,
            reporter: Arc::new(Silent),
            parse: cellctl::wire::parse_document,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }

    /// Carries out a call, unless this is the one that goes wrong.
    async fn call<T>(&self, operation: &'static str, effect: impl FnOnce(&mut State, i64) -> Called<T>) -> Called<T> {
        let number = {
            let mut state = self.state();
            state.calls += 1;
            state.calls
        };
        let fault = self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        if fault == Some(Fault::CrashBefore) {
            self.die().await;
        }
        let now_ms = self.now_ms();
        let outcome = effect(&mut self.state(), now_ms);
        match fault {
            Some(Fault::CrashAfter) => self.die().await,
            Some(Fault::LostAnswer) => {
                tokio::task::yield_now().await;
                return Err(error(CallErrorKind::InDoubt, operation, "the answer was lost"));
            }
            _ => {}
        }
        // Other tasks get their turn, as they do at every real call.
        tokio::task::yield_now().await;
        outcome
    }

    async fn die(&self) {
        self.crashed.notify_one();
        std::future::pending::<()>().await;
    }
}

pub(crate) fn error(kind: CallErrorKind, operation: &'static str, message: &str) -> CallError {
    CallError { kind, operation, subject: "the simulation".to_owned(), message: message.to_owned() }
}
fn missing(operation: &'static str) -> CallError {
    error(CallErrorKind::NotFound, operation, "does not exist")
}
