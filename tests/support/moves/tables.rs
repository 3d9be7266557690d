//! Tables in memory: items, an index that lags behind, and the stream of what changed.
//!
//! Constraint kept: a write that changes nothing leaves no record, as in DynamoDB ("Change data capture for DynamoDB
//! Streams", developer guide); an index shows a write some time after it happened.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cellctl::domain::data::find::Find;
use cellctl::domain::data::shape::TableShape;
use cellctl::domain::data::{Item, ItemKey, Value};
use cellctl::domain::ids::TenantId;

use super::streams::Stream;

/// How far an index is behind at the most, in milliseconds.
const INDEX_LAG_MS: i64 = 1_500;

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) shape: TableShape,
    pub(crate) find: Find,
    pub(crate) items: BTreeMap<ItemKey, Item>,
    pub(crate) stream: Stream,
    index: BTreeMap<ItemKey, Value>,
    lagging: VecDeque<(i64, ItemKey, Option<Value>)>,
}

/// What a page of a table has looked at.
pub(crate) struct Looked {
    pub(crate) items: Vec<Item>,
    pub(crate) last: Option<ItemKey>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(shape: TableShape, find: Find) -> Self {
        let stream = Stream::default();
        Self { shape, find, items: BTreeMap::new(), stream, index: BTreeMap::new(), lagging: VecDeque::new() }
    }

    /// Puts an item, or deletes one; gives whether that changed anything.
    pub(crate) fn set(&mut self, key: &ItemKey, after: Option<Item>, now_ms: i64, rng: &mut fastrand::Rng) -> bool {
        let before = self.items.get(key).cloned();
        if before == after {
            return false;
        }
        match &after {
            Some(item) => self.items.insert(key.clone(), item.clone()),
            None => self.items.remove(key),
        };
        if let Find::Index { attribute, .. } = &self.find {
            let value = after.as_ref().and_then(|item| item.get(attribute)).cloned();
            let due_ms = now_ms + if rng.bool() { 0 } else { rng.i64(0..INDEX_LAG_MS) };
            // Updates of an index reach it in order.
            let due_ms = self.lagging.back().map_or(due_ms, |(last_ms, ..)| due_ms.max(*last_ms));
            self.lagging.push_back((due_ms, key.clone(), value));
        }
        self.stream.append(key, before, after, now_ms, rng);
        true
    }

    /// The tenant's items, as a consistent look at all of them gives.
    pub(crate) fn of_tenant(&self, tenant: &TenantId) -> BTreeMap<&ItemKey, &Item> {
        self.items.iter().filter(|(_, item)| self.find.is_of(tenant, &self.shape.key, item)).collect()
    }

    /// A page: up to `limit` places behind `from`, and the tenant's items among them.
    pub(crate) fn page(
        &mut self,
        tenant: &TenantId,
        segment: (u32, u32),
        from: Option<&ItemKey>,
        limit: usize,
        now_ms: i64,
    ) -> Looked {
        self.catch_up(now_ms);
        let name = Value::S(tenant.to_string());
        let behind = |key: &&ItemKey| from.is_none_or(|from| *key > from);
        let looked: Vec<ItemKey> = match &self.find {
            Find::Index { .. } => {
                let found = self.index.iter().filter(|(_, value)| **value == name).map(|(key, _)| key);
                found.filter(behind).take(limit).cloned().collect()
            }
            Find::PartitionKey => {
                let found = self.items.keys().filter(|key| key.partition == name);
                found.filter(behind).take(limit).cloned().collect()
            }
            Find::Prefix { .. } | Find::Attribute { .. } => {
                let (index, of) = segment;
                let found = self.items.keys().filter(|key| hash(key) % u64::from(of) == u64::from(index));
                found.filter(behind).take(limit).cloned().collect()
            }
        };
        let last = if looked.len() == limit { looked.last().cloned() } else { None };
        let items = looked.iter().filter_map(|key| self.items.get(key));
        let items = items.filter(|item| self.find.is_of(tenant, &self.shape.key, item)).cloned().collect();
        Looked { items, last }
    }

    fn catch_up(&mut self, now_ms: i64) {
        while let Some((due_ms, ..)) = self.lagging.front() {
            if *due_ms > now_ms {
                return;
            }
            match self.lagging.pop_front() {
                Some((_, key, Some(value))) => self.index.insert(key, value),
                Some((_, key, None)) => self.index.remove(&key),
                None => return,
            };
        }
    }
}

/// Where a key is kept: its segment in a scan, its shard in a stream.
pub(crate) fn hash(key: &ItemKey) -> u64 {
    // With fixed keys, so that it is the same in every run.
    let mut hasher = DefaultHasher::new();
    key.partition.hash(&mut hasher);
    hasher.finish()
}
