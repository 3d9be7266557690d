//! The requests of a writer: the check of the fence, the note, the writes.
//!
//! Constraint kept: they are those of `docs/applications.md`, for every level.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};

use super::cells::{Cell, TENANT};
use super::client::Fence;
use super::items::{Change, Item, Key, number, text};

/// Numbers of notes.
pub(crate) const NOTES: std::ops::Range<u64> = 1 << 20..1 << 53;
/// For how long a note is kept that no mover takes away, in seconds.
const NOTE_S: u64 = 30 * 24 * 3600;
/// What an update does.
const SET_VALUE: &str = "SET #value = :value";

/// One part of a transaction: a write of one key.
pub(super) fn part(cell: &Cell, key: &Key, change: Change) -> TransactWriteItem {
    let part = TransactWriteItem::builder();
    let table = &cell.tables[key.table];
    match change {
        Change::Put(value) => {
            part.put(complete(Put::builder().table_name(table).set_item(Some(key.item(value))).build()))
        }
        Change::Update(value) => {
            let update = Update::builder().table_name(table).set_key(Some(key.attributes()));
            let update = update.update_expression(SET_VALUE).expression_attribute_names("#value", "value");
            part.update(complete(update.expression_attribute_values(":value", number(value)).build()))
        }
        Change::Delete => {
            part.delete(complete(Delete::builder().table_name(table).set_key(Some(key.attributes())).build()))
        }
    }
    .build()
}

/// The check of a shard of the fence: as it was read.
pub(super) fn check(cell: &Cell, shard: u64, fence: &Fence) -> TransactWriteItem {
    let check = ConditionCheck::builder().table_name(&cell.fences).set_key(Some(fence_key(shard)));
    let check = check.condition_expression("#mode = :mode AND #epoch = :epoch");
    let check = check.expression_attribute_names("#mode", "mode").expression_attribute_names("#epoch", "epoch");
    let check = check.expression_attribute_values(":mode", text(&fence.mode));
    let check = check.expression_attribute_values(":epoch", number(fence.epoch));
    TransactWriteItem::builder().condition_check(complete(check.build())).build()
}

/// The note for the mover.
pub(super) fn note(cell: &Cell, number_of_note: u64, keys: &[Key], now_ms: u64) -> TransactWriteItem {
    let noted = |key: &Key| {
        let table = ("table".to_owned(), text(&cell.tables[key.table]));
        AttributeValue::M([table, ("key".to_owned(), AttributeValue::M(key.attributes()))].into())
    };
    let put = Put::builder().table_name(&cell.fences).set_item(Some(fence_key(number_of_note)));
    let put = put
        .item("expires", number(now_ms / 1000 + NOTE_S))
        .item("keys", AttributeValue::L(keys.iter().map(noted).collect()));
    let put = put.condition_expression("attribute_not_exists(tenant)");
    TransactWriteItem::builder().put(complete(put.build())).build()
}

/// The key of a shard, or of a note.
pub(crate) fn fence_key(shard: u64) -> Item {
    [("tenant".to_owned(), text(TENANT)), ("shard".to_owned(), number(shard))].into()
}

/// A plain write of one key; whether it was answered.
pub(super) async fn plain(client: &aws_sdk_dynamodb::Client, cell: &Cell, key: &Key, change: Change) -> bool {
    let table = &cell.tables[key.table];
    match change {
        Change::Put(value) => client.put_item().table_name(table).set_item(Some(key.item(value))).send().await.is_ok(),
        Change::Update(value) => {
            let request = client.update_item().table_name(table).set_key(Some(key.attributes()));
            let request = request.update_expression(SET_VALUE).expression_attribute_names("#value", "value");
            request.expression_attribute_values(":value", number(value)).send().await.is_ok()
        }
        Change::Delete => client.delete_item().table_name(table).set_key(Some(key.attributes())).send().await.is_ok(),
    }
}

fn complete<T>(built: Result<T, aws_sdk_dynamodb::error::BuildError>) -> T {
    built.expect("complete")
}
