//! What a table is like, as the service describes it: what a move must know of it on both sides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::definition::KeyType;

use super::{Item, ItemKey};

/// An attribute that is part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyAttribute {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub key_type: KeyType,
}

/// A key schema: of a table or of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySchema {
    /// The partition key.
    pub partition: KeyAttribute,
    /// The sort key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<KeyAttribute>,
}

/// A table's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamShape {
    /// Its ARN. A stream that was turned off and on again has another one.
    pub arn: String,
    /// Whether its records carry the items as they were and as they are, not the keys alone.
    pub images: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableShape {
    /// Its key.
    pub key: KeySchema,
    /// Keys of its global and local indexes, by name.
    #[serde(default)]
    pub indexes: BTreeMap<String, KeySchema>,
    /// Its stream, where it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamShape>,
    /// The attribute that holds the time of expiry in seconds since 1970, where that is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<String>,
    /// Number of items, as the service has last counted them, some six hours ago.
    #[serde(default)]
    pub items_about: u64,
    /// Their size in bytes, as of then.
    #[serde(default)]
    pub bytes_about: u64,
}

impl KeySchema {
    /// The key of an item; none where an attribute of it is missing.
    pub fn key_of(&self, item: &Item) -> Option<ItemKey> {
        let partition = item.get(&self.partition.name)?.clone();
        let sort = match &self.sort {
            Some(sort) => Some(item.get(&sort.name)?.clone()),
            None => None,
        };
        Some(ItemKey { partition, sort })
    }

    /// A key as attributes.
    pub fn attributes(&self, key: &ItemKey) -> Item {
        let mut attributes = BTreeMap::from([(self.partition.name.clone(), key.partition.clone())]);
        if let (Some(attribute), Some(value)) = (&self.sort, &key.sort) {
            attributes.insert(attribute.name.clone(), value.clone());
        }
        Item(attributes)
    }
}
