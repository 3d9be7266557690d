//! The entries of the map: items `MAP#<bucket>`/`<tenant>` of the tenant-map table.
//!
//! Owns: their form. Constraint kept: an entry of a newer format is neither taken for one that is understood nor
//! rewritten; what routers and filters look at stands beside the body.

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::aws::dynamo::{Item, Table, key, name_of, number, number_of, text, text_of, values};
use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::{ENTRY_FORMAT, Entry};
use crate::ports::Called;
use crate::ports::tenants::EntryPage;

use super::unreadable;

/// Partition key of a bucket.
fn bucket_key(bucket: u8) -> String {
    format!("MAP#{bucket:02}")
}

/// Key of a tenant's entry.
pub(super) fn key_of(tenant: &TenantId) -> Item {
    key(&bucket_key(tenant.bucket()), tenant.as_str())
}

/// Reads an entry.
fn decode(table: &Table, item: &Item) -> Called<Entry> {
    let name = name_of(item);
    let format = number_of(item, "format").ok_or_else(|| table.unreadable(&name, "it has no format"))?;
    table.check_format(&name, format, ENTRY_FORMAT)?;
    table.decode(item)
}

/// The part of a transaction that writes an entry over the version that was seen, or where none was.
pub(super) fn put(table: &Table, entry: &Entry, seen: Option<&Entry>) -> Called<TransactWriteItem> {
    let (pk, sk) = (bucket_key(entry.tenant.bucket()), entry.tenant.as_str());
    let mut item = table.encode(&pk, sk, entry)?;
    item.extend(values([
        ("cell", text(entry.cell.as_str())),
        ("epoch", number(entry.epoch)),
        ("state", text(entry.state.as_str())),
        ("version", number(entry.version)),
        ("format", number(entry.format)),
    ]));
    if let Some(moving) = &entry.moving {
        item.insert("other".to_owned(), text(moving.other.as_str()));
    }
    match seen {
        None => table.put(item, "attribute_not_exists(pk)", Item::new()),
        Some(seen) => table.put(item, "version = :seen", values([(":seen", number(seen.version))])),
    }
}

/// One entry.
pub(super) async fn get(table: &Table, tenant: &TenantId) -> Called<Option<Entry>> {
    let item = table.get(&bucket_key(tenant.bucket()), tenant.as_str()).await?;
    item.map(|item| decode(table, &item)).transpose()
}

/// The entries of many tenants, each named once.
pub(super) async fn get_all(table: &Table, tenants: impl Iterator<Item = &TenantId>) -> Called<Vec<Entry>> {
    let items = table.batch_get(tenants.map(key_of).collect()).await?;
    items.iter().map(|item| decode(table, item)).collect()
}

/// A page of a bucket: one query, which ends at `limit` entries or at 1 MB, whichever comes first.
pub(super) async fn page(
    table: &Table,
    bucket: u8,
    after: Option<&TenantId>,
    limit: u32,
    cell: Option<&CellId>,
) -> Called<EntryPage> {
    let client = table.client().await;
    let pk = bucket_key(bucket);
    let condition = if after.is_some() { "pk = :pk AND sk > :after" } else { "pk = :pk" };
    let send = || {
        let request = client.query().table_name(&table.name).consistent_read(true).key_condition_expression(condition);
        let request = request.limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX));
        let mut request = request.expression_attribute_values(":pk", text(&pk));
        if let Some(after) = after {
            request = request.expression_attribute_values(":after", text(after.as_str()));
        }
        if let Some(cell) = cell {
            request = request.filter_expression("#cell = :cell OR #other = :cell");
            request = request.expression_attribute_names("#cell", "cell").expression_attribute_names("#other", "other");
            request = request.expression_attribute_values(":cell", text(cell.as_str()));
        }
        request.send()
    };
    let answer = table.caller.call(table.call("dynamodb:Query", &pk), send).await?;
    let mut page = EntryPage::default();
    for item in answer.items() {
        match decode(table, item) {
            Ok(entry) => page.entries.push(entry),
            Err(error) => page.unreadable.push(unreadable(item, ENTRY_FORMAT, error)?),
        }
    }
    let last = answer.last_evaluated_key().and_then(|last| text_of(last, "sk"));
    page.next = last.map(str::parse).transpose().map_err(|error| table.unreadable(&pk, error))?;
    Ok(page)
}
