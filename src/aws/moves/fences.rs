//! Fences shard by shard, and the notes of writers, behind the `MoveFences` port.
//!
//! Constraints kept: shards change all or none, and only from what they were seen to be; a change whose answer was lost
//! is read back; a note that cannot be read is an error, as it stands for keys that would be missed.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};

use crate::aws::dynamo::{Item, Table, built, number_of, text, text_of};
use crate::aws::fence_items::{self, condition, decode, encode};
use crate::domain::ids::TenantId;
use crate::domain::moves::fence::{NOTES_FROM, NOTES_TO, Shard, Shift};
use crate::domain::tenant::fence::FenceTable;
use crate::ports::data::BULK_MAX;
use crate::ports::moves::{MoveFences, Note, NotePage};
use crate::ports::{CallError, CallErrorKind, Called};

use super::MoveAdapter;
use super::values::item_of;

/// What a read of a fence says about a change of it.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// All shards are what they were to become.
    Done,
    /// The change may still happen.
    Open,
    /// A shard is neither what it was nor what it was to become: the change did not happen and cannot any more.
    Refused,
}

/// Holds a fence against a change of it. A query may see one half of a transaction and not yet the other.
fn standing(shift: &Shift, now: &BTreeMap<u8, Shard>) -> Standing {
    let is_done = |(shard, _): &(u8, Option<Shard>)| now.get(shard) == Some(&shift.to);
    let is_as_before = |(shard, from): &(u8, Option<Shard>)| now.get(shard) == from.as_ref();
    if shift.from.iter().all(is_done) {
        return Standing::Done;
    }
    let open = shift.from.iter().all(|shard| is_done(shard) || is_as_before(shard));
    if open { Standing::Open } else { Standing::Refused }
}

impl MoveAdapter {
    fn fences(&self, table: &FenceTable) -> Table {
        self.control.other(&table.place, &table.name)
    }

    async fn send(&self, table: &Table, shift: &Shift) -> Called<()> {
        if let [(shard, from)] = shift.from.as_slice() {
            let (condition, values) = condition(from.as_ref());
            let item = encode(&shift.tenant, *shard, &shift.to);
            return table.put_if(item, &condition, &values, shift.tenant.as_str()).await;
        }
        let parts = fence_items::parts(table, shift)?;
        table.transact(shift.tenant.as_str(), &parts, &self.fresh_token()).await
    }

    /// What became of a change that was refused, or got no answer.
    async fn read_back(&self, table: &Table, shift: &Shift, error: CallError) -> Called<bool> {
        let now = shards(table, &shift.tenant).await.map_err(|_| error.clone())?;
        match standing(shift, &now) {
            Standing::Done => Ok(true),
            Standing::Open if error.kind == CallErrorKind::InDoubt => Err(error),
            Standing::Open | Standing::Refused => Ok(false),
        }
    }
}

#[async_trait]
impl MoveFences for MoveAdapter {
    async fn shards(&self, table: &FenceTable, tenant: &TenantId) -> Called<BTreeMap<u8, Shard>> {
        shards(&self.fences(table), tenant).await
    }

    async fn shift(&self, shift: &Shift) -> Called<bool> {
        let table = self.fences(&shift.table);
        match self.send(&table, shift).await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, CallErrorKind::Conflict | CallErrorKind::InDoubt) => {
                self.read_back(&table, shift, error).await
            }
            Err(error) => Err(error),
        }
    }

    async fn notes(&self, table: &FenceTable, tenant: &TenantId, after: u64) -> Called<NotePage> {
        let table = self.fences(table);
        let first = after.saturating_add(1).max(NOTES_FROM);
        let (items, last) =
            query(&table, tenant, "#shard BETWEEN :number AND :last", (first, Some(NOTES_TO - 1)), None).await?;
        let notes = items.into_iter().map(|item| note(&table, tenant, item)).collect::<Called<_>>()?;
        Ok(NotePage { notes, more: last.is_some() })
    }

    async fn forget(&self, table: &FenceTable, tenant: &TenantId, numbers: &[u64]) -> Called<()> {
        let table = self.fences(table);
        // A batch may not name an item twice.
        let once: std::collections::BTreeSet<u64> = numbers.iter().copied().collect();
        let once: Vec<u64> = once.into_iter().filter(|number| *number >= NOTES_FROM).collect();
        for numbers in once.chunks(BULK_MAX) {
            delete(&table, tenant, numbers).await?;
        }
        Ok(())
    }
}

