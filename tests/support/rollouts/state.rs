//! Everything that there is, behind one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use cellctl::domain::ids::CellId;
use cellctl::domain::lock::Lease;
use cellctl::domain::record::CellRecord;
use cellctl::domain::rollout::RolloutId;
use cellctl::ports::JournalEntry;

use super::drawn::{Drawn, Faults};
use super::gate::Strike;
use super::kept::Kept;
use super::stacks::Stack;
use super::truth::Truth;
use crate::support::map::MapState;

/// When every world begins, in milliseconds since 1970.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

/// Everything that there is.
pub(crate) struct State {
    pub(crate) drawn: Drawn,
    pub(crate) rng: fastrand::Rng,
    pub(crate) now_ms: i64,
    /// Names of the stacks of each Region, in their order.
    pub(crate) by_region: BTreeMap<String, Vec<String>>,
    pub(crate) stacks: HashMap<String, Stack>,
    /// The wave of each cell.
    pub(crate) wave_of: HashMap<CellId, usize>,
    pub(crate) records: BTreeMap<CellId, CellRecord>,
    pub(crate) map: MapState,
    /// The lock on the fleet.
    pub(crate) lock: Option<Lease>,
    pub(crate) applies: HashMap<String, BTreeMap<u64, JournalEntry>>,
    pub(crate) rollouts: BTreeMap<RolloutId, Kept>,
    pub(crate) open: Option<RolloutId>,
    pub(crate) marks: BTreeMap<CellId, RolloutId>,
    pub(crate) truth: Truth,
    pub(crate) faults: Faults,
    pub(crate) crashes: u32,
    /// What goes wrong at one chosen call.
    pub(crate) strike: Option<(u64, Strike)>,
    /// Pilots that are dead.
    pub(crate) dead: BTreeSet<u32>,
    /// Calls of pilots.
    pub(crate) calls: u64,
    pub(crate) counted: BTreeMap<&'static str, u64>,
    /// What happened, line by line, where it was asked for.
    pub(crate) lines: Option<Vec<String>>,
    /// Digest of everything that happened, in order.
    pub(crate) digest: u64,
}

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
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now_ms = self.now_ms();
        work(&mut state)
    }
}

impl State {
    /// Takes note of something that happened.
    pub(crate) fn note(&mut self, what: &str, number: u64) {
        let mut hash = self.digest ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.now_ms.cast_unsigned();
        for byte in what.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.digest = hash;
        let now_ms = self.now_ms - START_MS;
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now_ms:>10} {what} {number}"));
        }
    }

    /// Counts something.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counted.entry(what).or_default() += 1;
    }

    /// Something that must never be.
    pub(crate) fn violate(&mut self, what: String) {
        self.note(&what, 0);
        if self.truth.broken.len() < 10 {
            self.truth.broken.push(what);
        }
    }
}
