//! What the operations on the tenant map need of the world.
//!
//! Constraint kept: a write that did not happen says which of its conditions failed, so that the operation can look
//! again instead of guessing.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::audit::{Head, Sealed, Subject};
use crate::domain::ids::{CellId, Digest, TenantId};
use crate::domain::moves::fence::Shift;
use crate::domain::tenant::Entry;
use crate::domain::tenant::change::{Change, FenceWrite};
use crate::domain::tenant::fence::{Fence, FenceTable, Shards};
use crate::domain::tenant::load::CellLoad;

use super::{CallError, Called};

/// Most changes in one write: each is three items or more, beside one for each cell.
pub const CHANGES_MAX: usize = 32;

/// Most items in one transaction (DynamoDB API reference, `TransactWriteItems`).
pub const ITEMS_MAX: usize = 100;

/// Most bytes of several changes in one write, by `change::bytes_max`: half of the 4 MB that the items of a transaction
/// may have (DynamoDB API reference, `TransactWriteItems`).
pub const CHANGES_BYTES_MAX: usize = 2_000_000;

/// Whether so many changes, of so many items with those of their cells and so many bytes, go into one write. A single one
/// always does.
pub fn fits_one_write(changes: usize, items: usize, bytes: usize) -> bool {
    changes <= 1 || (changes <= CHANGES_MAX && items <= ITEMS_MAX && bytes <= CHANGES_BYTES_MAX)
}

/// How a write of the map ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// All of it happened.
    Done,
    /// Nothing happened: the entry of this tenant is not as it was seen.
    EntryChanged(TenantId),
    /// Nothing happened: this cell does not take it (not active, or no room).
    CellRefused(CellId),
    /// Nothing happened: a rollout is changing this cell, which a move is to leave or to go to.
    CellChanging(CellId),
    /// Nothing happened: a fence of this tenant has a higher epoch, or another mode in the same one, or a move holds it; or
    /// it is not as a move has seen it.
    FenceAhead(TenantId),
}

/// An item that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable<Id> {
    /// The tenant or the cell.
    pub of: Id,
    /// Its format, where that is a newer one.
    pub newer: Option<u32>,
    /// Why it cannot be read, as the error for whoever needs it.
    pub error: CallError,
}

/// A page of entries, in the order of the tenants' names.
#[derive(Debug, Clone, Default)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable<TenantId>>,
    /// Whether there is more after the last one looked at.
    pub next: Option<TenantId>,
}

/// The loads of all cells.
#[derive(Debug, Clone, Default)]
pub struct SeenLoads {
    /// The loads, by name.
    pub loads: Vec<CellLoad>,
    /// Those that cannot be read.
    pub unreadable: Vec<Unreadable<CellId>>,
}

/// A page of fences.
#[derive(Debug, Clone, Default)]
pub struct FencePage {
    /// The fences, shard by shard: each with the number of the shard that it was read from. Those of one tenant follow
    /// each other.
    pub shards: Vec<(u8, Fence)>,
    /// Where the next page begins; opaque.
    pub next: Option<String>,
}

/// The map itself. All reads are consistent.
#[async_trait]
pub trait TenantMap: Send + Sync {
    /// One entry.
    async fn entry(&self, tenant: &TenantId) -> Called<Option<Entry>>;
    /// Those of many tenants, however many; a tenant without an entry is absent.
    async fn entries(&self, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>>;
    /// Up to `limit` entries of a bucket after a tenant. With `cell`, only those of the cell and those that a move takes
    /// into it or out of it, so that a page may be short or empty although there is more.
    async fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, cell: Option<&CellId>) -> Called<EntryPage>;
    /// The loads of all cells, those of deleted ones included.
    async fn seen_loads(&self) -> Called<SeenLoads>;
    /// The same by name; fails where one cannot be read.
    async fn loads(&self) -> Called<Vec<CellLoad>> {
        let seen = self.seen_loads().await?;
        seen.unreadable.into_iter().next().map_or(Ok(seen.loads), |one| Err(one.error))
    }
    /// The load of one cell.
    async fn load(&self, cell: &CellId) -> Called<Option<CellLoad>>;
    /// Writes up to `CHANGES_MAX` changes in one transaction, all or none. Each tenant occurs once.
    async fn write(&self, changes: &[Change]) -> Called<Written>;
    /// Sets the counters of a cell if they still have `seen.writes`, with an audit record of the cell; false otherwise.
    async fn correct(&self, seen: &CellLoad, tenants: i64, weight: i64, record: &Sealed) -> Called<bool>;
}

/// The fences of cells. All reads are consistent.
#[async_trait]
pub trait Fences: Send + Sync {
    /// The fences of many tenants in one table, however many; a tenant without a fence is absent.
    async fn fences(&self, table: &FenceTable, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Fence>>;
    /// The first `of` shards of the fences of many tenants in one table; a tenant without any is absent.
    async fn shards(&self, table: &FenceTable, tenants: &[TenantId], of: u8) -> Called<BTreeMap<TenantId, Shards>>;
    /// Changes shards, all or none; false where one is not as it was to be. `InDoubt` where no answer came.
    async fn shift(&self, shift: &Shift) -> Called<bool>;
    /// Writes a fence over a lower epoch or over itself; false where there is a higher one, or another mode, or where a
    /// move holds it.
    async fn put(&self, write: &FenceWrite) -> Called<bool>;
    /// A page of all fences of a table, in no order.
    async fn page(&self, table: &FenceTable, next: Option<&str>) -> Called<FencePage>;
}

/// A record as it was read: nothing is taken for granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The subject whose chain it was found in.
    pub subject: Subject,
    /// The number under which it was found.
    pub seq: u64,
    /// Its text.
    pub text: String,
    /// The hash that stands beside it.
    pub hash: String,
}

/// A signed-off state of all chains: their ends at one time, tied together by one digest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredRoot {
    /// Number of the root, from 1.
    pub seq: u64,
    /// Its text.
    pub text: String,
    /// SHA-256 of the text.
    pub hash: Digest,
}

/// The audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Up to `limit` records of a chain from a number on, in order.
    async fn chain(&self, subject: &Subject, from_seq: u64, limit: u32) -> Called<Vec<StoredRecord>>;
    /// The latest records of all chains at or after `since_ms`, newest first, at most `limit`. Not by a consistent read:
    /// a record may show up a moment late.
    async fn recent(&self, since_ms: i64, limit: u32) -> Called<Vec<StoredRecord>>;
    /// The roots, oldest first.
    async fn roots(&self) -> Called<Vec<StoredRoot>>;
    /// Stores one page of the heads of a root that is being made.
    async fn put_heads(&self, root: u64, page: u32, heads: &[(Subject, Head)]) -> Called<()>;
    /// One page of the heads of a root; empty past the last.
    async fn heads(&self, root: u64, page: u32) -> Called<Vec<(Subject, Head)>>;
    /// Appends a root if none has its number yet; false otherwise.
    async fn append_root(&self, root: &StoredRoot) -> Called<bool>;
}
