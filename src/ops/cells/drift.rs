//! Finding what has drifted from its template. Shown, never reverted by itself.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;

use crate::domain::fleet::{Cell, Fleet};
use crate::domain::ids::CellId;
use crate::ops::World;
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::DriftedResource;

/// Detections at a time; the service allows few.
const DETECTIONS: usize = 4;
/// For how long one detection may take, in milliseconds.
const DETECTION_MS_MAX: i64 = 900_000;

/// Whether a cell has drifted.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellDrift {
    /// The cell.
    pub cell: CellId,
    /// `IN_SYNC`, `DRIFTED`, `NOT_PROVISIONED`, `UNKNOWN` or `FAILED`.
    pub status: String,
    /// What has drifted.
    pub resources: Vec<DriftedResource>,
    /// Why it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Looks for drift in these cells.
pub async fn detect(world: &World, fleet: &Fleet, cells: &[&Cell]) -> Result<Vec<CellDrift>, OpError> {
    let looks = stream::iter(cells).map(|cell| detect_one(world, fleet, cell));
    let mut found: Vec<CellDrift> = Vec::new();
    for outcome in looks.buffer_unordered(DETECTIONS).collect::<Vec<_>>().await {
        found.push(outcome?);
    }
    found.sort_by(|a, b| a.cell.cmp(&b.cell));
    Ok(found)
}

async fn detect_one(world: &World, fleet: &Fleet, cell: &Cell) -> Result<CellDrift, OpError> {
    let stack = fleet.stack_of(&cell.id);
    let none = |status: &str, failure| CellDrift {
        cell: cell.id.clone(),
        status: status.to_owned(),
        resources: Vec::new(),
        failure,
    };
    if world.stacks.describe(&cell.place, stack.as_str()).await?.is_none() {
        return Ok(none("NOT_PROVISIONED", None));
    }
    let detection = world.stacks.detect_drift(&cell.place, stack.as_str()).await?;
    let until_ms = world.clock.now_ms() + DETECTION_MS_MAX;
    let mut pause_ms = 200;
    loop {
        let state = world.stacks.drift_state(&cell.place, &detection).await?;
        if let Some(failure) = state.failure {
            return Ok(none("FAILED", Some(failure)));
        }
        if state.done {
            let drifted = state.status == "DRIFTED";
            let resources = if drifted { world.stacks.drifted(&cell.place, stack.as_str()).await? } else { Vec::new() };
            return Ok(CellDrift { cell: cell.id.clone(), status: state.status, resources, failure: None });
        }
        if world.clock.now_ms() > until_ms {
            return Err(OpError::new(
                ErrorKind::Failed,
                format!("drift of {} was not worked out in 15 minutes", cell.id),
            )
            .hint("run it again"));
        }
        world.clock.sleep(Duration::from_millis(pause_ms)).await;
        pause_ms = (pause_ms * 2).min(5_000);
    }
}
