//! What a move needs of the control table, of fences, and of queues.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::data::Item;
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, TenantId};
use crate::domain::lock::Lease;
use crate::domain::moves::MoveId;
use crate::domain::moves::event::Entry;
use crate::domain::moves::fence::{Shard, Shift};
use crate::domain::moves::machine::{Move, Stage};
use crate::domain::moves::orders::Orders;
use crate::domain::tenant::fence::FenceTable;

use super::Called;

/// A document of a move's ledger: a name, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerWrite {
    /// Its name: words with `/` between them, which sort as text.
    pub name: String,
    /// What it says; none where it is to be deleted.
    pub body: Option<String>,
}

/// Most documents in one write of the ledger.
pub const LEDGER_MAX: usize = 25;

/// A move in the list of all: how it stood after its last entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The move.
    pub id: MoveId,
    /// Where the tenant was.
    pub source: CellId,
    /// Where it goes.
    pub target: CellId,
    /// How far it has come.
    pub stage: Stage,
    /// Whether somebody has to act.
    pub stuck: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// When it was planned, in milliseconds since 1970.
    pub planned_at_ms: i64,
    /// When its last entry was written, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Summary {
    /// Of a move.
    pub fn of(state: &Move) -> Self {
        Self {
            id: state.plan.id.clone(),
            source: state.plan.source.cell.clone(),
            target: state.plan.target.cell.clone(),
            stage: state.stage,
            stuck: state.trouble.as_ref().map(|trouble| trouble.code.clone()),
            paused: state.paused,
            planned_at_ms: state.plan.at_ms,
            at_ms: state.at_ms,
        }
    }

    /// Whether it waits for people: nobody carries it on.
    pub fn waits(&self) -> bool {
        self.paused || self.stuck.is_some()
    }
}

/// How an append to a journal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is there.
    Done,
    /// The number is taken by another entry.
    Taken,
    /// The lease is somebody else's.
    LeaseLost,
}

/// Moves in the control table. All reads are consistent.
#[async_trait]
pub trait Moves: Send + Sync {
    /// The lease of a move.
    async fn lease(&self, id: &MoveId) -> Called<Option<Lease>>;
    /// Writes the lease if it still is as `seen` says; `Conflict` otherwise.
    async fn swap_lease(&self, id: &MoveId, seen: Option<&Lease>, next: &Lease) -> Called<()>;
    /// The journal, in order; empty where there is no such move. `Invalid` where it was written by a newer cellctl.
    async fn journal(&self, id: &MoveId) -> Called<Vec<Entry>>;
    /// Appends an entry under the lease; in the same transaction, `summary` takes its place in the list.
    async fn append(&self, id: &MoveId, entry: &Entry, summary: &Summary, lease: &Lease) -> Called<Appended>;
    /// Moves that are not over, by tenant.
    async fn open(&self) -> Called<Vec<Summary>>;
    /// Up to `limit` moves that are over, the latest first.
    async fn over(&self, limit: u32) -> Called<Vec<Summary>>;
    /// What people have ordered.
    async fn orders(&self, id: &MoveId) -> Called<Orders>;
    /// Writes orders if the stored ones have version `orders.version - 1`; false otherwise.
    async fn put_orders(&self, id: &MoveId, orders: &Orders) -> Called<bool>;
    /// Writes up to `LEDGER_MAX` documents under the lease, all or none; false where the lease is somebody else's.
    async fn put_ledger(&self, id: &MoveId, writes: &[LedgerWrite], lease: &Lease) -> Called<bool>;
    /// The outputs of a cell's stack, as they were when it was applied last.
    async fn outputs(&self, cell: &CellId) -> Called<BTreeMap<String, String>>;
    /// The documents whose names begin like this, by name.
    async fn ledger(&self, id: &MoveId, prefix: &str) -> Called<BTreeMap<String, String>>;
}

/// A note that a writer has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its number.
    pub number: u64,
    /// The keys that were written, each with the name of its table.
    pub keys: Vec<(String, Item)>,
}

/// A page of notes.
#[derive(Debug, Clone, Default)]
pub struct NotePage {
    /// The notes, by number.
    pub notes: Vec<Note>,
    /// Whether there is more behind the last one.
    pub more: bool,
}

/// Fences, shard by shard. All reads are consistent.
#[async_trait]
pub trait MoveFences: Send + Sync {
    /// The shards of a tenant's fence, by number; empty where there is none.
    async fn shards(&self, table: &FenceTable, tenant: &TenantId) -> Called<BTreeMap<u8, Shard>>;
    /// Changes shards, all or none; false where one is not as it was to be. `InDoubt` where no answer came.
    async fn shift(&self, shift: &Shift) -> Called<bool>;
    /// Notes behind a number, at most a page of them.
    async fn notes(&self, table: &FenceTable, tenant: &TenantId, after: u64) -> Called<NotePage>;
    /// Deletes notes.
    async fn forget(&self, table: &FenceTable, tenant: &TenantId, numbers: &[u64]) -> Called<()>;
}

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The handle by which it is deleted or put back.
    pub receipt: String,
    /// Its body.
    pub body: String,
    /// Its attributes that are text or numbers: type and value, by name.
    pub attributes: BTreeMap<String, (String, String)>,
    /// Those that are bytes: type and value, by name.
    pub binary: BTreeMap<String, (String, Vec<u8>)>,
    /// Its group, in a queue that keeps order.
    pub group: Option<String>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueRef {
    /// Where it is.
    pub place: Place,
    /// Its name.
    pub name: String,
}

/// Queues.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Whether there is such a queue.
    async fn exists(&self, queue: &QueueRef) -> Called<bool>;
    /// Up to ten messages, hidden from others for `hidden_s` seconds. Does not wait for any to come.
    async fn receive(&self, queue: &QueueRef, hidden_s: u32) -> Called<Vec<Message>>;
    /// Sends a message. `dedup` tells repeats apart where the queue looks for them, for five minutes.
    async fn send(&self, queue: &QueueRef, message: &Message, dedup: &str) -> Called<()>;
    /// Deletes a message; no error where it is gone.
    async fn delete(&self, queue: &QueueRef, message: &Message) -> Called<()>;
    /// Gives a message back at once.
    async fn put_back(&self, queue: &QueueRef, message: &Message) -> Called<()>;
    /// About how many messages it holds, hidden and delayed ones included.
    async fn depth(&self, queue: &QueueRef) -> Called<u64>;
}
