//! Many writers at once, until they are told to stop.
//!
//! Constraint kept: a write is repeated until it is answered, or stays in doubt; a tenant has one cell for each epoch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Level;
use super::cells::Cells;
use super::client::{Answer, Client};
use super::history::History;
use super::items::{Change, Key};

/// Writers at once. Each has keys of its own.
pub(crate) const WRITERS: usize = 4;
/// Keys of a writer, in each table.
const KEYS: u32 = 16;
/// For how long no write may be taken before a test gives up.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a writer waits before it tries again what was not taken.
const PAUSE_MS: std::ops::Range<u64> = 2..20;

/// What all writers see together.
#[derive(Debug, Default)]
struct Seen {
    /// The cell that took writes under each epoch.
    cells: BTreeMap<u64, usize>,
    /// Epochs under which two cells took writes.
    forked: Vec<u64>,
    last: Option<Instant>,
    gap_max: Duration,
    acknowledged: u64,
}

/// Running writers.
pub(crate) struct Writers {
    tasks: Vec<JoinHandle<History>>,
    stop: watch::Sender<bool>,
    count: watch::Receiver<u64>,
    seen: Arc<Mutex<Seen>>,
}

/// What the writers know when they have stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// One of each writer, in their order.
    pub(crate) histories: Vec<History>,
    /// Epochs under which two cells took writes.
    pub(crate) forked: Vec<u64>,
    /// The longest time in which no write was acknowledged.
    pub(crate) gap_max: Duration,
}

impl Writers {
    /// Starts them on what earlier ones have left, none at first. `at` is the cell that serves the tenant.
    pub(crate) fn start(cells: &Arc<Cells>, level: Level, seed: u64, at: usize, before: Vec<History>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (counted, count) = watch::channel(0);
        let (counted, seen) = (Arc::new(counted), Arc::new(Mutex::new(Seen::default())));
        let mut tasks = Vec::new();
        let mut before = before.into_iter();
        for index in 0..WRITERS {
            let seed = seed.wrapping_mul(31).wrapping_add(index as u64);
            let writer = Writer {
                index,
                cells: Arc::clone(cells),
                client: Client::new(Arc::clone(cells), level, seed),
                random: fastrand::Rng::with_seed(seed),
                level,
                at,
                history: before.next().unwrap_or_default(),
                seen: Arc::clone(&seen),
                counted: Arc::clone(&counted),
            };
            tasks.push(tokio::spawn(writer.run(stopped.clone())));
        }
        Self { tasks, stop, count, seen }
    }

    /// Waits until so many more writes were acknowledged.
    pub(crate) async fn until_acknowledged(&mut self, more: u64) {
        let wanted = *self.count.borrow() + more;
        let enough = self.count.wait_for(|count| *count >= wanted);
        let _ = tokio::time::timeout(WAIT_MAX, enough).await.expect("writes are taken").expect("they run");
    }

    /// Stops them, each when the write that it is at is answered or given up.
    pub(crate) async fn stop(self) -> Stopped {
        self.stop.send_replace(true);
        let mut histories = Vec::new();
        for task in self.tasks {
            histories.push(task.await.expect("a writer that did not fail"));
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Stopped { histories, forked: seen.forked.clone(), gap_max: seen.gap_max }
    }
}

/// One of them.
struct Writer {
    index: usize,
    cells: Arc<Cells>,
    client: Client,
    random: fastrand::Rng,
    level: Level,
    at: usize,
    history: History,
    seen: Arc<Mutex<Seen>>,
    counted: Arc<watch::Sender<u64>>,
}

impl Writer {
    async fn run(mut self, stop: watch::Receiver<bool>) -> History {
        while !*stop.borrow() {
            let (keys, change) = self.draw();
            self.settle(&keys, change, &stop).await;
        }
        self.history
    }

    /// The next write. A transaction sometimes has a key of each table.
    fn draw(&mut self) -> (Vec<Key>, Change) {
        let name = format!("w{}-{:03}", self.index, self.random.u32(..KEYS));
        let table = self.random.usize(..2);
        let both = self.level == Level::Strict && self.random.bool();
        let tables = if both { 0..2 } else { table..table + 1 };
        let value = self.cells.next_value();
        let change = match self.random.u8(..10) {
            0..5 => Change::Put(value),
            5..8 => Change::Update(value),
            _ => Change::Delete,
        };
        (tables.map(|table| Key { table, name: name.clone() }).collect(), change)
    }

    /// Repeats a write until it is done, wherever the tenant is.
    async fn settle(&mut self, keys: &[Key], change: Change, stop: &watch::Receiver<bool>) {
        while !*stop.borrow() {
            match self.client.write(self.at, keys, change).await {
                Answer::Done(epoch) => {
                    self.history.done(keys, change.value());
                    self.note(epoch);
                    return;
                }
                Answer::Moved(to) => self.at = self.cells.index_of(&to),
                Answer::InDoubt => self.history.doubted(keys, change.value()),
                Answer::NotNow => {
                    tokio::time::sleep(Duration::from_millis(self.random.u64(PAUSE_MS))).await;
                }
            }
        }
    }

    fn note(&self, epoch: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(last) = seen.last.replace(now) {
            seen.gap_max = seen.gap_max.max(now - last);
        }
        if *seen.cells.entry(epoch).or_insert(self.at) != self.at {
            seen.forked.push(epoch);
        }
        seen.acknowledged += 1;
        self.counted.send_replace(seen.acknowledged);
    }
}
