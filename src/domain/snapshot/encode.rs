//! From entries to the lines of a snapshot.
//!
//! Constraint kept: memory is one buffer, which the caller empties, and the names of the cells.

use std::collections::HashSet;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{CellLine, EntryLine, FORMAT, Header, SCHEMA, Trailer};
use crate::domain::ids::{CellId, Digest, FleetName, TenantId};
use crate::domain::tenant::Entry;

/// Two entries came in the wrong order: the source of the entries is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tenant} came after {after}: entries must ascend by name")]
pub struct OutOfOrder {
    /// The entry that came too late.
    pub tenant: TenantId,
    /// The one before it.
    pub after: TenantId,
}

/// Writes a snapshot into a buffer.
pub struct Encoder {
    buffer: Vec<u8>,
    hasher: Sha256,
    cells: HashSet<CellId>,
    last: Option<TenantId>,
    entries: u64,
    version: u64,
}

impl Encoder {
    /// A snapshot of a fleet's map as it is at a time; its header is in the buffer.
    pub fn new(fleet: &FleetName, at_ms: i64) -> Self {
        let mut encoder = Self {
            buffer: Vec::new(),
            hasher: Sha256::new(),
            cells: HashSet::new(),
            last: None,
            entries: 0,
            version: 0,
        };
        encoder.line(&Header { schema: SCHEMA.to_owned(), format: FORMAT, fleet: fleet.clone(), at_ms });
        encoder
    }

    /// Whether the cell has been told.
    pub fn knows(&self, cell: &CellId) -> bool {
        self.cells.contains(cell)
    }

    /// Number of cells told so far.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Tells a cell. It must come before the first entry that names it.
    pub fn cell(&mut self, line: &CellLine) {
        if self.cells.insert(line.cell.clone()) {
            self.line(line);
        }
    }

    /// Takes the next entry of the map, present or removed; a removed one counts for the version only.
    pub fn entry(&mut self, entry: Entry) -> Result<(), OutOfOrder> {
        if let Some(after) = self.last.take_if(|last| *last >= entry.tenant) {
            return Err(OutOfOrder { tenant: entry.tenant, after });
        }
        self.version = self.version.saturating_add(entry.version);
        self.last = Some(entry.tenant.clone());
        if entry.is_present() {
            self.entries += 1;
            self.line(&EntryLine::from(entry));
        }
        Ok(())
    }

    /// Bytes in the buffer.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Takes what is in the buffer, leaving one as large behind.
    pub fn take(&mut self) -> Vec<u8> {
        self.hasher.update(&self.buffer);
        let next = Vec::with_capacity(self.buffer.capacity());
        std::mem::replace(&mut self.buffer, next)
    }

    /// Ends the snapshot: the last bytes, and what their trailer says.
    pub fn finish(mut self) -> (Vec<u8>, Trailer) {
        let opening = format!(r#"{{"entries":{},"version":{},"sha256":""#, self.entries, self.version);
        self.buffer.extend_from_slice(opening.as_bytes());
        self.hasher.update(&self.buffer);
        let sha256 = Digest::of_hasher(self.hasher);
        self.buffer.extend_from_slice(sha256.as_str().as_bytes());
        self.buffer.extend_from_slice(b"\"}\n");
        (self.buffer, Trailer { entries: self.entries, version: self.version, sha256 })
    }

    fn line(&mut self, line: &impl Serialize) {
        // A line of strings and numbers can always be written to memory.
        let _ = serde_json::to_writer(&mut self.buffer, line);
        self.buffer.push(b'\n');
    }
}
