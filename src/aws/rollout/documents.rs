//! Documents of a rollout: a head, and parts that are packed.
//!
//! Constraints kept: the head is put last and only where there is none, so that a document is there as a whole or not at all,
//! and of two texts under one name the first stays; the keys of the parts carry the text's digest, so that those of two
//! texts never mix. What a text that lost has left takes room, nothing else.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::Blob;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::aws::dynamo::{Item, key, number, ten_digits, text as text_value, values};
use crate::domain::ids::Digest;
use crate::domain::rollout::RolloutId;
use crate::ports::{CallErrorKind, Called};

use super::pack::{Unpacker, pack};
use super::{RolloutTable, rollout_key};

/// The format of the documents that this version writes.
const DOCUMENT_FORMAT: u32 = 1;
/// Most bytes of a document.
const BYTES_MAX: usize = 256 << 20;
/// Bytes of a part: an item has at most 400 KB, its keys included (DynamoDB API reference, "Service quotas").
const PART: usize = 350_000;
/// Parts in flight at a time.
const IN_FLIGHT: usize = 4;

/// What stands in the head of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    /// Its format.
    format: u32,
    /// Digest of the text.
    digest: Digest,
    /// Bytes of the text.
    bytes: usize,
    /// Number of parts.
    parts: usize,
}

fn head_key(name: &str) -> String {
    format!("D#{name}")
}

fn part_key(name: &str, digest: &Digest, part: usize) -> String {
    format!("D#{name}#{digest}#{}", ten_digits(part as u64))
}

fn label(id: RolloutId, name: &str) -> String {
    format!("{}/D#{name}", rollout_key(id))
}

impl RolloutTable {
    /// Writes a document, unless it is there.
    pub(super) async fn write_document(&self, id: RolloutId, name: &str, text: &str) -> Called<()> {
        let subject = label(id, name);
        if text.len() > BYTES_MAX {
            let why = format!("the document has {} bytes; {BYTES_MAX} are the most", text.len());
            return Err(self.control.error(CallErrorKind::Invalid, "dynamodb:PutItem", &subject, why));
        }
        let digest = Digest::of(text.as_bytes());
        if let Some(there) = self.head(id, name).await? {
            return if there.digest == digest { Ok(()) } else { Err(self.other_text(&subject)) };
        }
        let packed = pack(text).await.map_err(|error| {
            self.control.error(CallErrorKind::Invalid, "dynamodb:PutItem", &subject, error.to_string())
        })?;
        let parts = packed.len().div_ceil(PART);
        let puts = stream::iter(0..parts).map(|part| {
            let bytes = &packed[part * PART..packed.len().min((part + 1) * PART)];
            self.put_part(id, part_key(name, &digest, part), bytes)
        });
        puts.buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;
        self.put_head(id, name, &Head { format: DOCUMENT_FORMAT, digest, bytes: text.len(), parts }).await
    }

    async fn put_part(&self, id: RolloutId, sk: String, bytes: &[u8]) -> Called<()> {
        let table = &self.control;
        let client = table.client().await;
        let mut item = key(&rollout_key(id), &sk);
        item.insert("part".to_owned(), AttributeValue::B(Blob::new(bytes)));
        let send = || client.put_item().table_name(&table.name).set_item(Some(item.clone())).send();
        let call = table.call("dynamodb:PutItem", &format!("{}/{sk}", rollout_key(id)));
        table.caller.call(call, send).await.map(|_| ())
    }

    async fn put_head(&self, id: RolloutId, name: &str, head: &Head) -> Called<()> {
        let subject = label(id, name);
        let mut item = self.control.encode(&rollout_key(id), &head_key(name), head)?;
        let digest = text_value(head.digest.as_str());
        item.extend(values([("digest", digest.clone()), ("format", number(head.format))]));
        let condition = "attribute_not_exists(pk) OR #digest = :digest";
        let seen: Item = values([(":digest", digest)]);
        match self.control.put_if(item, condition, &seen, &subject).await {
            Err(error) if error.kind == CallErrorKind::Conflict => Err(self.other_text(&subject)),
            other => other,
        }
    }

    fn other_text(&self, subject: &str) -> crate::ports::CallError {
        let why = "there is a document of that name with another text, and it stays";
        self.control.error(CallErrorKind::Conflict, "dynamodb:PutItem", subject, why)
    }

    async fn head(&self, id: RolloutId, name: &str) -> Called<Option<Head>> {
        let Some(item) = self.control.get(&rollout_key(id), &head_key(name)).await? else { return Ok(None) };
        let head: Head = self.control.decode(&item)?;
        self.control.check_format(&label(id, name), head.format, DOCUMENT_FORMAT)?;
        if head.bytes > BYTES_MAX {
            return Err(self.damaged(id, name, format!("it says that it has {} bytes", head.bytes)));
        }
        Ok(Some(head))
    }

    /// Reads a document. One whose parts are not as its head says is an error: it was there as a whole.
    pub(super) async fn read_document(&self, id: RolloutId, name: &str) -> Called<Option<String>> {
        let Some(head) = self.head(id, name).await? else { return Ok(None) };
        let mut unpacker = Unpacker::new(head.bytes);
        let parts = stream::iter(0..head.parts).map(|part| self.part(id, name, part_key(name, &head.digest, part)));
        let mut parts = std::pin::pin!(parts.buffered(IN_FLIGHT));
        while let Some(part) = parts.try_next().await? {
            unpacker.push(part.as_ref()).await.map_err(|error| self.damaged(id, name, error))?;
        }
        let text = unpacker.finish().map_err(|error| self.damaged(id, name, error))?;
        if Digest::of(text.as_bytes()) != head.digest {
            return Err(self.damaged(id, name, "its digest is not that of its text"));
        }
        Ok(Some(text))
    }

    async fn part(&self, id: RolloutId, name: &str, sk: String) -> Called<Blob> {
        let item = self.control.get(&rollout_key(id), &sk).await?;
        let part = item.and_then(|mut item| item.remove("part"));
        match part {
            Some(AttributeValue::B(bytes)) => Ok(bytes),
            _ => Err(self.damaged(id, name, format!("part {sk} is missing"))),
        }
    }

    fn damaged(&self, id: RolloutId, name: &str, why: impl std::fmt::Display) -> crate::ports::CallError {
        let why = format!("the document is damaged: {why}; nothing can be done by it");
        self.control.error(CallErrorKind::Invalid, "dynamodb:GetItem", &label(id, name), why)
    }
}