/// The shards of a fence.
async fn shards(table: &Table, tenant: &TenantId) -> Called<BTreeMap<u8, Shard>> {
    let mut found = BTreeMap::new();
    let mut start = None;
    loop {
        let (items, last) = query(table, tenant, "#shard < :number", (NOTES_FROM, None), start).await?;
        for item in items {
            let (shard, what) = decode(table, &item)?;
            found.insert(shard, what);
        }
        start = last;
        if start.is_none() {
            return Ok(found);
        }
    }
}

/// A page of a tenant's items, by a consistent read, and where the next one begins.
async fn query(
    table: &Table,
    tenant: &TenantId,
    range: &str,
    (number, last): (u64, Option<u64>),
    start: Option<Item>,
) -> Called<(Vec<Item>, Option<Item>)> {
    let client = table.client().await;
    let condition = format!("tenant = :tenant AND {range}");
    let send = || {
        let request = client.query().table_name(&table.name).consistent_read(true).key_condition_expression(&condition);
        let request = request.expression_attribute_names("#shard", "shard");
        let request = request.expression_attribute_values(":tenant", text(tenant.as_str()));
        let request = request.expression_attribute_values(":number", crate::aws::dynamo::number(number));
        let request = last
            .into_iter()
            .fold(request, |r, last| r.expression_attribute_values(":last", crate::aws::dynamo::number(last)));
        request.set_exclusive_start_key(start.clone()).send()
    };
    let page = table.caller.call(table.call("dynamodb:Query", tenant.as_str()), send).await?;
    Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
}

fn note(table: &Table, tenant: &TenantId, mut item: Item) -> Called<Note> {
    let wrong = || table.unreadable(tenant.as_str(), "a note of a writer is not as docs/applications.md has it");
    let number = number_of(&item, "shard").ok_or_else(wrong)?;
    let Some(AttributeValue::L(keys)) = item.remove("keys") else { return Err(wrong()) };
    let keys = keys.into_iter().map(|key| noted(key).ok_or_else(wrong)).collect::<Called<_>>()?;
    Ok(Note { number, keys })
}

/// A key in a note: the name of the table, and the key's attributes.
fn noted(key: AttributeValue) -> Option<(String, crate::domain::data::Item)> {
    let AttributeValue::M(mut parts) = key else { return None };
    let table = text_of(&parts, "table")?.to_owned();
    let AttributeValue::M(key) = parts.remove("key")? else { return None };
    Some((table, item_of(key).ok()?))
}

/// Deletes notes; what the service leaves is asked for again.
async fn delete(table: &Table, tenant: &TenantId, numbers: &[u64]) -> Called<()> {
    let client = table.client().await;
    let request = |number: &u64| {
        let request = DeleteRequest::builder().set_key(Some(fence_items::key(tenant, *number)));
        Ok(WriteRequest::builder().delete_request(built(request.build())?).build())
    };
    let mut asked = numbers.iter().map(request).collect::<Called<Vec<_>>>()?;
    let mut leftovers = table.caller.leftovers();
    loop {
        let subject = format!("{} notes of {tenant}", asked.len());
        let send = || client.batch_write_item().request_items(&table.name, asked.clone()).send();
        let answer = table.caller.call(table.call("dynamodb:BatchWriteItem", &subject), send).await?;
        let left: HashMap<String, Vec<WriteRequest>> = answer.unprocessed_items.unwrap_or_default();
        asked = left.into_values().flatten().collect();
        if asked.is_empty() {
            return Ok(());
        }
        if !table.caller.may_ask_again(&mut leftovers).await {
            let why = format!("the service left out {} of them for too long", asked.len());
            return Err(table.error(CallErrorKind::Throttled, "dynamodb:BatchWriteItem", &subject, why));
        }
    }
}
