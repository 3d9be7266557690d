//! Writing a cell's record together with its audit record.
//!
//! Constraint kept: nothing changes a record without a line in the cell's audit chain, in the same transaction.

use serde_json::{Value as Json, json};

use crate::domain::audit::{Deed, Head, Sealed, Stamp, Subject};
use crate::domain::ids::CellId;
use crate::domain::record::CellRecord;
use crate::ops::World;
use crate::ops::audit::page_after;
use crate::ops::lease::HeldLease;
use crate::ports::{CallErrorKind, Called};

/// Writes a record; gives it with its new version. Repairing the counters of a cell takes no lock and moves the end of its
/// audit chain: where that came between, the write is made once more.
pub async fn put(world: &World, record: CellRecord, lease: &HeldLease, action: &str) -> Called<CellRecord> {
    let before = world.control.record(&record.cell).await?;
    let from = before.as_ref().map_or(Json::Null, summary);
    let audit = next(world, &record.cell, lease, action, from.clone(), summary(&record)).await?;
    let written = world.control.put_record(record.clone(), lease.lease(), &audit).await;
    let Err(error) = &written else { return written };
    if error.kind != CallErrorKind::Conflict {
        return written;
    }
    let again = next(world, &record.cell, lease, action, from, summary(&record)).await?;
    if again.record.seq == audit.record.seq {
        return written;
    }
    world.control.put_record(record, lease.lease(), &again).await
}

/// Removes a record.
pub async fn delete(world: &World, record: &CellRecord, lease: &HeldLease) -> Called<()> {
    let audit = next(world, &record.cell, lease, "deleted", summary(record), Json::Null).await?;
    world.control.delete_record(record, lease.lease(), &audit).await
}

async fn next(world: &World, cell: &CellId, lease: &HeldLease, action: &str, from: Json, to: Json) -> Called<Sealed> {
    let subject = Subject::Cell(cell.clone());
    let head = match world.map.load(cell).await? {
        Some(load) => load.audit,
        // The load was lost: the chain itself says where it ends.
        None => last(world, &subject).await?,
    };
    let stamp = Stamp { at_ms: world.clock.now_ms(), actor: lease.actor().clone() };
    let deed = Deed { action: action.to_owned(), from, to };
    Ok(Sealed::next(subject, head.as_ref(), &stamp, deed))
}

/// Where a chain ends, found by walking along it.
async fn last(world: &World, subject: &Subject) -> Called<Option<Head>> {
    let mut head: Option<Head> = None;
    loop {
        let page = page_after(world, subject, head.as_ref()).await?;
        let Some(record) = page.into_iter().next_back() else { return Ok(head) };
        let Ok(hash) = record.hash.try_into() else { return Ok(head) };
        head = Some(Head { seq: record.seq, hash });
    }
}

/// What the audit log says of a record.
fn summary(record: &CellRecord) -> Json {
    json!({
        "state": record.state,
        "region": record.region,
        "applied": record.applied.as_ref().map(|a| a.digest.clone()),
        "failed": record.failed.as_ref().map(|f| f.status.clone()),
    })
}
