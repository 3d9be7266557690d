//! A template as far as the endpoint has to understand it.
//!
//! Owns: resources, parameters and outputs of a template, and the errors of one that cannot be meant. Constraint
//! kept: conditions are not evaluated; every resource is taken to be wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cellctl::domain::doc::Node;
use cellctl::fs::yaml;

use super::errors::Refusal;
use super::resolve;

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template {
    /// As it was sent.
    pub(crate) text: Arc<str>,
    /// In the order of the text.
    pub(crate) resources: Vec<Resource>,
    /// In the order of the text.
    pub(crate) parameters: Vec<Parameter>,
    /// Name and definition, in the order of the text.
    pub(crate) outputs: Vec<(String, Node)>,
    /// The template's description.
    pub(crate) description: Option<String>,
    /// Names of macros, such as the serverless transform.
    pub(crate) transforms: Vec<String>,
}

/// One resource.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Its logical id.
    pub(crate) logical: Arc<str>,
    /// Its type, such as `AWS::SQS::Queue`.
    pub(crate) kind: Arc<str>,
    /// Whether the service leaves it when the stack lets go of it.
    pub(crate) retain: bool,
    /// Whether it leaves it even when the operation that made it is rolled back.
    pub(crate) retain_new: bool,
    /// The attributes beside the properties, each written so that equal meaning gives equal text.
    pub(crate) attributes: BTreeMap<&'static str, String>,
    /// The properties, each written likewise.
    pub(crate) properties: BTreeMap<String, String>,
    /// What each property refers to: parameters and resources.
    pub(crate) references: BTreeMap<String, BTreeSet<String>>,
    /// As parsed.
    pub(crate) node: Node,
}

/// One parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: String,
    /// The value that it has when none is given.
    pub(crate) default: Option<String>,
    /// Whether its value is shown as asterisks.
    pub(crate) no_echo: bool,
    /// Its type.
    pub(crate) kind: String,
}

impl Template {
    /// A template of which nothing is known: its text stands somewhere else.
    pub(crate) fn opaque(text: &str) -> Self {
        let (resources, parameters, outputs) = (Vec::new(), Vec::new(), Vec::new());
        Self { text: text.into(), resources, parameters, outputs, description: None, transforms: Vec::new() }
    }

    /// Parses YAML or JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let root = yaml::parse(text).map_err(|error| {
            let at = format!("(line {}, column {})", error.at.line, error.at.column);
            format_error(&format!("YAML not well-formed. {at}"))
        })?;
        let resources = root.get("Resources").map(Node::entries).unwrap_or_default();
        if resources.is_empty() {
            return Err(format_error("At least one Resources member must be defined."));
        }
        let resources = resources.iter().map(|(key, node)| resource(key, node)).collect::<Result<Vec<_>, _>>()?;
        let outputs = root.get("Outputs").map(Node::entries).unwrap_or_default();
        let template = Self {
            text: text.into(),
            resources,
            parameters: root.get("Parameters").map(Node::entries).unwrap_or_default().iter().map(parameter).collect(),
            outputs: outputs.iter().map(|(key, node)| (text_of(key), node.clone())).collect(),
            description: root.get("Description").map(text_of),
            transforms: root.get("Transform").map(transforms).unwrap_or_default(),
        };
        template.check_references()?;
        Ok(template)
    }

    /// The resource of that logical id.
    pub(crate) fn resource(&self, logical: &str) -> Option<&Resource> {
        self.resources.iter().find(|r| &*r.logical == logical)
    }

    /// The capability that the template needs, with the one that it is content with.
    pub(crate) fn capabilities(&self) -> Vec<&'static str> {
        let iam: Vec<&Resource> = self.resources.iter().filter(|r| is_iam(&r.kind)).collect();
        let named = |r: &&Resource| NAMING.iter().any(|name| r.properties.contains_key(*name));
        let mut needed = Vec::new();
        if !iam.is_empty() {
            needed.push(if iam.iter().any(named) { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" });
        }
        if !self.transforms.is_empty() {
            needed.push("CAPABILITY_AUTO_EXPAND");
        }
        needed
    }

    fn check_references(&self) -> Result<(), Refusal> {
        let known = |name: &&String| {
            name.starts_with("AWS::")
                || self.resource(name).is_some()
                || self.parameters.iter().any(|parameter| parameter.name == **name)
        };
        let all: BTreeSet<&String> = self.resources.iter().flat_map(|r| r.references.values().flatten()).collect();
        let missing: Vec<&str> = all.into_iter().filter(|name| !known(name)).map(String::as_str).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names = missing.join(", ");
        let text = format!("Unresolved resource dependencies [{names}] in the Resources block of the template");
        Err(format_error(&text))
    }
}

/// What beside its properties makes a resource a changed one; `DependsOn` and `Condition` do not.
pub(crate) const ATTRIBUTES: [&str; 5] =
    ["Metadata", "CreationPolicy", "UpdatePolicy", "DeletionPolicy", "UpdateReplacePolicy"];

const NAMING: [&str; 5] = ["RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName"];

fn is_iam(kind: &str) -> bool {
    ["Role", "Policy", "ManagedPolicy", "User", "Group", "AccessKey", "InstanceProfile", "UserToGroupAddition"]
        .iter()
        .any(|name| kind.strip_prefix("AWS::IAM::") == Some(name))
}

fn resource(key: &Node, node: &Node) -> Result<Resource, Refusal> {
    let logical = text_of(key);
    let missing =
        || format_error(&format!("[/Resources/{logical}] Every Resources object must contain a Type member."));
    let kind = node.get("Type").and_then(Node::as_str).ok_or_else(missing)?;
    let policy = node.get("DeletionPolicy").and_then(Node::as_str).unwrap_or("Delete");
    let properties = node.get("Properties").map(Node::entries).unwrap_or_default();
    let attributes = ATTRIBUTES.iter().filter_map(|name| Some((*name, resolve::canonical(node.get(name)?))));
    Ok(Resource {
        kind: kind.into(),
        retain: policy.starts_with("Retain"),
        retain_new: policy == "Retain",
        attributes: attributes.collect(),
        properties: properties.iter().map(|(k, v)| (text_of(k), resolve::canonical(v))).collect(),
        references: properties.iter().map(|(k, v)| (text_of(k), resolve::references(v))).collect(),
        node: node.clone(),
        logical: logical.into(),
    })
}

fn parameter((key, node): &(Node, Node)) -> Parameter {
    Parameter {
        name: text_of(key),
        default: node.get("Default").map(text_of),
        no_echo: node.get("NoEcho").and_then(Node::as_str).is_some_and(|text| text.eq_ignore_ascii_case("true")),
        kind: node.get("Type").map_or_else(|| "String".to_owned(), text_of),
    }
}

fn transforms(node: &Node) -> Vec<String> {
    node.as_str().map(str::to_owned).into_iter().chain(node.items().iter().map(text_of)).collect()
}

fn text_of(node: &Node) -> String {
    node.as_str().unwrap_or_default().to_owned()
}

fn format_error(text: &str) -> Refusal {
    Refusal::validation(format!("Template format error: {text}"))
}
