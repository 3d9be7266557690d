//! Moves in the control table: journals, leases, orders, and the list of all.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | entry of a journal | `MOVE#<id>` | `E#` and the number, ten digits |
//! | lease | `MOVE#<id>` | `LEASE` |
//! | orders | `MOVE#<id>` | `ORDERS` |
//! | document of the ledger | `MOVE#<id>` | `L#` and the name |
//! | move that is not over | `MOVES` | `open#<tenant>#<version, ten digits>` |
//! | move that is over | `MOVES` | `over#<time, 15 digits>#<id>` |
//!
//! Constraints kept: an entry is put only where none is, in one transaction with a check of the lease; a journal of a
//! newer format is not read, and so never continued.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::aws::dynamo::{Item, failed_conditions, name_of, number, number_of, ten_digits};
use crate::aws::leased::Leased;
use crate::domain::ids::CellId;
use crate::domain::lock::Lease;
use crate::domain::moves::event::{Entry, Event};
use crate::domain::moves::orders::Orders;
use crate::domain::moves::{MOVE_FORMAT, MoveId};
use crate::domain::record::CellRecord;
use crate::ports::moves::{Appended, LedgerWrite, Moves, Summary};
use crate::ports::{CallError, CallErrorKind, Called};

use super::MoveAdapter;

/// What the sort keys of a journal begin with.
const ENTRIES: &str = "E#";

/// Partition key of a move.
pub(super) fn move_key(id: &MoveId) -> String {
    format!("MOVE#{id}")
}

/// The format that an entry is of: that of its plan, or the one that this version writes.
fn format_of(entry: &Entry) -> u32 {
    match &entry.event {
        Event::Planned { plan } => plan.format,
        _ => MOVE_FORMAT,
    }
}

impl MoveAdapter {
    /// The part of the control table that a move has.
    pub(super) fn of(&self, id: &MoveId) -> Leased<'_> {
        Leased { table: &self.control, pk: move_key(id), writes: &self.writes }
    }

    fn entry(&self, item: &Item) -> Called<Entry> {
        let name = name_of(item);
        let format = number_of(item, "format").ok_or_else(|| self.control.unreadable(&name, "it has no format"))?;
        self.control.check_format(&name, format, MOVE_FORMAT)?;
        self.control.decode(item)
    }

    /// What a refused append means. A repeat after a lost answer finds its own entry.
    async fn refused(&self, id: &MoveId, entry: &Entry, error: CallError) -> Called<Appended> {
        let failed = failed_conditions(&error);
        if error.kind != CallErrorKind::Conflict || failed.is_empty() {
            return Err(error);
        }
        let sk = format!("{ENTRIES}{}", ten_digits(entry.seq));
        let stored = self.control.get(&move_key(id), &sk).await?;
        match stored.map(|item| self.entry(&item)).transpose()? {
            Some(stored) if stored == *entry => Ok(Appended::Done),
            _ if failed.contains(&0) => Ok(Appended::LeaseLost),
            _ => Ok(Appended::Taken),
        }
    }
}

#[async_trait]
impl Moves for MoveAdapter {
    async fn lease(&self, id: &MoveId) -> Called<Option<Lease>> {
        self.of(id).lease().await
    }

    async fn swap_lease(&self, id: &MoveId, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        self.of(id).swap_lease(seen, next).await
    }

    async fn journal(&self, id: &MoveId) -> Called<Vec<Entry>> {
        let items = self.control.query_prefix(&move_key(id), ENTRIES, None).await?;
        items.iter().map(|item| self.entry(item)).collect()
    }

    async fn append(&self, id: &MoveId, entry: &Entry, summary: &Summary, lease: &Lease) -> Called<Appended> {
        let (pk, sk) = (move_key(id), format!("{ENTRIES}{}", ten_digits(entry.seq)));
        let mut item = self.control.encode(&pk, &sk, entry)?;
        item.insert("format".to_owned(), number(format_of(entry)));
        let put = self.control.put(item, "attribute_not_exists(pk)", Item::new())?;
        let mut parts = vec![self.of(id).held(lease)?, put];
        parts.extend(self.listed(summary)?);
        match self.writes.transact(&self.control, &format!("{pk}/{sk}"), &parts).await {
            Ok(()) => Ok(Appended::Done),
            Err(error) => self.refused(id, entry, error).await,
        }
    }

    async fn outputs(&self, cell: &CellId) -> Called<BTreeMap<String, String>> {
        let Some(item) = self.control.get("CELL", cell.as_str()).await? else { return Ok(BTreeMap::new()) };
        let record: CellRecord = self.control.decode(&item)?;
        Ok(record.applied.map(|applied| applied.outputs).unwrap_or_default())
    }

    async fn open(&self) -> Called<Vec<Summary>> {
        self.list_open().await
    }

    async fn over(&self, limit: u32) -> Called<Vec<Summary>> {
        self.list_over(limit).await
    }

    async fn orders(&self, id: &MoveId) -> Called<Orders> {
        self.of(id).orders().await
    }

    async fn put_orders(&self, id: &MoveId, orders: &Orders) -> Called<bool> {
        self.of(id).put_orders(orders.version, orders).await
    }

    async fn put_ledger(&self, id: &MoveId, writes: &[LedgerWrite], lease: &Lease) -> Called<bool> {
        self.write_ledger(id, writes, lease).await
    }

    async fn ledger(&self, id: &MoveId, prefix: &str) -> Called<BTreeMap<String, String>> {
        self.read_ledger(id, prefix).await
    }
}
