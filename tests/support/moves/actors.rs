//! Those who use the tenant while it moves: writers at their level, the service's own deletions, people.
//!
//! Constraint kept: each does what `docs/move-protocol.md` asks of it, as late and as badly as it may.

use std::sync::Arc;

use cellctl::domain::data::find::is_expired;
use cellctl::domain::data::{Item, ItemKey};
use cellctl::domain::moves::FenceLevel;
use cellctl::domain::moves::fence::{NOTES_FROM, Shard};
use cellctl::domain::tenant::fence::FenceMode;

use super::drawn::{Kind, Wish};
use super::gate::pause;
use super::scene::{NAME, NEIGHBOURS, TTL, item_of, key_of, tenant};
use super::state::{Sim, State};

/// Most tries of one write before a writer gives it up.
const TRIES_MAX: u32 = 400;
/// Above the numbers of the notes.
const NOTES_END: u64 = 1 << 53;

/// A write that somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) table: usize,
    pub(crate) key: ItemKey,
    /// The item; none to delete it.
    pub(crate) item: Option<Item>,
}

/// How a try has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    Done,
    Doubt,
    Again,
}

/// A writer.
struct Writer {
    sim: Arc<Sim>,
    cell: usize,
    spread: u64,
    level: FenceLevel,
    /// How far its clock is ahead, in milliseconds.
    ahead_ms: i64,
    /// Until when it may write without asking again: cell, and when.
    leave: Option<(usize, i64)>,
}

/// A writer's life.
pub(crate) async fn writer(sim: Arc<Sim>, number: u64) {
    let (level, writes, rest_ms, ahead_ms) = sim.with(|state| {
        let drawn = &state.drawn;
        let ahead_ms = if number == 1 { state.rng.i64(-30_000..30_000) } else { 0 };
        (drawn.level, drawn.writes, drawn.rest_ms, ahead_ms)
    });
    let mut writer = Writer { sim: Arc::clone(&sim), cell: 0, spread: number, level, ahead_ms, leave: None };
    for _ in 0..writes {
        let (rest_ms, wanted) = sim.with(|state| (state.rng.u64(0..rest_ms), state.want(writer.cell)));
        pause(rest_ms).await;
        writer.write(&wanted).await;
    }
    sim.with(|state| state.busy -= 1);
}

impl Writer {
    async fn write(&mut self, wanted: &Wanted) {
        for _ in 0..TRIES_MAX {
            let tried = self.attempt(wanted).await;
            if tried != Tried::Again {
                self.sim
                    .with(|state| state.counts.deed(if tried == Tried::Done { "writes" } else { "writes in doubt" }));
                return;
            }
            let wait_ms = self.sim.with(|state| state.rng.u64(20..400));
            pause(wait_ms).await;
        }
        self.sim.with(|state| state.counts.deed("writes given up"));
    }

    async fn attempt(&mut self, wanted: &Wanted) -> Tried {
        let now_ms = self.sim.now_ms();
        if let Some((cell, until_ms)) = self.leave
            && cell == self.cell
            && now_ms < until_ms
        {
            return self.plain(wanted).await;
        }
        let wait_ms = self.sim.with(|state| state.rng.u64(0..10));
        pause(wait_ms).await;
        let (number, shard) = self.sim.with(|state| state.read_fence(self.cell, self.spread));
        let read_ms = self.sim.now_ms();
        let wait_ms = self.sim.with(|state| state.rng.u64(0..10));
        pause(wait_ms).await;
        let Some(shard) = shard else { return self.ask_map() };
        match (shard.mode, self.level) {
            (FenceMode::Open, FenceLevel::Strict) | (FenceMode::Guarded, _) => {
                self.transact(wanted, number, &shard).await
            }
            (FenceMode::Open, _) => {
                let lease_ms = self.sim.with(|state| state.drawn.lease_ms);
                self.leave = Some((self.cell, read_ms + lease_ms.cast_signed()));
                self.plain(wanted).await
            }
            (FenceMode::Sealed, _) => {
                self.sim.with(|state| state.reopen(self.cell, number, &shard, self.ahead_ms));
                Tried::Again
            }
            (FenceMode::Out, _) => {
                self.cell = 1 - self.cell;
                Tried::Again
            }
            (FenceMode::Incoming | FenceMode::Closed, _) => self.ask_map(),
        }
    }

