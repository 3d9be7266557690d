//! How the items of a tenant are found among those of a table.

use serde::{Deserialize, Serialize};

use crate::domain::ids::TenantId;

use super::shape::KeySchema;
use super::{Item, Value};

/// Where the tenant's name stands in an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Find {
    /// It is the partition key: a query finds them.
    PartitionKey,
    /// It begins the partition key, up to a separator: a scan in segments finds them.
    Prefix {
        /// What ends it.
        separator: String,
    },
    /// It is the partition key of an index: a query of the index gives keys, and reads of the table the items.
    Index {
        /// The index.
        index: String,
        /// Its partition key.
        attribute: String,
    },
    /// It is an attribute: a scan in segments finds them.
    Attribute {
        /// The attribute.
        attribute: String,
    },
}

impl Find {
    /// Whether the key alone tells whose an item is, so that a stream of keys is enough.
    pub fn needs_only_key(&self) -> bool {
        matches!(self, Self::PartitionKey | Self::Prefix { .. })
    }

    /// Whether an item, or the key of one where that is enough, is the tenant's.
    pub fn is_of(&self, tenant: &TenantId, key: &KeySchema, item: &Item) -> bool {
        let text = |attribute: &str| item.get(attribute).and_then(Value::as_text);
        match self {
            Self::PartitionKey => text(&key.partition.name) == Some(tenant.as_str()),
            Self::Prefix { separator } => text(&key.partition.name)
                .and_then(|text| text.strip_prefix(tenant.as_str()))
                .is_some_and(|rest| rest.starts_with(separator.as_str())),
            Self::Index { attribute, .. } | Self::Attribute { attribute } => text(attribute) == Some(tenant.as_str()),
        }
    }

    /// Whether the table is read in segments at a time.
    pub fn scans(&self) -> bool {
        matches!(self, Self::Prefix { .. } | Self::Attribute { .. })
    }
}

/// Whether an item is past its time to live: it may be gone at any moment, or not, and is no difference. `now_ms` is in
/// milliseconds since 1970; the attribute counts seconds (developer guide, "Using time to live").
pub fn is_expired(item: &Item, attribute: Option<&str>, now_ms: i64) -> bool {
    let Some(Value::N(at)) = attribute.and_then(|attribute| item.get(attribute)) else { return false };
    at.parse::<f64>().is_ok_and(|at_s| {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let now_s = now_ms as f64 / 1000.0;
        at_s < now_s
    })
}
