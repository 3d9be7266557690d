//! The control table in memory: leases, journals, orders, ledgers, and the map.
//!
//! Constraint kept: every write is conditional as its port says, and happens as a whole.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cellctl::domain::audit::Sealed;
use cellctl::domain::ids::{CellId, TenantId};
use cellctl::domain::lock::Lease;
use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::event::Entry as Journalled;
use cellctl::domain::moves::fence::Shift;
use cellctl::domain::moves::orders::Orders;
use cellctl::domain::tenant::Entry;
use cellctl::domain::tenant::change::Change;
use cellctl::domain::tenant::load::CellLoad;
use cellctl::ports::moves::{Appended, LEDGER_MAX, LedgerWrite, Moves, Summary};
use cellctl::ports::tenants::{EntryPage, SeenLoads, TenantMap, Written};
use cellctl::ports::{CallErrorKind, Called};

use super::gate::{Call, Seat, error, read, write};
use super::state::State;

/// What is kept of a move.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) lease: Option<Lease>,
    pub(crate) journal: Vec<Journalled>,
    pub(crate) summary: Option<Summary>,
    pub(crate) orders: Orders,
    pub(crate) ledger: BTreeMap<String, String>,
}

/// All moves.
pub(crate) type Control = BTreeMap<MoveId, Kept>;

fn get(name: &'static str) -> Call {
    read(name).control()
}

fn put(name: &'static str) -> Call {
    write(name).control()
}

impl Kept {
    /// Whether the lease is still that holder's, however long it runs.
    fn is_of(&self, lease: &Lease) -> bool {
        self.lease.as_ref().is_some_and(|held| held.token == lease.token && held.nonce == lease.nonce)
    }

    fn append(&mut self, entry: &Journalled, summary: &Summary, lease: &Lease) -> Appended {
        let there = self.journal.iter().find(|known| known.seq == entry.seq);
        match there {
            Some(there) if there == entry => return Appended::Done,
            _ if !self.is_of(lease) => return Appended::LeaseLost,
            Some(_) => return Appended::Taken,
            None => {}
        }
        self.journal.push(entry.clone());
        self.summary = Some(summary.clone());
        Appended::Done
    }
}

#[async_trait]
impl Moves for Seat {
    async fn lease(&self, id: &MoveId) -> Called<Option<Lease>> {
        let id = id.clone();
        self.call(get("dynamodb:GetItem"), move |state| Ok(state.kept(&id).lease.clone())).await
    }

    async fn swap_lease(&self, id: &MoveId, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let (id, seen, next) = (id.clone(), seen.cloned(), next.clone());
        self.call(put("dynamodb:PutItem"), move |state| {
            if state.kept(&id).lease != seen {
                return Err(error(CallErrorKind::Conflict, "dynamodb:PutItem", "the lease has changed"));
            }
            if seen.is_some_and(|seen| seen.token != next.token) {
                state.counts.deed("leases taken over");
            }
            state.kept(&id).lease = Some(next);
            Ok(())
        })
        .await
    }

    async fn journal(&self, id: &MoveId) -> Called<Vec<Journalled>> {
        let id = id.clone();
        self.call(get("dynamodb:Query"), move |state| Ok(state.kept(&id).journal.clone())).await
    }

    async fn append(&self, id: &MoveId, entry: &Journalled, summary: &Summary, lease: &Lease) -> Called<Appended> {
        let (id, entry, summary, lease) = (id.clone(), entry.clone(), summary.clone(), lease.clone());
        self.call(put("dynamodb:TransactWriteItems"), move |state| {
            let last = state.kept(&id).journal.last().map_or(0, |last| last.seq);
            let appended = state.kept(&id).append(&entry, &summary, &lease);
            if appended == Appended::Done {
                state.trace.note(state.now_ms, "journal", entry.event.name(), entry.seq);
                if entry.seq > last + 1 {
                    state.violate(format!("the journal goes from {last} to {}", entry.seq));
                }
            }
            Ok(appended)
        })
        .await
    }

    async fn open(&self) -> Called<Vec<Summary>> {
        self.call(get("dynamodb:Query"), |state| Ok(state.summaries(false))).await
    }

    async fn over(&self, limit: u32) -> Called<Vec<Summary>> {
        self.call(get("dynamodb:Query"), move |state| {
            Ok(state.summaries(true).into_iter().take(limit as usize).collect())
        })
        .await
    }

    async fn orders(&self, id: &MoveId) -> Called<Orders> {
        let id = id.clone();
        self.call(get("dynamodb:GetItem"), move |state| Ok(state.kept(&id).orders.clone())).await
    }

    async fn put_orders(&self, id: &MoveId, orders: &Orders) -> Called<bool> {
        let (id, orders) = (id.clone(), orders.clone());
        self.call(put("dynamodb:PutItem"), move |state| {
            let kept = state.kept(&id);
            let fits = kept.orders.version + 1 == orders.version;
            if fits {
                kept.orders = orders;
            }
            Ok(fits)
        })
        .await
    }

