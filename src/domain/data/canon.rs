//! The canonical form of items: one text of bytes for each item, so that two can be compared by their hashes.
//!
//! Constraint kept: injective. Every part carries its type and its length, names are in the order of their bytes, sets
//! too, so that different items have different bytes, and equal ones the same.

use sha2::{Digest as _, Sha256};

use super::{Item, ItemKey, Value};

/// SHA-256 of an item's canonical form.
pub fn hash(item: &Item) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(256);
    map(&item.0, &mut bytes);
    Sha256::digest(&bytes).into()
}

/// SHA-256 of a key's canonical form.
pub fn key_hash(key: &ItemKey) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(64);
    value(&key.partition, &mut bytes);
    if let Some(sort) = &key.sort {
        value(sort, &mut bytes);
    }
    Sha256::digest(&bytes).into()
}

fn value(of: &Value, into: &mut Vec<u8>) {
    match of {
        Value::S(text) => part(b'S', text.as_bytes(), into),
        Value::N(text) => part(b'N', text.as_bytes(), into),
        Value::B(bytes) => part(b'B', bytes, into),
        Value::Bool(yes) => part(b'T', &[u8::from(*yes)], into),
        Value::Null => part(b'0', &[], into),
        Value::Ss(texts) => {
            head(b's', texts.len(), into);
            for text in texts {
                part(b'S', text.as_bytes(), into);
            }
        }
        Value::Ns(texts) => {
            head(b'n', texts.len(), into);
            for text in texts {
                part(b'N', text.as_bytes(), into);
            }
        }
        Value::Bs(parts) => {
            head(b'b', parts.len(), into);
            for bytes in parts {
                part(b'B', bytes, into);
            }
        }
        Value::L(values) => {
            head(b'L', values.len(), into);
            for one in values {
                value(one, into);
            }
        }
        Value::M(values) => map(values, into),
    }
}

fn map(values: &std::collections::BTreeMap<String, Value>, into: &mut Vec<u8>) {
    head(b'M', values.len(), into);
    for (name, one) in values {
        part(b'S', name.as_bytes(), into);
        value(one, into);
    }
}

fn part(kind: u8, bytes: &[u8], into: &mut Vec<u8>) {
    head(kind, bytes.len(), into);
    into.extend_from_slice(bytes);
}

fn head(kind: u8, length: usize, into: &mut Vec<u8>) {
    into.push(kind);
    into.extend_from_slice(&(length as u64).to_be_bytes());
}
