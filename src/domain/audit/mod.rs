//! The audit log: who changed what, when, from what to what.
//!
//! Owns: the record and the chain that it stands in. Constraint kept: append-only and provable. Each subject (a tenant,
//! a cell) has a chain of its own, so that no two tenants wait for one item; each record carries the hash of the one
//! before; and the hash is that of the text as it is stored, so that no way of writing JSON can change it.

pub mod chain;
pub mod root;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::domain::ids::{CellId, Digest, InvalidId, TenantId};

/// The format of the records that this version writes.
pub const AUDIT_FORMAT: u32 = 1;

/// What a chain is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// A cell.
    Cell(CellId),
    /// A tenant.
    Tenant(TenantId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(cell) => write!(f, "cell/{cell}"),
            Self::Tenant(tenant) => write!(f, "tenant/{tenant}"),
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once('/') {
            Some(("cell", name)) => Ok(Self::Cell(name.parse()?)),
            Some(("tenant", name)) => Ok(Self::Tenant(name.parse()?)),
            _ => Err(InvalidId {
                kind: "subject",
                value: text.chars().take(80).collect(),
                rule: "use tenant/NAME or cell/NAME",
            }),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> String {
        subject.to_string()
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// The identity that AWS knows: an ARN.
    pub identity: String,
    /// The user and machine that cellctl ran as.
    pub user: String,
    /// Page of the CI run, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci_url: Option<String>,
}

/// When, and by whom: what a change is stamped with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// In milliseconds since 1970.
    pub at_ms: i64,
    /// Who.
    pub actor: Actor,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Format of this record.
    pub format: u32,
    /// What it is about.
    pub subject: Subject,
    /// Its number in the chain, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who.
    pub actor: Actor,
    /// What was done, in the past tense ("added", "cordoned").
    pub action: String,
    /// What was there before; null where there was nothing.
    #[serde(default)]
    pub from: Json,
    /// What is there now; null where nothing is.
    #[serde(default)]
    pub to: Json,
    /// Hash of the record before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Digest>,
}

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last record.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// A record as it is stored: its text, and the hash of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What the text says.
    pub record: Record,
    /// The JSON that is stored.
    pub text: String,
    /// SHA-256 of the text.
    pub hash: Digest,
}

/// What was done, for the next record of a chain.
#[derive(Debug, Clone)]
pub struct Deed {
    /// In the past tense.
    pub action: String,
    /// What was there before.
    pub from: Json,
    /// What is there now.
    pub to: Json,
}

impl Sealed {
    /// The record that comes after `head`.
    pub fn next(subject: Subject, head: Option<&Head>, stamp: &Stamp, deed: Deed) -> Self {
        let record = Record {
            format: AUDIT_FORMAT,
            subject,
            seq: head.map_or(1, |h| h.seq + 1),
            at_ms: stamp.at_ms,
            actor: stamp.actor.clone(),
            action: deed.action,
            from: deed.from,
            to: deed.to,
            prev: head.map(|h| h.hash.clone()),
        };
        // A record of strings, numbers and JSON values can always be written.
        let text = serde_json::to_string(&record).unwrap_or_default();
        let hash = Digest::of(text.as_bytes());
        Self { record, text, hash }
    }

    /// The end of a chain that ends with this record.
    pub fn head(&self) -> Head {
        Head { seq: self.record.seq, hash: self.hash.clone() }
    }
}
