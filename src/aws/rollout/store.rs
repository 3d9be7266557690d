//! Rollouts in the control table: journals, leases, orders, and which one is open.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | entry of a journal | `ROLLOUT#<number, ten digits>` | `E#` and the number, ten digits |
//! | lease | `ROLLOUT#<number>` | `LEASE` |
//! | orders | `ROLLOUT#<number>` | `ORDERS` |
//! | where it stands | `ROLLOUT#<number>` | `PROGRESS` |
//! | document | `ROLLOUT#<number>` | `D#<name>` |
//! | part of a document | `ROLLOUT#<number>` | `D#<name>#<digest>#<number, ten digits>` |
//! | rollout in the list | `ROLLOUTS` | `N#` and the number, ten digits |
//! | the one that is open | `ROLLOUTS` | `OPEN` |
//!
//! Constraints kept: an entry is put only where none is, in one transaction with a check of the lease; the same transaction
//! keeps `OPEN`, so that of two rollouts one can be open; a journal of a newer format is not read, and so never continued.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};

use crate::aws::dynamo::{
    Item, built, failed_conditions, key, name_of, number, number_of, ten_digits, text, text_of, values,
};
use crate::domain::ids::CellId;
use crate::domain::lock::Lease;
use crate::domain::rollout::event::{Entry, Event};
use crate::domain::rollout::orders::Orders;
use crate::domain::rollout::{ROLLOUT_FORMAT, RolloutId};
use crate::ports::moves::Appended;
use crate::ports::rollout::{Rollouts, Summary};
use crate::ports::{CallError, CallErrorKind, Called};

use super::{RolloutTable, rollout_key};

/// What the sort keys of a journal begin with.
const ENTRIES: &str = "E#";
/// Sort key of where a rollout stands.
const PROGRESS: &str = "PROGRESS";
/// Most bytes of that: an item has at most 400 KB (DynamoDB API reference, "Service quotas").
const PROGRESS_MAX: usize = 300 << 10;
/// Partition key of the list of rollouts.
const ROLLOUTS: &str = "ROLLOUTS";
/// What the sort keys of the list begin with.
const NUMBERS: &str = "N#";
/// Sort key of the rollout that is open.
const OPEN: &str = "OPEN";
/// Nobody else's.
const OURS: &str = "attribute_not_exists(pk) OR #id = :id";

fn entry_key(seq: u64) -> String {
    format!("{ENTRIES}{}", ten_digits(seq))
}

/// The format that an entry is of: that of its plan, or the one that this version writes.
fn format_of(entry: &Entry) -> u32 {
    match &entry.event {
        Event::Planned { plan } => plan.format,
        _ => ROLLOUT_FORMAT,
    }
}

impl RolloutTable {
    fn entry(&self, item: &Item) -> Called<Entry> {
        let name = name_of(item);
        let format = number_of(item, "format").ok_or_else(|| self.control.unreadable(&name, "it has no format"))?;
        self.control.check_format(&name, format, ROLLOUT_FORMAT)?;
        self.control.decode(item)
    }

