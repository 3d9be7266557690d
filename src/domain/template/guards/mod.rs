//! The rules that every cell's stack must meet, whatever its template says.
//!
//! Owns: what is added to stateful resources, what is refused, and how a template opts out. Constraint kept: a guard
//! adds only what is absent; it never changes what someone wrote, but refuses it, unless the resource's Metadata says
//! `cellctl: { allow: [<code>] }`.

mod secrets;
mod stateful;

use std::collections::BTreeSet;

use super::build::Injection;
use super::iam;
use super::report::Report;
use crate::domain::doc::Node;
use crate::domain::finding::did_you_mean;

/// A rule that a resource can be let off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    /// Data outlives its stack.
    DeletionPolicy,
    /// Data cannot be deleted by one call.
    DeletionProtection,
    /// Data is encrypted at rest.
    Encryption,
    /// Data can be brought back as it was.
    Recovery,
    /// Data is not public.
    PublicAccess,
    /// A role reaches the cell's own resources only.
    IamWildcard,
}

impl Code {
    const ALL: [Self; 6] = [
        Self::DeletionPolicy,
        Self::DeletionProtection,
        Self::Encryption,
        Self::Recovery,
        Self::PublicAccess,
        Self::IamWildcard,
    ];

    /// The code as it stands in findings and in `allow`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::DeletionPolicy => "deletion-policy",
            Self::DeletionProtection => "deletion-protection",
            Self::Encryption => "encryption",
            Self::Recovery => "recovery",
            Self::PublicAccess => "public-access",
            Self::IamWildcard => "iam-wildcard",
        }
    }
}

/// The rules that one resource is let off.
pub(super) struct Allowed(BTreeSet<Code>);

impl Allowed {
    /// Whether the resource is let off this rule.
    pub(super) fn has(&self, code: Code) -> bool {
        self.0.contains(&code)
    }
}

/// Guards a whole document: adds what is missing, reports what is refused, and gives what was added.
pub(super) fn apply(document: &mut Node, report: &mut Report<'_>) -> Vec<Injection> {
    refuse_imports(document, report);
    secrets::check(document, report);
    let mut injected = Vec::new();
    let Some(resources) = document.get_mut("Resources") else { return injected };
    let crate::domain::doc::Value::Mapping(pairs) = &mut resources.value else { return injected };
    for (key, resource) in pairs.iter_mut().filter(|(_, resource)| resource.is_mapping()) {
        let id = key.as_str().unwrap_or_default().to_owned();
        let allowed = allowed(&id, resource, report);
        iam::check(&id, resource, &allowed, report);
        stateful::guard(&id, key.at, resource, &allowed, report, &mut injected);
    }
    injected
}

/// What the Metadata of a resource lets it off; a code that does not exist is an error.
fn allowed(id: &str, resource: &Node, report: &mut Report<'_>) -> Allowed {
    let list = resource.get("Metadata").and_then(|m| m.get("cellctl")).and_then(|c| c.get("allow"));
    let mut codes = BTreeSet::new();
    for item in list.map(Node::items).unwrap_or_default() {
        let text = item.as_str().unwrap_or_default();
        let code = Code::ALL.into_iter().find(|code| code.as_str() == text);
        codes.extend(code);
        if code.is_none() {
            let names = Code::ALL.map(Code::as_str);
            let hint = did_you_mean(text, names).map_or_else(|| names.join(", "), |n| format!("did you mean `{n}`?"));
            report.error("unknown-guard", item.at, format!("{id} allows {text:?}, which is no guard"), hint);
        }
    }
    Allowed(codes)
}

/// Refuses values imported from other stacks: a cell that needs another stack's export cannot stand or fall alone.
fn refuse_imports(node: &Node, report: &mut Report<'_>) {
    if node.intrinsic().is_some_and(|call| call.name == "ImportValue") {
        let message = "Fn::ImportValue ties the cell to another stack";
        report.error("import-value", node.at, message, "pass the value in as a parameter under spec.parameters");
    }
    node.items().iter().for_each(|item| refuse_imports(item, report));
    node.entries().iter().for_each(|(_, value)| refuse_imports(value, report));
}
