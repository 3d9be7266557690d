//! Reads the rows of an import: CSV, JSON lines or YAML.
//!
//! Owns: the formats, their bounds, and where each row stands. Constraints kept: a bad row is told with its number and
//! line and does not hide the next; CSV and JSON lines are read as a stream, a line at a time.

mod csv;
mod json_lines;
mod yaml;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use crate::domain::tenant::row::{At, BadRow, Row, Value, interpret};

/// Most rows of a file. A row in memory takes some 300 bytes, so that a full import stays below 500 MB.
pub const ROWS_MAX: u64 = 1_000_000;
/// Longest line of JSON, and longest row of CSV, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Largest YAML file in bytes: its document is held as a tree.
pub const YAML_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// In which form rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Values separated by commas, with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// A list of objects, or several documents. JSON is YAML too.
    Yaml,
}

impl RowFormat {
    /// The format that a file's name tells.
    pub fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct RowsRead {
    /// The rows that can be understood, in order.
    pub rows: Vec<Row>,
    /// What is wrong with the others, in order. Row 0: with the file itself.
    pub bad: Vec<BadRow>,
}

/// Reads the rows of a file; `-` is the standard input. The error is that of the file system.
pub fn read_path(path: &Path, format: RowFormat) -> io::Result<RowsRead> {
    if path == Path::new("-") {
        return read(io::stdin().lock(), format);
    }
    read(BufReader::new(File::open(path)?), format)
}

/// Reads rows. A byte order mark at the beginning is passed over.
pub fn read(input: impl BufRead, format: RowFormat) -> io::Result<RowsRead> {
    let input = without_mark(input)?;
    let mut collector = Collector::default();
    match format {
        RowFormat::Csv => csv::read(input, &mut collector)?,
        RowFormat::JsonLines => json_lines::read(input, &mut collector)?,
        RowFormat::Yaml => yaml::read(input, &mut collector)?,
    }
    if collector.count == 0 && collector.read.bad.is_empty() {
        collector.complain(BadRow::new(At::default(), "no-rows", "there are no rows").hint("each row names a tenant"));
    }
    Ok(collector.read)
}

/// The input without the mark that some programs put before UTF-8.
fn without_mark(mut input: impl BufRead) -> io::Result<impl BufRead> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mut head = Vec::with_capacity(MARK.len());
    input.by_ref().take(MARK.len() as u64).read_to_end(&mut head)?;
    if head == MARK {
        head.clear();
    }
    Ok(Cursor::new(head).chain(input))
}

/// Takes rows one by one, and keeps what was understood and what was not.
#[derive(Default)]
struct Collector {
    read: RowsRead,
    count: u64,
    /// The row in which each tenant was named first.
    first: HashMap<Box<str>, u64>,
}

impl Collector {
    /// Where the row stands that begins in this line. None: there are too many rows, and reading ends.
    fn next(&mut self, line: u64) -> Option<At> {
        if self.count == ROWS_MAX {
            let message = format!("there are more than {ROWS_MAX} rows");
            let at = At { row: 0, line };
            self.complain(BadRow::new(at, "too-many-rows", message).hint("split the file; import the parts in turn"));
            return None;
        }
        self.count += 1;
        Some(At { row: self.count, line })
    }

    /// Understands a row.
    fn take(&mut self, at: At, fields: Vec<(String, Value)>) {
        match interpret(at, fields) {
            Ok(row) => {
                if self.is_first(row.tenant.as_str(), at) {
                    self.read.rows.push(row);
                }
            }
            Err(bad) => {
                if let Some(name) = bad.first().and_then(|bad| bad.tenant.clone()) {
                    self.is_first(&name, at);
                }
                self.read.bad.extend(bad);
            }
        }
    }

    fn is_first(&mut self, tenant: &str, at: At) -> bool {
        if let Some(first) = self.first.get(tenant) {
            let message = format!("{tenant:?} is in row {first} already");
            let bad = BadRow::new(at, "duplicate-tenant", message).tenant(tenant).field("tenant");
            self.complain(bad.hint("remove one of the two rows"));
            return false;
        }
        self.first.insert(tenant.into(), at.row);
        true
    }

    fn complain(&mut self, bad: BadRow) {
        self.read.bad.push(bad);
    }
}

/// The complaint about a row that is longer than is read.
fn too_long(at: At) -> BadRow {
    let message = format!("the row is longer than {LINE_BYTES_MAX} bytes");
    BadRow::new(at, "row-too-long", message)
}

/// The complaint about bytes that are no text.
fn not_utf8(at: At) -> BadRow {
    BadRow::new(at, "not-utf-8", "the row is not UTF-8").hint("save the file as UTF-8")
}

#[cfg(test)]
mod tests;
