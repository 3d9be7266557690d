//! The requests that name a large table, as far as the program makes them.
//!
//! Constraint kept: what is not known here is an error, and not passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The tables that a request names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Named<'b> {
    table_name: Option<String>,
    #[serde(borrow)]
    request_items: Option<BTreeMap<String, &'b RawValue>>,
    transact_items: Option<Vec<BTreeMap<String, NamedPart>>>,
}

/// The table that a part of a transaction names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedPart {
    table_name: String,
}

impl Named<'_> {
    /// All of them.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &str> {
        let parts = self.transact_items.iter().flatten().flat_map(BTreeMap::values);
        let names = self.table_name.iter().chain(self.request_items.iter().flat_map(BTreeMap::keys));
        names.chain(parts.map(|part| &part.table_name)).map(String::as_str)
    }
}

/// A text of an item.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    #[serde(rename = "S")]
    pub(crate) text: String,
}

/// An item, or the key of one.
pub(crate) type Texts = BTreeMap<String, Text>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Query {
    pub(crate) table_name: String,
    pub(crate) consistent_read: bool,
    pub(crate) key_condition_expression: String,
    pub(crate) expression_attribute_names: BTreeMap<String, String>,
    pub(crate) expression_attribute_values: Texts,
    pub(crate) exclusive_start_key: Option<Texts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchGet {
    pub(crate) request_items: BTreeMap<String, Keys>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<Texts>,
    pub(crate) consistent_read: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchWrite {
    pub(crate) request_items: BTreeMap<String, Vec<BatchPart>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum BatchPart {
    PutRequest {
        #[serde(rename = "Item")]
        item: Texts,
    },
    DeleteRequest {
        #[serde(rename = "Key")]
        key: Texts,
    },
}

/// A part of a transaction that is for a large table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum Part {
    #[serde(rename_all = "PascalCase")]
    Put { table_name: String, item: Texts },
    #[serde(rename_all = "PascalCase")]
    Delete { table_name: String, key: Texts },
}
