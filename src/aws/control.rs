//! The control table behind the `Control` port.
//!
//! Owns: the layout of the table. Each item has a partition key `pk`, a sort key `sk` and its content as JSON in
//! `body`; what conditions look at stands beside it (`version`, `token`).
//!
//! | item | pk | sk |
//! |---|---|---|
//! | cell record | `CELL` | name of the cell |
//! | load of a cell | `LOAD` | name of the cell |
//! | audit records | `AUDIT#<subject>` | number, ten digits |
//! | lock | `LOCK` | `fleet` |
//! | journal entry | `JOURNAL#<name>` | number, ten digits |
//! | moves of tenants | `MOVE#<id>`, `MOVES` | |
//! | rollouts | `ROLLOUT#<number>`, `ROLLOUTS` | |
//!
//! Loads and audit records are laid out in `tenants`, moves in `moves::store`, rollouts in `rollout::store`. Constraint kept: every write here but that of the lock itself is
//! one transaction with a check of the lock's fencing token, so that a holder who lost the lock can write nothing.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{ConditionCheck, Delete, TransactWriteItem};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::domain::audit::Sealed;
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, Digest};
use crate::domain::lock::Lease;
use crate::domain::record::{CellRecord, CellState, RECORD_FORMAT};
use crate::domain::rollout::RolloutId;
use crate::ports::rollout::Summary;
use crate::ports::{CallError, CallErrorKind, Called, Control, JournalEntry, LeaseStore};

use super::call::Caller;
use super::clients::Clients;
use super::dynamo::{Item, Table, built, failed_conditions, key, number, ten_digits, token, values};
use super::tenants::{audit, loads};

/// The adapter.
pub struct ControlTable {
    table: Table,
    /// One write at a time: all of them touch the lock item, and transactions on one item collide.
    writing: Mutex<()>,
}

impl ControlTable {
    /// An adapter over the table of that name in the control Region.
    pub fn new(clients: Arc<Clients>, caller: Caller, place: Place, table: String) -> Self {
        Self { table: Table::new(clients, caller, place, table), writing: Mutex::default() }
    }

    async fn get<T: DeserializeOwned>(&self, pk: &str, sk: &str) -> Called<Option<T>> {
        self.table.get(pk, sk).await?.map(|item| self.table.decode(&item)).transpose()
    }

    async fn query<T: DeserializeOwned>(&self, pk: &str) -> Called<Vec<T>> {
        self.table.query(pk).await?.iter().map(|item| self.table.decode(item)).collect()
    }

    /// The first part of every write: the lock still carries this token.
    fn fence(&self, lease: &Lease) -> Called<TransactWriteItem> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(key("LOCK", "fleet")))
            .condition_expression("#token = :token")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", number(lease.token));
        Ok(TransactWriteItem::builder().condition_check(built(check.build())?).build())
    }

    /// Sends a fenced transaction. `content` tells it from all others.
    async fn transact(
        &self,
        item: &str,
        mut writes: Vec<TransactWriteItem>,
        lease: &Lease,
        content: &str,
    ) -> Called<()> {
        let token = token(&[&self.table.name, content]);
        writes.insert(0, self.fence(lease)?);
        let _turn = self.writing.lock().await;
        self.table.transact(item, &writes, &token).await
    }

    /// Writes something about a cell's record, with its load and its audit record.
    async fn write_record(
        &self,
        record: &CellRecord,
        write: TransactWriteItem,
        state: CellState,
        lease: &Lease,
        audit: &Sealed,
    ) -> Called<()> {
        let name = format!("CELL/{}", record.cell);
        let load = loads::follow(&self.table, record, state, audit)?;
        let parts = vec![write, load, audit::append(&self.table, audit)?];
        let content = token(&[&name, state.as_str(), &lease.token.to_string(), &record_digest(record), &audit.text]);
        match self.transact(&name, parts, lease, &content).await {
            Err(error) if error.kind == CallErrorKind::Conflict => {
                // A repeat after a lost answer finds its own record.
                if audit::is_stored(&self.table, audit).await? {
                    return Ok(());
                }
                let tenants = self.tenants(&record.cell).await?;
                Err(explain_conflict(error, &record.cell, (state == CellState::Deleted).then_some(tenants)))
            }
            other => other,
        }
    }

    /// Tenants that a cell's load counts.
    async fn tenants(&self, cell: &CellId) -> Called<i64> {
        let item = self.table.get(loads::LOADS, cell.as_str()).await?;
        Ok(item.map(|item| loads::decode(&self.table, &item)).transpose()?.map_or(0, |load| load.tenants))
    }
}

/// Which condition of a write failed: the reasons come in the order of the items, which are the lock, the item itself
/// and, for a record, the cell's load and audit record. `tenants`: how many there are, where there may be none.
fn explain_conflict(error: CallError, cell: &CellId, tenants: Option<i64>) -> CallError {
    let message = match failed_conditions(&error).as_slice() {
        [2, ..] => match tenants.filter(|tenants| *tenants != 0) {
            Some(tenants) => format!("cell {cell} still holds tenants: its load counts {tenants}"),
            None => format!("the load of cell {cell} was changed by somebody else since it was read"),
        },
        [3, ..] => format!("the audit log of cell {cell} was continued by somebody else since it was read"),
        _ => return explain(error),
    };
    CallError { message, ..error }
}

/// The same for what every write begins with: the lock and the item itself.
fn explain(error: CallError) -> CallError {
    let message = match failed_conditions(&error).first() {
        None => return error,
        Some(0) => "the lock on the fleet is no longer ours: its lease ran out or somebody broke it",
        Some(_) => "the item was changed by somebody else since it was read",
    };
    CallError { message: message.to_owned(), ..error }
}

