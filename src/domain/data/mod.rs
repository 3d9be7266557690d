//! The application's data, as a move sees it: items of tables, and how those of a tenant are found.
//!
//! Owns: items, keys, their canonical form and its digests. Constraint kept: an item goes through a move unchanged,
//! whatever it holds: every type of DynamoDB has a value here, and numbers stay the text that the service gave.

pub mod canon;
pub mod digest;
pub mod find;
pub mod shape;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// A string.
    S(String),
    /// A number, as the service writes it.
    N(String),
    /// Bytes.
    B(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// A set of strings.
    Ss(BTreeSet<String>),
    /// A set of numbers.
    Ns(BTreeSet<String>),
    /// A set of bytes.
    Bs(BTreeSet<Vec<u8>>),
    /// A list.
    L(Vec<Value>),
    /// A map.
    M(BTreeMap<String, Value>),
}

/// An item: its attributes by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Item(pub BTreeMap<String, Value>);

/// The primary key of an item. The names of its attributes stand in the table's shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemKey {
    /// Value of the partition key.
    pub partition: Value,
    /// Value of the sort key, where the table has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Value>,
}

impl Value {
    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            _ => None,
        }
    }

    /// Its size in bytes, about as DynamoDB counts it (developer guide, "DynamoDB item sizes and formats").
    pub fn bytes(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(text) => text.len() / 2 + 2,
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(texts) => 3 + texts.iter().map(|text| text.len() + 1).sum::<usize>(),
            Self::Ns(texts) => 3 + texts.iter().map(|text| text.len() / 2 + 3).sum::<usize>(),
            Self::Bs(parts) => 3 + parts.iter().map(|bytes| bytes.len() + 1).sum::<usize>(),
            Self::L(values) => 3 + values.iter().map(|value| value.bytes() + 1).sum::<usize>(),
            Self::M(values) => 3 + values.iter().map(|(name, value)| name.len() + value.bytes() + 1).sum::<usize>(),
        }
    }
}

impl Item {
    /// The value of an attribute.
    pub fn get(&self, attribute: &str) -> Option<&Value> {
        self.0.get(attribute)
    }

    /// Its size in bytes, about as DynamoDB counts it.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.bytes()).sum()
    }
}

#[cfg(test)]
mod tests;
