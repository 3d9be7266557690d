//! Listing tenants: filtered, sorted, in pages.
//!
//! Constraint kept: memory does not grow with the map. In the order of names, 16 sorted partitions are merged; in any
//! other order, a page is the smallest entries after the last one shown, found in one pass with a bounded heap.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use crate::domain::ids::{CellId, Region, TenantId, Tier};
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::error::OpError;
use crate::ops::map::stream::{Entries, PAGE_ENTRIES, Wanted};

use super::Desk;

/// Entries found in one pass when they are not wanted in the order of names.
const SELECTED_MAX: usize = 10_000;

/// Which tenants.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those in this cell.
    pub cell: Option<CellId>,
    /// Those of this tier.
    pub tier: Option<Tier>,
    /// Those whose cell is in this Region.
    pub region: Option<Region>,
    /// Those in this state; every state but `removed` when absent.
    pub state: Option<EntryState>,
    /// Those with these labels.
    pub labels: BTreeMap<String, String>,
    /// Those that are pinned, or are not.
    pub pinned: Option<bool>,
    /// Removed ones, too.
    pub removed: bool,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// By weight.
    Weight,
    /// By cell.
    Cell,
    /// By the time when they were added.
    Added,
    /// By the time of the last change.
    Changed,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which tenants.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// The other way round.
    pub reverse: bool,
    /// At most this many.
    pub limit: Option<u64>,
    /// Those after this tenant.
    pub after: Option<TenantId>,
}

/// The place of an entry in an order: what it is sorted by, then its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64, TenantId),
    Name(CellId, TenantId),
}

/// An entry in the heap of a page; the last one of the page is on top.
struct Ranked {
    key: Key,
    reverse: bool,
    entry: Entry,
}

impl Filter {
    fn matches(&self, entry: &Entry, region: Option<&Region>) -> bool {
        let labels = &entry.attributes.labels;
        let state = match self.state {
            Some(state) => entry.state == state,
            None => self.removed || entry.is_present(),
        };
        state
            && self.cell.as_ref().is_none_or(|cell| entry.cell == *cell)
            && self.tier.as_ref().is_none_or(|tier| entry.attributes.tier.as_ref() == Some(tier))
            && self.region.as_ref().is_none_or(|wanted| region == Some(wanted))
            && self.pinned.is_none_or(|pinned| entry.pin.is_some() == pinned)
            && self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl Query {
    fn key(&self, entry: &Entry) -> Key {
        let tenant = entry.tenant.clone();
        match self.sort {
            Sort::Cell => Key::Name(entry.cell.clone(), tenant),
            Sort::Weight => Key::Number(i64::try_from(entry.attributes.weight).unwrap_or(i64::MAX), tenant),
            Sort::Added => Key::Number(entry.added_at_ms, tenant),
            Sort::Changed => Key::Number(entry.changed_at_ms, tenant),
            Sort::Name => Key::Number(0, tenant),
        }
    }
}

impl Desk<'_> {
    /// Hands over the tenants that are asked for, one by one, until `take` says that it has enough (false). Gives the
    /// number of entries that were passed over because they cannot be read.
    pub async fn list(&self, query: &Query, mut take: impl FnMut(Entry) -> bool) -> Result<usize, OpError> {
        let regions: BTreeMap<CellId, Region> =
            self.world.map.loads().await?.into_iter().map(|load| (load.cell, load.place.region)).collect();
        if query.sort == Sort::Name && !query.reverse {
            return self.by_name(query, &regions, take).await;
        }
        let mut after = match &query.after {
            Some(tenant) => Some(query.key(&self.entry(tenant).await?)),
            None => None,
        };
        let (mut left, mut unreadable) = (query.limit.unwrap_or(u64::MAX), 0);
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(SELECTED_MAX);
            let (page, skipped) = self.select(query, &regions, after.as_ref(), wanted).await?;
            unreadable = skipped;
            let ended = page.len() < wanted;
            after = page.last().map(|entry| query.key(entry));
            left -= page.len() as u64;
            let enough = page.into_iter().any(|entry| !take(entry));
            if enough || ended {
                break;
            }
        }
        Ok(unreadable)
    }

    async fn by_name(
        &self,
        query: &Query,
        regions: &BTreeMap<CellId, Region>,
        mut take: impl FnMut(Entry) -> bool,
    ) -> Result<usize, OpError> {
        let cell = query.filter.cell.clone();
        let wanted = Wanted { cell, after: query.after.clone(), page: page_size(query) };
        let mut found = Entries::of(self.world.map.clone(), wanted).skipping();
        let (mut left, mut unreadable) = (query.limit.unwrap_or(u64::MAX), 0);
        while left > 0 {
            let next = found.next().await?;
            unreadable += found.take_skipped().len();
            let Some(entry) = next else { break };
            if query.filter.matches(&entry, regions.get(&entry.cell)) {
                left -= 1;
                if !take(entry) {
                    break;
                }
            }
        }
        Ok(unreadable)
    }

    /// The first `wanted` entries of an order after a key, and how many cannot be read.
    async fn select(
        &self,
        query: &Query,
        regions: &BTreeMap<CellId, Region>,
        after: Option<&Key>,
        wanted: usize,
    ) -> Result<(Vec<Entry>, usize), OpError> {
        let from = Wanted { cell: query.filter.cell.clone(), ..Wanted::default() };
        let mut found = Entries::of(self.world.map.clone(), from).skipping();
        let (mut heap, mut unreadable): (BinaryHeap<Ranked>, usize) = (BinaryHeap::new(), 0);
        loop {
            let next = found.next().await?;
            unreadable += found.take_skipped().len();
            let Some(entry) = next else { break };
            let ranked = Ranked { key: query.key(&entry), reverse: query.reverse, entry };
            let shown = after.is_some_and(|after| ordered(&ranked.key, after, query.reverse) != Ordering::Greater);
            if shown || !query.filter.matches(&ranked.entry, regions.get(&ranked.entry.cell)) {
                continue;
            }
            heap.push(ranked);
            if heap.len() > wanted {
                heap.pop();
            }
        }
        Ok((heap.into_sorted_vec().into_iter().map(|ranked| ranked.entry).collect(), unreadable))
    }
}

/// Pages no larger than what is wanted, as long as nothing is filtered out on the way.
fn page_size(query: &Query) -> u32 {
    let limit = query.limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(u32::MAX);
    limit.clamp(25, PAGE_ENTRIES)
}

fn ordered(a: &Key, b: &Key, reverse: bool) -> Ordering {
    if reverse { b.cmp(a) } else { a.cmp(b) }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        ordered(&self.key, &other.key, self.reverse)
    }
}
