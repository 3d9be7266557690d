//! Makes a template's text into what is sent to CloudFormation, once for every text.
//!
//! Owns: the order of the steps: parse, check, guard, write. Constraint kept: nothing here depends on a single cell,
//! so that cells with the same text share the result.

use std::collections::{BTreeMap, BTreeSet};

use super::render::ParseText;
use super::report::Report;
use super::sub::{self, Piece};
use super::{check, guards};
use crate::domain::doc::{Node, Position};
use crate::domain::emit;
use crate::domain::finding::Finding;
use crate::domain::ids::Digest;

/// Bytes of a template that CloudFormation takes from S3 (CloudFormation quotas, template body: 1 MB).
const BODY_BYTES_MAX: usize = 1_000_000;

/// A template as it is sent, shared by all cells whose expansion is the same text.
#[derive(Debug, Clone)]
pub struct RenderedTemplate {
    /// The text that is sent. Parse it again for a diff; the tree is ten times as large.
    pub body: String,
    /// Digest of `body`.
    pub digest: Digest,
    /// What must be acknowledged (`CAPABILITY_NAMED_IAM`).
    pub capabilities: BTreeSet<String>,
    /// What the guards added.
    pub injected: Vec<Injection>,
    /// The parameters that the template declares.
    pub parameters: Vec<Parameter>,
    /// The explicit names of tables.
    pub tables: Vec<PhysicalName>,
    /// The explicit names of queues.
    pub queues: Vec<PhysicalName>,
    /// Strings that begin with the fleet's name, to be held against the names of the other cells.
    pub(super) mentions: Vec<Mention>,
    /// Findings that refuse nothing.
    pub warnings: Vec<Finding>,
}

/// Something that a guard added to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The resource.
    pub logical_id: String,
    /// What was added (`DeletionPolicy`, `Properties.SSESpecification`).
    pub path: String,
}

/// A parameter of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether it has no default.
    pub required: bool,
    /// Where it is declared, in the expanded text.
    pub at: Position,
}

/// The explicit name of a resource, with what is only known for a cell left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalName {
    /// The resource.
    pub logical_id: String,
    pub(super) pieces: Vec<Piece>,
}

/// A string of the template that may name a cell of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) text: String,
    pub(super) at: Position,
    pub(super) excerpt: Option<String>,
}

impl PhysicalName {
    /// The name, where `value` knows every placeholder in it.
    pub fn resolve<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text.as_str()),
                Piece::Var(name) => value(name),
            })
            .collect()
    }
}

/// Parses, checks, guards and writes a text. `file` is how the user knows it; `fleet` is the fleet's name.
pub(super) fn build(parse: ParseText, file: &str, text: &str, fleet: &str) -> Result<RenderedTemplate, Vec<Finding>> {
    let mut document = parse(text).map_err(|(at, message)| {
        let finding = Finding::error("template-syntax", file, format!("not a YAML or JSON document: {message}"));
        vec![finding.at(at, text).hint("`cellctl render` shows the text that a template expands to")]
    })?;
    let mut report = Report::new(file, text);
    check::check(&document, &mut report);
    let injected = guards::apply(&mut document, &mut report);
    let tables = names(&document, "AWS::DynamoDB::Table", "TableName");
    let queues = names(&document, "AWS::SQS::Queue", "QueueName");
    check_unique(&document, &tables, &mut report);
    check_unique(&document, &queues, &mut report);
    let body = emit::to_yaml(&document);
    check_size(&body, &mut report);
    let warnings = report.into_result()?;
    Ok(RenderedTemplate {
        digest: Digest::of(body.as_bytes()),
        capabilities: capabilities(&document),
        injected,
        parameters: parameters(&document),
        tables,
        queues,
        mentions: mentions(&document, fleet, text),
        warnings,
        body,
    })
}

