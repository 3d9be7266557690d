//! Reading a snapshot, whatever it is read from.
//!
//! Constraint kept: one line is in memory at a time, and none longer than any that is written.

use std::io::{BufRead, Read as _, Seek, SeekFrom};

use crate::domain::ids::FleetName;
use crate::domain::snapshot::{
    CellLine, Decoder, EntryLine, Fault, Header, Item, LINE_BYTES_MAX, SnapshotError, Trailer,
};
use crate::ops::error::{ErrorKind, OpError};

/// A snapshot that is being read.
pub struct Snapshot<R> {
    /// As the user names it, for messages.
    name: String,
    reader: R,
    decoder: Decoder,
    header: Header,
    buffer: Vec<u8>,
    cells: Vec<CellLine>,
    trailer: Option<Trailer>,
}

impl<R: BufRead> Snapshot<R> {
    /// Reads the header.
    pub fn open(name: &str, mut reader: R) -> Result<Self, OpError> {
        let mut decoder = Decoder::new();
        let mut buffer = Vec::new();
        let Some(Item::Header(header)) = item(name, &mut reader, &mut decoder, &mut buffer)? else {
            return Err(wrong(name, &SnapshotError { line: 1, fault: Fault::NotSnapshot }));
        };
        Ok(Self { name: name.to_owned(), reader, decoder, header, buffer, cells: Vec::new(), trailer: None })
    }

    /// What the file is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The cells that were told so far.
    pub fn cells(&self) -> &[CellLine] {
        &self.cells
    }

    /// What the last line says, once `next` has given none.
    pub fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    /// The next tenant; none at the end of a file that is whole.
    #[allow(clippy::should_implement_trait, reason = "an iterator of results would go on after an error")]
    pub fn next(&mut self) -> Result<Option<EntryLine>, OpError> {
        while let Some(item) = item(&self.name, &mut self.reader, &mut self.decoder, &mut self.buffer)? {
            match item {
                Item::Entry(entry) => return Ok(Some(*entry)),
                Item::Cell(cell) => self.cells.push(cell),
                Item::End(trailer) => self.trailer = Some(trailer),
                // The decoder gives one header, for the first line.
                Item::Header(_) => {}
            }
        }
        Ok(None)
    }
}

impl<R: BufRead + Seek> Snapshot<R> {
    /// Opens a snapshot whose every line has been checked, its checksum included; ready to be read from the beginning.
    pub fn checked(name: &str, reader: R) -> Result<Self, OpError> {
        let mut first = Self::open(name, reader)?;
        while first.next()?.is_some() {}
        let (mut reader, trailer) = (first.reader, first.trailer);
        reader.seek(SeekFrom::Start(0)).map_err(|error| unreadable(name, &error))?;
        let mut again = Self::open(name, reader)?;
        // Known in advance, so that a caller can say how much there is to do.
        again.trailer = trailer;
        Ok(again)
    }

    /// Refuses a snapshot of another fleet.
    pub fn of_fleet(self, fleet: &FleetName) -> Result<Self, OpError> {
        if self.header.fleet == *fleet {
            return Ok(self);
        }
        let message = format!("{} is a snapshot of fleet {}, and this is fleet {fleet}", self.name, self.header.fleet);
        Err(OpError::new(ErrorKind::Refused, message)
            .hint("name a snapshot of this fleet, or --cells of the other one"))
    }
}

/// The next line and what it says; none at the end of a file that is whole.
fn item(
    name: &str,
    reader: &mut impl BufRead,
    decoder: &mut Decoder,
    buffer: &mut Vec<u8>,
) -> Result<Option<Item>, OpError> {
    buffer.clear();
    let most = LINE_BYTES_MAX as u64 + 1;
    let read = reader.by_ref().take(most).read_until(b'\n', buffer).map_err(|error| unreadable(name, &error))?;
    if read == 0 {
        return decoder.end().map(|()| None).map_err(|error| wrong(name, &error));
    }
    decoder.line(buffer).map(Some).map_err(|error| wrong(name, &error))
}

fn wrong(name: &str, error: &SnapshotError) -> OpError {
    let whole = matches!(error.fault, Fault::NotSnapshot | Fault::Newer(_)) || error.line == 0;
    let message = if whole { format!("{name}: {}", error.fault) } else { format!("{name}, {error}") };
    OpError::new(ErrorKind::InvalidInput, message).hint(error.fault.hint())
}

/// The error for a file that cannot be read.
pub fn unreadable(name: &str, error: &std::io::Error) -> OpError {
    OpError::new(ErrorKind::InvalidInput, format!("cannot read {name}: {error}"))
        .hint("name a snapshot that `cellctl map export -o FILE` has written")
}