    fn ask_map(&mut self) -> Tried {
        self.cell = self.sim.with(|state| state.serving());
        Tried::Again
    }

    /// A transaction with a check of the fence as it was read; a note where it is guarded.
    async fn transact(&self, wanted: &Wanted, shard: u8, seen: &Shard) -> Tried {
        let (prepare_ms, fate) = self.sim.with(|state| (state.tarry(), state.rng.u8(..24)));
        pause(prepare_ms).await;
        let (cell, wanted, seen) = (self.cell, wanted.clone(), seen.clone());
        let effect = move |state: &mut State| {
            let there = state.fences[cell].shards.get(&shard);
            let fits = there.is_some_and(|there| (there.mode, there.epoch) == (seen.mode, seen.epoch));
            if fits {
                state.carry_wanted(cell, &wanted, seen.mode == FenceMode::Guarded);
            }
            fits
        };
        match fate {
            0 => Tried::Doubt,
            1 => {
                self.sim.with(effect);
                Tried::Doubt
            }
            2 => {
                let late_ms = self.sim.with(|state| state.rng.u64(1..60_000));
                self.later(late_ms, effect);
                Tried::Doubt
            }
            _ if self.sim.with(effect) => Tried::Done,
            _ => Tried::Again,
        }
    }

    /// A plain write: sent while there is leave, it happens within the time of a request.
    async fn plain(&self, wanted: &Wanted) -> Tried {
        let (cell, wanted) = (self.cell, wanted.clone());
        let (takes_ms, fate) = self.sim.with(|state| {
            let most = state.drawn.request_ms;
            let quick = state.rng.u8(..4) > 0;
            (if quick { state.rng.u64(0..20.min(most)) } else { state.rng.u64(0..most) }, state.rng.u8(..16))
        });
        let effect = move |state: &mut State| {
            state.carry_wanted(cell, &wanted, false);
            true
        };
        match fate {
            0 => Tried::Doubt,
            1 => {
                self.later(takes_ms, effect);
                Tried::Doubt
            }
            _ => {
                pause(takes_ms).await;
                self.sim.with(effect);
                Tried::Done
            }
        }
    }

    fn later(&self, late_ms: u64, effect: impl FnOnce(&mut State) -> bool + Send + 'static) {
        let sim = Arc::clone(&self.sim);
        tokio::spawn(async move {
            pause(late_ms).await;
            sim.with(effect);
        });
    }
}

impl State {
    /// A write that the application wants, of a key of the tenant's; now and then one changes hands.
    fn want(&mut self, cell: usize) -> Wanted {
        let table = self.rng.usize(..self.drawn.tables.len());
        let kind = self.drawn.tables[table];
        let by_attribute = matches!(kind, Kind::Index | Kind::Attribute) && !self.drawn.rollback;
        let (passes, name) = (by_attribute, self.rng.usize(..self.drawn.keys));
        let value = self.rng.u64(1_000..1_000_000);
        let of = &self.tables[cell][table];
        let key = key_of(of, NAME, &format!("k{name}"));
        let expires_s = (self.rng.u8(..10) == 0).then(|| self.now_ms / 1_000 + self.rng.i64(1..120));
        match self.rng.u8(..20) {
            0..=5 => Wanted { table, key, item: None },
            // To a neighbour, or from one.
            6 | 7 if passes => Wanted { table, item: Some(item_of(of, &key, NEIGHBOURS[cell], value, None)), key },
            8 if passes => {
                let key = key_of(of, NAME, &format!("{}0", &NEIGHBOURS[cell][..2]));
                Wanted { table, item: Some(item_of(of, &key, NAME, value, None)), key }
            }
            _ => Wanted { table, item: Some(item_of(of, &key, NAME, value, expires_s)), key },
        }
    }

    /// How long a writer is with a transaction before it sends it.
    fn tarry(&mut self) -> u64 {
        match self.rng.u8(..40) {
            0 => self.rng.u64(0..20_000),
            1..=4 => self.rng.u64(0..2_000),
            _ => self.rng.u64(0..20),
        }
    }

