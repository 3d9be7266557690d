//! Tests of rendering as a whole: text and definitions in, stacks or findings out.

mod examples;
mod guarding;
mod rendering;

use std::collections::BTreeMap;

use serde_json::json;

use super::{RenderedStack, Renderer, TemplateSource};
use crate::domain::doc::{Node, Position};
use crate::domain::finding::Finding;
use crate::domain::fleet::{Cell, Fleet, Place};
use crate::domain::ids::Digest;

fn parse(text: &str) -> Result<Node, (Position, String)> {
    crate::fs::yaml::parse(text).map_err(|error| (error.at, error.message))
}

fn source(file: &str, text: &str) -> TemplateSource {
    let name = "own".parse().expect("a name");
    TemplateSource { name, file: file.to_owned(), text: text.to_owned(), dynamic: file == super::source::FILE_NAMES[0] }
}

fn place() -> Place {
    Place { region: "eu-central-1".parse().expect("a Region"), account: None, role_arn: None }
}

/// A cell of the template `own`, with the given fields of its spec beside the required ones.
fn cell(id: &str, spec: serde_json::Value) -> Cell {
    let mut all = json!({ "type": "shared", "capacity": { "tenants": 10 } });
    if let (Some(all), serde_json::Value::Object(more)) = (all.as_object_mut(), spec) {
        all.extend(more);
    }
    Cell {
        id: id.parse().expect("a name"),
        labels: BTreeMap::new(),
        place: place(),
        template: "own".parse().expect("a name"),
        spec: serde_json::from_value(all).expect("a spec"),
        file: format!("cells/{id}.yaml"),
    }
}

fn fleet(mut cells: Vec<Cell>) -> Fleet {
    cells.sort_by(|a, b| a.id.cmp(&b.id));
    Fleet {
        name: "shop".parse().expect("a name"),
        labels: BTreeMap::new(),
        control: place(),
        tags: BTreeMap::from([("team".to_owned(), "orders".to_owned())]),
        concurrency: None,
        max_failures: None,
        rollout: crate::domain::definition::RolloutSpec::default(),
        residency: BTreeMap::new(),
        cells,
    }
}

fn code() -> BTreeMap<String, Digest> {
    BTreeMap::from([("functions/processor".to_owned(), Digest::of(b"code"))])
}

/// Renders `cell-1` of a fleet with `cell-1` and `cell-2` from one template file.
fn render(file: &str, text: &str) -> Result<RenderedStack, Vec<Finding>> {
    let fleet = fleet(vec![cell("cell-1", json!({})), cell("cell-2", json!({}))]);
    Renderer::new([source(file, text)], parse).render(&fleet, &fleet.cells[0], &code())
}

/// The codes of what is wrong with a static template, with their lines.
fn complaints(text: &str) -> Vec<(&'static str, u32)> {
    render("template.yaml", text).err().unwrap_or_default().iter().map(|f| (f.code, f.line)).collect()
}