fn check_size(body: &str, report: &mut Report<'_>) {
    if body.len() > BODY_BYTES_MAX {
        let message = format!("the template has {} bytes; CloudFormation takes {BODY_BYTES_MAX}", body.len());
        report.error(
            "template-too-large",
            Position::default(),
            message,
            "split the cell's resources into nested stacks",
        );
    }
}

/// Refuses two resources of a type with one name, of which CloudFormation would make only the first.
fn check_unique(document: &Node, names: &[PhysicalName], report: &mut Report<'_>) {
    let mut seen: BTreeMap<&[Piece], &str> = BTreeMap::new();
    for name in names {
        let Some(first) = seen.insert(&name.pieces, &name.logical_id) else { continue };
        let key = document.get("Resources").and_then(|r| r.key(&name.logical_id));
        let message = format!("{} has the same name as {first}", name.logical_id);
        report.error("duplicate-name", key.map_or(document.at, |k| k.at), message, "rename one of the two");
    }
}

/// The resources of a template that are mappings, with their logical ids.
pub(super) fn resources(document: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let entries = document.get("Resources").map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|(key, node)| Some((key.as_str()?, node)))
}

/// The `Type` of a resource; empty where it has none.
pub(super) fn type_of(resource: &Node) -> &str {
    resource.get("Type").and_then(Node::as_str).unwrap_or_default()
}

fn parameters(document: &Node) -> Vec<Parameter> {
    let entries = document.get("Parameters").map(Node::entries).unwrap_or_default();
    let parameter = |(key, node): &(Node, Node)| {
        Some(Parameter { name: key.as_str()?.to_owned(), required: node.get("Default").is_none(), at: key.at })
    };
    entries.iter().filter_map(parameter).collect()
}

/// The names that a template gives to the resources of one type. One that depends on a condition is left out.
fn names(document: &Node, resource_type: &str, property: &str) -> Vec<PhysicalName> {
    let name = |(logical_id, resource): (&str, &Node)| {
        let mut flat = sub::flatten(resource.get("Properties")?.get(property)?);
        (flat.len() == 1).then(|| PhysicalName { logical_id: logical_id.to_owned(), pieces: flat.swap_remove(0) })
    };
    resources(document).filter(|(_, r)| type_of(r) == resource_type).filter_map(name).collect()
}

/// The acknowledgements that CloudFormation asks for (IAM resources, named ones, macros and nested stacks).
fn capabilities(document: &Node) -> BTreeSet<String> {
    const NAMES: [&str; 5] = ["RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"];
    let mut found = BTreeSet::new();
    for (_, resource) in resources(document) {
        let named = NAMES.iter().any(|name| resource.get("Properties").and_then(|p| p.get(name)).is_some());
        match type_of(resource) {
            "AWS::CloudFormation::Stack" => found.extend(["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]),
            kind if kind.starts_with("AWS::IAM::") && named => found.extend(["CAPABILITY_NAMED_IAM"]),
            kind if kind.starts_with("AWS::IAM::") => found.extend(["CAPABILITY_IAM"]),
            _ => {}
        }
    }
    if check::is_transformed(document) {
        found.extend(["CAPABILITY_AUTO_EXPAND", "CAPABILITY_IAM"]);
    }
    found.into_iter().map(str::to_owned).collect()
}

fn mentions(document: &Node, fleet: &str, text: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let prefix = format!("{fleet}-");
    for (_, resource) in resources(document) {
        if let Some(properties) = resource.get("Properties") {
            collect_mentions(properties, &prefix, text, &mut found);
        }
    }
    found
}

fn collect_mentions(node: &Node, prefix: &str, source: &str, found: &mut Vec<Mention>) {
    if let Some(text) = node.as_str().filter(|text| text.contains(prefix)) {
        let excerpt = Finding::error("", "", "").at(node.at, source).excerpt;
        found.push(Mention { text: text.to_owned(), at: node.at, excerpt });
    }
    node.items().iter().for_each(|item| collect_mentions(item, prefix, source, found));
    node.entries().iter().for_each(|(_, value)| collect_mentions(value, prefix, source, found));
}
