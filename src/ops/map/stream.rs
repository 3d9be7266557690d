//! All entries of the map, in the order of the tenants' names.
//!
//! Owns: the merge of the map's buckets, each of which is in order. Constraint kept: memory is at most two pages of each
//! bucket, one that is being handed out and one that is fetched meanwhile.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::domain::ids::{BUCKETS, CellId, TenantId};
use crate::domain::tenant::Entry;
use crate::ports::tenants::{EntryPage, TenantMap, Unreadable};
use crate::ports::{CallError, CallErrorKind, Called};

/// Entries asked for at a time: with some 500 bytes each a page stays well below the 1 MiB that a query reads at most
/// (`DynamoDB` API reference, `Query`), and all pages together below 16 MiB.
pub const PAGE_ENTRIES: u32 = 500;

/// Which entries are wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Entries asked for at a time: fewer than `PAGE_ENTRIES` where only the first few are wanted.
    pub page: u32,
    /// Only those after this tenant.
    pub after: Option<TenantId>,
    /// Only those of this cell: removed tenants whose last cell it was are included, and so are those that a move takes into
    /// it or out of it.
    pub cell: Option<CellId>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { page: PAGE_ENTRIES, after: None, cell: None }
    }
}

/// The entries of a map, removed ones included, in the order of names. Each is as a consistent read found it when its
/// page was read; a tenant never changes its key, so that each is seen at most once, and one that was there all the
/// time exactly once. One that cannot be read is an error, unless it is to be skipped: most of what is done with a map
/// needs all of it.
pub struct Entries {
    map: Arc<dyn TenantMap>,
    wanted: Wanted,
    /// Those that could not be read; none where that is an error.
    skipped: Option<Vec<Unreadable<TenantId>>>,
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
        Self::of(map, Wanted::default())
    }

    /// Some entries of a map. Fetching begins at once: this must be called within a tokio runtime.
    pub fn of(map: Arc<dyn TenantMap>, wanted: Wanted) -> Self {
        let bucket = |number| {
            let mut ahead = JoinSet::new();
            fetch(&mut ahead, &map, &wanted, number, wanted.after.clone());
            Bucket { number, page: Vec::new().into_iter(), ahead }
        };
        let buckets = (0..BUCKETS).map(bucket).collect();
        Self { map, wanted, skipped: None, buckets }
    }

    /// The same, but entries that cannot be read are skipped: `take_skipped` gives them.
    #[must_use]
    pub fn skipping(mut self) -> Self {
        self.skipped = Some(Vec::new());
        self
    }

    /// The entries that were skipped since this was asked last.
    pub fn take_skipped(&mut self) -> Vec<Unreadable<TenantId>> {
        self.skipped.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The next entry; none past the last.
    pub async fn next(&mut self) -> Called<Option<Entry>> {
        for bucket in &mut self.buckets {
            bucket.fill(&self.map, &self.wanted, &mut self.skipped).await?;
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
    fn head(&self) -> Option<&Entry> {
        self.page.as_slice().first()
    }

    /// Makes sure that there is a head, unless the bucket is at its end. A page may be empty although there are more.
    async fn fill(
        &mut self,
        map: &Arc<dyn TenantMap>,
        wanted: &Wanted,
        skipped: &mut Option<Vec<Unreadable<TenantId>>>,
    ) -> Called<()> {
        while self.page.as_slice().is_empty() {
            let Some(joined) = self.ahead.join_next().await else { return Ok(()) };
            let page = joined.map_err(|error| lost(&error))??;
            if page.next.is_some() {
                fetch(&mut self.ahead, map, wanted, self.number, page.next);
            }
            match (skipped.as_mut(), page.unreadable.into_iter()) {
                (Some(skipped), unreadable) => skipped.extend(unreadable),
                (None, mut unreadable) => unreadable.next().map_or(Ok(()), |one| Err(one.error))?,
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
    wanted: &Wanted,
    bucket: u8,
    after: Option<TenantId>,
) {
    let (map, cell, page) = (Arc::clone(map), wanted.cell.clone(), wanted.page);
    into.spawn(async move { map.page(bucket, after.as_ref(), page, cell.as_ref()).await });
}

/// The error for a fetch that ended without an answer: a bug in an adapter, or a runtime that shuts down.
fn lost(error: &tokio::task::JoinError) -> CallError {
    let subject = "the tenant map".to_owned();
    CallError { kind: CallErrorKind::Other, operation: "dynamodb:Query", subject, message: error.to_string() }
}
