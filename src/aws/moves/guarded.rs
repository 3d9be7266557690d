//! Writes to a cell's tables under a check of the tenant's fence.
//!
//! Constraints kept: nothing is written unless the fence is as the guard says; a repeat carries the same token; a write
//! without an answer is in doubt, and neither done nor refused.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem};

use crate::aws::dynamo::{Table, built, failed_conditions, number, text, token, values};
use crate::aws::fence_items;
use crate::domain::data::Item;
use crate::domain::moves::fence::Guard;
use crate::ports::data::Write;
use crate::ports::{CallErrorKind, Called};

use super::MoveAdapter;
use super::values::attributes;

impl MoveAdapter {
    /// Writes under a guard. A delete whose own condition did not hold is left out, and the others are sent again.
    pub(super) async fn write_under(&self, guard: &Guard, writes: &[Write], token: &str) -> Called<bool> {
        let fences = self.control.other(&guard.table.place, &guard.table.name);
        let mut parts = vec![check(&fences, guard)?];
        for write in writes {
            parts.push(part(write)?);
        }
        let mut token = token.to_owned();
        loop {
            let error = match send(&fences, guard, &parts, &token).await {
                Ok(()) => return Ok(true),
                Err(error) if error.kind == CallErrorKind::Conflict => error,
                Err(error) => return Err(error),
            };
            let failed: BTreeSet<usize> = failed_conditions(&error).into_iter().collect();
            if failed.contains(&0) {
                return Ok(false);
            }
            let before = parts.len();
            token = without(&token, &failed);
            parts =
                parts.into_iter().enumerate().filter(|(at, _)| !failed.contains(at)).map(|(_, part)| part).collect();
            if parts.len() == before {
                return Err(error);
            }
        }
    }
}

/// The token of a transaction without these parts: another transaction, and the same for whoever repeats it.
fn without(of: &str, left_out: &BTreeSet<usize>) -> String {
    let positions: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    token(&[of, &positions.join(",")])
}

async fn send(fences: &Table, guard: &Guard, parts: &[TransactWriteItem], token: &str) -> Called<()> {
    let client = fences.client().await;
    let send = || {
        let request = client.transact_write_items().client_request_token(token);
        request.set_transact_items(Some(parts.to_vec())).send()
    };
    let subject = format!("{} writes under the fence of {}", parts.len() - 1, guard.tenant);
    let call = fences.call("dynamodb:TransactWriteItems", &subject);
    fences.caller.call_unless_throttled(call, send).await.map(|_| ())
}

/// The check that the shard is as the guard says.
fn check(fences: &Table, guard: &Guard) -> Called<TransactWriteItem> {
    let check = ConditionCheck::builder()
        .table_name(&fences.name)
        .set_key(Some(fence_items::key(&guard.tenant, u64::from(guard.shard))))
        .condition_expression("#epoch = :epoch AND #mode = :mode AND #move = :move AND #token = :token")
        .expression_attribute_names("#epoch", "epoch")
        .expression_attribute_names("#mode", "mode")
        .expression_attribute_names("#move", "move")
        .expression_attribute_names("#token", "token")
        .set_expression_attribute_values(Some(values([
            (":epoch", number(guard.epoch)),
            (":mode", text(guard.mode.as_str())),
            (":move", text(&guard.hold.id.to_string())),
            (":token", number(guard.hold.token)),
        ])));
    Ok(TransactWriteItem::builder().condition_check(built(check.build())?).build())
}

fn part(write: &Write) -> Called<TransactWriteItem> {
    match write {
        Write::Put { table, item, .. } => {
            let put = Put::builder().table_name(&table.name).set_item(Some(attributes(item)));
            Ok(TransactWriteItem::builder().put(built(put.build())?).build())
        }
        Write::Delete { table, key, only_if } => {
            let delete = Delete::builder().table_name(&table.name).set_key(Some(attributes(key)));
            let delete = match only_if {
                None => delete,
                Some((attribute, value)) => delete
                    .condition_expression("attribute_not_exists(#key) OR #only = :value")
                    .set_expression_attribute_names(Some(names(key, attribute)))
                    .expression_attribute_values(":value", text(value)),
            };
            Ok(TransactWriteItem::builder().delete(built(delete.build())?).build())
        }
    }
}

/// The names in a delete's own condition. An item that is gone already meets it: it needs no other transaction.
fn names(key: &Item, attribute: &str) -> HashMap<String, String> {
    let own = key.0.keys().next().map(|name| ("#key".to_owned(), name.clone()));
    own.into_iter().chain([("#only".to_owned(), attribute.to_owned())]).collect()
}
