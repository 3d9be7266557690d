//! The form of a fence's items, in the fence table of a cell, and the conditions on them.
//!
//! | attribute | what |
//! |---|---|
//! | `tenant` (partition key) | the tenant |
//! | `shard` (sort key) | 0 to 31; numbers from 2^20 on are notes of writers |
//! | `epoch` | the epoch that the mode belongs to |
//! | `mode` | what the fence allows |
//! | `move`, `token` | who holds it, where a move does |
//! | `deadline` | until when it is sealed, in milliseconds since 1970 |
//! | `to` | where the tenant went |
//!
//! Constraint kept: what a move writes over is compared in every attribute, so that of two who try at once one fails.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use crate::domain::ids::TenantId;
use crate::domain::moves::fence::{Hold, SHARDS_MAX, Shard, Shift};
use crate::domain::tenant::fence::FenceMode;
use crate::ports::Called;

use super::dynamo::{Item, Table, number, number_of, text, text_of, values};

/// A condition of a write: the expression, and its values.
pub(super) type Condition = (String, Item);

/// The key of a shard, or of a note.
pub(super) fn key(tenant: &TenantId, number_in_fence: u64) -> Item {
    values([("tenant", text(tenant.as_str())), ("shard", number(number_in_fence))])
}

/// The number of the shard that an item is; none where it is a note.
pub(super) fn shard_of(item: &Item) -> Option<u8> {
    number_of(item, "shard").filter(|shard| *shard < SHARDS_MAX)
}

/// The item of a shard.
pub(super) fn encode(tenant: &TenantId, shard: u8, fence: &Shard) -> Item {
    let there = attributes(fence).into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    key(tenant, u64::from(shard)).into_iter().chain(there).collect()
}

/// Reads the item of a shard: its number, and what it says.
pub(super) fn decode(table: &Table, item: &Item) -> Called<(u8, Shard)> {
    read(item).map_err(|attribute| {
        let tenant = text_of(item, "tenant").unwrap_or("?");
        table.unreadable(tenant, format!("its {attribute} is missing or wrong"))
    })
}

/// The same, or the attribute that is missing or wrong.
fn read(item: &Item) -> Result<(u8, Shard), &'static str> {
    let shard = Shard {
        epoch: number_of(item, "epoch").ok_or("epoch")?,
        mode: text_of(item, "mode").and_then(FenceMode::of).ok_or("mode")?,
        hold: hold(item),
        deadline_ms: number_of(item, "deadline"),
        to: text_of(item, "to").and_then(|cell| cell.parse().ok()),
    };
    let wrong = attributes(&shard).into_iter().find(|(name, value)| item.contains_key(*name) != value.is_some());
    match wrong {
        Some((name, _)) => Err(name),
        None => Ok((shard_of(item).ok_or("shard")?, shard)),
    }
}

/// The condition that a shard is as it was seen: every attribute, and none more; none where it must not be there.
pub(super) fn condition(from: Option<&Shard>) -> Condition {
    let Some(from) = from else { return ("attribute_not_exists(tenant)".to_owned(), Item::new()) };
    let mut expected = Item::new();
    let terms = attributes(from).map(|(name, value)| match value {
        None => format!("attribute_not_exists(#{name})"),
        Some(value) => {
            expected.insert(format!(":{name}"), value);
            format!("#{name} = :{name}")
        }
    });
    (terms.join(" AND "), expected)
}

/// The parts of a transaction that change shards, one for each.
pub(super) fn parts(table: &Table, shift: &Shift) -> Called<Vec<TransactWriteItem>> {
    let part = |(shard, from): &(u8, Option<Shard>)| {
        let (condition, values) = condition(from.as_ref());
        table.put(encode(&shift.tenant, *shard, &shift.to), &condition, values)
    };
    shift.from.iter().map(part).collect()
}

/// All attributes beside the key, absent ones too.
fn attributes(shard: &Shard) -> [(&'static str, Option<AttributeValue>); 6] {
    let hold = shard.hold.as_ref();
    [
        ("epoch", Some(number(shard.epoch))),
        ("mode", Some(text(shard.mode.as_str()))),
        ("move", hold.map(|hold| text(&hold.id.to_string()))),
        ("token", hold.map(|hold| number(hold.token))),
        ("deadline", shard.deadline_ms.map(number)),
        ("to", shard.to.as_ref().map(|cell| text(cell.as_str()))),
    ]
}

/// Who holds a shard: both attributes, or nobody.
fn hold(item: &Item) -> Option<Hold> {
    Some(Hold { id: text_of(item, "move")?.parse().ok()?, token: number_of(item, "token")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Shard {
        let hold = Hold { id: "acme:4".parse().expect("valid"), token: 3 << 20 };
        Shard { deadline_ms: Some(9), ..Shard::held(7, FenceMode::Sealed, hold) }
    }

    #[test]
    fn every_attribute_stands_in_the_condition_there_or_absent() {
        let (expression, values) = condition(Some(&sealed()));
        assert_eq!(
            expression,
            "#epoch = :epoch AND #mode = :mode AND #move = :move AND #token = :token AND #deadline = :deadline \
             AND attribute_not_exists(#to)"
        );
        assert_eq!((values.len(), values[":move"].clone()), (5, text("acme:4")));
        let (expression, values) = condition(Some(&Shard::free(7, FenceMode::Open)));
        assert!(expression.ends_with(
            "AND attribute_not_exists(#move) AND attribute_not_exists(#token) AND attribute_not_exists(#deadline) \
             AND attribute_not_exists(#to)"
        ));
        assert_eq!(values.len(), 2);
        assert_eq!(condition(None).0, "attribute_not_exists(tenant)");
    }

    #[test]
    fn the_item_has_the_attributes_that_writers_look_at() {
        let item = encode(&"acme".parse().expect("valid"), 31, &sealed());
        let expected = values([
            ("tenant", text("acme")),
            ("shard", number(31)),
            ("epoch", number(7)),
            ("mode", text("SEALED")),
            ("move", text("acme:4")),
            ("token", number(3 << 20)),
            ("deadline", number(9)),
        ]);
        assert_eq!(item, expected);
        assert_eq!(shard_of(&item), Some(31));
        for note in [32_u64, 1 << 20] {
            assert_eq!(shard_of(&key(&"acme".parse().expect("valid"), note)), None);
        }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_that_is_half_there() {
        let item = encode(&"acme".parse().expect("valid"), 3, &sealed());
        assert_eq!(read(&item), Ok((3, sealed())));
        for (absent, wrong) in [("move", "token"), ("token", "move"), ("epoch", "epoch"), ("shard", "shard")] {
            let mut item = item.clone();
            item.remove(absent);
            assert_eq!(read(&item), Err(wrong), "without {absent}");
        }
        for (name, value) in [("deadline", text("soon")), ("to", text("no cell")), ("mode", text("AJAR"))] {
            let mut item = item.clone();
            item.insert(name.to_owned(), value);
            assert_eq!(read(&item), Err(name));
        }
    }
}
