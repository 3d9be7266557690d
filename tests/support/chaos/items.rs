//! The items that are written: which keys there are, and what they hold.
//!
//! Constraint kept: every value is new, so that an item tells which write it is from.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::cells::TENANT;

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// What ends the tenant's name in the keys of the second table.
const SEPARATOR: &str = "#";

/// An item's key: the table, 0 or 1, and the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The first table has the tenant as its partition key, the second as a prefix of it.
    pub(crate) table: usize,
    /// Unique in the table.
    pub(crate) name: String,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The whole item.
    Put(u64),
    /// The value alone; makes the item where there is none.
    Update(u64),
    /// Deletes it.
    Delete,
}

impl Change {
    /// The value that is there afterwards.
    pub(crate) fn value(self) -> Option<u64> {
        match self {
            Self::Put(value) | Self::Update(value) => Some(value),
            Self::Delete => None,
        }
    }
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The number that an attribute holds.
pub(crate) fn number_of(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The text that an attribute holds.
pub(crate) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

impl Key {
    /// The key's attributes.
    pub(crate) fn attributes(&self) -> Item {
        self.attributes_of(TENANT)
    }

    /// The same for another tenant.
    pub(crate) fn attributes_of(&self, tenant: &str) -> Item {
        let pairs = match self.table {
            0 => vec![("tenantId", text(tenant)), ("id", text(&self.name))],
            _ => vec![("pk", text(format!("{tenant}{SEPARATOR}{}", self.name)))],
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The whole item.
    pub(crate) fn item(&self, value: u64) -> Item {
        let mut item = self.attributes();
        item.insert("value".to_owned(), number(value));
        item.insert("body".to_owned(), AttributeValue::B(vec![0; 300].into()));
        item
    }

    /// Whose item of a table this is, and its key.
    pub(crate) fn of(table: usize, item: &Item) -> (String, Self) {
        let (tenant, name) = match table {
            0 => (text_of(item, "tenantId").expect("a tenant"), text_of(item, "id").expect("a name")),
            _ => text_of(item, "pk").and_then(|pk| pk.split_once(SEPARATOR)).expect("a tenant and a name"),
        };
        (tenant.to_owned(), Self { table, name: name.to_owned() })
    }
}
