//! The application of the demo: orders in DynamoDB, written as level `strict` asks.
//!
//! Constraint kept: each order is a transaction with a check of mode and epoch as they were read, and with a note of its
//! key while the fence is guarded.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put as SdkPut, TransactWriteItem};

use crate::domain::fleet::Place;
use crate::domain::ids::TenantId;
use crate::domain::moves::fence::{NOTES_FROM, NOTES_TO};
use crate::domain::tenant::fence::FenceMode;
use crate::ports::shop::{Put, ShopCell, ShopWriter};
use crate::ports::{CallErrorKind, Called};

use super::call::Caller;
use super::clients::Clients;
use super::dynamo::{Item, Table, built, number, number_of, text, text_of, token, values};

/// For how long a note is kept that no mover takes away, in seconds.
const NOTE_S: i64 = 30 * 24 * 3600;
/// What must be as it was read.
const AS_READ: &str = "epoch = :epoch AND #mode = :mode";

/// Writes orders.
pub struct StrictShop {
    any: Table,
}

/// A fence as it was read.
struct Seen {
    mode: FenceMode,
    epoch: u64,
    to: Option<String>,
}

impl StrictShop {
    /// A shop that writes through these clients.
    pub fn new(clients: Arc<Clients>, caller: Caller, place: Place) -> Self {
        Self { any: Table::new(clients, caller, place, String::new()) }
    }

    async fn fence(&self, table: &Table, tenant: &TenantId) -> Called<Option<Seen>> {
        let client = table.client().await;
        let key = fence_key(tenant, 0);
        let send = || client.get_item().table_name(&table.name).set_key(Some(key.clone())).consistent_read(true).send();
        let answer = table.caller.call(table.call("dynamodb:GetItem", tenant.as_str()), send).await?;
        let seen = |item: Item| {
            let mode = text_of(&item, "mode").and_then(FenceMode::of)?;
            Some(Seen { mode, epoch: number_of(&item, "epoch")?, to: text_of(&item, "to").map(str::to_owned) })
        };
        Ok(answer.item.and_then(seen))
    }
}

fn fence_key(tenant: &TenantId, shard: u64) -> Item {
    values([("tenant", text(tenant.as_str())), ("shard", number(shard))])
}

fn order_key(tenant: &TenantId, order: &str) -> Item {
    values([("tenantId", text(tenant.as_str())), ("orderId", text(order))])
}

/// The check of the fence, the order, and its note while the fence is guarded.
fn parts(
    fences: &Table,
    orders: &Table,
    tenant: &TenantId,
    order: &str,
    seen: &Seen,
) -> Called<Vec<TransactWriteItem>> {
    let check = ConditionCheck::builder()
        .table_name(&fences.name)
        .set_key(Some(fence_key(tenant, 0)))
        .condition_expression(AS_READ)
        .expression_attribute_names("#mode", "mode")
        .expression_attribute_values(":epoch", number(seen.epoch))
        .expression_attribute_values(":mode", text(seen.mode.as_str()));
    let check = TransactWriteItem::builder().condition_check(built(check.build())?).build();
    let mut item = order_key(tenant, order);
    item.insert("state".to_owned(), text("placed"));
    let put = built(SdkPut::builder().table_name(&orders.name).set_item(Some(item)).build())?;
    let mut parts = vec![check, TransactWriteItem::builder().put(put).build()];
    if seen.mode == FenceMode::Guarded {
        let key = AttributeValue::M(order_key(tenant, order));
        let named = values([("table", text(&orders.name)), ("key", key)]);
        let mut note = fence_key(tenant, fastrand::u64(NOTES_FROM..NOTES_TO));
        note.insert("keys".to_owned(), AttributeValue::L(vec![AttributeValue::M(named)]));
        note.insert("expires".to_owned(), number(fences.caller.now_ms() / 1000 + NOTE_S));
        parts.push(fences.put(note, "attribute_not_exists(tenant)", Item::new())?);
    }
    Ok(parts)
}

#[async_trait]
impl ShopWriter for StrictShop {
    async fn put(&self, cell: &ShopCell, tenant: &TenantId, order: &str) -> Called<Put> {
        let fences = self.any.other(&cell.fences.place, &cell.fences.name);
        let orders = self.any.other(&cell.orders.place, &cell.orders.name);
        let Some(seen) = self.fence(&fences, tenant).await? else { return Ok(Put::NotNow) };
        match seen.mode {
            FenceMode::Open | FenceMode::Guarded => {}
            FenceMode::Out => {
                let to = seen.to.and_then(|to| to.parse().ok());
                return Ok(to.map_or(Put::NotNow, Put::Gone));
            }
            FenceMode::Incoming | FenceMode::Sealed | FenceMode::Closed => return Ok(Put::NotNow),
        }
        let parts = parts(&fences, &orders, tenant, order, &seen)?;
        let once =
            token(&[&fences.name, order, seen.mode.as_str(), &seen.epoch.to_string(), &fastrand::u64(..).to_string()]);
        match fences.transact(order, &parts, &once).await {
            Ok(()) => Ok(Put::Written),
            Err(error) if error.kind == CallErrorKind::Conflict => Ok(Put::NotNow),
            Err(error) => Err(error),
        }
    }

    async fn orders(&self, cell: &ShopCell, tenant: &TenantId) -> Called<BTreeSet<String>> {
        let table = self.any.other(&cell.orders.place, &cell.orders.name);
        let client = table.client().await;
        let (mut found, mut start) = (BTreeSet::new(), None);
        loop {
            let send = || {
                let request = client.query().table_name(&table.name).key_condition_expression("tenantId = :tenant");
                let request = request.expression_attribute_values(":tenant", text(tenant.as_str()));
                request.consistent_read(true).set_exclusive_start_key(start.clone()).send()
            };
            let page = table.caller.call(table.call("dynamodb:Query", tenant.as_str()), send).await?;
            found.extend(page.items.iter().flatten().filter_map(|item| text_of(item, "orderId")).map(str::to_owned));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }
}
