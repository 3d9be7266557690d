//! The fences of cells: items of each cell's fence table, in its account and Region.
//!
//! Their form is that of `fence_items`. Constraint kept: a fence is written over a lower epoch, or over itself; one that a
//! move holds is the move's alone.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::aws::dynamo::{Item, Table, failed_conditions, number, text, text_of, token, values};
use crate::aws::fence_items;
use crate::domain::ids::TenantId;
use crate::domain::moves::fence::{Shard, Shift};
use crate::domain::tenant::change::FenceWrite;
use crate::domain::tenant::fence::{Fence, FenceMode, FenceTable, Shards};
use crate::ports::tenants::{FencePage, Fences};
use crate::ports::{CallErrorKind, Called};

use super::TenantTables;

/// The shard that is read for all of them where only the epoch matters.
const SHARD: u8 = 0;

/// What must hold for a write of a fence.
const MAY_WRITE: &str = "attribute_not_exists(tenant) OR (epoch = :epoch AND #mode = :mode) OR \
    (epoch < :epoch AND #mode <> :incoming AND #mode <> :guarded AND #mode <> :sealed)";

fn encode(fence: &Fence, shard: u8) -> Item {
    fence_items::encode(&fence.tenant, shard, &Shard::free(fence.epoch, fence.mode))
}

fn expected(fence: &Fence) -> Item {
    let moving = [FenceMode::Incoming, FenceMode::Guarded, FenceMode::Sealed];
    let [incoming, guarded, sealed] = moving.map(|mode| text(mode.as_str()));
    let held = [(":incoming", incoming), (":guarded", guarded), (":sealed", sealed)];
    let mut values = values([(":epoch", number(fence.epoch)), (":mode", text(fence.mode.as_str()))]);
    values.extend(held.map(|(name, mode)| (name.to_owned(), mode)));
    values
}

fn tenant_of(table: &Table, item: &Item) -> Called<TenantId> {
    let tenant = text_of(item, "tenant").unwrap_or("?");
    tenant.parse().map_err(|error| table.unreadable(tenant, error))
}

fn decode(table: &Table, item: &Item) -> Called<(u8, Fence)> {
    let tenant = tenant_of(table, item)?;
    let (number, Shard { epoch, mode, .. }) = fence_items::decode(table, item)?;
    Ok((number, Fence { tenant, epoch, mode }))
}

/// A token that no other write has. One made of the content would make a fence that was lost, and is opened once more within
/// ten minutes, look like a repeat, which the service answers without doing anything.
fn fresh_token(table: &Table) -> String {
    let (at_ms, chance) = (table.caller.now_ms(), table.caller.random().to_bits());
    token(&[&table.name, &at_ms.to_string(), &chance.to_string()])
}

/// A fence table that a transaction of the map reaches.
pub(super) fn near(control: &Table, table: &FenceTable) -> Table {
    control.other(&control.place, &table.name)
}

/// The parts of a transaction that write a fence, one for each shard.
pub(super) fn puts(table: &Table, write: &FenceWrite) -> Called<Vec<TransactWriteItem>> {
    let put = |shard| {
        let item = encode(&write.fence, shard);
        if write.first {
            return table.put(item, "attribute_not_exists(tenant)", Item::new());
        }
        table.put(item, MAY_WRITE, expected(&write.fence))
    };
    (0..write.shards).map(put).collect()
}

/// Where a scan goes on: the last key as text. A tenant's name has no `#`.
fn bookmark(last: &Item) -> Option<String> {
    let shard = last.get("shard")?.as_n().ok()?;
    Some(format!("{}#{shard}", text_of(last, "tenant")?))
}

fn key_at(bookmark: &str) -> Option<Item> {
    let (tenant, shard) = bookmark.rsplit_once('#')?;
    Some(fence_items::key(&tenant.parse().ok()?, shard.parse().ok()?))
}

#[async_trait]
impl Fences for TenantTables {
    async fn fences(&self, table: &FenceTable, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Fence>> {
        let table = self.control.other(&table.place, &table.name);
        let once: BTreeSet<&TenantId> = tenants.iter().collect();
        let keys = once.into_iter().map(|tenant| fence_items::key(tenant, u64::from(SHARD))).collect();
        let items = table.batch_get(keys).await?;
        let fences = items.iter().map(|item| decode(&table, item));
        fences.map(|fence| fence.map(|(_, fence)| (fence.tenant.clone(), fence))).collect()
    }

    async fn shards(&self, table: &FenceTable, tenants: &[TenantId], of: u8) -> Called<BTreeMap<TenantId, Shards>> {
        let table = self.control.other(&table.place, &table.name);
        let once: BTreeSet<&TenantId> = tenants.iter().collect();
        let keys = |tenant| (0..of).map(move |shard| fence_items::key(tenant, u64::from(shard)));
        let items = table.batch_get(once.into_iter().flat_map(keys).collect()).await?;
        let mut found: BTreeMap<TenantId, Shards> = BTreeMap::new();
        for item in &items {
            let (number, shard) = fence_items::decode(&table, item)?;
            found.entry(tenant_of(&table, item)?).or_default().insert(number, shard);
        }
        Ok(found)
    }

    async fn shift(&self, shift: &Shift) -> Called<bool> {
        let table = self.control.other(&shift.table.place, &shift.table.name);
        let token = fresh_token(&table);
        let parts = fence_items::parts(&table, shift)?;
        match table.transact(shift.tenant.as_str(), &parts, &token).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == CallErrorKind::Conflict && !failed_conditions(&error).is_empty() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, write: &FenceWrite) -> Called<bool> {
        let table = self.control.other(&write.table.place, &write.table.name);
        let tenant = write.fence.tenant.as_str();
        let written = if write.shards > 1 {
            let token = fresh_token(&table);
            table.transact(tenant, &puts(&table, write)?, &token).await
        } else {
            table.put_if(encode(&write.fence, SHARD), MAY_WRITE, &expected(&write.fence), tenant).await
        };
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind != CallErrorKind::Conflict => Err(error),
            // Shards that collide with somebody else's transaction are no answer.
            Err(error) if write.shards > 1 && failed_conditions(&error).is_empty() => Err(error),
            Err(_) => Ok(false),
        }
    }

    async fn page(&self, table: &FenceTable, next: Option<&str>) -> Called<FencePage> {
        let table = self.control.other(&table.place, &table.name);
        let client = table.client().await;
        let start = next.and_then(key_at);
        let send = || {
            let request = client.scan().table_name(&table.name).consistent_read(true);
            request.set_exclusive_start_key(start.clone()).send()
        };
        let answer = table.caller.call(table.call("dynamodb:Scan", "the fences"), send).await?;
        let ours = answer.items().iter().filter(|item| fence_items::shard_of(item).is_some());
        let shards = ours.map(|item| decode(&table, item)).collect::<Called<_>>()?;
        Ok(FencePage { shards, next: answer.last_evaluated_key().and_then(bookmark) })
    }
}
