//! What a move needs of the application's tables and streams.
//!
//! Constraints kept: a read of an item is consistent; a write says whether the fence let it through; what the service
//! throttled comes back to whoever sets the pace, instead of being waited for here.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::data::find::Find;
use crate::domain::data::shape::{KeySchema, TableShape};
use crate::domain::data::{Item, ItemKey};
use crate::domain::fleet::Place;
use crate::domain::ids::TenantId;
use crate::domain::moves::fence::Guard;

use super::Called;

/// Most items in one bulk put (DynamoDB API reference, `BatchWriteItem`).
pub const BULK_MAX: usize = 25;
/// Most writes in one transaction beside the check of the fence (DynamoDB API reference, `TransactWriteItems`).
pub const WRITES_MAX: usize = 99;
/// Most bytes of the items of one transaction: under the 4 MB of `TransactWriteItems`, by some margin for the estimate.
pub const WRITES_BYTES_MAX: usize = 3_500_000;

/// A table of a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    /// Where it is.
    pub place: Place,
    /// Its name.
    pub name: String,
}

/// Whose items of which table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The table.
    pub table: TableRef,
    /// Its key.
    pub key: KeySchema,
    /// How the tenant's items are found.
    pub find: Find,
    /// The tenant.
    pub tenant: TenantId,
}

/// A part of a share that is read by itself: segment `index` of `of`. Where the tenant's name is the partition key, or
/// that of an index, there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// From 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// A page of a share.
#[derive(Debug, Clone, Default)]
pub struct ItemPage {
    /// The tenant's items, each as a consistent read has given it.
    pub items: Vec<Item>,
    /// Where the next page begins, opaque; none after the last one. It stays good for days.
    pub next: Option<String>,
}

/// A write of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Puts it.
    Put {
        /// The table.
        table: TableRef,
        /// The item.
        item: Item,
        /// Its key.
        key: Item,
    },
    /// Deletes it.
    Delete {
        /// The table.
        table: TableRef,
        /// Its key.
        key: Item,
        /// Deletes it only if this attribute has this value: the tenant's name, where the key does not tell whose it is.
        only_if: Option<(String, String)>,
    },
}

/// Tells right before a bulk request is sent whether it may be. It is asked after the request was signed, so that the age
/// of the signature bounds for how long a request that was let through can count.
pub trait Permit: Send + Sync {
    /// Whether the mover still holds its lease.
    fn is_valid(&self) -> bool;
}

/// The application's tables.
#[async_trait]
pub trait TenantData: Send + Sync {
    /// What a table is like; none where there is none.
    async fn shape(&self, table: &TableRef) -> Called<Option<TableShape>>;
    /// A page of a share, from where the one before ended. It may be empty although there is more.
    async fn page(&self, share: &Share, segment: Segment, from: Option<&str>) -> Called<ItemPage>;
    /// The items with these keys, whoever's they are; one that is not there is absent.
    async fn get(&self, table: &TableRef, key: &KeySchema, keys: &[ItemKey]) -> Called<BTreeMap<ItemKey, Item>>;
    /// Puts up to `BULK_MAX` items without a condition; gives those that the service left, all of them where it throttled.
    /// `Conflict` where the permit was refused: nothing was sent.
    async fn put_bulk(&self, table: &TableRef, items: Vec<Item>, permit: &Arc<dyn Permit>) -> Called<Vec<Item>>;
    /// Up to `WRITES_MAX` writes of different items in one transaction with the guard's check. False: the fence is not as the
    /// guard says, and nothing was written. A delete whose `only_if` does not hold is left out by itself. The same token is
    /// the same transaction. `InDoubt` where no answer came; `Throttled` after one try.
    async fn write_guarded(&self, guard: &Guard, writes: &[Write], token: &str) -> Called<bool>;
}

/// A shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamShard {
    /// Its id.
    pub id: String,
    /// The one that it follows, which is read first.
    pub parent: Option<String>,
    /// Whether no record comes any more.
    pub closed: bool,
}

/// From where a shard is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// From its oldest record on.
    Oldest,
    /// From what comes next on.
    Latest,
    /// From behind the record of this number on.
    After(String),
    /// From where the read before ended.
    Iterator(String),
}

/// A record of a stream: that an item has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Number of the record in its shard.
    pub seq: String,
    /// When, about, in milliseconds since 1970.
    pub at_ms: i64,
    /// The item; none where it is not of the share's tenant, before or after.
    pub key: Option<ItemKey>,
}

/// What a read of a shard has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardRead {
    /// Records, in order.
    Page {
        /// The records, also those of other tenants.
        changes: Vec<Change>,
        /// From where to go on; none at the end of a closed shard.
        next: Option<String>,
    },
    /// What was asked for is older than what the stream keeps.
    Trimmed,
    /// The iterator has run out: ask from behind the last record again.
    Expired,
}

/// The streams of the application's tables.
#[async_trait]
pub trait ChangeStreams: Send + Sync {
    /// All shards of a stream. `NotFound` where the stream is gone, or turned off.
    async fn shards(&self, table: &TableRef, stream: &str) -> Called<Vec<StreamShard>>;
    /// One read of a shard.
    async fn read(&self, share: &Share, stream: &str, shard: &str, from: &From) -> Called<ShardRead>;
}