    /// The part of a transaction that holds only while this rollout is the open one.
    pub(super) fn is_open(&self, id: RolloutId) -> Called<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.control.name)
            .set_key(Some(key(ROLLOUTS, OPEN)))
            .condition_expression("#id = :id")
            .expression_attribute_names("#id", "id")
            .expression_attribute_values(":id", number(id));
        Ok(TransactWriteItem::builder().condition_check(built(check.build())?).build())
    }

    /// The parts of a transaction that give a rollout its place in the list, and keep which one is open.
    async fn listed(&self, summary: &Summary) -> Called<Vec<TransactWriteItem>> {
        let table = &self.control;
        let item = table.encode(ROLLOUTS, &format!("{NUMBERS}{}", ten_digits(summary.id.0)), summary)?;
        let put = Put::builder().table_name(&table.name).set_item(Some(item));
        let mut parts = vec![TransactWriteItem::builder().put(built(put.build())?).build()];
        let ours = values([(":id", number(summary.id))]);
        if !summary.stage.is_over() {
            let mut item = table.encode(ROLLOUTS, OPEN, summary)?;
            item.insert("id".to_owned(), number(summary.id));
            parts.push(table.put(item, OURS, ours)?);
        } else if self.open_item().await?.is_some_and(|item| number_of(&item, "id") == Some(summary.id.0)) {
            // Where it is another's it stays so: only a write under our lease could make it ours.
            let delete = Delete::builder().table_name(&table.name).set_key(Some(key(ROLLOUTS, OPEN)));
            let delete = delete.condition_expression(OURS).expression_attribute_names("#id", "id");
            let delete = delete.set_expression_attribute_values(Some(ours));
            parts.push(TransactWriteItem::builder().delete(built(delete.build())?).build());
        }
        Ok(parts)
    }

    async fn open_item(&self) -> Called<Option<Item>> {
        self.control.get(ROLLOUTS, OPEN).await
    }

    /// What a refused append means. A repeat after a lost answer finds its own entry.
    async fn refused(&self, id: RolloutId, entry: &Entry, error: CallError) -> Called<Appended> {
        let failed = failed_conditions(&error);
        if error.kind != CallErrorKind::Conflict || failed.is_empty() {
            return Err(error);
        }
        let stored = self.control.get(&rollout_key(id), &entry_key(entry.seq)).await?;
        match stored.map(|item| self.entry(&item)).transpose()? {
            Some(stored) if stored == *entry => Ok(Appended::Done),
            _ if failed.contains(&0) => Ok(Appended::LeaseLost),
            _ => Ok(Appended::Taken),
        }
    }

    /// Sends parts behind a check of the lease; false where it is somebody else's.
    pub(super) async fn write_held(
        &self,
        (id, lease): (RolloutId, &Lease),
        subject: &str,
        parts: Vec<TransactWriteItem>,
    ) -> Called<bool> {
        let mut all = vec![self.of(id).held(lease)?];
        all.extend(parts);
        match self.writes.transact(&self.control, subject, &all).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == CallErrorKind::Conflict && failed_conditions(&error).contains(&0) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Rollouts for RolloutTable {
    async fn lease(&self, id: RolloutId) -> Called<Option<Lease>> {
        self.of(id).lease().await
    }

    async fn swap_lease(&self, id: RolloutId, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        self.of(id).swap_lease(seen, next).await
    }

    async fn journal(&self, id: RolloutId) -> Called<Vec<Entry>> {
        let items = self.control.query_prefix(&rollout_key(id), ENTRIES, None).await?;
        items.iter().map(|item| self.entry(item)).collect()
    }

    async fn append(&self, id: RolloutId, entry: &Entry, summary: &Summary, lease: &Lease) -> Called<Appended> {
        let (pk, sk) = (rollout_key(id), entry_key(entry.seq));
        let mut item = self.control.encode(&pk, &sk, entry)?;
        item.insert("format".to_owned(), number(format_of(entry)));
        let put = self.control.put(item, "attribute_not_exists(pk)", Item::new())?;
        let mut parts = vec![self.of(id).held(lease)?, put];
        parts.extend(self.listed(summary).await?);
        match self.writes.transact(&self.control, &format!("{pk}/{sk}"), &parts).await {
            Ok(()) => Ok(Appended::Done),
            Err(error) => self.refused(id, entry, error).await,
        }
    }

    async fn open(&self) -> Called<Option<Summary>> {
        self.open_item().await?.map(|item| self.control.decode(&item)).transpose()
    }

    async fn list(&self, limit: u32) -> Called<Vec<Summary>> {
        let items = self.control.query_prefix(ROLLOUTS, NUMBERS, Some(limit)).await?;
        items.iter().map(|item| self.control.decode(item)).collect()
    }

    async fn orders(&self, id: RolloutId) -> Called<Orders> {
        self.of(id).orders().await
    }

    async fn put_orders(&self, id: RolloutId, orders: &Orders) -> Called<bool> {
        self.of(id).put_orders(orders.version, orders).await
    }

    async fn put_document(&self, id: RolloutId, name: &str, text: &str) -> Called<()> {
        self.write_document(id, name, text).await
    }

    async fn document(&self, id: RolloutId, name: &str) -> Called<Option<String>> {
        self.read_document(id, name).await
    }

    async fn put_progress(&self, id: RolloutId, body: &str, lease: &Lease) -> Called<bool> {
        let pk = rollout_key(id);
        let subject = format!("{pk}/{PROGRESS}");
        if body.len() > PROGRESS_MAX {
            let why = format!("it has {} bytes; {PROGRESS_MAX} are the most", body.len());
            return Err(self.control.error(CallErrorKind::Invalid, "dynamodb:TransactWriteItems", &subject, why));
        }
        let mut item = key(&pk, PROGRESS);
        item.insert("body".to_owned(), text(body));
        let put = Put::builder().table_name(&self.control.name).set_item(Some(item));
        let put = TransactWriteItem::builder().put(built(put.build())?).build();
        self.write_held((id, lease), &subject, vec![put]).await
    }

    async fn progress(&self, id: RolloutId) -> Called<Option<String>> {
        let item = self.control.get(&rollout_key(id), PROGRESS).await?;
        Ok(item.and_then(|item| text_of(&item, "body").map(str::to_owned)))
    }

    async fn mark(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool> {
        self.write_marks(id, cells, lease).await
    }

    async fn unmark(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool> {
        self.remove_marks(id, cells, lease).await
    }

    async fn marks(&self) -> Called<BTreeMap<CellId, RolloutId>> {
        self.read_marks().await
    }
}
