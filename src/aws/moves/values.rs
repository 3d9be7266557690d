//! Items between the SDK and the domain.
//!
//! Constraint kept: nothing is lost either way, whatever an item holds; what the service gave is moved, not copied. A
//! type that this version does not know is an error, never left out.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue as Stored;
use aws_sdk_dynamodbstreams::types::AttributeValue as Streamed;
use aws_smithy_types::Blob;

use crate::domain::data::{Item, Value};

/// An attribute is of a type that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it holds a value of a type that this cellctl does not know")
    }
}

impl std::error::Error for Unknown {}

/// Reads what a client gives. The clients of tables and of streams have the same types, each its own.
macro_rules! reader {
    ($doc:literal, $item:ident, $value:ident, $sdk:ident) => {
        #[doc = $doc]
        pub(super) fn $item(item: HashMap<String, $sdk>) -> Result<Item, Unknown> {
            let values = item.into_iter().map(|(name, value)| Ok((name, $value(value)?)));
            values.collect::<Result<_, _>>().map(Item)
        }

        fn $value(value: $sdk) -> Result<Value, Unknown> {
            Ok(match value {
                $sdk::S(text) => Value::S(text),
                $sdk::N(text) => Value::N(text),
                $sdk::B(bytes) => Value::B(bytes.into_inner()),
                $sdk::Bool(yes) => Value::Bool(yes),
                $sdk::Null(_) => Value::Null,
                $sdk::Ss(texts) => Value::Ss(texts.into_iter().collect()),
                $sdk::Ns(texts) => Value::Ns(texts.into_iter().collect()),
                $sdk::Bs(parts) => Value::Bs(parts.into_iter().map(Blob::into_inner).collect()),
                $sdk::L(values) => Value::L(values.into_iter().map($value).collect::<Result<_, _>>()?),
                $sdk::M(values) => Value::M($item(values)?.0),
                _ => return Err(Unknown),
            })
        }
    };
}

reader!("An item of a table.", item_of, value_of, Stored);
reader!("An item, or the key of one, in a record of a stream.", streamed_item_of, streamed_value_of, Streamed);

/// An item, or the key of one, as the client of tables takes it.
pub(super) fn attributes(item: &Item) -> HashMap<String, Stored> {
    item.0.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

/// A value as the client of tables takes it.
pub(super) fn attribute(value: &Value) -> Stored {
    match value {
        Value::S(text) => Stored::S(text.clone()),
        Value::N(text) => Stored::N(text.clone()),
        Value::B(bytes) => Stored::B(Blob::new(bytes.clone())),
        Value::Bool(yes) => Stored::Bool(*yes),
        Value::Null => Stored::Null(true),
        Value::Ss(texts) => Stored::Ss(texts.iter().cloned().collect()),
        Value::Ns(texts) => Stored::Ns(texts.iter().cloned().collect()),
        Value::Bs(parts) => Stored::Bs(parts.iter().map(|bytes| Blob::new(bytes.clone())).collect()),
        Value::L(values) => Stored::L(values.iter().map(attribute).collect()),
        Value::M(values) => Stored::M(values.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaf() -> impl Strategy<Value = Value> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..8);
        prop_oneof![
            ".{0,8}".prop_map(Value::S),
            "-?[0-9]{1,38}".prop_map(Value::N),
            bytes().prop_map(Value::B),
            any::<bool>().prop_map(Value::Bool),
            Just(Value::Null),
            proptest::collection::btree_set(".{0,4}", 1..4).prop_map(Value::Ss),
            proptest::collection::btree_set("[0-9]{1,38}", 1..4).prop_map(Value::Ns),
            proptest::collection::btree_set(bytes(), 1..4).prop_map(Value::Bs),
        ]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        leaf().prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::L),
                proptest::collection::btree_map(".{0,4}", inner, 0..4).prop_map(Value::M),
            ]
        })
    }

    fn streamed(value: Stored) -> Streamed {
        match value {
            Stored::S(text) => Streamed::S(text),
            Stored::N(text) => Streamed::N(text),
            Stored::B(bytes) => Streamed::B(bytes),
            Stored::Bool(yes) => Streamed::Bool(yes),
            Stored::Null(yes) => Streamed::Null(yes),
            Stored::Ss(texts) => Streamed::Ss(texts),
            Stored::Ns(texts) => Streamed::Ns(texts),
            Stored::Bs(parts) => Streamed::Bs(parts),
            Stored::L(values) => Streamed::L(values.into_iter().map(streamed).collect()),
            Stored::M(values) => Streamed::M(values.into_iter().map(|(name, value)| (name, streamed(value))).collect()),
            other => panic!("made by `attribute`, which knows no {other:?}"),
        }
    }

    proptest! {
        #[test]
        fn an_item_comes_back_as_it_was(item in proptest::collection::btree_map(".{1,4}", any_value(), 1..6)) {
            let item = Item(item);
            let stored = attributes(&item);
            let records = stored.clone().into_iter().map(|(name, value)| (name, streamed(value))).collect();
            prop_assert_eq!(item_of(stored), Ok(item.clone()));
            prop_assert_eq!(streamed_item_of(records), Ok(item));
        }
    }
}
