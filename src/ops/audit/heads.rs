//! The ends of all chains, in order: as the map has them now, and as roots have them.
//!
//! Constraint kept: a million heads stream through; of each root one page is held, of the map what `Entries` holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::domain::audit::chain::{Claims, Flaw, FlawKind, Vouched, Voucher};
use crate::domain::audit::root::{HeadsDigest, Root, flaw};
use crate::domain::audit::{Head, Subject};
use crate::domain::ids::TenantId;
use crate::domain::tenant::Entry;
use crate::domain::tenant::load::CellLoad;
use crate::ops::World;
use crate::ops::map::stream::Entries;
use crate::ports::{CallError, Called};

/// A chain, and what its keeper says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// What it is about.
    pub subject: Subject,
    /// Its end; none for a cell whose load names none.
    pub head: Option<Head>,
    /// What a tenant's entry says of itself.
    pub claims: Claims,
    /// Why its keeper cannot be read, where that is so.
    pub unreadable: Option<CallError>,
}

impl Current {
    fn unreadable(subject: Subject, error: CallError) -> Self {
        Self { subject, head: None, claims: Claims::new(), unreadable: Some(error) }
    }

    /// What the keeper vouches for.
    pub fn vouched(self) -> Option<Vouched> {
        self.head.map(|head| Vouched { by: Voucher::Entry, head, claims: self.claims })
    }
}

impl From<&Entry> for Current {
    fn from(entry: &Entry) -> Self {
        let claims = vec![
            ("cell", Json::from(entry.cell.as_str())),
            ("epoch", Json::from(entry.epoch)),
            ("state", Json::from(entry.state.as_str())),
        ];
        Self {
            subject: Subject::Tenant(entry.tenant.clone()),
            head: Some(entry.audit_head()),
            claims,
            unreadable: None,
        }
    }
}

impl From<CellLoad> for Current {
    fn from(load: CellLoad) -> Self {
        Self { subject: Subject::Cell(load.cell), head: load.audit, claims: Claims::new(), unreadable: None }
    }
}

/// All chains in order: cells by name, then tenants by name, removed ones included.
pub struct CurrentHeads {
    cells: VecDeque<Current>,
    entries: Entries,
    /// The next entry, if it was read.
    ahead: Option<Entry>,
    /// Tenants whose entries cannot be read, up to the pages that were.
    unreadable: BTreeMap<TenantId, CallError>,
}

impl CurrentHeads {
    /// Begins to read.
    pub async fn begin(world: &World) -> Called<Self> {
        let seen = world.map.seen_loads().await?;
        let unreadable = seen.unreadable.into_iter();
        let unreadable = unreadable.map(|one| Current::unreadable(Subject::Cell(one.of), one.error));
        let mut cells: Vec<Current> = seen.loads.into_iter().map(Current::from).chain(unreadable).collect();
        cells.sort_by(|a, b| a.subject.cmp(&b.subject));
        let entries = Entries::all(Arc::clone(&world.map)).skipping();
        Ok(Self { cells: cells.into(), entries, ahead: None, unreadable: BTreeMap::new() })
    }

    /// The next one.
    pub async fn next(&mut self) -> Called<Option<Current>> {
        if let Some(cell) = self.cells.pop_front() {
            return Ok(Some(cell));
        }
        if self.ahead.is_none() {
            self.ahead = self.entries.next().await?;
            // They come after all that was given: each was skipped as its bucket was read on, past its own last entry.
            self.unreadable.extend(self.entries.take_skipped().into_iter().map(|one| (one.of, one.error)));
        }
        let is_first = |tenant: &TenantId| self.ahead.as_ref().is_none_or(|ahead| *tenant < ahead.tenant);
        if let Some(first) = self.unreadable.first_entry().filter(|first| is_first(first.key())) {
            let (tenant, error) = first.remove_entry();
            return Ok(Some(Current::unreadable(Subject::Tenant(tenant), error)));
        }
        Ok(self.ahead.take().as_ref().map(Current::from))
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
        Ok(Some((subject, Vouched { by: Voucher::Root(self.root.seq), head, claims: Claims::new() })))
    }

    async fn fill(&mut self, world: &World) -> Called<()> {
        while self.read.is_empty() && self.page < self.root.pages {
            let page = world.audit.heads(self.root.heads, self.page).await?;
            if let Some(digest) = &mut self.digest {
                for (subject, head) in &page {
                    digest.add(subject, head);
                }
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
    /// What its keeper says; none where the keeper is gone, or names no end.
    pub current: Option<Vouched>,
    /// What roots vouch for.
    pub signed: Vec<Vouched>,
    /// Why its keeper cannot be read, where that is so.
    pub unreadable: Option<CallError>,
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
        let next = current.next().await?;
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
        let mut known = Known { subject, current: None, signed: Vec::new(), unreadable: None };
        if let Some(mut current) = self.next.take_if(|c| c.subject == known.subject) {
            known.unreadable = current.unreadable.take();
            known.current = current.vouched();
            self.next = self.current.next().await?;
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
