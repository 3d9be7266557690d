//! A partition of the control table that one process at a time carries on: a move's, or a rollout's.
//!
//! Owns: its lease, and the orders that people give it. Constraints kept: who writes under a lease writes in one
//! transaction with a check that it still is this very one; a write whose answer was lost is found again.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::domain::lock::Lease;
use crate::ports::{CallErrorKind, Called};

use super::dynamo::{Item, Table, built, key, number, token, values};

/// Sort key of the lease.
const LEASE: &str = "LEASE";
/// Sort key of the orders.
const ORDERS: &str = "ORDERS";

/// The writes of one adapter.
#[derive(Default)]
pub(super) struct Writes {
    /// One at a time: all of them check the lease's item, and transactions on one item collide.
    turn: Mutex<()>,
    /// Those so far that got a token of their own.
    tokens: AtomicU64,
}

impl Writes {
    /// A token that no other write has. One made of the content would make a write that brings back what stood there a
    /// few minutes ago look like a repeat, which the service answers without doing anything.
    pub(super) fn fresh_token(&self, table: &Table) -> String {
        let count = self.tokens.fetch_add(1, Ordering::Relaxed);
        let chance = table.caller.random().to_bits();
        token(&[&table.name, &table.caller.now_ms().to_string(), &chance.to_string(), &count.to_string()])
    }

    /// Sends a transaction that checks the lease. A repeat after a lost answer is the same transaction.
    pub(super) async fn transact(&self, table: &Table, subject: &str, parts: &[TransactWriteItem]) -> Called<()> {
        let token = self.fresh_token(table);
        let _turn = self.turn.lock().await;
        table.transact(subject, parts, &token).await
    }
}

/// The partition.
pub(super) struct Leased<'a> {
    /// The control table.
    pub(super) table: &'a Table,
    /// Its partition key.
    pub(super) pk: String,
    /// The writes of the adapter.
    pub(super) writes: &'a Writes,
}

impl Leased<'_> {
    /// The first part of every write under a lease: it still is this very one.
    pub(super) fn held(&self, lease: &Lease) -> Called<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(key(&self.pk, LEASE)))
            .condition_expression("#token = :token AND #nonce = :nonce")
            .expression_attribute_names("#token", "token")
            .expression_attribute_names("#nonce", "nonce")
            .expression_attribute_values(":token", number(lease.token))
            .expression_attribute_values(":nonce", number(lease.nonce));
        Ok(TransactWriteItem::builder().condition_check(built(check.build())?).build())
    }

    /// The lease.
    pub(super) async fn lease(&self) -> Called<Option<Lease>> {
        let item = self.table.get(&self.pk, LEASE).await?;
        item.map(|item| self.table.decode(&item)).transpose()
    }

    /// Writes the lease if it still is as `seen` says.
    pub(super) async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let mut item = self.table.encode(&self.pk, LEASE, next)?;
        item.extend(values([("token", number(next.token)), ("nonce", number(next.nonce))]));
        let expected = seen.map(|lease| self.table.encode(&self.pk, LEASE, lease)).transpose()?;
        let body = expected.and_then(|mut item| item.remove("body"));
        let condition = if body.is_some() { "body = :seen" } else { "attribute_not_exists(pk)" };
        let seen: Item = body.map(|body| (":seen".to_owned(), body)).into_iter().collect();
        let _turn = self.writes.turn.lock().await;
        match self.table.put_if(item, condition, &seen, &format!("{}/{LEASE}", self.pk)).await {
            // A repeat after a lost answer finds its own write.
            Err(error) if error.kind == CallErrorKind::Conflict && self.lease().await?.as_ref() == Some(next) => {
                tracing::debug!(message = error.message, "the lease is as it was to become");
                Ok(())
            }
            other => other,
        }
    }

    /// The orders; those that nobody has given yet where there are none.
    pub(super) async fn orders<T: DeserializeOwned + Default>(&self) -> Called<T> {
        let item = self.table.get(&self.pk, ORDERS).await?;
        item.map_or_else(|| Ok(T::default()), |item| self.table.decode(&item))
    }

    /// Writes orders if the stored ones have version `version - 1`; false otherwise.
    pub(super) async fn put_orders<T>(&self, version: u64, orders: &T) -> Called<bool>
    where
        T: Serialize + DeserializeOwned + Default + PartialEq,
    {
        let mut item = self.table.encode(&self.pk, ORDERS, orders)?;
        item.insert("version".to_owned(), number(version));
        let (condition, seen) = match version.saturating_sub(1) {
            0 => ("attribute_not_exists(pk)", Item::new()),
            seen => ("version = :seen", values([(":seen", number(seen))])),
        };
        match self.table.put_if(item, condition, &seen, &format!("{}/{ORDERS}", self.pk)).await {
            Ok(()) => Ok(true),
            // A repeat after a lost answer finds its own write.
            Err(error) if error.kind == CallErrorKind::Conflict => Ok(self.orders::<T>().await? == *orders),
            Err(error) => Err(error),
        }
    }
}
