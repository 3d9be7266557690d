//! The fences of cells: items of each cell's fence table, in its account and Region.
//!
//! | attribute | what |
//! |---|---|
//! | `tenant` (partition key) | the tenant |
//! | `shard` (sort key) | 0 |
//! | `epoch` | the epoch that the mode belongs to |
//! | `mode` | what the fence allows |
//!
//! Constraint kept: a fence is written over a lower epoch, or over itself.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::aws::dynamo::{Item, Table, number, number_of, text, text_of, values};
use crate::domain::ids::TenantId;
use crate::domain::tenant::change::FenceWrite;
use crate::domain::tenant::fence::{Fence, FenceMode, FenceTable};
use crate::ports::tenants::{FencePage, Fences};
use crate::ports::{CallErrorKind, Called};

use super::TenantTables;

/// The one shard that a fence has.
const SHARD: u8 = 0;

/// What must hold for a write of a fence.
const MAY_WRITE: &str = "attribute_not_exists(tenant) OR epoch < :epoch OR (epoch = :epoch AND #mode = :mode)";

fn key_of(tenant: &str, shard: &str) -> Item {
    values([("tenant", text(tenant)), ("shard", number(shard))])
}

fn encode(fence: &Fence) -> Item {
    let mut item = key_of(fence.tenant.as_str(), &SHARD.to_string());
    item.extend(values([("epoch", number(fence.epoch)), ("mode", text(fence.mode.as_str()))]));
    item
}

fn expected(fence: &Fence) -> Item {
    values([(":epoch", number(fence.epoch)), (":mode", text(fence.mode.as_str()))])
}

fn decode(table: &Table, item: &Item) -> Called<Fence> {
    let tenant = text_of(item, "tenant").unwrap_or("?");
    let wrong = |attribute: &str| table.unreadable(tenant, format!("its {attribute} is missing or wrong"));
    Ok(Fence {
        tenant: tenant.parse().map_err(|error| table.unreadable(tenant, error))?,
        epoch: number_of(item, "epoch").ok_or_else(|| wrong("epoch"))?,
        mode: text_of(item, "mode").and_then(FenceMode::of).ok_or_else(|| wrong("mode"))?,
    })
}

/// The part of a transaction that writes a fence.
pub(super) fn put(control: &Table, write: &FenceWrite) -> Called<TransactWriteItem> {
    let table = control.other(&control.place, &write.table.name);
    if write.first {
        return table.put(encode(&write.fence), "attribute_not_exists(tenant)", Item::new());
    }
    table.put(encode(&write.fence), MAY_WRITE, expected(&write.fence))
}

/// Where a scan goes on: the last key as text. A tenant's name has no `#`.
fn bookmark(last: &Item) -> Option<String> {
    let shard = last.get("shard")?.as_n().ok()?;
    Some(format!("{}#{shard}", text_of(last, "tenant")?))
}

#[async_trait]
impl Fences for TenantTables {
    async fn fences(&self, table: &FenceTable, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Fence>> {
        let table = self.control.other(&table.place, &table.name);
        let once: BTreeSet<&TenantId> = tenants.iter().collect();
        let keys = once.into_iter().map(|tenant| key_of(tenant.as_str(), &SHARD.to_string())).collect();
        let items = table.batch_get(keys).await?;
        let fences = items.iter().map(|item| decode(&table, item));
        fences.map(|fence| fence.map(|fence| (fence.tenant.clone(), fence))).collect()
    }

    async fn put(&self, write: &FenceWrite) -> Called<bool> {
        let table = self.control.other(&write.table.place, &write.table.name);
        let (item, values) = (encode(&write.fence), expected(&write.fence));
        match table.put_if(item, MAY_WRITE, &values, write.fence.tenant.as_str()).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == CallErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn page(&self, table: &FenceTable, next: Option<&str>) -> Called<FencePage> {
        let table = self.control.other(&table.place, &table.name);
        let client = table.client().await;
        let start = next.and_then(|next| next.rsplit_once('#')).map(|(tenant, shard)| key_of(tenant, shard));
        let send = || {
            let request = client.scan().table_name(&table.name).consistent_read(true);
            request.set_exclusive_start_key(start.clone()).send()
        };
        let answer = table.caller.call(table.call("dynamodb:Scan", "the fences"), send).await?;
        let ours = answer.items().iter().filter(|item| number_of(item, "shard") == Some(SHARD));
        let fences = ours.map(|item| decode(&table, item)).collect::<Called<_>>()?;
        Ok(FencePage { fences, next: answer.last_evaluated_key().and_then(bookmark) })
    }
}
