//! The JSON Schema of a line of a snapshot, from the types that read and write it.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{CellLine, EntryLine, Header, Trailer};

/// Any line.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is there for its schema: a line is told by its place and its first field")]
enum Line {
    Header(Header),
    Cell(CellLine),
    Entry(EntryLine),
    Trailer(Trailer),
}

/// The JSON Schema (draft 2020-12) of one line of a snapshot.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<Line>().to_value();
    schema["$id"] = json!("https://cellctl.dev/schema/v1/map-snapshot.json");
    schema["title"] = json!("a line of a cellctl.map/v1 snapshot");
    schema
}
