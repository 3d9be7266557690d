//! Checks that a rendered document is a template that CloudFormation would take.
//!
//! Owns: the shape, the quotas, and that every reference leads somewhere. Constraint kept: what CloudFormation accepts
//! passes; types and properties that cellctl does not know are none of its business. A template with a transform is
//! rewritten by CloudFormation, so its references are not judged here.

use std::collections::BTreeSet;

use super::build::{resources, type_of};
use super::report::Report;
use super::sub::{self, Piece};
use crate::domain::doc::{Node, Position};
use crate::domain::finding::did_you_mean;

/// Sections with the number of entries that they may have (CloudFormation quotas).
const QUOTAS: [(&str, usize); 4] = [("Resources", 500), ("Parameters", 200), ("Outputs", 200), ("Mappings", 200)];
/// Characters of a logical id (CloudFormation quotas).
const LOGICAL_ID_CHARS_MAX: usize = 255;
/// What `Ref` and `Sub` know in every template (CloudFormation reference, pseudo parameters).
const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// Checks a whole document.
pub(super) fn check(document: &Node, report: &mut Report<'_>) {
    if !document.is_mapping() {
        let message = "a template is a mapping with Resources";
        return report.error("template-shape", document.at, message, "begin with `Resources:`");
    }
    let has_resources = document.get("Resources").is_some_and(|r| !r.entries().is_empty());
    if !has_resources {
        let at = document.key("Resources").map_or(document.at, |key| key.at);
        report.error("template-shape", at, "the template has no Resources", "add a mapping of resources");
    }
    check_quotas(document, report);
    check_resources(document, report);
    if !is_transformed(document) {
        check_references(document, report);
    }
}

/// Whether CloudFormation rewrites the template with a macro (`Transform`, `Fn::Transform`, `Fn::ForEach`).
pub(super) fn is_transformed(document: &Node) -> bool {
    fn calls(node: &Node) -> bool {
        let macro_key = |key: &Node| key.as_str().is_some_and(|k| k == "Fn::Transform" || k.starts_with("Fn::ForEach"));
        node.tag.as_deref() == Some("!Transform")
            || node.items().iter().any(calls)
            || node.entries().iter().any(|(key, value)| macro_key(key) || calls(value))
    }
    document.get("Transform").is_some() || calls(document)
}

fn check_quotas(document: &Node, report: &mut Report<'_>) {
    for (section, limit) in QUOTAS {
        let count = document.get(section).map_or(0, |s| s.entries().len());
        if count > limit {
            let at = document.key(section).map_or(document.at, |key| key.at);
            let message = format!("{count} {section}; CloudFormation takes {limit} in one template");
            report.error("template-quota", at, message, "split the cell, or move some into a nested stack");
        }
    }
}

fn check_resources(document: &Node, report: &mut Report<'_>) {
    for (key, resource) in document.get("Resources").map(Node::entries).unwrap_or_default() {
        let id = key.as_str().unwrap_or_default();
        if id.starts_with("Fn::") {
            continue;
        }
        if id.is_empty() || id.len() > LOGICAL_ID_CHARS_MAX || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            let message = format!("{id:?} is not a logical id");
            report.error("logical-id", key.at, message, "use 1 to 255 letters and digits");
        }
        if type_of(resource).is_empty() {
            let message = format!("the resource {id} has no Type");
            report.error("resource-type", key.at, message, "add one, such as `Type: AWS::SQS::Queue`");
        }
    }
}

/// The names that references of a template may lead to.
struct Names<'a> {
    resources: BTreeSet<&'a str>,
    parameters: BTreeSet<&'a str>,
    conditions: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(document: &'a Node) -> Self {
        let keys = |section: &str| {
            let entries = document.get(section).map(Node::entries).unwrap_or_default();
            entries.iter().filter_map(|(key, _)| key.as_str()).collect()
        };
        Self { resources: keys("Resources"), parameters: keys("Parameters"), conditions: keys("Conditions") }
    }

    /// Everything that `Ref` can name.
    fn all(&self) -> impl Iterator<Item = &'a str> {
        self.resources.iter().chain(&self.parameters).copied().chain(PSEUDO_PARAMETERS)
    }
}

fn check_references(document: &Node, report: &mut Report<'_>) {
    let names = Names::of(document);
    for section in ["Conditions", "Resources", "Outputs", "Rules"] {
        document.get(section).into_iter().for_each(|node| walk(node, &names, report));
    }
    for (_, resource) in resources(document) {
        let depends = resource.get("DependsOn").into_iter();
        for node in depends.flat_map(|d| if d.items().is_empty() { std::slice::from_ref(d) } else { d.items() }) {
            node.as_str().into_iter().for_each(|name| resource_name(name, node.at, &names, report));
        }
    }
    let outputs = document.get("Outputs").map(Node::entries).unwrap_or_default().iter().map(|(_, output)| output);
    for entry in resources(document).map(|(_, resource)| resource).chain(outputs) {
        entry.get("Condition").into_iter().for_each(|node| condition(node, &names, report));
    }
}

fn walk(node: &Node, names: &Names<'_>, report: &mut Report<'_>) {
    if let Some(call) = node.intrinsic() {
        let argument = call.argument;
        match call.name.as_str() {
            "Ref" => argument.as_str().into_iter().for_each(|name| reference(name, argument.at, names, report)),
            "GetAtt" => sub::get_att(argument).iter().for_each(|name| attribute(name, argument.at, names, report)),
            "Sub" => substitution(argument, names, report),
            "If" => argument.items().first().into_iter().for_each(|node| condition(node, names, report)),
            "Condition" => condition(argument, names, report),
            _ => {}
        }
    }
    node.items().iter().for_each(|item| walk(item, names, report));
    node.entries().iter().for_each(|(_, value)| walk(value, names, report));
}

fn substitution(argument: &Node, names: &Names<'_>, report: &mut Report<'_>) {
    let Some((text, own)) = sub::sub_argument(argument) else { return };
    for piece in sub::pieces(text) {
        match piece {
            Piece::Var(name) if own.is_some_and(|own| own.get(&name).is_some()) => {}
            Piece::Var(name) if name.contains('.') => attribute(&name, argument.at, names, report),
            Piece::Var(name) => reference(&name, argument.at, names, report),
            Piece::Text(_) => {}
        }
    }
}

fn reference(name: &str, at: Position, names: &Names<'_>, report: &mut Report<'_>) {
    if !names.all().any(|known| known == name) {
        let message = format!("{name:?} is neither a resource nor a parameter of this template");
        report.error("undefined-reference", at, message, suggestion(name, names.all()));
    }
}

fn attribute(name: &str, at: Position, names: &Names<'_>, report: &mut Report<'_>) {
    resource_name(name.split('.').next().unwrap_or(name), at, names, report);
}

fn resource_name(name: &str, at: Position, names: &Names<'_>, report: &mut Report<'_>) {
    if !names.resources.contains(name) {
        let message = format!("{name:?} is not a resource of this template");
        report.error("undefined-reference", at, message, suggestion(name, names.resources.iter().copied()));
    }
}

fn condition(node: &Node, names: &Names<'_>, report: &mut Report<'_>) {
    let Some(name) = node.as_str().filter(|name| !names.conditions.contains(name)) else { return };
    let message = format!("{name:?} is not a condition of this template");
    report.error("undefined-reference", node.at, message, suggestion(name, names.conditions.iter().copied()));
}

fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    did_you_mean(name, known)
        .map_or_else(|| "define it, or correct the name".to_owned(), |n| format!("did you mean `{n}`?"))
}
