//! Values in a template: written canonically, searched for references, and resolved in a simple way.
//!
//! Owns: what the intrinsic functions mean here. Constraint kept: a function that is not known (`Fn::FindInMap` and
//! the like) gives its own text, never an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cellctl::domain::doc::{Node, Value};

use super::state::Identity;

/// What a value is resolved against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The stack.
    pub(crate) stack: &'a Identity,
    /// Its parameters.
    pub(crate) parameters: &'a BTreeMap<String, String>,
    /// Type and physical id of its resources, by logical id.
    pub(crate) resources: &'a BTreeMap<String, (String, String)>,
}

/// The text of a value in which the order of keys, the quoting and the form of a function do not show.
pub(crate) fn canonical(node: &Node) -> String {
    let mut out = String::new();
    write_canonical(node, &mut out);
    out
}

fn write_canonical(node: &Node, out: &mut String) {
    if let Some(call) = node.intrinsic() {
        let _ = write!(out, "!{} ", call.name);
    }
    let node = match node.intrinsic() {
        Some(call) if !call.tagged => call.argument,
        _ => node,
    };
    match &node.value {
        Value::Scalar { text, .. } => {
            let _ = write!(out, "{text:?}");
        }
        Value::Sequence(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Mapping(pairs) => {
            let sorted: BTreeMap<&str, &Node> = pairs.iter().map(|(k, v)| (k.as_str().unwrap_or(""), v)).collect();
            out.push('{');
            for (key, value) in sorted {
                let _ = write!(out, "{key:?}:");
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

/// The parameters and resources that a value refers to by `Ref`, `GetAtt` and `Sub`.
pub(crate) fn references(node: &Node) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(node, &mut found);
    found
}

fn collect(node: &Node, found: &mut BTreeSet<String>) {
    if let Some(call) = node.intrinsic() {
        match call.name.as_str() {
            "Ref" => found.extend(call.argument.as_str().map(str::to_owned)),
            "GetAtt" => found.extend(attribute(call.argument).map(|(name, _)| name)),
            "Sub" => collect_sub(call.argument, found),
            _ => {}
        }
    }
    match &node.value {
        Value::Scalar { .. } => {}
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Mapping(pairs) => pairs.iter().for_each(|(_, value)| collect(value, found)),
    }
}

fn collect_sub(argument: &Node, found: &mut BTreeSet<String>) {
    let (text, own) = sub_parts(argument);
    let names = placeholders(text).into_iter().filter(|name| own.is_none_or(|own| own.get(name).is_none()));
    found.extend(names.filter_map(|name| name.split('.').next().map(str::to_owned)));
}

/// The text of a `Sub` and the mapping of its own names, if it has one.
fn sub_parts(argument: &Node) -> (&str, Option<&Node>) {
    match argument.items() {
        [text, own, ..] => (text.as_str().unwrap_or_default(), Some(own)),
        _ => (argument.as_str().unwrap_or_default(), None),
    }
}

/// The names in `${...}`; `${!...}` is a literal.
fn placeholders(text: &str) -> Vec<&str> {
    let pieces = text.split("${").skip(1);
    pieces.filter_map(|piece| piece.split('}').next()).filter(|name| !name.starts_with('!')).collect()
}

/// Resource and attribute of a `GetAtt`, in either form.
fn attribute(argument: &Node) -> Option<(String, String)> {
    match argument.items() {
        [name, attribute] => Some((name.as_str()?.to_owned(), attribute.as_str()?.to_owned())),
        _ => argument.as_str()?.split_once('.').map(|(name, rest)| (name.to_owned(), rest.to_owned())),
    }
}

/// The text that a value comes to.
pub(crate) fn resolve(node: &Node, scope: Scope<'_>) -> String {
    let Some(call) = node.intrinsic() else {
        return node.as_str().map_or_else(|| canonical(node), str::to_owned);
    };
    match call.name.as_str() {
        "Ref" => scope.reference(call.argument.as_str().unwrap_or_default()),
        "GetAtt" => attribute(call.argument).map_or_else(String::new, |(name, rest)| scope.attribute(&name, &rest)),
        "Sub" => substitute(call.argument, scope),
        "Join" => join(call.argument, scope),
        _ => canonical(node),
    }
}

fn substitute(argument: &Node, scope: Scope<'_>) -> String {
    let (text, own) = sub_parts(argument);
    let mut out = text.to_owned();
    for name in placeholders(text) {
        let value = match (own.and_then(|own| own.get(name)), name.split_once('.')) {
            (Some(value), _) => resolve(value, scope),
            (None, Some((resource, attribute))) => scope.attribute(resource, attribute),
            (None, None) => scope.reference(name),
        };
        out = out.replace(&format!("${{{name}}}"), &value);
    }
    out.replace("${!", "${")
}

fn join(argument: &Node, scope: Scope<'_>) -> String {
    let [separator, parts] = argument.items() else { return canonical(argument) };
    let parts: Vec<String> = parts.items().iter().map(|part| resolve(part, scope)).collect();
    parts.join(separator.as_str().unwrap_or_default())
}

impl Scope<'_> {
    fn reference(&self, name: &str) -> String {
        let Identity { name: stack, id, caller } = self.stack;
        match name {
            "AWS::StackName" => stack.clone(),
            "AWS::StackId" => id.clone(),
            "AWS::Region" => caller.region.clone(),
            "AWS::AccountId" => caller.account.clone(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => {
                let resource = || self.resources.get(name).map(|(_, physical)| physical.clone());
                self.parameters.get(name).cloned().or_else(resource).unwrap_or_else(|| name.to_owned())
            }
        }
    }

    fn attribute(&self, name: &str, attribute: &str) -> String {
        let Some((kind, physical)) = self.resources.get(name) else { return format!("{name}.{attribute}") };
        let plain = physical.rsplit(['/', ':']).next().unwrap_or(physical);
        match attribute {
            "Arn" | "TopicArn" => arn(kind, plain, &self.stack.caller.region, &self.stack.caller.account),
            "StreamArn" => {
                let table = arn(kind, plain, &self.stack.caller.region, &self.stack.caller.account);
                format!("{table}/stream/2001-09-09T01:46:40.000")
            }
            "QueueName" | "TopicName" => plain.to_owned(),
            "QueueUrl" => physical.clone(),
            _ => format!("{physical}.{attribute}"),
        }
    }
}

/// A name like the ones that the services give; close enough to be told apart and taken apart.
pub(crate) fn arn(kind: &str, name: &str, region: &str, account: &str) -> String {
    let mut words = kind.split("::").skip(1);
    let service = words.next().unwrap_or("unknown").to_ascii_lowercase();
    let resource = words.next().unwrap_or("resource").to_ascii_lowercase();
    match service.as_str() {
        "s3" => format!("arn:aws:s3:::{name}"),
        "iam" => format!("arn:aws:iam::{account}:{resource}/{name}"),
        "sqs" | "sns" => format!("arn:aws:{service}:{region}:{account}:{name}"),
        "lambda" => format!("arn:aws:lambda:{region}:{account}:{resource}:{name}"),
        _ => format!("arn:aws:{service}:{region}:{account}:{resource}/{name}"),
    }
}
