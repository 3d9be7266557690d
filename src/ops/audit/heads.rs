//! The ends of all chains, in order: as the map has them now, and as roots have them.
//!
//! Constraint kept: a million heads stream through; of each partition, and of each root, one page is held.

use std::collections::VecDeque;

use futures_util::future::try_join_all;

use crate::domain::audit::chain::{Flaw, FlawKind, Vouched, Voucher};
use crate::domain::audit::root::{HeadsDigest, Root, flaw};
use crate::domain::audit::{Head, Subject};
use crate::domain::ids::{BUCKETS, TenantId};
use crate::ops::World;
use crate::ports::Called;

/// Entries in one page of a partition.
const ENTRIES_PAGE: u32 = 500;

/// A chain, and what its keeper says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// What it is about.
    pub subject: Subject,
    /// Its end; none for a cell whose load names none.
    pub head: Option<Head>,
}

/// One partition of the map, read page by page.
struct Bucket {
    number: u8,
    read: VecDeque<(TenantId, Head)>,
    after: Option<TenantId>,
    done: bool,
}

impl Bucket {
    fn new(number: u8) -> Self {
        Self { number, read: VecDeque::new(), after: None, done: false }
    }

    /// Reads on until there is something to give, or the end.
    async fn fill(&mut self, world: &World) -> Called<()> {
        while self.read.is_empty() && !self.done {
            let page = world.map.page(self.number, self.after.as_ref(), ENTRIES_PAGE, None).await?;
            self.read.extend(page.entries.into_iter().map(|entry| (entry.tenant.clone(), entry.audit_head())));
            self.done = page.next.is_none();
            self.after = page.next;
        }
        Ok(())
    }
}

/// All chains in order: cells by name, then tenants by name, removed ones included.
pub struct CurrentHeads {
    cells: VecDeque<Current>,
    buckets: Vec<Bucket>,
}

impl CurrentHeads {
    /// Begins to read.
    pub async fn begin(world: &World) -> Called<Self> {
        let loads = world.map.loads().await?;
        let current = |load: crate::domain::tenant::load::CellLoad| Current {
            subject: Subject::Cell(load.cell),
            head: load.audit,
        };
        let mut cells: Vec<Current> = loads.into_iter().map(current).collect();
        cells.sort_by(|a, b| a.subject.cmp(&b.subject));
        let mut buckets: Vec<Bucket> = (0..BUCKETS).map(Bucket::new).collect();
        try_join_all(buckets.iter_mut().map(|bucket| bucket.fill(world))).await?;
        Ok(Self { cells: cells.into(), buckets })
    }

    /// The next one.
    pub async fn next(&mut self, world: &World) -> Called<Option<Current>> {
        if let Some(cell) = self.cells.pop_front() {
            return Ok(Some(cell));
        }
        let first = |bucket: &Bucket| bucket.read.front().map(|(tenant, _)| tenant.clone());
        let best =
            (0..self.buckets.len()).filter_map(|index| first(&self.buckets[index]).map(|tenant| (tenant, index))).min();
        let Some((_, index)) = best else { return Ok(None) };
        let bucket = &mut self.buckets[index];
        let given = bucket.read.pop_front();
        bucket.fill(world).await?;
        Ok(given.map(|(tenant, head)| Current { subject: Subject::Tenant(tenant), head: Some(head) }))
    }
}

/// The heads that a root was made over, read page by page; at the end it tells whether they are still those.
pub struct SignedHeads {
    root: Root,
    page: u32,
    read: VecDeque<(Subject, Head)>,
    digest: Option<HeadsDigest>,
    flaw: Option<Flaw>,
}

impl SignedHeads {
    /// Begins to read.
    pub async fn begin(world: &World, root: Root) -> Called<Self> {
        let digest = Some(HeadsDigest::default());
        let mut heads = Self { root, page: 0, read: VecDeque::new(), digest, flaw: None };
        heads.fill(world).await?;
        Ok(heads)
    }

    /// Number of the root.
    pub fn root(&self) -> u64 {
        self.root.seq
    }

    /// What is wrong with the heads; known once all were given.
    pub fn flaw(&mut self) -> Option<Flaw> {
        self.flaw.take()
    }

    /// Subject of the next head.
    pub fn peek(&self) -> Option<&Subject> {
        self.read.front().map(|(subject, _)| subject)
    }

    /// The next head.
    pub async fn next(&mut self, world: &World) -> Called<Option<(Subject, Vouched)>> {
        let Some((subject, head)) = self.read.pop_front() else { return Ok(None) };
        self.fill(world).await?;
        Ok(Some((subject, Vouched { by: Voucher::Root(self.root.seq), head })))
    }

    async fn fill(&mut self, world: &World) -> Called<()> {
        while self.read.is_empty() && self.page < self.root.pages {
            let page = world.audit.heads(self.root.heads, self.page).await?;
            if let Some(digest) = &mut self.digest {
                page.iter().for_each(|(subject, head)| digest.add(subject, head));
            }
            self.read.extend(page);
            self.page += 1;
        }
        if self.read.is_empty()
            && let Some(digest) = self.digest.take()
        {
            self.flaw = self.judge(digest);
        }
        Ok(())
    }

    fn judge(&self, digest: HeadsDigest) -> Option<Flaw> {
        let (subjects, digest) = digest.finish();
        if digest == self.root.digest {
            return None;
        }
        let message = format!(
            "the heads that root {} was made over were changed: {subjects} are there, it was made over {}",
            self.root.seq, self.root.subjects
        );
        Some(flaw(self.root.seq, FlawKind::HeadsDiffer, None, message))
    }
}

/// A chain to look at: what its keeper says of it, and what roots do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What it is about.
    pub subject: Subject,
    /// Its end.
    pub head: Option<Head>,
    /// What roots vouch for.
    pub signed: Vec<Vouched>,
}

/// Every chain that the map or a root knows of, in order.
pub struct KnownChains {
    world: World,
    current: CurrentHeads,
    next: Option<Current>,
    signed: Vec<SignedHeads>,
}

impl KnownChains {
    /// Begins to read. The heads of roots are read before the map: what a root has seen, the map must have.
    pub async fn begin(world: &World, roots: Vec<Root>) -> Called<Self> {
        let mut signed = Vec::new();
        for root in roots {
            signed.push(SignedHeads::begin(world, root).await?);
        }
        let mut current = CurrentHeads::begin(world).await?;
        let next = current.next(world).await?;
        Ok(Self { world: world.clone(), current, next, signed })
    }

    /// What was wrong with the heads of roots; known once all were given.
    pub fn flaws(&mut self) -> Vec<Flaw> {
        self.signed.iter_mut().filter_map(SignedHeads::flaw).collect()
    }

    /// The next one.
    pub async fn next(&mut self) -> Called<Option<Known>> {
        let current = self.next.as_ref().map(|c| &c.subject);
        let Some(subject) = self.signed.iter().filter_map(SignedHeads::peek).chain(current).min().cloned() else {
            return Ok(None);
        };
        let mut known = Known { subject, head: None, signed: Vec::new() };
        if self.next.as_ref().is_some_and(|c| c.subject == known.subject) {
            known.head = self.next.take().and_then(|c| c.head);
            self.next = self.current.next(&self.world).await?;
        }
        for heads in &mut self.signed {
            if heads.peek() == Some(&known.subject)
                && let Some((_, vouched)) = heads.next(&self.world).await?
            {
                known.signed.push(vouched);
            }
        }
        Ok(Some(known))
    }
}
