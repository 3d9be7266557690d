//! The control table behind the `Control` port.
//!
//! Owns: the layout of the table. Each item has a partition key `pk`, a sort key `sk` and its content as JSON in
//! `body`; what conditions look at stands beside it (`version`, `token`).
//!
//! | item | pk | sk |
//! |---|---|---|
//! | cell record | `CELL` | name of the cell |
//! | lock | `LOCK` | `fleet` |
//! | journal entry | `JOURNAL#<name>` | number, ten digits |
//!
//! Constraint kept: every write but that of the lock itself is one transaction with a check of the lock's fencing
//! token, so that a holder who lost the lock can write nothing.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::domain::audit::Sealed;
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, Digest};
use crate::domain::lock::Lease;
use crate::domain::record::{CellRecord, RECORD_FORMAT};
use crate::ports::{CallError, CallErrorKind, Called, Control, JournalEntry};

use super::call::{Call, Caller};
use super::clients::Clients;

type Item = HashMap<String, AttributeValue>;

/// The adapter.
pub struct ControlTable {
    clients: Arc<Clients>,
    caller: Caller,
    place: Place,
    table: String,
    /// One write at a time: all of them touch the lock item, and transactions on one item collide.
    writing: Mutex<()>,
}

impl ControlTable {
    /// An adapter over the table of that name in the control Region.
    pub fn new(clients: Arc<Clients>, caller: Caller, place: Place, table: String) -> Self {
        Self { clients, caller, place, table, writing: Mutex::default() }
    }

    async fn client(&self) -> aws_sdk_dynamodb::Client {
        self.clients.of(&self.place).await.dynamodb.clone()
    }

    fn call(&self, operation: &'static str, item: &str) -> Call {
        let subject = format!("{item} of table {} in {}", self.table, self.place.region);
        Call { operation, subject, rate_of: None }
    }

    fn error(&self, kind: CallErrorKind, operation: &'static str, item: &str, message: impl Into<String>) -> CallError {
        CallError { kind, operation, subject: self.call(operation, item).subject, message: message.into() }
    }

    async fn get<T: DeserializeOwned>(&self, pk: &str, sk: &str) -> Called<Option<T>> {
        let client = self.client().await;
        let send = || client.get_item().table_name(&self.table).set_key(Some(key(pk, sk))).consistent_read(true).send();
        let answer = self.caller.call(self.call("dynamodb:GetItem", &format!("{pk}/{sk}")), send).await?;
        answer.item().map(|item| self.decode(item)).transpose()
    }

    async fn query<T: DeserializeOwned>(&self, pk: &str) -> Called<Vec<T>> {
        let client = self.client().await;
        let mut found = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let send = || {
                let request = client.query().table_name(&self.table).key_condition_expression("pk = :pk");
                let request = request.expression_attribute_values(":pk", text(pk)).consistent_read(true);
                request.set_exclusive_start_key(start.clone()).send()
            };
            let page = self.caller.call(self.call("dynamodb:Query", pk), send).await?;
            for item in page.items() {
                found.push(self.decode(item)?);
            }
            start = page.last_evaluated_key().cloned();
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    fn decode<T: DeserializeOwned>(&self, item: &Item) -> Called<T> {
        let body = item.get("body").and_then(|b| b.as_s().ok()).map_or("", String::as_str);
        serde_json::from_str(body).map_err(|error| {
            let why = format!("the item cannot be read: {error}; was it written by a newer cellctl?");
            self.error(CallErrorKind::Invalid, "dynamodb:GetItem", "an item", why)
        })
    }

    fn encode<T: Serialize>(&self, pk: &str, sk: &str, content: &T) -> Called<Item> {
        let body = serde_json::to_string(content)
            .map_err(|error| self.error(CallErrorKind::Invalid, "dynamodb:PutItem", pk, error.to_string()))?;
        let mut item = key(pk, sk);
        item.insert("body".to_owned(), AttributeValue::S(body));
        Ok(item)
    }

    /// The first half of every write: the lock still carries this token.
    fn fence(&self, lease: &Lease) -> Called<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key("LOCK", "fleet")))
            .condition_expression("#token = :token")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", number(lease.token))
            .build()
            .map_err(|error| {
                self.error(CallErrorKind::Invalid, "dynamodb:ConditionCheckItem", "LOCK", error.to_string())
            })?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Sends a fenced transaction. The token makes a repeat after a lost answer the same transaction; the service keeps
    /// tokens by account, not by table, so that the table is part of it.
    async fn transact(&self, item: &str, write: TransactWriteItem, lease: &Lease, content: String) -> Called<()> {
        let client = self.client().await;
        let token = token(&[&self.table, &content]);
        let fence = self.fence(lease)?;
        let _turn = self.writing.lock().await;
        let send = || {
            let request = client.transact_write_items().client_request_token(&token);
            request.transact_items(fence.clone()).transact_items(write.clone()).send()
        };
        let outcome = self.caller.call(self.call("dynamodb:TransactWriteItems", item), send).await;
        outcome.map(|_| ()).map_err(explain_conflict)
    }
}

/// Which of the two conditions of a fenced write failed: the reasons come in the order of the items.
fn explain_conflict(mut error: CallError) -> CallError {
    if error.kind == CallErrorKind::Conflict {
        let lock_lost = error.message.contains("[ConditionalCheckFailed");
        error.message = if lock_lost {
            "the lock on the fleet is no longer ours: its lease ran out or somebody broke it".to_owned()
        } else {
            "the item was changed by somebody else since it was read".to_owned()
        };
    }
    error
}

fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A client request token: at most 36 characters.
fn token(parts: &[&str]) -> String {
    Digest::of_parts(parts.iter().map(|p| p.as_bytes())).as_str()[..36].to_owned()
}

