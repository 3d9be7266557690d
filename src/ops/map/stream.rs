//! All entries of the map, one after the other.
//!
//! Owns: the merge of the map's buckets, each of which is in order. Constraints kept: memory is at most two pages of each
//! bucket, one that is being handed out and one that is fetched meanwhile; a fetch that fails, however it fails, is an
//! error and never an end.

use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::task::JoinSet;

use crate::domain::ids::{BUCKETS, CellId, TenantId};
use crate::domain::tenant::Entry;
use crate::ports::tenants::{EntryPage, TenantMap};
use crate::ports::{CallError, CallErrorKind, Called};

/// Entries asked for at a time: with some 500 bytes each a page stays well below the 1 MiB that a query reads at most
/// (`DynamoDB` API reference, `Query`), and all pages together below 16 MiB.
const PAGE_ENTRIES: u32 = 500;

/// What to read.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Only entries that name this cell, those of removed tenants whose last cell it was included.
    pub cell: Option<CellId>,
    /// Only tenants after this one.
    pub after: Option<TenantId>,
    /// Entries looked at for each page of a bucket.
    pub page: u32,
}

impl Default for Scan {
    fn default() -> Self {
        Self { cell: None, after: None, page: PAGE_ENTRIES }
    }
}

/// Entries in the order of their tenants' names, tombstones included. Fetching begins at once: this must be called within
/// a tokio runtime.
pub fn entries(map: Arc<dyn TenantMap>, scan: Scan) -> impl Stream<Item = Called<Entry>> + Send {
    stream::try_unfold(Entries::of(map, scan), |mut entries| async move {
        Ok(entries.next().await?.map(|entry| (entry, entries)))
    })
}

/// Entries in no order, tombstones included.
pub fn unordered(map: Arc<dyn TenantMap>, scan: Scan) -> impl Stream<Item = Called<Entry>> + Send {
    let source = Arc::new((map, scan));
    let streams = (0..BUCKETS).map(|number| {
        let bucket = Bucket::begin(number, &source.0, &source.1);
        Box::pin(stream::try_unfold((bucket, Arc::clone(&source)), |(mut bucket, source)| async move {
            bucket.fill(&source.0, &source.1).await?;
            Ok(bucket.page.next().map(|entry| (entry, (bucket, source))))
        }))
    });
    stream::select_all(streams.collect::<Vec<_>>())
}

/// The entries of a map, removed ones included, in the order of names. Each is as a consistent read found it when its
/// page was read; a tenant never changes its key, so that each is seen at most once, and one that was there all the
/// time exactly once.
pub struct Entries {
    map: Arc<dyn TenantMap>,
    scan: Scan,
    buckets: Vec<Bucket>,
}

/// One bucket of the map.
struct Bucket {
    number: u8,
    page: std::vec::IntoIter<Entry>,
    /// The next page, while it is fetched; empty past the last. What is dropped is given up.
    ahead: JoinSet<Called<EntryPage>>,
}

impl Entries {
    /// All entries of a map.
    pub fn all(map: Arc<dyn TenantMap>) -> Self {
        Self::of(map, Scan::default())
    }

    /// Some entries of a map. Fetching begins at once: this must be called within a tokio runtime.
    pub fn of(map: Arc<dyn TenantMap>, scan: Scan) -> Self {
        let buckets = (0..BUCKETS).map(|number| Bucket::begin(number, &map, &scan)).collect();
        Self { map, scan, buckets }
    }

    /// The next entry; none past the last.
    pub async fn next(&mut self) -> Called<Option<Entry>> {
        for bucket in &mut self.buckets {
            bucket.fill(&self.map, &self.scan).await?;
        }
        let heads = self.buckets.iter().enumerate().filter_map(|(at, b)| Some((&b.head()?.tenant, at)));
        let first = heads.min().map(|(_, at)| at);
        Ok(first.and_then(|at| self.buckets[at].page.next()))
    }

    /// The next entry of a tenant that is not removed; none past the last.
    pub async fn next_present(&mut self) -> Called<Option<Entry>> {
        loop {
            match self.next().await? {
                Some(entry) if !entry.is_present() => {}
                other => return Ok(other),
            }
        }
    }
}

impl Bucket {
    fn begin(number: u8, map: &Arc<dyn TenantMap>, scan: &Scan) -> Self {
        let mut ahead = JoinSet::new();
        fetch(&mut ahead, map, scan, number, scan.after.clone());
        Self { number, page: Vec::new().into_iter(), ahead }
    }

    fn head(&self) -> Option<&Entry> {
        self.page.as_slice().first()
    }

    /// Makes sure that there is a head, unless the bucket is at its end. A page may be empty although there are more.
    async fn fill(&mut self, map: &Arc<dyn TenantMap>, scan: &Scan) -> Called<()> {
        while self.page.as_slice().is_empty() {
            let Some(joined) = self.ahead.join_next().await else { return Ok(()) };
            let page = joined.map_err(|error| lost(&error))??;
            if page.next.is_some() {
                fetch(&mut self.ahead, map, scan, self.number, page.next);
            }
            self.page = page.entries.into_iter();
        }
        Ok(())
    }
}

/// Begins to fetch the page of a bucket after a tenant.
fn fetch(
    into: &mut JoinSet<Called<EntryPage>>,
    map: &Arc<dyn TenantMap>,
    scan: &Scan,
    bucket: u8,
    after: Option<TenantId>,
) {
    let (map, cell, limit) = (Arc::clone(map), scan.cell.clone(), scan.page);
    into.spawn(async move { map.page(bucket, after.as_ref(), limit, cell.as_ref()).await });
}

/// The error for a fetch that ended without an answer: a bug in an adapter, or a runtime that shuts down.
fn lost(error: &tokio::task::JoinError) -> CallError {
    let subject = "the tenant map".to_owned();
    CallError { kind: CallErrorKind::Other, operation: "dynamodb:Query", subject, message: error.to_string() }
}
