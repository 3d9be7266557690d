//! What is to be done about a tenant of a snapshot: add it, leave it, or tell why it cannot be added.
//!
//! Constraint kept: what a snapshot says must pass the same constraints as any other placement by hand; a tenant that is
//! in the map is never changed, and an epoch is never lowered.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, Residency, TenantId};
use crate::domain::snapshot::EntryLine;
use crate::domain::tenant::change::Target;
use crate::domain::tenant::fence::{Fence, FenceMode, FenceTable};
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::placement::{Candidate, Refusal, Wish, allowed_regions};
use crate::domain::tenant::{Entry, EntryState};

/// A tenant of the snapshot that was left as it is in the map, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    /// The tenant.
    pub tenant: TenantId,
    /// The cell that the snapshot names.
    pub cell: CellId,
    /// Why.
    pub why: Why,
}

/// Why a tenant of the snapshot is not in the map as the snapshot has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "kind")]
pub enum Why {
    /// It is in the map with something else.
    Differs {
        /// The fields, as they stand in a snapshot.
        fields: Vec<&'static str>,
        /// The cell that it is in.
        cell: CellId,
        /// Its epoch in the map.
        epoch: u64,
    },
    /// It was removed later than the snapshot was made: the map has an epoch at or above the snapshot's.
    Removed {
        /// The epoch in the map.
        epoch: u64,
    },
    /// No definition names the cell, so that nobody knows what it may hold.
    NotDefined,
    /// The fleet's definition does not list the tenant's residency.
    UnknownResidency {
        /// The residency.
        residency: Residency,
    },
    /// The cell does not take it.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// The cell did not take it when it was to be written: somebody has filled or cordoned it meanwhile.
    CellChanged,
    /// Its fence in the cell has a higher epoch, or a move holds it.
    FenceAhead,
}

/// What the map says of a tenant of the snapshot.
#[derive(Debug)]
pub(super) enum Judged {
    /// It is there, as in the snapshot.
    Equal,
    /// It is there, and its fence may not be open yet.
    Unopened(Box<Entry>),
    /// It is not there, apart from a tombstone with a lower epoch.
    Missing,
    /// It is there otherwise.
    Left(Why),
}

/// Compares a tenant of the snapshot with the map.
pub(super) fn judge(line: &EntryLine, there: Option<&Entry>) -> Judged {
    let Some(there) = there else { return Judged::Missing };
    if !there.is_present() {
        let above = line.epoch > there.epoch;
        return if above { Judged::Missing } else { Judged::Left(Why::Removed { epoch: there.epoch }) };
    }
    let mut fields = EntryLine::from(there.clone()).differences(line);
    // A move that has begun or ended since leaves the tenant where it is; one that was cut over differs in the cell.
    fields.retain(|field| *field != "move");
    let opens = |state| matches!(state, EntryState::Opening | EntryState::Active);
    if opens(there.state) && opens(line.state) {
        // The one becomes the other by itself.
        fields.retain(|field| *field != "state");
    }
    match (fields.is_empty(), there.state) {
        (false, _) => Judged::Left(Why::Differs { fields, cell: there.cell.clone(), epoch: there.epoch }),
        (true, EntryState::Opening) => Judged::Unopened(Box::new(there.clone())),
        (true, _) => Judged::Equal,
    }
}

/// Whether a fence does not allow a tenant of the snapshot to come back: it is of a later time, or of the same and says
/// something else, or a move holds it.
pub(super) fn is_ahead(fence: &Fence, line: &EntryLine) -> bool {
    let wanted = if line.state == EntryState::Closing { FenceMode::Closed } else { FenceMode::Open };
    fence.mode.is_moving() || fence.epoch > line.epoch || (fence.epoch == line.epoch && fence.mode != wanted)
}

/// The cells of the fleet: where there is room, as far as is known without writing.
pub(super) struct Cells<'a> {
    fleet: &'a Fleet,
    known: BTreeMap<CellId, (Candidate, Option<CellLoad>)>,
}

impl<'a> Cells<'a> {
    /// The defined cells with their loads.
    pub(super) fn new(fleet: &'a Fleet, loads: Vec<CellLoad>) -> Self {
        let mut loads: BTreeMap<CellId, CellLoad> = loads.into_iter().map(|load| (load.cell.clone(), load)).collect();
        let known = fleet.cells.iter().map(|cell| {
            let load = loads.remove(&cell.id);
            (cell.id.clone(), (Candidate::of(cell, load.as_ref()), load))
        });
        Self { fleet, known: known.collect() }
    }

    /// Takes room for a tenant in its cell, or says why there is none.
    pub(super) fn take(&mut self, line: &EntryLine) -> Result<(), Why> {
        let (candidate, _) = self.known.get_mut(&line.cell).ok_or(Why::NotDefined)?;
        let attributes = line.attributes();
        let regions =
            allowed_regions(self.fleet, &attributes).map_err(|error| Why::UnknownResidency { residency: error.0 })?;
        let wish = Wish { tenant: &line.tenant, attributes: &attributes, regions };
        if let Some(refusal) = candidate.refusal(&wish, true) {
            return Err(Why::Refused { refusal });
        }
        candidate.take(attributes.weight);
        Ok(())
    }

    /// The table with the fence of a tenant, where the transaction that adds the tenant does not check it: in another
    /// account or Region, and for a removal that had begun.
    pub(super) fn fences_apart(&self, line: &EntryLine) -> Option<FenceTable> {
        let (_, load) = self.known.get(&line.cell)?;
        let load = load.as_ref()?;
        let apart = line.state == EntryState::Closing || !load.is_at(&self.fleet.control);
        load.fences().filter(|_| apart)
    }

    /// Number of items of a tenant in a transaction: entry, audit record, and the shards of its fence.
    pub(super) fn items(&self, cell: &CellId) -> usize {
        let load = self.known.get(cell).and_then(|(_, load)| load.as_ref());
        2 + load.map_or(1, |load| usize::from(load.fence_shards))
    }

    /// What a tenant is written to. None only for a cell that `take` has refused.
    pub(super) fn target(&self, cell: &CellId) -> Option<Target> {
        let (candidate, load) = self.known.get(cell)?;
        let load = load.clone()?;
        let local = load.is_at(&self.fleet.control);
        Some(Target { load, limits: candidate.limits, local, by_hand: true })
    }
}
