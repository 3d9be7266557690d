//! Rows of JSON lines: one object a line.
//!
//! Constraint kept: no more than one line is held, however long it is; a line that cannot be read does not hide the
//! next.

use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::domain::tenant::row::{At, BadRow, Value};

use super::{Collector, LINE_BYTES_MAX, not_utf8, too_long};

/// Reads all rows.
pub(super) fn read(mut input: impl BufRead, collector: &mut Collector) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let bytes_max = LINE_BYTES_MAX as u64 + 1;
        if input.by_ref().take(bytes_max).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        let is_cut = line.last() != Some(&b'\n') && line.len() > LINE_BYTES_MAX;
        if !is_cut && line.trim_ascii().is_empty() {
            continue;
        }
        let Some(at) = collector.next(number) else { return Ok(()) };
        if is_cut {
            collector.complain(too_long(at).hint("write one object a line"));
            pass_over_line(&mut input)?;
        } else {
            row(at, &line, collector);
        }
    }
}

/// Passes over the rest of a line.
fn pass_over_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if ended {
            return Ok(());
        }
    }
}

fn row(at: At, line: &[u8], collector: &mut Collector) {
    let Ok(text) = std::str::from_utf8(line) else { return collector.complain(not_utf8(at)) };
    match serde_json::from_str::<Json>(text) {
        Ok(Json(Value::Map(fields))) => collector.take(at, fields),
        Ok(Json(other)) => {
            let message = format!("the line is {} where an object is expected", other.kind());
            let hint = "write one object a line: {\"tenant\": \"acme\"}";
            collector.complain(BadRow::new(at, "wrong-type", message).hint(hint));
        }
        Err(error) => {
            let message = format!("the line is not JSON: {error}");
            let hint = "write one whole object a line, without a comma after it";
            collector.complain(BadRow::new(at, "not-json", message).hint(hint));
        }
    }
}

/// A JSON value that keeps the order of fields, and fields that are there twice.
struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Json)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, Json(value))) = entries.next_entry::<String, Json>()? {
            map.push((key, value));
        }
        Ok(Value::Map(map))
    }
}
