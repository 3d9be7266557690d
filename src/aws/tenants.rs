//! The tenant map, the fences and the audit log behind their ports.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::audit::{Head, Sealed, Subject};
use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::Entry;
use crate::domain::tenant::change::{Change, FenceWrite};
use crate::domain::tenant::fence::{Fence, FenceTable};
use crate::domain::tenant::load::CellLoad;
use crate::ports::tenants::{AuditLog, EntryPage, FencePage, Fences, StoredRecord, StoredRoot, TenantMap, Written};
use crate::ports::{CallError, CallErrorKind, Called};

use super::call::Caller;
use super::clients::Clients;

/// The adapter.
pub struct TenantTables {
    place: Place,
}

impl TenantTables {
    /// An adapter over the tables of a fleet.
    pub fn new(_: Arc<Clients>, _: Caller, place: Place, _: &str) -> Self {
        Self { place }
    }

    fn absent<T>(&self) -> Called<T> {
        let subject = self.place.region.to_string();
        Err(CallError { kind: CallErrorKind::Other, operation: "none", subject, message: "not built".to_owned() })
    }
}

#[async_trait]
impl TenantMap for TenantTables {
    async fn entry(&self, _: &TenantId) -> Called<Option<Entry>> {
        self.absent()
    }
    async fn entries(&self, _: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
        self.absent()
    }
    async fn page(&self, _: u8, _: Option<&TenantId>, _: u32, _: Option<&CellId>) -> Called<EntryPage> {
        self.absent()
    }
    async fn loads(&self) -> Called<Vec<CellLoad>> {
        self.absent()
    }
    async fn load(&self, _: &CellId) -> Called<Option<CellLoad>> {
        Ok(None)
    }
    async fn write(&self, _: &[Change]) -> Called<Written> {
        self.absent()
    }
    async fn correct(&self, _: &CellLoad, _: i64, _: i64, _: &Sealed) -> Called<bool> {
        self.absent()
    }
}

#[async_trait]
impl Fences for TenantTables {
    async fn fences(&self, _: &FenceTable, _: &[TenantId]) -> Called<BTreeMap<TenantId, Fence>> {
        self.absent()
    }
    async fn put(&self, _: &FenceWrite) -> Called<bool> {
        self.absent()
    }
    async fn page(&self, _: &FenceTable, _: Option<&str>) -> Called<FencePage> {
        self.absent()
    }
}

#[async_trait]
impl AuditLog for TenantTables {
    async fn chain(&self, _: &Subject, _: u64, _: u32) -> Called<Vec<StoredRecord>> {
        self.absent()
    }
    async fn recent(&self, _: i64, _: u32) -> Called<Vec<StoredRecord>> {
        self.absent()
    }
    async fn roots(&self) -> Called<Vec<StoredRoot>> {
        self.absent()
    }
    async fn put_heads(&self, _: u64, _: u32, _: &[(Subject, Head)]) -> Called<()> {
        self.absent()
    }
    async fn heads(&self, _: u64, _: u32) -> Called<Vec<(Subject, Head)>> {
        self.absent()
    }
    async fn append_root(&self, _: &StoredRoot) -> Called<bool> {
        self.absent()
    }
}
