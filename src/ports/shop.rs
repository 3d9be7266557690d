//! What the demo needs of an application that keeps to level `strict`: `docs/move-protocol.md`, "Levels".
//!
//! Constraint kept: an order counts as written only where the fence let its transaction through.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::fence::FenceTable;

use super::Called;
use super::data::TableRef;

/// The tables of one cell that the application uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopCell {
    /// Its fences.
    pub fences: FenceTable,
    /// Its orders.
    pub orders: TableRef,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is written.
    Written,
    /// Not now: look at the fence again.
    NotNow,
    /// The tenant is in another cell.
    Gone(CellId),
}

/// The application.
#[async_trait]
pub trait ShopWriter: Send + Sync {
    /// Writes an order of a tenant as the fence of the cell allows.
    async fn put(&self, cell: &ShopCell, tenant: &TenantId, order: &str) -> Called<Put>;
    /// The orders of a tenant in a cell, by a consistent read.
    async fn orders(&self, cell: &ShopCell, tenant: &TenantId) -> Called<BTreeSet<String>>;
}
