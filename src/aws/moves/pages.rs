//! Reading a tenant's items: by pages, and by keys.
//!
//! Constraints kept: each item comes from a consistent read of the table itself, also where an index told of it; a page
//! is bounded; where the next one begins is a key, which stays good for as long as the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws::dynamo::{Item as Attributes, Table, text};
use crate::domain::data::find::Find;
use crate::domain::data::shape::KeySchema;
use crate::domain::data::{Item, ItemKey};
use crate::ports::data::{ItemPage, Segment, Share};
use crate::ports::{CallErrorKind, Called};

use super::values::{attributes, item_of};

/// Keys in a page that comes by way of an index: two batches of reads, of at most 80 MB.
const INDEX_KEYS_MAX: i32 = 200;

/// What one request has given.
struct Answer {
    items: Vec<Attributes>,
    last: Option<Attributes>,
}

/// A page of a share.
pub(super) async fn page(table: &Table, share: &Share, segment: Segment, from: Option<&str>) -> Called<ItemPage> {
    let from = from.map(|cursor| start(table, cursor)).transpose()?;
    let answer = match &share.find {
        Find::PartitionKey => query(table, share, from).await?,
        Find::Index { index, attribute } => return by_index(table, share, (index, attribute), from).await,
        Find::Prefix { .. } | Find::Attribute { .. } => scan(table, share, segment, from).await?,
    };
    let items = answer.items.into_iter().map(|item| read(table, item)).collect::<Called<_>>()?;
    Ok(ItemPage { items, next: cursor(table, answer.last)? })
}

/// The items with these keys.
pub(super) async fn get(table: &Table, key: &KeySchema, keys: &[ItemKey]) -> Called<BTreeMap<ItemKey, Item>> {
    let once: BTreeSet<&ItemKey> = keys.iter().collect();
    let asked = once.into_iter().map(|one| attributes(&key.attributes(one))).collect();
    let found = table.batch_get(asked).await?;
    let keyed = found.into_iter().map(|item| {
        let item = read(table, item)?;
        let key = key.key_of(&item).ok_or_else(|| table.unreadable("an item", "it lacks its key"))?;
        Ok((key, item))
    });
    keyed.collect()
}

async fn query(table: &Table, share: &Share, from: Option<Attributes>) -> Called<Answer> {
    let client = table.client().await;
    let send = || {
        let request = client.query().table_name(&table.name).consistent_read(true);
        let request = request.key_condition_expression("#key = :tenant");
        let request = request.expression_attribute_names("#key", &share.key.partition.name);
        let request = request.expression_attribute_values(":tenant", text(share.tenant.as_str()));
        request.set_exclusive_start_key(from.clone()).send()
    };
    let page = table.caller.call(table.call("dynamodb:Query", share.tenant.as_str()), send).await?;
    Ok(Answer { items: page.items.unwrap_or_default(), last: page.last_evaluated_key })
}

async fn scan(table: &Table, share: &Share, segment: Segment, from: Option<Attributes>) -> Called<Answer> {
    let client = table.client().await;
    let (attribute, condition, wanted) = filter(share);
    let (index, of) = (part(segment.index), part(segment.of));
    let send = || {
        let request = client.scan().table_name(&table.name).consistent_read(true).segment(index).total_segments(of);
        let request = request.filter_expression(condition).expression_attribute_names("#key", attribute);
        let request = request.expression_attribute_values(":tenant", text(&wanted));
        request.set_exclusive_start_key(from.clone()).send()
    };
    let page = table.caller.call(table.call("dynamodb:Scan", share.tenant.as_str()), send).await?;
    Ok(Answer { items: page.items.unwrap_or_default(), last: page.last_evaluated_key })
}

/// What a scan leaves through: the attribute, the condition, and what it is compared with.
fn filter(share: &Share) -> (&str, &'static str, String) {
    let tenant = share.tenant.as_str();
    match &share.find {
        Find::Prefix { separator } => {
            (&share.key.partition.name, "begins_with(#key, :tenant)", format!("{tenant}{separator}"))
        }
        Find::Attribute { attribute } | Find::Index { attribute, .. } => {
            (attribute, "#key = :tenant", tenant.to_owned())
        }
        Find::PartitionKey => (&share.key.partition.name, "#key = :tenant", tenant.to_owned()),
    }
}

fn part(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Keys from the index, which is behind the table, and the items of those keys from the table. One that is no longer the
/// tenant's is not his.
async fn by_index(
    table: &Table,
    share: &Share,
    (index, attribute): (&str, &str),
    from: Option<Attributes>,
) -> Called<ItemPage> {
    let client = table.client().await;
    let names = key_names(&share.key);
    let projection = names.keys().cloned().collect::<Vec<_>>().join(", ");
    let send = || {
        let request = client.query().table_name(&table.name).index_name(index).limit(INDEX_KEYS_MAX);
        let request = request.key_condition_expression("#tenant = :tenant").projection_expression(&projection);
        let request = request.set_expression_attribute_names(Some(names.clone()));
        let request = request.expression_attribute_names("#tenant", attribute);
        let request = request.expression_attribute_values(":tenant", text(share.tenant.as_str()));
        request.set_exclusive_start_key(from.clone()).send()
    };
    let page = table.caller.call(table.call("dynamodb:Query", share.tenant.as_str()), send).await?;
    // An item whose place in the index is being changed may stand there twice.
    let keys = page.items.unwrap_or_default().into_iter().map(|key| read(table, key));
    let keys = keys.collect::<Called<BTreeSet<Item>>>()?.iter().map(attributes).collect();
    let items = table.batch_get(keys).await?.into_iter().map(|item| read(table, item));
    let items =
        items.filter(|item| item.as_ref().map_or(true, |item| share.find.is_of(&share.tenant, &share.key, item)));
    Ok(ItemPage { items: items.collect::<Called<_>>()?, next: cursor(table, page.last_evaluated_key)? })
}

/// The names of the table's key, as an expression takes them.
fn key_names(key: &KeySchema) -> HashMap<String, String> {
    let sort = key.sort.iter().map(|sort| ("#sort".to_owned(), sort.name.clone()));
    std::iter::once(("#partition".to_owned(), key.partition.name.clone())).chain(sort).collect()
}

fn read(table: &Table, item: HashMap<String, AttributeValue>) -> Called<Item> {
    item_of(item).map_err(|unknown| table.unreadable("an item", unknown))
}

/// Where the next page begins, as text.
fn cursor(table: &Table, last: Option<Attributes>) -> Called<Option<String>> {
    let Some(last) = last.filter(|last| !last.is_empty()) else { return Ok(None) };
    let key = read(table, last)?;
    serde_json::to_string(&key).map(Some).map_err(|error| table.unreadable("a cursor", error))
}

/// Where a page begins.
fn start(table: &Table, cursor: &str) -> Called<Attributes> {
    let key: Item = serde_json::from_str(cursor).map_err(|error| {
        let why = format!("the cursor {cursor:?} is none: {error}");
        table.error(CallErrorKind::Invalid, "dynamodb:Query", "a page", why)
    })?;
    Ok(attributes(&key))
}
