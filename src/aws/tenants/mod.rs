//! The tenant map, the fences and the audit log behind their ports.
//!
//! Owns: which table holds what. The map has a table of its own, which routers may read; loads and the audit log stand
//! in the control table; each cell has its fences in a table of its stack, wherever that is.

pub(super) mod audit;
mod entries;
mod fences;
pub(super) mod loads;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::audit::Sealed;
use crate::domain::fleet::{Place, control_table, tenants_table};
use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::Entry;
use crate::domain::tenant::change::Change;
use crate::domain::tenant::load::CellLoad;
use crate::ports::tenants::{EntryPage, SeenLoads, TenantMap, Unreadable, Written};
use crate::ports::{CallError, Called};

use super::call::Caller;
use super::clients::Clients;
use super::dynamo::{Item, Table, number_of, text_of};

/// The adapter.
pub struct TenantTables {
    map: Table,
    control: Table,
}

impl TenantTables {
    /// An adapter over the tables of a fleet, whose control state is at `control`.
    pub fn new(clients: Arc<Clients>, caller: Caller, control: Place, fleet: &str) -> Self {
        let map = Table::new(clients, caller, control, tenants_table(fleet));
        let control = map.other(&map.place, &control_table(fleet));
        Self { map, control }
    }
}

/// An item that could not be read, by the name that is its sort key; the error itself where that is no name.
fn unreadable<Id: FromStr>(item: &Item, newest: u32, error: CallError) -> Called<Unreadable<Id>> {
    let newer = number_of(item, "format").filter(|format| *format > newest);
    match text_of(item, "sk").and_then(|sk| sk.parse().ok()) {
        Some(of) => Ok(Unreadable { of, newer, error }),
        None => Err(error),
    }
}

#[async_trait]
impl TenantMap for TenantTables {
    async fn entry(&self, tenant: &TenantId) -> Called<Option<Entry>> {
        entries::get(&self.map, tenant).await
    }

    async fn entries(&self, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
        let once: BTreeSet<&TenantId> = tenants.iter().collect();
        let found = entries::get_all(&self.map, once.into_iter()).await?;
        Ok(found.into_iter().map(|entry| (entry.tenant.clone(), entry)).collect())
    }

    async fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, cell: Option<&CellId>) -> Called<EntryPage> {
        entries::page(&self.map, bucket, after, limit, cell).await
    }

    async fn seen_loads(&self) -> Called<SeenLoads> {
        let mut seen = SeenLoads::default();
        for item in self.control.query(loads::LOADS).await? {
            match loads::decode(&self.control, &item) {
                Ok(load) => seen.loads.push(load),
                Err(error) => seen.unreadable.push(unreadable(&item, loads::LOAD_FORMAT, error)?),
            }
        }
        Ok(seen)
    }

    async fn load(&self, cell: &CellId) -> Called<Option<CellLoad>> {
        let item = self.control.get(loads::LOADS, cell.as_str()).await?;
        item.map(|item| loads::decode(&self.control, &item)).transpose()
    }

    async fn write(&self, changes: &[Change]) -> Called<Written> {
        self.write_changes(changes).await
    }

    async fn correct(&self, seen: &CellLoad, tenants: i64, weight: i64, record: &Sealed) -> Called<bool> {
        self.correct_load(seen, (tenants, weight), record).await
    }
}
