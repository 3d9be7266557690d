//! One form for what CloudFormation lets people spell in several ways.
//!
//! Constraint kept: only spellings are levelled (tags, quoting, order of keys); two values that CloudFormation could
//! tell apart stay apart. CloudFormation reads property values as strings (`true` and `"true"` are the same to it), so
//! a scalar is its text.

use std::collections::BTreeMap;

use super::sub;
use crate::domain::doc::{Node, Value};

/// A value without its spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Canon {
    /// What one side lacks.
    Absent,
    /// A scalar's text.
    Text(String),
    /// A sequence.
    List(Vec<Canon>),
    /// A mapping, or a call of an intrinsic function as its long form.
    Map(BTreeMap<String, Canon>),
}

impl Canon {
    /// The value of a node.
    pub(super) fn of(node: &Node) -> Self {
        let Some(call) = node.intrinsic() else { return Self::plain(node) };
        let name = match call.name.as_str() {
            name @ ("Ref" | "Condition") => name.to_owned(),
            name => format!("Fn::{name}"),
        };
        let argument = match sub::get_att(call.argument) {
            Some(target) if name == "Fn::GetAtt" => Self::Text(target),
            // The tag belongs to the call, so the tagged node itself is taken without it.
            _ if call.tagged => Self::plain(call.argument),
            _ => Self::of(call.argument),
        };
        Self::Map(BTreeMap::from([(name, argument)]))
    }

    fn plain(node: &Node) -> Self {
        match &node.value {
            Value::Scalar { text, .. } => Self::Text(text.to_string()),
            Value::Sequence(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Mapping(pairs) => {
                Self::Map(pairs.iter().map(|(k, v)| (k.as_str().unwrap_or_default().to_owned(), Self::of(v))).collect())
            }
        }
    }

    /// Whether it is a call of an intrinsic function.
    pub(super) fn is_intrinsic(&self) -> bool {
        let Self::Map(entries) = self else { return false };
        entries.len() == 1 && entries.keys().all(|key| key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
    }

    /// The items of a list; the value itself where it is a single one, as IAM allows; nothing where it is absent.
    pub(super) fn one_or_many(&self) -> Vec<&Canon> {
        match self {
            Self::Absent => Vec::new(),
            Self::List(items) => items.iter().collect(),
            single => vec![single],
        }
    }

    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Canon> {
        match self {
            Self::Map(entries) => entries.get(key),
            _ => None,
        }
    }
}
