//! The list of all moves: those that are not over by tenant, the others by the time of their end.
//!
//! Constraint kept: a move stands in one half of it, by the transaction that appends to its journal.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use crate::aws::dynamo::{Item, built, key, ten_digits, text};
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
        let items = self.prefixed(MOVES, OPEN, None).await?;
        items.iter().map(|item| self.control.decode(item)).collect()
    }

    /// The latest moves that are over, the latest first.
    pub(super) async fn list_over(&self, limit: u32) -> Called<Vec<Summary>> {
        let items = self.prefixed(MOVES, OVER, Some(limit)).await?;
        items.iter().map(|item| self.control.decode(item)).collect()
    }

    /// The items of a partition of the control table whose sort keys begin like this, in order, by consistent reads. With
    /// a limit, so many from the end of the order, the last first.
    pub(super) async fn prefixed(&self, pk: &str, prefix: &str, last: Option<u32>) -> Called<Vec<Item>> {
        let table = &self.control;
        let client = table.client().await;
        let limit = last.map_or(usize::MAX, |last| usize::try_from(last).unwrap_or(usize::MAX));
        let mut found = Vec::new();
        let mut start: Option<Item> = None;
        while found.len() < limit {
            let send = || {
                let request = client.query().table_name(&table.name).consistent_read(true);
                let request = request.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
                let request = request.expression_attribute_values(":pk", text(pk));
                let request = request.expression_attribute_values(":prefix", text(prefix));
                let request = request.scan_index_forward(last.is_none());
                let request = request.set_limit(i32::try_from(limit - found.len()).ok());
                request.set_exclusive_start_key(start.clone()).send()
            };
            let page = table.caller.call(table.call("dynamodb:Query", pk), send).await?;
            found.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }
}
