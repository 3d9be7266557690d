//! Writing a snapshot of the map.
//!
//! Constraint kept: the map is read by consistent reads in one pass, and written as it comes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use crate::domain::ids::{CellId, Digest, FleetName};
use crate::domain::snapshot::{CellLine, Encoder, OutOfOrder};
use crate::domain::tenant::load::CellLoad;
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::Called;
use crate::ports::tenants::TenantMap;

use super::stream::Entries;

/// Bytes that are gathered before they are written.
const CHUNK_BYTES: usize = 256 * 1024;

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// Tenants in the snapshot.
    pub entries: u64,
    /// Cells that they are in.
    pub cells: usize,
    /// Version of the map.
    pub version: u64,
    /// Checksum in the snapshot's last line.
    pub sha256: Digest,
    /// Size in bytes.
    pub bytes: u64,
    /// Cells that tenants are in and that the control table does not know.
    pub unknown_cells: Vec<CellId>,
}

/// Why a snapshot was not written.
#[derive(Debug)]
pub enum ExportError {
    /// The map could not be read.
    Map(OpError),
    /// The snapshot could not be written.
    Sink(std::io::Error),
}

impl<E: Into<OpError>> From<E> for ExportError {
    fn from(error: E) -> Self {
        Self::Map(error.into())
    }
}

/// Writes a snapshot of a fleet's map to `sink`, a piece at a time. `now_ms` is the time that it is stamped with, in
/// milliseconds since 1970.
pub async fn export(
    map: &Arc<dyn TenantMap>,
    fleet: &FleetName,
    now_ms: i64,
    sink: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let mut entries = Entries::all(Arc::clone(map));
    let mut encoder = Encoder::new(fleet, now_ms);
    let mut cells = Cells::read(map).await?;
    let mut bytes = 0;
    while let Some(entry) = entries.next().await? {
        if entry.is_present() && !encoder.knows(&entry.cell) {
            encoder.cell(&cells.line(map, &entry.cell).await?);
        }
        encoder.entry(entry).map_err(|error| disorder(&error))?;
        if encoder.pending() >= CHUNK_BYTES {
            bytes += put(sink, &encoder.take())?;
        }
    }
    let told = encoder.cells();
    let (rest, trailer) = encoder.finish();
    bytes += put(sink, &rest)?;
    sink.flush().map_err(ExportError::Sink)?;
    Ok(Exported {
        entries: trailer.entries,
        cells: told,
        version: trailer.version,
        sha256: trailer.sha256,
        bytes,
        unknown_cells: cells.unknown,
    })
}

fn put(sink: &mut (dyn Write + Send), bytes: &[u8]) -> Result<u64, ExportError> {
    sink.write_all(bytes).map_err(ExportError::Sink)?;
    Ok(bytes.len() as u64)
}

fn disorder(error: &OutOfOrder) -> OpError {
    OpError::new(ErrorKind::Failed, format!("the tenant map was read in the wrong order: {error}"))
        .hint("this is a bug in cellctl: report it")
}

/// The cells of the fleet, as the control table knows them.
struct Cells {
    loads: BTreeMap<CellId, CellLoad>,
    unknown: Vec<CellId>,
}

impl Cells {
    async fn read(map: &Arc<dyn TenantMap>) -> Called<Self> {
        let loads = map.loads().await?.into_iter().map(|load| (load.cell.clone(), load)).collect();
        Ok(Self { loads, unknown: Vec::new() })
    }

    /// What is to be told of a cell. One that was made while the map is read is looked up.
    async fn line(&mut self, map: &Arc<dyn TenantMap>, cell: &CellId) -> Called<CellLine> {
        if let Some(load) = self.loads.get(cell) {
            return Ok(CellLine::of(cell, Some(load)));
        }
        let load = map.load(cell).await?;
        if load.is_none() {
            self.unknown.push(cell.clone());
        }
        Ok(CellLine::of(cell, load.as_ref()))
    }
}