    /// The shard of a fence that a writer looks at.
    pub(crate) fn read_fence(&self, cell: usize, spread: u64) -> (u8, Option<Shard>) {
        let shards = if cell == 0 { self.drawn.shards.0 } else { self.drawn.shards.1 };
        let number = u8::try_from(spread % u64::from(shards)).unwrap_or(0);
        (number, self.fences[cell].shards.get(&number).cloned())
    }

    /// The cell that the map names.
    pub(crate) fn serving(&self) -> usize {
        let entry = &self.map.entries[&tenant()];
        usize::from(entry.cell.as_str() != "cell-1")
    }

    /// Reopens a shard past its deadline, if it still is as it was read.
    pub(crate) fn reopen(&mut self, cell: usize, number: u8, seen: &Shard, ahead_ms: i64) {
        let past = seen.deadline_ms.is_none_or(|deadline_ms| self.now_ms + ahead_ms > deadline_ms);
        if !past || self.fences[cell].shards.get(&number) != Some(seen) {
            return;
        }
        let before = self.fences.clone();
        self.fences[cell].shards.insert(number, Shard::free(seen.epoch + 2, FenceMode::Open));
        self.trace.note(self.now_ms, "writer", "reopens", u64::from(number));
        self.counts.deed("reopened by a writer");
        self.check_fences(&before);
    }

    /// An application's write happens, if the item is not somebody else's that it means to delete.
    pub(crate) fn carry_wanted(&mut self, cell: usize, wanted: &Wanted, note: bool) {
        let of = &self.tables[cell][wanted.table];
        let theirs = of.items.get(&wanted.key).is_some_and(|item| !of.find.is_of(&tenant(), &of.shape.key, item));
        if theirs && wanted.item.is_none() {
            return;
        }
        if note {
            let key = of.shape.key.attributes(&wanted.key);
            let number = self.rng.u64(NOTES_FROM..NOTES_END);
            let table = self.names.physical[cell][wanted.table].clone();
            self.fences[cell].notes.insert(number, vec![(table, key)]);
        }
        self.trace.note(self.now_ms, "writer", "writes", cell as u64);
        self.commit(cell, wanted.table, &wanted.key, wanted.item.clone());
    }
}

/// The service deletes what is past its time, some time later, in both cells.
pub(crate) async fn expiry(sim: Arc<Sim>) {
    loop {
        let wait_ms = sim.with(|state| state.rng.u64(2_000..60_000)) * if sim.elapsed_ms() > 600_000 { 20 } else { 1 };
        pause(wait_ms).await;
        sim.with(|state| {
            for cell in 0..2 {
                for table in 0..state.drawn.tables.len() {
                    let gone = |item: &Item| is_expired(item, Some(TTL), state.now_ms);
                    let old = state.tables[cell][table].items.iter().find(|(_, item)| gone(item));
                    if let Some(key) = old.map(|(key, _)| key.clone()) {
                        state.tables[cell][table].set(&key, None, state.now_ms, &mut state.rng);
                        state.counts.deed("expired");
                    }
                }
            }
        });
    }
}

/// Somebody watches the move: lets it cut over where it waits, and does as the schedule says.
pub(crate) async fn person(sim: Arc<Sim>) {
    let (wish, wait_ms) = sim.with(|state| (state.drawn.wish, state.up_to(&[2_000, 20_000, 120_000])));
    pause(wait_ms).await;
    sim.with(|state| {
        let id = state.names.id.clone();
        let orders = &mut state.kept(&id).orders;
        orders.version += 1;
        orders.pause = wish == Wish::Pause;
        orders.abort = (wish == Wish::Abort).then(|| "a person said so".to_owned());
    });
    let wait_ms = sim.with(|state| state.rng.u64(1_000..60_000));
    pause(wait_ms).await;
    sim.with(|state| {
        let id = state.names.id.clone();
        let orders = &mut state.kept(&id).orders;
        orders.version += 1;
        orders.pause = false;
        orders.cutover = true;
    });
}
