//! Rows of YAML: a list of objects, or several documents.
//!
//! Constraint kept: the whole text is held as a tree, so that its size and the number of its nodes are bounded.

use std::io::{self, Read};

use crate::domain::doc::{self, Node, Style};
use crate::domain::tenant::row::{At, BadRow, Value};
use crate::fs::yaml::parse_all;

use super::{Collector, YAML_BYTES_MAX, not_utf8};

/// Reads all rows.
pub(super) fn read(input: impl Read, collector: &mut Collector) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.take(YAML_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > YAML_BYTES_MAX {
        let message = format!("the file has more than {YAML_BYTES_MAX} bytes");
        let bad = BadRow::new(At::default(), "file-too-large", message);
        collector.complain(bad.hint("write CSV or JSON lines: they are read as a stream"));
        return Ok(());
    }
    let Ok(text) = String::from_utf8(bytes) else {
        collector.complain(not_utf8(At::default()));
        return Ok(());
    };
    match parse_all(&text) {
        Ok(documents) => documents.iter().for_each(|document| rows(document, collector)),
        Err(error) => {
            let at = At { row: 0, line: u64::from(error.at.line) };
            let message = format!("the file is not YAML: {} (column {})", error.message, error.at.column);
            let hint = "nothing after it was read; large files are better CSV or JSON lines";
            collector.complain(BadRow::new(at, "not-yaml", message).hint(hint));
        }
    }
    Ok(())
}

/// A document is a list of rows, or one row.
fn rows(document: &Node, collector: &mut Collector) {
    let alone = std::slice::from_ref(document);
    let nodes = if matches!(document.value, doc::Value::Sequence(_)) { document.items() } else { alone };
    for node in nodes {
        let Some(at) = collector.next(u64::from(node.at.line)) else { return };
        match value(node) {
            Value::Map(fields) => collector.take(at, fields),
            other => {
                let message = format!("the row is {} where an object is expected", other.kind());
                collector.complain(BadRow::new(at, "wrong-type", message).hint("write `- tenant: acme`"));
            }
        }
    }
}

/// Plain scalars stay text: `0123` is the tenant 0123, and `yes` is understood where true or false is expected.
fn value(node: &Node) -> Value {
    match &node.value {
        doc::Value::Scalar { text, style } => {
            let is_null = *style == Style::Plain && matches!(&**text, "" | "~" | "null");
            if is_null { Value::Absent } else { Value::text(text) }
        }
        doc::Value::Sequence(items) => Value::List(items.iter().map(value).collect()),
        doc::Value::Mapping(pairs) => {
            let named = |(key, item): &(Node, Node)| (key.as_str().unwrap_or_default().to_owned(), value(item));
            Value::Map(pairs.iter().map(named).collect())
        }
    }
}
