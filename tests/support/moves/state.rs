//! Everything that there is, behind one lock.
//!
//! Owns: the state, and who is which: tables and fences by cell, 0 the source, 1 the target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cellctl::domain::data::Item;
use cellctl::domain::moves::fence::Shard;
use cellctl::domain::tenant::fence::FenceTable;
use cellctl::ports::data::TableRef;
use cellctl::ports::{CallErrorKind, Called};

use super::clock::START_MS;
use super::control::Control;
use super::counts::{Counts, Trace};
use super::drawn::{Drawn, Faults};
use super::gate::{Strike, error};
use super::queues::Queue;
use super::scene::Names;
use super::tables::Table;
use super::truth::Truth;
use crate::support::map::MapState;

/// The tenant's fence in a cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fenced {
    pub(crate) shards: BTreeMap<u8, Shard>,
    pub(crate) notes: BTreeMap<u64, Vec<(String, Item)>>,
    /// Messages that took effect here.
    pub(crate) origins: BTreeSet<String>,
}

/// Everything that there is.
pub(crate) struct State {
    pub(crate) drawn: Drawn,
    pub(crate) names: Names,
    pub(crate) rng: fastrand::Rng,
    pub(crate) now_ms: i64,
    pub(crate) tables: [Vec<Table>; 2],
    pub(crate) fences: [Fenced; 2],
    pub(crate) map: MapState,
    pub(crate) control: Control,
    pub(crate) queues: BTreeMap<String, Queue>,
    /// Transactions that happened, by their token: when, and what they wrote.
    pub(crate) answered: BTreeMap<String, (i64, u64)>,
    pub(crate) truth: Truth,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
    /// What goes wrong; nothing any more towards the end.
    pub(crate) faults: Faults,
    pub(crate) crashes: u32,
    pub(crate) cut_off_until_ms: i64,
    /// What goes wrong at one chosen call.
    pub(crate) strike: Option<(u64, Strike)>,
    /// Movers that are dead.
    pub(crate) dead: BTreeSet<u32>,
    /// Actors of the application that are not done yet.
    pub(crate) busy: usize,
    pub(crate) wish: Wished,
    pub(crate) back: Back,
}

/// What the person does, as far as movers can see.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wished {
    /// Whether the move is over.
    pub(crate) over: bool,
}

/// The move by which the tenant goes back, once there is one.
pub(crate) type Back = Option<cellctl::domain::moves::MoveId>;

/// The world, shared by all who act in it.
pub(crate) struct Sim {
    state: Mutex<State>,
    start: tokio::time::Instant,
}

impl Sim {
    /// A world.
    pub(crate) fn new(state: State) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(state), start: tokio::time::Instant::now() })
    }

    /// Milliseconds since the world began.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The true time, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        START_MS + self.elapsed_ms().cast_signed()
    }

    /// Looks at the state, or changes it, at this moment.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state: MutexGuard<'_, State> = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now_ms = self.now_ms();
        work(&mut state)
    }
}

impl State {
    /// A time below one of these.
    pub(crate) fn up_to(&mut self, most: &[u64]) -> u64 {
        let most = most[self.rng.usize(..most.len())];
        self.rng.u64(0..most)
    }

    /// The cell and number of a table.
    pub(crate) fn table(&self, table: &TableRef) -> Called<(usize, usize)> {
        let found = self.names.tables.get(table).copied();
        found.ok_or_else(|| error(CallErrorKind::NotFound, "dynamodb:DescribeTable", &table.name))
    }

    /// The cell of a fence table.
    pub(crate) fn cell_of(&self, table: &FenceTable) -> Called<usize> {
        let found = self.names.fences.iter().position(|known| known == table);
        found.ok_or_else(|| error(CallErrorKind::NotFound, "dynamodb:GetItem", &table.name))
    }
}
