//! All entries of the map, one after the other.
//!
//! Constraint kept: flat memory. Each of the 16 partitions is read page by page, the next page while the one before is
//! worked on; nothing else is held. Every page is a consistent read, and a tenant's key never changes, so that each
//! tenant is seen exactly once, as it was at some moment during the pass.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::mpsc;

use crate::domain::ids::{BUCKETS, CellId, TenantId};
use crate::domain::tenant::Entry;
use crate::ports::Called;
use crate::ports::tenants::TenantMap;

/// What to read.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Only entries that name this cell.
    pub cell: Option<CellId>,
    /// Only tenants after this one.
    pub after: Option<TenantId>,
    /// Entries looked at for each page of a partition.
    pub page: u32,
}

impl Default for Scan {
    fn default() -> Self {
        Self { cell: None, after: None, page: 1_000 }
    }
}

/// One partition: what was read of it, and what is still to come.
struct Partition {
    pages: mpsc::Receiver<Called<Vec<Entry>>>,
    read: VecDeque<Entry>,
}

/// Entries in the order of their tenants' names, tombstones included.
pub fn entries(map: &Arc<dyn TenantMap>, scan: &Scan) -> impl Stream<Item = Called<Entry>> + Send + use<> {
    let partitions: Vec<Partition> = (0..BUCKETS).map(|bucket| begin(map, bucket, scan)).collect();
    stream::unfold(Some(Merge { partitions, heads: BinaryHeap::new(), started: false }), |merge| async move {
        let mut merge = merge?;
        match merge.next().await {
            Ok(Some(entry)) => Some((Ok(entry), Some(merge))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// Entries in no order, tombstones included.
pub fn unordered(map: &Arc<dyn TenantMap>, scan: &Scan) -> impl Stream<Item = Called<Entry>> + Send + use<> {
    let partitions = (0..BUCKETS).map(|bucket| Some(begin(map, bucket, scan)));
    let streams = partitions.map(|partition| {
        Box::pin(stream::unfold(partition, |partition| async move {
            let mut partition = partition?;
            match partition.take().await {
                Ok(Some(entry)) => Some((Ok(entry), Some(partition))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    });
    stream::select_all(streams)
}

/// Begins to read a partition: one page ahead, until it ends, fails, or nobody wants more.
fn begin(map: &Arc<dyn TenantMap>, bucket: u8, scan: &Scan) -> Partition {
    let (sender, pages) = mpsc::channel(1);
    let (map, scan) = (Arc::clone(map), scan.clone());
    tokio::spawn(async move {
        let mut after = scan.after;
        loop {
            let page = map.page(bucket, after.as_ref(), scan.page, scan.cell.as_ref()).await;
            let next = page.as_ref().ok().and_then(|page| page.next.clone());
            let sent = sender.send(page.map(|page| page.entries)).await;
            if sent.is_err() || next.is_none() {
                return;
            }
            after = next;
        }
    });
    Partition { pages, read: VecDeque::new() }
}

impl Partition {
    async fn take(&mut self) -> Called<Option<Entry>> {
        while self.read.is_empty() {
            match self.pages.recv().await {
                Some(page) => self.read = page?.into(),
                None => return Ok(None),
            }
        }
        Ok(self.read.pop_front())
    }
}

/// Merges the partitions. Each of `heads` is the next entry of a partition.
struct Merge {
    partitions: Vec<Partition>,
    heads: BinaryHeap<Reverse<Head>>,
    started: bool,
}

struct Head {
    partition: usize,
    entry: Entry,
}

impl Merge {
    async fn next(&mut self) -> Called<Option<Entry>> {
        if !self.started {
            self.started = true;
            for partition in 0..self.partitions.len() {
                self.refill(partition).await?;
            }
        }
        let Some(Reverse(head)) = self.heads.pop() else { return Ok(None) };
        self.refill(head.partition).await?;
        Ok(Some(head.entry))
    }

    async fn refill(&mut self, partition: usize) -> Called<()> {
        if let Some(entry) = self.partitions[partition].take().await? {
            self.heads.push(Reverse(Head { partition, entry }));
        }
        Ok(())
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.entry.tenant == other.entry.tenant
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.entry.tenant.cmp(&other.entry.tenant)
    }
}
