//! Rows of CSV.
//!
//! Owns: the use of the CSV crate. Constraint kept: a quote that is never closed does not read the rest of the file
//! into memory.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder, Trim};

use crate::domain::tenant::row::{At, BadRow, FIELDS, LABEL_PREFIX, Value, unknown_field};

use super::{Collector, LINE_BYTES_MAX, not_utf8, too_long};

/// Reads all rows.
pub(super) fn read(input: impl Read, collector: &mut Collector) -> io::Result<()> {
    let bounded = Bounded::new(input);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(bounded);
    let mut record = ByteRecord::new();
    let mut header: Option<Vec<String>> = None;
    loop {
        reader.get_mut().left = LINE_BYTES_MAX;
        let start = reader.position().byte();
        let more = match reader.read_byte_record(&mut record) {
            Ok(more) => more,
            Err(_) if reader.get_ref().ran_out => {
                let bad = too_long(At { row: 0, line: reader.get_mut().line_at(start) })
                    .hint("is there a quote that is not closed? Nothing after it was read");
                collector.complain(bad);
                return Ok(());
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        if !more {
            return Ok(());
        }
        let end = reader.position().byte();
        if let Some(open) = reader.get_mut().unclosed(start, end) {
            collector.complain(open);
            return Ok(());
        }
        let Some(names) = &header else {
            let names = header_of(&record, collector);
            let Some(names) = names else { return Ok(()) };
            header = Some(names);
            continue;
        };
        let Some(at) = collector.next(reader.get_mut().line_at(start)) else { return Ok(()) };
        row(at, names, &record, collector);
    }
}

/// The names of the columns. None: there is no column of tenants, so that no row can be read.
fn header_of(record: &ByteRecord, collector: &mut Collector) -> Option<Vec<String>> {
    let at = At { row: 0, line: 1 };
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    let mut seen = HashSet::new();
    for name in record {
        let Ok(name) = std::str::from_utf8(name) else {
            collector.complain(not_utf8(at));
            return None;
        };
        let is_label = name.strip_prefix(LABEL_PREFIX).is_some_and(|key| !key.is_empty());
        if !is_label && !FIELDS.contains(&name) {
            collector.complain(unknown_field(at, name));
        } else if !seen.insert(name) {
            let message = format!("the column {name} is there twice");
            collector.complain(BadRow::new(at, "duplicate-field", message).field(name).hint("remove one"));
        }
        names.push(name.to_owned());
    }
    if seen.contains("tenant") {
        return Some(names);
    }
    let hint = "the first line names the columns, separated by commas: tenant,tier,weight";
    collector.complain(BadRow::new(at, "no-tenant-column", "there is no column tenant").field("tenant").hint(hint));
    None
}

fn row(at: At, names: &[String], record: &ByteRecord, collector: &mut Collector) {
    if record.as_slice().len() > LINE_BYTES_MAX {
        return collector.complain(too_long(at));
    }
    if record.len() != names.len() {
        let message = format!("{} values under {} columns", record.len(), names.len());
        let hint = "a value with a comma in it is written in double quotes; an empty value still needs its comma";
        return collector.complain(BadRow::new(at, "wrong-number-of-values", message).hint(hint));
    }
    let mut fields = Vec::with_capacity(names.len());
    for (name, value) in names.iter().zip(record) {
        let Ok(value) = std::str::from_utf8(value) else { return collector.complain(not_utf8(at).field(name)) };
        // A column that is not known has been told once.
        if FIELDS.contains(&name.as_str()) || name.starts_with(LABEL_PREFIX) {
            fields.push((name.clone(), Value::text(value)));
        }
    }
    collector.take(at, fields);
}

/// A source that gives a bounded number of bytes to each row, and knows the line of each byte. The crate's own count of
/// lines is that of the end of the row before, so that an empty line or a Windows line end puts it one off.
struct Bounded<R> {
    inner: R,
    left: usize,
    ran_out: bool,
    /// The input is at its end.
    ended: bool,
    /// What was read from the beginning of the row on: at most a row and the crate's buffer.
    window: VecDeque<u8>,
    /// Place of the window's first byte in the input.
    offset: u64,
    /// Its line.
    line: u64,
}

impl<R> Bounded<R> {
    fn new(inner: R) -> Self {
        Self { inner, left: LINE_BYTES_MAX, ran_out: false, ended: false, window: VecDeque::new(), offset: 0, line: 1 }
    }

    /// The line of the first character of the row that the crate says begins at this byte. What comes before is
    /// forgotten.
    fn line_at(&mut self, start: u64) -> u64 {
        while let Some(&byte) = self.window.front() {
            if self.offset >= start && !matches!(byte, b'\n' | b'\r') {
                break;
            }
            self.window.pop_front();
            self.offset += 1;
            self.line += u64::from(byte == b'\n');
        }
        self.line
    }
}

impl<R> Bounded<R> {
    /// The complaint about the row between these bytes, where a quote in it is still open at the end of the input: the
    /// lines after the quote are no rows, and nobody knows what they were meant to be.
    fn unclosed(&mut self, start: u64, end: u64) -> Option<BadRow> {
        let first_line = self.line_at(start);
        if !self.ended || end < self.offset + self.window.len() as u64 {
            return None;
        }
        let row = self.window.make_contiguous();
        let opened = open_quote(row)?;
        let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').skip(1).count() as u64;
        let line = first_line + lines(&row[..opened]);
        let last = line + lines(row[opened..].trim_ascii_end());
        let taken = match last - line {
            0 => String::new(),
            1 => format!("; line {last} was taken into it"),
            _ => format!("; lines {} to {last} were taken into it", line + 1),
        };
        let message = format!("the quote opened in line {line} is never closed{taken}");
        let hint = "close the quote; a quote within a quoted value is written twice";
        Some(BadRow::new(At { row: 0, line }, "quote-not-closed", message).hint(hint))
    }
}

/// Where the quote was opened that is still open at the end of a row, by the rules of the CSV crate.
fn open_quote(row: &[u8]) -> Option<usize> {
    #[derive(Clone, Copy)]
    enum In {
        Start,
        Bare,
        Quoted(usize),
        /// After a quote in a quoted value: it closes the value, or is the first of two.
        MaybeClosed(usize),
    }
    let mut state = In::Start;
    for (place, byte) in row.iter().enumerate() {
        state = match (state, byte) {
            (In::Start, b'"') => In::Quoted(place),
            (In::Quoted(opened), b'"') => In::MaybeClosed(opened),
            (In::MaybeClosed(opened), b'"') | (In::Quoted(opened), _) => In::Quoted(opened),
            (In::Start | In::Bare | In::MaybeClosed(_), b',' | b'\n' | b'\r') => In::Start,
            (In::Start | In::Bare | In::MaybeClosed(_), _) => In::Bare,
        };
    }
    if let In::Quoted(opened) = state { Some(opened) } else { None }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.ran_out = true;
            return Err(io::Error::other("the row is too long"));
        }
        let bytes_max = buffer.len().min(self.left);
        let read = self.inner.read(&mut buffer[..bytes_max])?;
        self.left -= read;
        self.ended = read == 0 && bytes_max > 0;
        self.window.extend(&buffer[..read]);
        Ok(read)
    }
}
