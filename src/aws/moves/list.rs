//! The list of all moves: those that are not over by tenant, the others by the time of their end.
//!
//! Constraint kept: a move stands in one half of it, by the transaction that appends to its journal.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use crate::aws::dynamo::{built, key, ten_digits};
use crate::ports::Called;
use crate::ports::moves::Summary;

use super::MoveAdapter;

/// Partition key of the list.
const MOVES: &str = "MOVES";
/// What the sort keys of moves that are not over begin with.
const OPEN: &str = "open#";
/// What those of moves that are over begin with.
const OVER: &str = "over#";

/// Where a move stands while it is not over. A tenant's name has no `#`.
fn open_key(summary: &Summary) -> String {
    format!("{OPEN}{}#{}", summary.id.tenant, ten_digits(summary.id.version))
}

/// Where it stands once it is over.
fn over_key(summary: &Summary) -> String {
    format!("{OVER}{:015}#{}", summary.at_ms.max(0), summary.id)
}

impl MoveAdapter {
    /// The parts of a transaction that give a move its place in the list.
    pub(super) fn listed(&self, summary: &Summary) -> Called<Vec<TransactWriteItem>> {
        let table = &self.control.name;
        let put = |sk: &str| {
            let put = Put::builder().table_name(table).set_item(Some(self.control.encode(MOVES, sk, summary)?));
            Ok(TransactWriteItem::builder().put(built(put.build())?).build())
        };
        if !summary.stage.is_over() {
            return Ok(vec![put(&open_key(summary))?]);
        }
        let delete = Delete::builder().table_name(table).set_key(Some(key(MOVES, &open_key(summary))));
        let delete = TransactWriteItem::builder().delete(built(delete.build())?).build();
        Ok(vec![delete, put(&over_key(summary))?])
    }

    /// Moves that are not over, by tenant.
    pub(super) async fn list_open(&self) -> Called<Vec<Summary>> {
        let items = self.control.query_prefix(MOVES, OPEN, None).await?;
        items.iter().map(|item| self.control.decode(item)).collect()
    }

    /// The latest moves that are over, the latest first.
    pub(super) async fn list_over(&self, limit: u32) -> Called<Vec<Summary>> {
        let items = self.control.query_prefix(MOVES, OVER, Some(limit)).await?;
        items.iter().map(|item| self.control.decode(item)).collect()
    }
}