    async fn put_ledger(&self, id: &MoveId, writes: &[LedgerWrite], lease: &Lease) -> Called<bool> {
        let (id, writes, lease) = (id.clone(), writes.to_vec(), lease.clone());
        self.call(put("dynamodb:TransactWriteItems"), move |state| {
            if writes.is_empty() || writes.len() > LEDGER_MAX {
                state.violate(format!("{} documents in one write of the ledger", writes.len()));
            }
            let kept = state.kept(&id);
            if !kept.is_of(&lease) {
                return Ok(false);
            }
            for write in writes {
                match write.body {
                    Some(body) => kept.ledger.insert(write.name, body),
                    None => kept.ledger.remove(&write.name),
                };
            }
            Ok(true)
        })
        .await
    }

    async fn outputs(&self, cell: &CellId) -> Called<BTreeMap<String, String>> {
        let moved = ("MovedQueueName".to_owned(), format!("shop-{cell}-moved"));
        self.call(get("dynamodb:GetItem"), move |_| Ok(BTreeMap::from([moved]))).await
    }

    async fn ledger(&self, id: &MoveId, prefix: &str) -> Called<BTreeMap<String, String>> {
        let (id, prefix) = (id.clone(), prefix.to_owned());
        self.call(get("dynamodb:Query"), move |state| {
            let found = state.kept(&id).ledger.iter().filter(|(name, _)| name.starts_with(&prefix));
            Ok(found.map(|(name, body)| (name.clone(), body.clone())).collect())
        })
        .await
    }
}

impl State {
    /// What is kept of a move.
    pub(crate) fn kept(&mut self, id: &MoveId) -> &mut Kept {
        self.control.entry(id.clone()).or_default()
    }

    fn summaries(&self, over: bool) -> Vec<Summary> {
        let all = self.control.values().filter_map(|kept| kept.summary.clone());
        all.filter(|summary| summary.stage.is_over() == over).collect()
    }

    /// A transaction over entries, rooms and fences.
    fn write_map(&mut self, changes: &[Change]) -> Called<Written> {
        let shifts: Vec<Shift> = changes.iter().flat_map(|change| change.shifts.clone()).collect();
        for change in changes {
            for shift in &change.shifts {
                // The first cell is where the control table is.
                if !self.drawn.one_place && self.cell_of(&shift.table)? != 0 {
                    self.violate("a transaction over two places");
                }
                let seen = change.before.as_ref().map(|entry| entry.version);
                let there = self.map.entries.get(&change.after.tenant).map(|entry| entry.version);
                if seen == there && !self.fits(shift)? {
                    return Ok(Written::FenceAhead(change.after.tenant.clone()));
                }
            }
        }
        let bare: Vec<Change> = changes.iter().map(|change| Change { shifts: Vec::new(), ..change.clone() }).collect();
        let written = self.map.write(&bare);
        if written == Written::Done {
            self.shift(&shifts)?;
        }
        Ok(written)
    }
}

#[async_trait]
impl TenantMap for Seat {
    async fn entry(&self, tenant: &TenantId) -> Called<Option<Entry>> {
        let tenant = tenant.clone();
        self.call(get("dynamodb:GetItem"), move |state| Ok(state.map.entries.get(&tenant).cloned())).await
    }

    async fn entries(&self, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
        let tenants = tenants.to_vec();
        self.call(get("dynamodb:BatchGetItem"), move |state| {
            let entries = tenants.into_iter().filter_map(|tenant| state.map.entries.get_key_value(&tenant));
            Ok(entries.map(|(tenant, entry)| (tenant.clone(), entry.clone())).collect())
        })
        .await
    }

    async fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, cell: Option<&CellId>) -> Called<EntryPage> {
        let (after, cell) = (after.cloned(), cell.cloned());
        self.call(get("dynamodb:Query"), move |state| Ok(state.map.page(bucket, after.as_ref(), limit, cell.as_ref())))
            .await
    }

    async fn seen_loads(&self) -> Called<SeenLoads> {
        self.call(get("dynamodb:Query"), |state| {
            let loads = state.map.loads.values().cloned().collect();
            Ok(SeenLoads { loads, unreadable: Vec::new() })
        })
        .await
    }

    async fn load(&self, cell: &CellId) -> Called<Option<CellLoad>> {
        let cell = cell.clone();
        self.call(get("dynamodb:GetItem"), move |state| Ok(state.map.loads.get(&cell).cloned())).await
    }

    async fn write(&self, changes: &[Change]) -> Called<Written> {
        let changes = changes.to_vec();
        self.call(put("dynamodb:TransactWriteItems"), move |state| state.write_map(&changes)).await
    }

    async fn correct(&self, seen: &CellLoad, tenants: i64, weight: i64, record: &Sealed) -> Called<bool> {
        let (seen, record) = (seen.clone(), record.clone());
        self.call(put("dynamodb:TransactWriteItems"), move |state| {
            Ok(state.map.correct(&seen, tenants, weight, &record))
        })
        .await
    }
}