#[async_trait]
impl LeaseStore for ControlTable {
    async fn lease(&self) -> Called<Option<Lease>> {
        self.get("LOCK", "fleet").await
    }

    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        let mut item = self.table.encode("LOCK", "fleet", next)?;
        item.insert("token".to_owned(), number(next.token));
        let expected = seen.map(|lease| self.table.encode("LOCK", "fleet", lease)).transpose()?;
        let body = expected.and_then(|mut item| item.remove("body"));
        let condition = if body.is_some() { "body = :seen" } else { "attribute_not_exists(pk)" };
        let seen: Item = body.map(|body| (":seen".to_owned(), body)).into_iter().collect();
        let _turn = self.writing.lock().await;
        match self.table.put_if(item, condition, &seen, "LOCK/fleet").await {
            // A repeat after a lost answer finds its own write.
            Err(error) if error.kind == CallErrorKind::Conflict && self.lease().await?.as_ref() == Some(next) => {
                tracing::debug!(message = error.message, "the lock is as it was to become");
                Ok(())
            }
            other => other,
        }
    }
}

#[async_trait]
impl Control for ControlTable {
    async fn ready(&self) -> Called<bool> {
        let client = self.table.client().await;
        let send = || client.describe_table().table_name(&self.table.name).send();
        match self.table.caller.call(self.table.call("dynamodb:DescribeTable", "the state"), send).await {
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

    async fn put_record(&self, mut record: CellRecord, lease: &Lease, audit: &Sealed) -> Called<CellRecord> {
        self.table.check_format(&format!("CELL/{}", record.cell), record.format, RECORD_FORMAT)?;
        let seen = record.version;
        record.version += 1;
        record.format = RECORD_FORMAT;
        let mut item = self.table.encode("CELL", record.cell.as_str(), &record)?;
        item.insert("version".to_owned(), number(record.version));
        let put = match seen {
            0 => self.table.put(item, "attribute_not_exists(pk)", Item::new())?,
            seen => self.table.put(item, "version = :seen", values([(":seen", number(seen))]))?,
        };
        self.write_record(&record, put, record.load_state(), lease, audit).await?;
        Ok(record)
    }

    async fn delete_record(&self, record: &CellRecord, lease: &Lease, audit: &Sealed) -> Called<()> {
        self.table.check_format(&format!("CELL/{}", record.cell), record.format, RECORD_FORMAT)?;
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(key("CELL", record.cell.as_str())))
            .condition_expression("attribute_not_exists(pk) OR version = :seen")
            .expression_attribute_values(":seen", number(record.version));
        let delete = TransactWriteItem::builder().delete(built(delete.build())?).build();
        self.write_record(record, delete, CellState::Deleted, lease, audit).await
    }

    async fn append(&self, journal: &str, entry: &JournalEntry, lease: &Lease) -> Called<()> {
        let (pk, sk) = (format!("JOURNAL#{journal}"), ten_digits(entry.seq));
        let item = self.table.encode(&pk, &sk, entry)?;
        let put = self.table.put(item, "attribute_not_exists(pk)", Item::new())?;
        let content = token(&[&pk, &sk, &lease.token.to_string(), &entry.at_ms.to_string(), &entry.event]);
        match self.transact(&format!("{pk}/{sk}"), vec![put], lease, &content).await {
            // A repeat after a lost answer finds its own entry.
            Err(error) if error.kind == CallErrorKind::Conflict => match self.get::<JournalEntry>(&pk, &sk).await? {
                Some(stored) if stored == *entry => Ok(()),
                _ => Err(explain(error)),
            },
            other => other,
        }
    }

    async fn journal(&self, journal: &str) -> Called<Vec<JournalEntry>> {
        self.query(&format!("JOURNAL#{journal}")).await
    }

    async fn open_rollout(&self) -> Called<Option<RolloutId>> {
        let open: Option<Summary> = self.get("ROLLOUTS", "OPEN").await?;
        Ok(open.map(|open| open.id))
    }
}

/// Tells two records of one version apart, so that a token is never used for two contents.
fn record_digest(record: &CellRecord) -> String {
    Digest::of(serde_json::to_string(record).unwrap_or_default().as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancelled(reasons: &str) -> CallError {
        let message = format!("Transaction cancelled, please refer cancellation reasons [{reasons}]");
        let (operation, subject) = ("dynamodb:TransactWriteItems", "CELL/one".to_owned());
        CallError { kind: CallErrorKind::Conflict, operation, subject, message }
    }

    #[test]
    fn a_cancelled_write_says_which_condition_failed() {
        let cell: CellId = "one".parse().expect("valid");
        let explained = |reasons: &str, tenants| explain_conflict(cancelled(reasons), &cell, tenants).message;
        let failed = "ConditionalCheckFailed";
        assert!(explained("ConditionalCheckFailed, None", None).contains("the lock on the fleet is no longer ours"));
        assert!(explained(&[failed; 4].join(", "), Some(3)).contains("no longer ours"));
        assert!(explained("None, ConditionalCheckFailed, None, None", None).contains("changed by somebody else"));
        let load = "None, None, ConditionalCheckFailed, None";
        assert_eq!(explained(load, Some(3)), "cell one still holds tenants: its load counts 3");
        assert!(explained(load, Some(0)).contains("the load of cell one was changed"));
        assert!(explained(load, None).contains("the load of cell one was changed"));
        assert!(explained("None, None, None, ConditionalCheckFailed", None).contains("the audit log of cell one"));
        assert!(explained("TransactionConflict, None", None).contains("TransactionConflict"));
    }
}
