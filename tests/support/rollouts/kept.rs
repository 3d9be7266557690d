//! Rollouts in the control table: journals, leases, orders, documents, marks.
//!
//! Constraint kept: every write is conditional as its port says, and happens as a whole.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cellctl::domain::ids::CellId;
use cellctl::domain::lock::Lease;
use cellctl::domain::rollout::RolloutId;
use cellctl::domain::rollout::event::Entry;
use cellctl::domain::rollout::orders::Orders;
use cellctl::ports::moves::Appended;
use cellctl::ports::rollout::{Rollouts, Summary};
use cellctl::ports::{CallErrorKind, Called};

use super::gate::{Kind, Seat, error};
use super::state::State;

/// What is kept of a rollout.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) lease: Option<Lease>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) summary: Option<Summary>,
    pub(crate) orders: Orders,
    pub(crate) documents: BTreeMap<String, String>,
    pub(crate) progress: Option<String>,
}

const GET: &str = "dynamodb:GetItem";
const PUT: &str = "dynamodb:PutItem";
const QUERY: &str = "dynamodb:Query";
const TRANSACT: &str = "dynamodb:TransactWriteItems";

impl Kept {
    /// Whether the lease is still that holder's, however long it runs.
    fn is_of(&self, lease: &Lease) -> bool {
        self.lease.as_ref().is_some_and(|held| held.token == lease.token && held.nonce == lease.nonce)
    }

    /// What an append comes to before it is known whether another rollout is open.
    fn refusal(&self, entry: &Entry, lease: &Lease) -> Option<Appended> {
        match self.journal.iter().find(|known| known.seq == entry.seq) {
            Some(there) if there == entry => Some(Appended::Done),
            _ if !self.is_of(lease) => Some(Appended::LeaseLost),
            Some(_) => Some(Appended::Taken),
            None => None,
        }
    }
}

impl State {
    pub(crate) fn kept(&mut self, id: RolloutId) -> &mut Kept {
        self.rollouts.entry(id).or_default()
    }

    fn append(&mut self, id: RolloutId, entry: &Entry, summary: &Summary, lease: &Lease) -> Appended {
        if let Some(refusal) = self.kept(id).refusal(entry, lease) {
            return refusal;
        }
        let over = summary.stage.is_over();
        if !over && self.open.is_some_and(|open| open != id) {
            return Appended::Taken;
        }
        let last = self.kept(id).journal.last().map_or(0, |last| last.seq);
        if entry.seq != last + 1 {
            self.violate(format!("the journal goes from {last} to {}", entry.seq));
        }
        self.open = if over { self.open.filter(|open| *open != id) } else { Some(id) };
        self.kept(id).journal.push(entry.clone());
        self.kept(id).summary = Some(summary.clone());
        self.note(entry.event.name(), entry.seq);
        self.journalled(&entry.event);
        Appended::Done
    }
}

#[async_trait]
impl Rollouts for Seat {
    async fn lease(&self, id: RolloutId) -> Called<Option<Lease>> {
        self.call(Kind::Read, GET, move |state| Ok(state.kept(id).lease.clone())).await
    }

    async fn swap_lease(&self, id: RolloutId, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let (seen, next) = (seen.cloned(), next.clone());
        self.call(Kind::Write, PUT, move |state| {
            if state.kept(id).lease != seen {
                return Err(error(CallErrorKind::Conflict, PUT, "the lease has changed"));
            }
            if seen.is_some_and(|seen| seen.token != next.token) {
                state.count("lease taken over");
            }
            state.kept(id).lease = Some(next);
            Ok(())
        })
        .await
    }

    async fn journal(&self, id: RolloutId) -> Called<Vec<Entry>> {
        self.call(Kind::Read, QUERY, move |state| Ok(state.kept(id).journal.clone())).await
    }

    async fn append(&self, id: RolloutId, entry: &Entry, summary: &Summary, lease: &Lease) -> Called<Appended> {
        let (entry, summary, lease) = (entry.clone(), summary.clone(), lease.clone());
        self.call(Kind::Write, TRANSACT, move |state| Ok(state.append(id, &entry, &summary, &lease))).await
    }

    async fn open(&self) -> Called<Option<Summary>> {
        self.call(Kind::Read, GET, |state| {
            let open = state.open;
            Ok(open.and_then(|id| state.kept(id).summary.clone()))
        })
        .await
    }

    async fn list(&self, limit: u32) -> Called<Vec<Summary>> {
        self.call(Kind::Read, QUERY, move |state| {
            let all = state.rollouts.values().rev().filter_map(|kept| kept.summary.clone());
            Ok(all.take(limit as usize).collect())
        })
        .await
    }

    async fn orders(&self, id: RolloutId) -> Called<Orders> {
        self.call(Kind::Read, GET, move |state| Ok(state.kept(id).orders.clone())).await
    }

    async fn put_orders(&self, id: RolloutId, orders: &Orders) -> Called<bool> {
        let orders = orders.clone();
        self.call(Kind::Write, PUT, move |state| {
            let there = &mut state.kept(id).orders;
            let fits = there.version + 1 == orders.version;
            if fits {
                *there = orders;
            }
            Ok(fits)
        })
        .await
    }

    async fn put_document(&self, id: RolloutId, name: &str, text: &str) -> Called<()> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.call(Kind::Write, PUT, move |state| {
            let documents = &mut state.kept(id).documents;
            if documents.get(&name).is_some_and(|there| *there != text) {
                return Err(error(CallErrorKind::Conflict, PUT, "another document has that name"));
            }
            documents.insert(name, text);
            Ok(())
        })
        .await
    }

    async fn document(&self, id: RolloutId, name: &str) -> Called<Option<String>> {
        let name = name.to_owned();
        self.call(Kind::Read, GET, move |state| Ok(state.kept(id).documents.get(&name).cloned())).await
    }

    async fn put_progress(&self, id: RolloutId, text: &str, lease: &Lease) -> Called<bool> {
        let (text, lease) = (text.to_owned(), lease.clone());
        self.call(Kind::Write, PUT, move |state| {
            let kept = state.kept(id);
            let fits = kept.is_of(&lease);
            if fits {
                kept.progress = Some(text);
            }
            Ok(fits)
        })
        .await
    }

    async fn progress(&self, id: RolloutId) -> Called<Option<String>> {
        self.call(Kind::Read, GET, move |state| Ok(state.kept(id).progress.clone())).await
    }

    async fn mark(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool> {
        let (cells, lease) = (cells.to_vec(), lease.clone());
        self.call(Kind::Write, TRANSACT, move |state| {
            let fits = state.kept(id).is_of(&lease);
            if fits {
                state.marks.extend(cells.into_iter().map(|cell| (cell, id)));
            }
            Ok(fits)
        })
        .await
    }

    async fn unmark(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool> {
        let (cells, lease) = (cells.to_vec(), lease.clone());
        self.call(Kind::Write, TRANSACT, move |state| {
            let fits = state.kept(id).is_of(&lease);
            if fits {
                state.marks.retain(|cell, by| *by != id || !cells.contains(cell));
            }
            Ok(fits)
        })
        .await
    }

    async fn marks(&self) -> Called<BTreeMap<CellId, RolloutId>> {
        self.call(Kind::Read, QUERY, |state| Ok(state.marks.clone())).await
    }
}
