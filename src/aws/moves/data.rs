//! The `TenantData` port over the parts of this module.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::data::shape::{KeySchema, TableShape};
use crate::domain::data::{Item, ItemKey};
use crate::domain::moves::fence::Guard;
use crate::ports::Called;
use crate::ports::data::{ItemPage, Permit, Segment, Share, TableRef, TenantData, Write};

use super::{MoveAdapter, bulk, pages, shape};

#[async_trait]
impl TenantData for MoveAdapter {
    async fn shape(&self, table: &TableRef) -> Called<Option<TableShape>> {
        shape::of(&self.table(table)).await
    }

    async fn page(&self, share: &Share, segment: Segment, from: Option<&str>) -> Called<ItemPage> {
        pages::page(&self.table(&share.table), share, segment, from).await
    }

    async fn get(&self, table: &TableRef, key: &KeySchema, keys: &[ItemKey]) -> Called<BTreeMap<ItemKey, Item>> {
        pages::get(&self.table(table), key, keys).await
    }

    async fn put_bulk(&self, table: &TableRef, items: Vec<Item>, permit: &Arc<dyn Permit>) -> Called<Vec<Item>> {
        bulk::put(&self.table(table), items, permit).await
    }

    async fn write_guarded(&self, guard: &Guard, writes: &[Write], token: &str) -> Called<bool> {
        self.write_under(guard, writes, token).await
    }
}
