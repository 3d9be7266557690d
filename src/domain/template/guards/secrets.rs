//! Keeps secrets out of templates: a stack's template, parameters and outputs can be read by whoever may look at it.
//!
//! Constraint kept: the value of a secret is never in a finding, and neither is its line; the place is enough.

use crate::domain::doc::{Node, Position};
use crate::domain::secrets::looks_secret;
use crate::domain::template::build::resources;
use crate::domain::template::report::Report;
use crate::domain::template::sub::{self, Piece};

/// Properties that hold a password or a key, whatever they look like.
const SECRET_PROPERTIES: [&str; 8] = [
    "AccessToken",
    "AuthToken",
    "ClientSecret",
    "MasterUserPassword",
    "OAuthToken",
    "Password",
    "SecretString",
    "UserPassword",
];
/// Attributes whose value is a secret.
const SECRET_ATTRIBUTES: [&str; 2] = [".SecretAccessKey", ".ClientSecret"];
const HINT: &str = "keep it in Secrets Manager or in a SecureString parameter, and write \
    `{{resolve:secretsmanager:NAME}}` or `{{resolve:ssm-secure:NAME}}`, or have the function read it";

/// Refuses secrets as text in properties, environments, outputs and defaults, and outputs that give one away.
pub(super) fn check(document: &Node, report: &mut Report<'_>) {
    for (id, resource) in resources(document) {
        resource.get("Properties").into_iter().for_each(|properties| check_properties(id, properties, report));
    }
    let section = |name| document.get(name).map(Node::entries).unwrap_or_default();
    for (key, parameter) in section("Parameters") {
        check_default(key, parameter, report);
    }
    for (key, output) in section("Outputs") {
        check_output(document, key, output, report);
    }
}

fn check_properties(id: &str, node: &Node, report: &mut Report<'_>) {
    for (key, value) in node.entries() {
        let name = key.as_str().unwrap_or_default();
        match name {
            "Environment" | "EnvironmentVariables" => check_environment(id, value, report),
            _ if SECRET_PROPERTIES.contains(&name) && is_literal(value) => {
                refuse(value.at, &format!("{name} of {id} is written as plain text"), report);
            }
            _ => check_properties(id, value, report),
        }
    }
    node.items().iter().for_each(|item| check_properties(id, item, report));
}

/// Both forms of an environment: a mapping of names to values, and a list of `Name` and `Value`.
fn check_environment(id: &str, node: &Node, report: &mut Report<'_>) {
    let named = (node.get("Name").and_then(Node::as_str), node.get("Value"));
    if let (Some(name), Some(value)) = named {
        return check_variable(id, name, value, report);
    }
    for (key, value) in node.entries() {
        check_variable(id, key.as_str().unwrap_or_default(), value, report);
        check_environment(id, value, report);
    }
    node.items().iter().for_each(|item| check_environment(id, item, report));
}

fn check_variable(id: &str, name: &str, value: &Node, report: &mut Report<'_>) {
    if let Some(what) = literal_secret(name, value) {
        refuse(value.at, &format!("the environment variable {name} of {id} holds {what} as plain text"), report);
    }
}

fn check_default(key: &Node, parameter: &Node, report: &mut Report<'_>) {
    let name = key.as_str().unwrap_or_default();
    let Some(default) = parameter.get("Default") else { return };
    if is_hidden(parameter) && is_literal(default) {
        refuse(default.at, &format!("the parameter {name} is NoEcho and has its default as plain text"), report);
    } else if let Some(what) = literal_secret(name, default) {
        refuse(default.at, &format!("the default of the parameter {name} holds {what} as plain text"), report);
    }
}

fn check_output(document: &Node, key: &Node, output: &Node, report: &mut Report<'_>) {
    let (name, Some(value)) = (key.as_str().unwrap_or_default(), output.get("Value")) else { return };
    if let Some(what) = literal_secret(name, value) {
        return refuse(value.at, &format!("the output {name} holds {what} as plain text"), report);
    }
    let hidden = |name: &str| document.get("Parameters").and_then(|p| p.get(name)).is_some_and(is_hidden);
    let tells = |piece: &Piece| match piece {
        Piece::Var(variable) => hidden(variable) || SECRET_ATTRIBUTES.iter().any(|end| variable.ends_with(end)),
        Piece::Text(text) => text.contains("{{resolve:secretsmanager:") || text.contains("{{resolve:ssm-secure:"),
    };
    if sub::flatten(value).iter().flatten().any(tells) {
        refuse(value.at, &format!("the output {name} gives a secret away"), report);
    }
}

fn is_hidden(parameter: &Node) -> bool {
    parameter.get("NoEcho").and_then(Node::as_str).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// A text that has no dynamic reference in it and is not empty.
fn is_literal(node: &Node) -> bool {
    node.intrinsic().is_none() && node.as_str().is_some_and(|text| !text.is_empty() && !text.contains("{{resolve:"))
}

fn literal_secret(name: &str, value: &Node) -> Option<&'static str> {
    value.as_str().filter(|text| !text.contains("{{resolve:")).and_then(|text| looks_secret(name, text))
}

/// Reports a secret without its line.
fn refuse(at: Position, message: &str, report: &mut Report<'_>) {
    report.secret("plain-secret", at, message, HINT);
}
