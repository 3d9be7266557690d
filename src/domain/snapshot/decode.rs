//! From the lines of a snapshot to entries, each checked as it comes.
//!
//! Constraints kept: memory is the names of the cells and one tenant's; the trailer is believed only after the checksum,
//! so that a caller who has seen `Item::End` and then the end of the file has seen what was written.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{CELLS_MAX, CellLine, EntryLine, FORMAT, Fault, Header, LINE_BYTES_MAX, SCHEMA, SnapshotError, Trailer};
use crate::domain::ids::{CellId, Digest, InvalidId, TenantId};
use crate::domain::tenant::{EPOCH_MAX, EntryState, Pin, WEIGHT_MAX, label};

/// Bytes of the trailer from the checksum on: 64 digits, a quote, a brace, a line end.
const TAIL_BYTES: usize = 67;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// What the file is.
    Header(Header),
    /// A cell.
    Cell(CellLine),
    /// A tenant.
    Entry(Box<EntryLine>),
    /// The file is whole if nothing comes after this.
    End(Trailer),
}

/// The part of any header, of any version, that says which it is.
#[derive(Deserialize)]
struct Kind {
    schema: String,
    #[serde(default)]
    format: u64,
}

/// Reads a snapshot line by line.
#[derive(Default)]
pub struct Decoder {
    hasher: Sha256,
    line: u64,
    ended: bool,
    cells: HashSet<CellId>,
    last: Option<TenantId>,
    entries: u64,
}

impl Decoder {
    /// A reader before the first line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next line, with its line end. One without is the rest of a file that was cut off.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Item, SnapshotError> {
        if !bytes.ends_with(b"\n") && bytes.len() <= LINE_BYTES_MAX && !self.ended {
            return Err(self.cut_off());
        }
        self.line += 1;
        let line = self.line;
        self.item(bytes).map_err(|fault| SnapshotError { line, fault })
    }

    /// Takes note that the file has ended.
    pub fn end(&self) -> Result<(), SnapshotError> {
        if self.ended { Ok(()) } else { Err(self.cut_off()) }
    }

    fn cut_off(&self) -> SnapshotError {
        SnapshotError { line: self.line, fault: Fault::CutOff(self.last.clone()) }
    }

    fn item(&mut self, bytes: &[u8]) -> Result<Item, Fault> {
        if self.ended {
            return Err(Fault::AfterEnd);
        }
        if bytes.len() > LINE_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        if self.line > 1 && bytes.starts_with(br#"{"entries":"#) {
            return self.trailer(bytes).map(Item::End);
        }
        self.hasher.update(bytes);
        if self.line == 1 {
            return header(bytes).map(Item::Header);
        }
        if bytes.starts_with(br#"{"tenant":"#) {
            return self.entry(parsed(bytes)?).map(|entry| Item::Entry(Box::new(entry)));
        }
        self.cell(parsed(bytes)?).map(Item::Cell)
    }

    fn cell(&mut self, cell: CellLine) -> Result<CellLine, Fault> {
        if self.cells.len() == CELLS_MAX {
            return Err(Fault::TooManyCells);
        }
        if !self.cells.insert(cell.cell.clone()) {
            return Err(Fault::CellTwice(cell.cell));
        }
        Ok(cell)
    }

    fn entry(&mut self, entry: EntryLine) -> Result<EntryLine, Fault> {
        if let Some(after) = self.last.as_ref().filter(|last| **last >= entry.tenant) {
            let (tenant, after) = (entry.tenant, after.clone());
            return Err(if tenant == after { Fault::Duplicate(tenant) } else { Fault::Disorder { tenant, after } });
        }
        if !self.cells.contains(&entry.cell) {
            return Err(Fault::CellUnknown(entry.cell));
        }
        if !(1..=EPOCH_MAX).contains(&entry.epoch)
            || matches!(entry.state, EntryState::Moving | EntryState::Removed)
            || !(1..=WEIGHT_MAX).contains(&entry.weight)
        {
            return Err(Fault::Malformed("no tenant has such an epoch, state or weight".to_owned()));
        }
        check_texts(&entry).map_err(|error| Fault::Malformed(error.to_string()))?;
        self.last = Some(entry.tenant.clone());
        self.entries += 1;
        Ok(entry)
    }

    fn trailer(&mut self, bytes: &[u8]) -> Result<Trailer, Fault> {
        let trailer: Trailer = parsed(bytes)?;
        let (head, _) = bytes.split_at(bytes.len().saturating_sub(TAIL_BYTES));
        self.hasher.update(head);
        let canonical = format!(r#"{{"entries":{},"version":{},"sha256":""#, trailer.entries, trailer.version);
        if head != canonical.as_bytes() || Digest::of_hasher(std::mem::take(&mut self.hasher)) != trailer.sha256 {
            return Err(Fault::Checksum);
        }
        if trailer.entries != self.entries {
            return Err(Fault::Count { said: trailer.entries, counted: self.entries });
        }
        self.ended = true;
        Ok(trailer)
    }
}

/// Whether the texts of a tenant are such as every command takes: the checksum has no key, so that anybody may have made
/// the file.
fn check_texts(entry: &EntryLine) -> Result<(), InvalidId> {
    label::check_all(&entry.labels)?;
    let reason = entry.pin.as_ref().and_then(|pin| pin.reason.as_deref());
    reason.map_or(Ok(()), Pin::check_reason)
}

fn header(bytes: &[u8]) -> Result<Header, Fault> {
    let kind: Kind = serde_json::from_slice(bytes).map_err(|_| Fault::NotSnapshot)?;
    if !kind.schema.starts_with("cellctl.map/v") {
        return Err(Fault::NotSnapshot);
    }
    if kind.schema != SCHEMA || kind.format > u64::from(FORMAT) {
        return Err(Fault::Newer(format!("{} of {}", kind.format, kind.schema)));
    }
    parsed(bytes)
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::Malformed(error.to_string()))
}
