//! A small world for tests of the data plane: tables, streams and a ledger in memory, which fail when they are told to.
//! Time is tokio's, which a test halts.

mod control;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use super::MoveWorld;
use super::context::Context;
use crate::domain::audit::Actor;
use crate::domain::data::find::Find;
use crate::domain::data::shape::{KeyAttribute, KeySchema, StreamShape, TableShape};
use crate::domain::data::{Item, ItemKey, Value};
use crate::domain::definition::KeyType;
use crate::domain::fleet::Place;
use crate::domain::ids::CellId;
use crate::domain::lock::{Lease, ProcessId};
use crate::domain::moves::event::Entry;
use crate::domain::moves::fence::{Guard, Shard};
use crate::domain::moves::orders::Orders;
use crate::domain::moves::{End, MOVE_FORMAT, Options, Plan, TablePlan};
use crate::domain::tenant::Entry as MapEntry;
use crate::domain::tenant::load::CellLoad;
use crate::ops::event::{Event, Reporter};
use crate::ops::lease::{Claim, HeldLease};
use crate::ports::data::{
    ChangeStreams, From, ItemPage, Permit, Segment, ShardRead, Share, StreamShard, TableRef, TenantData, Write,
};
use crate::ports::moves::Note;
use crate::ports::{CallError, CallErrorKind, Called, Clock, LeaseStore, Processes};

/// Items of a page.
const PAGE: usize = 7;

/// The world.
#[derive(Default)]
pub(super) struct World {
    pub(super) inner: Mutex<Inner>,
    /// What calls hold while they last, where they go one by one.
    line: tokio::sync::Mutex<()>,
    chance: AtomicU64,
}

/// What is in it.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) tables: BTreeMap<String, BTreeMap<ItemKey, Item>>,
    pub(super) ledger: BTreeMap<String, String>,
    pub(super) shards: Vec<StreamShard>,
    pub(super) reads: BTreeMap<String, VecDeque<ShardRead>>,
    /// From where each shard was read, in order.
    pub(super) read_from: Vec<(String, From)>,
    pub(super) notes: BTreeMap<u64, Note>,
    /// How the next calls of a name fail; the flag says whether they take effect all the same.
    pub(super) failures: BTreeMap<&'static str, VecDeque<(CallErrorKind, bool)>>,
    /// What happens before a call of a name, once.
    pub(super) before: BTreeMap<&'static str, Vec<Hook>>,
    /// Tokens of transactions, with what they have written.
    pub(super) tokens: BTreeMap<String, Vec<Write>>,
    pub(super) guard_holds: bool,
    /// Whether calls go one by one, in the order in which they were made, as by a lock that all of them need.
    pub(super) one_by_one: bool,
    /// The shards that guarded writes check which are under way, and the same each time that one begins.
    guarded: Vec<u8>,
    pub(super) guarded_together: Vec<Vec<u8>>,
    /// Shards by fence table and number.
    pub(super) fences: BTreeMap<String, BTreeMap<u8, Shard>>,
    pub(super) journal: Vec<Entry>,
    pub(super) orders: Orders,
    pub(super) entry: Option<MapEntry>,
    pub(super) loads: BTreeMap<CellId, CellLoad>,
    pub(super) calls: Vec<&'static str>,
    /// What people were told.
    pub(super) said: Vec<String>,
    lease: Option<Lease>,
}

/// Something that happens once.
pub(super) type Hook = Box<dyn FnOnce(&mut Inner) + Send>;

struct Time {
    began: tokio::time::Instant,
    world: Arc<World>,
}

struct Always;

impl Permit for Always {
    fn is_valid(&self) -> bool {
        true
    }
}

/// A world, a plan and a lease.
pub(super) struct Stage {
    pub(super) world: Arc<World>,
    pub(super) ports: MoveWorld,
    pub(super) plan: Plan,
    pub(super) lease: HeldLease,
    pub(super) stop: tokio::sync::watch::Receiver<bool>,
}

impl Stage {
    /// One table, found by its partition key.
    pub(super) async fn new() -> Self {
        Self::with(Find::PartitionKey).await
    }

    pub(super) async fn with(find: Find) -> Self {
        let world = Arc::new(World::default());
        world.lock().guard_holds = true;
        let clock: Arc<dyn Clock> = Arc::new(Time { began: tokio::time::Instant::now(), world: Arc::clone(&world) });
        let ports = MoveWorld {
            map: world.clone(),
            moves: world.clone(),
            data: world.clone(),
            streams: world.clone(),
            fences: world.clone(),
            queues: world.clone(),
            processes: world.clone(),
            clock: Arc::clone(&clock),
            reporter: world.clone(),
        };
        let actor = Actor { identity: "arn:me".to_owned(), user: "me".to_owned(), ci_url: None };
        let claim = Claim { actor, purpose: "a test".to_owned() };
        let lease = HeldLease::take(world.clone(), clock, &claim).await.expect("free");
        let stop = tokio::sync::watch::channel(false).1;
        Self { world, ports, plan: plan(find), lease, stop }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context::new(&self.ports, &self.plan, &self.lease, Arc::new(Always), self.stop.clone())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.world.lock()
    }
}

