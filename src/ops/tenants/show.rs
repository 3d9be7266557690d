//! Looking at one tenant.

use serde::Serialize;

use crate::domain::ids::{Region, TenantId};
use crate::domain::record::CellState;
use crate::domain::tenant::Entry;
use crate::domain::tenant::fence::Fence;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::placement::{Candidate, Refusal};
use crate::ops::error::OpError;

use super::Desk;

/// Everything about one tenant.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantView {
    /// Its entry.
    pub entry: Entry,
    /// State of its cell; none where the cell is gone.
    pub cell_state: Option<CellState>,
    /// Region of its cell.
    pub region: Option<Region>,
    /// Its fence in that cell; none where there is none, or where the cell has no fences.
    pub fence: Option<Fence>,
    /// Whether the cell has fences.
    pub fenced: bool,
    /// What speaks against its cell, if anything does.
    pub misfit: Option<Refusal>,
}

impl Desk<'_> {
    /// Looks at a tenant that is there, or was.
    pub async fn show(&self, tenant: &TenantId) -> Result<TenantView, OpError> {
        let entry = self.entry(tenant).await?;
        let load = self.world.map.load(&entry.cell).await?;
        let table = load.as_ref().and_then(CellLoad::fences);
        let fence = match &table {
            Some(table) => self.world.fences.fences(table, std::slice::from_ref(tenant)).await?.remove(tenant),
            None => None,
        };
        let candidate = self.fleet.cell(&entry.cell).map(|cell| Candidate::of(cell, load.as_ref()));
        let misfit = match (&candidate, entry.is_present()) {
            (Some(candidate), true) => candidate.misfit(&self.wish(tenant, &entry.attributes)?),
            _ => None,
        };
        Ok(TenantView {
            cell_state: load.as_ref().map(|load| load.state),
            region: load.map(|load| load.place.region),
            fence,
            fenced: table.is_some(),
            misfit,
            entry,
        })
    }
}
