//! Looking at the gates of a wave: everything is asked, and judged by `domain::rollout::judge`.
//!
//! Constraints kept: a look never fails: what cannot be asked is missing, with the reason; it ends in bounded time, whatever
//! hangs; what it costs follows from the cells of the wave, not from those of finished ones.

mod ask;
mod metric;
mod probes;
mod queues;
mod stacks;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(super) use queues::dead_letters;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use crate::domain::ids::CellId;
use crate::domain::rollout::change::{Before, CellChange};
use crate::domain::rollout::gate::{Check, Look, Seen};
use crate::domain::rollout::{RolloutId, Wave, judge, sample};
use crate::ports::rollout::{Probes, Signals};
use crate::ports::{Clock, Stacks};

use super::RolloutWorld;
use ask::Ask;

/// Time of a look for so many cells, beside that for probes: some 16 calls at a time of 100 ms.
const CELLS_A_SHARE: usize = 250;
/// That time, in milliseconds.
const SHARE_MS: u64 = 10_000;

/// What is watched during a bake.
pub(super) struct Watched {
    /// The rollout.
    pub(super) rollout: RolloutId,
    /// The cells that have the new version.
    pub(super) cells: Vec<CellChange>,
    /// The cells of later waves: they have the old version.
    pub(super) controls: Vec<CellChange>,
    /// What the cells of the wave were.
    pub(super) before: Before,
    /// When the wave was changed, in milliseconds since 1970.
    pub(super) since_ms: i64,
}

/// Looks at the gates of a wave.
pub(super) struct Looker {
    ports: Ports,
    watched: Watched,
    sampled: Sampled,
    known: Known,
}

/// What a look may reach.
struct Ports {
    stacks: Arc<dyn Stacks>,
    signals: Arc<dyn Signals>,
    probes: Arc<dyn Probes>,
    clock: Arc<dyn Clock>,
}

/// The cells whose metrics are asked for.
struct Sampled {
    changed: Vec<CellChange>,
    controls: Vec<CellChange>,
}

/// What earlier looks have found.
#[derive(Default)]
struct Known {
    /// Names of the alarms of each cell's stack.
    alarms: Mutex<BTreeMap<CellId, Vec<String>>>,
    /// Each complete stack when it was first seen so: its id, and when its last operation began.
    left: Mutex<BTreeMap<CellId, (String, i64)>>,
}

/// One look.
struct Round<'a> {
    ports: &'a Ports,
    watched: &'a Watched,
    sampled: &'a Sampled,
    known: &'a Known,
    wave: &'a Wave,
    ask: &'a Ask<'a>,
}

impl Looker {
    /// Looks by what a rollout may reach.
    pub(super) fn new(world: RolloutWorld, watched: Watched) -> Self {
        let RolloutWorld { world, signals, probes, .. } = world;
        Self::over(Ports { stacks: world.stacks, signals, probes, clock: world.clock }, watched)
    }

    fn over(ports: Ports, watched: Watched) -> Self {
        let changed = sample::changed(&watched.cells);
        let controls = sample::controls(&watched.cells, &watched.controls);
        Self { ports, watched, sampled: Sampled { changed, controls }, known: Known::default() }
    }

    /// Looks at all gates, given the look before; `at_end` says that the bake is over, so that missing data count as failed.
    pub(super) async fn look(&mut self, wave: &Wave, last: &[Look], at_end: bool) -> Vec<Look> {
        let cells = self.watched.cells.len();
        let ask = Ask::new(&*self.ports.clock, limit_ms(wave, cells));
        let Self { ports, watched, sampled, known } = &*self;
        let round = Round { ports, watched, sampled, known, wave, ask: &ask };
        let looks = wave.gates.iter().map(async |gate| {
            let before = last.iter().find(|look| look.gate == gate.name);
            judge::look(gate, round.see(&gate.check).await, cells, before, at_end)
        });
        join_all(looks).await
    }
}

/// For how long a look goes on: the longest of its probes, and a time that grows with the cells.
fn limit_ms(wave: &Wave, cells: usize) -> u64 {
    let probes = wave.gates.iter().filter_map(|gate| match gate.check {
        Check::Command { timeout_ms, .. } | Check::Http { timeout_ms, .. } => Some(timeout_ms),
        _ => None,
    });
    let shares = u64::try_from(cells.div_ceil(CELLS_A_SHARE)).unwrap_or(u64::MAX).max(1);
    probes.max().unwrap_or(0).saturating_add(shares.saturating_mul(SHARE_MS))
}

impl Round<'_> {
    async fn see(&self, check: &Check) -> Vec<Seen> {
        if self.watched.cells.is_empty() {
            return Vec::new();
        }
        match check {
            Check::Stack => self.stacks().await,
            Check::Alarms => self.alarms().await,
            Check::Metric(metric) => vec![self.metric(metric).await],
            Check::Queues { max } => self.queues(*max).await,
            Check::DeadLetters { max } => self.dead_letters(*max).await,
            Check::Command { run, timeout_ms } => self.commands(run, *timeout_ms).await,
            Check::Http { url, status, timeout_ms } => self.addresses(url, *status, *timeout_ms).await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