impl World {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics with it")
    }

    /// Lets a call begin: gives how it is to fail.
    async fn begin(&self, name: &'static str) -> Option<(CallError, bool)> {
        let one_by_one = self.lock().one_by_one;
        let _turn = if one_by_one { Some(self.line.lock().await) } else { None };
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut inner = self.lock();
        inner.calls.push(name);
        let hooks = inner.before.remove(name).unwrap_or_default();
        for hook in hooks {
            hook(&mut inner);
        }
        let (kind, takes_effect) = inner.failures.get_mut(name)?.pop_front()?;
        Some((error(kind), takes_effect))
    }
}

pub(super) fn error(kind: CallErrorKind) -> CallError {
    CallError { kind, operation: "a:Call", subject: "a thing".to_owned(), message: "no".to_owned() }
}

pub(super) fn key(number: u64) -> ItemKey {
    ItemKey { partition: Value::S("acme".to_owned()), sort: Some(Value::S(format!("{number:06}"))) }
}

pub(super) fn item(number: u64, text: &str) -> Item {
    let ItemKey { partition, sort } = key(number);
    let values = [("tenant", partition), ("id", sort.expect("has one")), ("text", Value::S(text.to_owned()))];
    Item(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Inner {
    pub(super) fn put(&mut self, table: &str, number: u64, text: &str) {
        self.tables.entry(table.to_owned()).or_default().insert(key(number), item(number, text));
    }

    pub(super) fn table(&mut self, table: &str) -> &mut BTreeMap<ItemKey, Item> {
        self.tables.entry(table.to_owned()).or_default()
    }

    pub(super) fn fail(&mut self, name: &'static str, kind: CallErrorKind, takes_effect: bool) {
        self.failures.entry(name).or_default().push_back((kind, takes_effect));
    }
}

fn place() -> Place {
    Place { region: "eu-central-1".parse().expect("valid"), account: None, role_arn: None }
}

fn end(cell: &str) -> End {
    let cell: CellId = cell.parse().expect("valid");
    End { fence_table: format!("{cell}-fences"), cell, place: place(), shards: 1, moved_queue: None }
}

fn plan(find: Find) -> Plan {
    let attribute = |name: &str| KeyAttribute { name: name.to_owned(), key_type: KeyType::S };
    let shape = TableShape {
        key: KeySchema { partition: attribute("tenant"), sort: Some(attribute("id")) },
        indexes: BTreeMap::new(),
        stream: Some(StreamShape { arn: "arn:stream".to_owned(), images: true }),
        time_to_live: Some("expires".to_owned()),
        items_about: 10,
        bytes_about: 1000,
    };
    Plan {
        format: MOVE_FORMAT,
        id: "acme:1".parse().expect("valid"),
        source: end("cell-1"),
        target: end("cell-2"),
        epoch: 1,
        tables: vec![TablePlan {
            table: "notes".to_owned(),
            source: "source".to_owned(),
            target: "target".to_owned(),
            find,
            shape,
        }],
        queues: Vec::new(),
        options: Options::default(),
        one_place: true,
        at_ms: 0,
        volume: None,
    }
}

impl Reporter for World {
    fn report(&self, event: &Event) {
        if let Event::Noted { message } = event {
            self.lock().said.push(message.clone());
        }
    }
}

#[async_trait]
impl Clock for Time {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000 + i64::try_from(self.began.elapsed().as_millis()).expect("short")
    }
    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("short")
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
    fn random(&self) -> f64 {
        let next = self.world.chance.fetch_add(1, Ordering::Relaxed);
        f64::from(u32::try_from(next * 37 % 100).expect("small")) / 100.0
    }
}

#[async_trait]
impl LeaseStore for World {
    async fn lease(&self) -> Called<Option<Lease>> {
        Ok(self.lock().lease.clone())
    }
    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let mut inner = self.lock();
        if inner.lease.as_ref() != seen {
            return Err(error(CallErrorKind::Conflict));
        }
        inner.lease = Some(next.clone());
        Ok(())
    }
}

