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
use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};

use crate::aws::dynamo::{Item, built, failed_conditions, key, name_of, number, number_of, ten_digits, values};
use crate::domain::ids::CellId;
use crate::domain::lock::Lease;
use crate::domain::moves::event::{Entry, Event};
use crate::domain::moves::orders::Orders;
use crate::domain::moves::{MOVE_FORMAT, MoveId};
use crate::domain::record::CellRecord;
use crate::ports::moves::{Appended, LedgerWrite, Moves, Summary};
use crate::ports::{CallError, CallErrorKind, Called};

use super::MoveAdapter;

/// Sort key of a move's lease.
const LEASE: &str = "LEASE";
/// Sort key of a move's orders.
const ORDERS: &str = "ORDERS";
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
    /// The first part of every write under a lease: it still is this very one.
    pub(super) fn held(&self, id: &MoveId, lease: &Lease) -> Called<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.control.name)
            .set_key(Some(key(&move_key(id), LEASE)))
            .condition_expression("#token = :token AND #nonce = :nonce")
            .expression_attribute_names("#token", "token")
            .expression_attribute_names("#nonce", "nonce")
            .expression_attribute_values(":token", number(lease.token))
            .expression_attribute_values(":nonce", number(lease.nonce));
        Ok(TransactWriteItem::builder().condition_check(built(check.build())?).build())
    }

    /// Sends a transaction that checks the lease. A repeat after a lost answer is the same transaction.
    pub(super) async fn transact(&self, subject: &str, parts: &[TransactWriteItem]) -> Called<()> {
        let token = self.fresh_token();
        let _turn = self.writing.lock().await;
        self.control.transact(subject, parts, &token).await
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
        let item = self.control.get(&move_key(id), LEASE).await?;
        item.map(|item| self.control.decode(&item)).transpose()
    }

    async fn swap_lease(&self, id: &MoveId, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let pk = move_key(id);
        let mut item = self.control.encode(&pk, LEASE, next)?;
        item.extend(values([("token", number(next.token)), ("nonce", number(next.nonce))]));
        let expected = seen.map(|lease| self.control.encode(&pk, LEASE, lease)).transpose()?;
        let body = expected.and_then(|mut item| item.remove("body"));
        let condition = if body.is_some() { "body = :seen" } else { "attribute_not_exists(pk)" };
        let seen: Item = body.map(|body| (":seen".to_owned(), body)).into_iter().collect();
        let _turn = self.writing.lock().await;
        match self.control.put_if(item, condition, &seen, &format!("{pk}/{LEASE}")).await {
            // A repeat after a lost answer finds its own write.
            Err(error) if error.kind == CallErrorKind::Conflict && self.lease(id).await?.as_ref() == Some(next) => {
                tracing::debug!(message = error.message, "the lease is as it was to become");
                Ok(())
            }
            other => other,
        }
    }

    async fn journal(&self, id: &MoveId) -> Called<Vec<Entry>> {
        let items = self.prefixed(&move_key(id), ENTRIES, None).await?;
        items.iter().map(|item| self.entry(item)).collect()
    }

    async fn append(&self, id: &MoveId, entry: &Entry, summary: &Summary, lease: &Lease) -> Called<Appended> {
        let (pk, sk) = (move_key(id), format!("{ENTRIES}{}", ten_digits(entry.seq)));
        let mut item = self.control.encode(&pk, &sk, entry)?;
        item.insert("format".to_owned(), number(format_of(entry)));
        let put = self.control.put(item, "attribute_not_exists(pk)", Item::new())?;
        let mut parts = vec![self.held(id, lease)?, put];
        parts.extend(self.listed(summary)?);
        match self.transact(&format!("{pk}/{sk}"), &parts).await {
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
        let item = self.control.get(&move_key(id), ORDERS).await?;
        item.map_or_else(|| Ok(Orders::default()), |item| self.control.decode(&item))
    }

    async fn put_orders(&self, id: &MoveId, orders: &Orders) -> Called<bool> {
        let pk = move_key(id);
        let mut item = self.control.encode(&pk, ORDERS, orders)?;
        item.insert("version".to_owned(), number(orders.version));
        let (condition, seen) = match orders.version.saturating_sub(1) {
            0 => ("attribute_not_exists(pk)", Item::new()),
            seen => ("version = :seen", values([(":seen", number(seen))])),
        };
        match self.control.put_if(item, condition, &seen, &format!("{pk}/{ORDERS}")).await {
            Ok(()) => Ok(true),
            // A repeat after a lost answer finds its own write.
            Err(error) if error.kind == CallErrorKind::Conflict => Ok(self.orders(id).await? == *orders),
            Err(error) => Err(error),
        }
    }

    async fn put_ledger(&self, id: &MoveId, writes: &[LedgerWrite], lease: &Lease) -> Called<bool> {
        self.write_ledger(id, writes, lease).await
    }

    async fn ledger(&self, id: &MoveId, prefix: &str) -> Called<BTreeMap<String, String>> {
        self.read_ledger(id, prefix).await
    }
}