#[async_trait]
impl Control for ControlTable {
    async fn ready(&self) -> Called<bool> {
        let client = self.client().await;
        let send = || client.describe_table().table_name(&self.table).send();
        match self.caller.call(self.call("dynamodb:DescribeTable", "the state"), send).await {
            Ok(answer) => Ok(answer.table().and_then(|t| t.table_status()).is_some_and(|s| s.as_str() == "ACTIVE")),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn records(&self) -> Called<Vec<CellRecord>> {
        self.query("CELL").await
    }

    async fn record(&self, cell: &CellId) -> Called<Option<CellRecord>> {
        self.get("CELL", cell.as_str()).await
    }

    async fn put_record(&self, mut record: CellRecord, lease: &Lease, _audit: &Sealed) -> Called<CellRecord> {
        let name = format!("CELL/{}", record.cell);
        if record.format > RECORD_FORMAT {
            let why = format!(
                "the record has format {}, newer than this cellctl's {RECORD_FORMAT}; upgrade cellctl",
                record.format
            );
            return Err(self.error(CallErrorKind::Invalid, "dynamodb:PutItem", &name, why));
        }
        let seen = record.version;
        record.version += 1;
        let mut item = self.encode("CELL", record.cell.as_str(), &record)?;
        item.insert("version".to_owned(), number(record.version));
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = if seen == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("version = :seen").expression_attribute_values(":seen", number(seen))
        };
        let put =
            put.build().map_err(|e| self.error(CallErrorKind::Invalid, "dynamodb:PutItem", &name, e.to_string()))?;
        let token = token(&[&name, &record.version.to_string(), &lease.token.to_string(), &record_digest(&record)]);
        let write = TransactWriteItem::builder().put(put).build();
        self.transact(&name, write, lease, token).await?;
        Ok(record)
    }

    async fn delete_record(&self, record: &CellRecord, lease: &Lease, _audit: &Sealed) -> Called<()> {
        let name = format!("CELL/{}", record.cell);
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key("CELL", record.cell.as_str())))
            .condition_expression("attribute_not_exists(pk) OR version = :seen")
            .expression_attribute_values(":seen", number(record.version))
            .build()
            .map_err(|e| self.error(CallErrorKind::Invalid, "dynamodb:DeleteItem", &name, e.to_string()))?;
        let token = token(&[&name, "delete", &record.version.to_string(), &lease.token.to_string()]);
        self.transact(&name, TransactWriteItem::builder().delete(delete).build(), lease, token).await
    }

    async fn lease(&self) -> Called<Option<Lease>> {
        self.get("LOCK", "fleet").await
    }

    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let client = self.client().await;
        let mut item = self.encode("LOCK", "fleet", next)?;
        item.insert("token".to_owned(), number(next.token));
        let expected = seen.map(|lease| self.encode("LOCK", "fleet", lease)).transpose()?;
        let expected = expected.and_then(|mut item| item.remove("body"));
        let _turn = self.writing.lock().await;
        let send = || {
            let request = client.put_item().table_name(&self.table).set_item(Some(item.clone()));
            match &expected {
                None => request.condition_expression("attribute_not_exists(pk)").send(),
                Some(body) => {
                    let request = request.condition_expression("body = :seen");
                    request.expression_attribute_values(":seen", body.clone()).send()
                }
            }
        };
        match self.caller.call(self.call("dynamodb:PutItem", "LOCK/fleet"), send).await {
            Ok(_) => Ok(()),
            // A repeat after a lost answer finds its own write.
            Err(error) if error.kind == CallErrorKind::Conflict && self.lease().await?.as_ref() == Some(next) => {
                tracing::debug!(message = error.message, "the lock is as it was to become");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn append(&self, journal: &str, entry: &JournalEntry, lease: &Lease) -> Called<()> {
        let pk = format!("JOURNAL#{journal}");
        let sk = format!("{:010}", entry.seq);
        let item = self.encode(&pk, &sk, entry)?;
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|e| self.error(CallErrorKind::Invalid, "dynamodb:PutItem", &pk, e.to_string()))?;
        let token = token(&[&pk, &sk, &lease.token.to_string(), &entry.at_ms.to_string(), &entry.event]);
        let written =
            self.transact(&format!("{pk}/{sk}"), TransactWriteItem::builder().put(put).build(), lease, token).await;
        match written {
            // A repeat after a lost answer finds its own entry.
            Err(error) if error.kind == CallErrorKind::Conflict => match self.get::<JournalEntry>(&pk, &sk).await? {
                Some(stored) if stored == *entry => Ok(()),
                _ => Err(error),
            },
            other => other,
        }
    }

    async fn journal(&self, journal: &str) -> Called<Vec<JournalEntry>> {
        self.query(&format!("JOURNAL#{journal}")).await
    }
}

/// Tells two records of one version apart, so that a token is never used for two contents.
fn record_digest(record: &CellRecord) -> String {
    Digest::of(serde_json::to_string(record).unwrap_or_default().as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_write_says_which_condition_failed() {
        let explained = |reasons: &str| {
            let message = format!("Transaction cancelled, please refer cancellation reasons [{reasons}]");
            let (operation, subject) = ("dynamodb:TransactWriteItems", "CELL/one".to_owned());
            explain_conflict(CallError { kind: CallErrorKind::Conflict, operation, subject, message }).message
        };
        assert!(explained("ConditionalCheckFailed, None").contains("the lock on the fleet is no longer ours"));
        assert!(explained("ConditionalCheckFailed, ConditionalCheckFailed").contains("no longer ours"));
        assert!(explained("None, ConditionalCheckFailed").contains("changed by somebody else"));
    }
}