#[async_trait]
impl TenantData for World {
    async fn shape(&self, _: &TableRef) -> Called<Option<TableShape>> {
        Ok(None)
    }
    async fn page(&self, share: &Share, segment: Segment, from: Option<&str>) -> Called<ItemPage> {
        if let Some((error, _)) = self.begin("page").await {
            return Err(error);
        }
        let inner = self.lock();
        let all = inner.tables.get(&share.table.name).into_iter().flatten();
        let mine = all.filter(|(_, item)| share.find.is_of(&share.tenant, &share.key, item));
        let mine = mine.filter(|(key, _)| {
            crate::domain::data::digest::bucket_of(key) % segment.of as usize == segment.index as usize
        });
        // Keys are text that sorts as the table does, so that a cursor is one.
        let text = |key: &ItemKey| key.sort.as_ref().and_then(Value::as_text).expect("text").to_owned();
        let rest = mine.filter(|(key, _)| from.is_none_or(|from| text(key).as_str() > from));
        let rest: Vec<_> = rest.take(PAGE + 1).collect();
        let next = (rest.len() > PAGE).then(|| text(rest[PAGE - 1].0));
        Ok(ItemPage { items: rest.into_iter().take(PAGE).map(|(_, item)| item.clone()).collect(), next })
    }
    async fn get(&self, table: &TableRef, _: &KeySchema, keys: &[ItemKey]) -> Called<BTreeMap<ItemKey, Item>> {
        if let Some((error, _)) = self.begin("get").await {
            return Err(error);
        }
        let inner = self.lock();
        let found = |key: &ItemKey| Some((key.clone(), inner.tables.get(&table.name)?.get(key)?.clone()));
        Ok(keys.iter().filter_map(found).collect())
    }
    async fn put_bulk(&self, table: &TableRef, items: Vec<Item>, permit: &Arc<dyn Permit>) -> Called<Vec<Item>> {
        assert!(permit.is_valid() && items.len() <= crate::ports::data::BULK_MAX);
        let failure = self.begin("put_bulk").await;
        if failure.as_ref().is_none_or(|(_, takes_effect)| *takes_effect) {
            let mut inner = self.lock();
            for item in items {
                let number = item.get("id").and_then(Value::as_text).expect("has one").parse().expect("a number");
                inner.table(&table.name).insert(key(number), item);
            }
        }
        failure.map_or(Ok(Vec::new()), |(error, _)| Err(error))
    }
    async fn write_guarded(&self, guard: &Guard, writes: &[Write], token: &str) -> Called<bool> {
        self.lock().begin_guarded(guard.shard);
        let failure = self.begin("write_guarded").await;
        let mut inner = self.lock();
        inner.guarded.retain(|shard| *shard != guard.shard);
        if failure.as_ref().is_none_or(|(_, takes_effect)| *takes_effect) {
            if !inner.guard_holds {
                return Ok(false);
            }
            inner.transact(writes, token);
        }
        failure.map_or(Ok(true), |(error, _)| Err(error))
    }
}

impl Inner {
    fn begin_guarded(&mut self, shard: u8) {
        self.guarded.push(shard);
        let together = self.guarded.clone();
        self.guarded_together.push(together);
    }

    fn transact(&mut self, writes: &[Write], token: &str) {
        assert!(token.len() <= 36 && writes.len() <= crate::ports::data::WRITES_MAX);
        if let Some(earlier) = self.tokens.get(token) {
            assert_eq!(earlier, writes, "a token stands for one transaction");
            return;
        }
        self.tokens.insert(token.to_owned(), writes.to_vec());
        let keys: BTreeSet<&Item> =
            writes.iter().map(|(Write::Put { key, .. } | Write::Delete { key, .. })| key).collect();
        assert_eq!(keys.len(), writes.len(), "one key twice in a transaction");
        for write in writes {
            let (Write::Put { table, key: at, .. } | Write::Delete { table, key: at, .. }) = write;
            let number = at.get("id").and_then(Value::as_text).expect("has one").parse().expect("a number");
            match write {
                Write::Put { item, .. } => _ = self.table(&table.name).insert(key(number), item.clone()),
                Write::Delete { .. } => _ = self.table(&table.name).remove(&key(number)),
            }
        }
    }
}

#[async_trait]
impl ChangeStreams for World {
    async fn shards(&self, _: &TableRef, _: &str) -> Called<Vec<StreamShard>> {
        match self.begin("shards").await {
            Some((error, _)) => Err(error),
            None => Ok(self.lock().shards.clone()),
        }
    }
    async fn read(&self, _: &Share, _: &str, shard: &str, from: &From) -> Called<ShardRead> {
        if let Some((error, _)) = self.begin("read").await {
            return Err(error);
        }
        let mut inner = self.lock();
        inner.read_from.push((shard.to_owned(), from.clone()));
        let next = inner.reads.get_mut(shard).and_then(VecDeque::pop_front);
        let empty = ShardRead::Page { changes: Vec::new(), next: Some("here".to_owned()) };
        Ok(next.unwrap_or(empty))
    }
}

impl Processes for World {
    fn me(&self) -> Option<ProcessId> {
        None
    }
    fn is_gone(&self, _: &ProcessId) -> bool {
        false
    }
}

/// Runs a future with a halted clock, for property tests.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// Takes nothing but what another thread may go on with.
pub(super) fn send<F: Future + Send>(future: F) -> F {
    future
}
