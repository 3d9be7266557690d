//! What differs between two templates, resource by resource.
//!
//! Owns: the offline judgement of a change. Constraint kept: two spellings of one thing are no change (short tag or
//! long form, order of keys, quoting), and in doubt a change is the worse one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::atoms::{self, Atom};
use super::build::{resources, type_of};
use super::canon::Canon;
use super::iam;
use crate::domain::doc::Node;

/// What happens to a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone from the template.
    Removed,
    /// It is changed in place.
    Modified,
    /// It is made anew, and why.
    Replaced(String),
    /// It may be made anew: AWS decides by the values, or the type is not known.
    MaybeReplaced,
}

/// The change of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// The resource.
    pub logical_id: String,
    /// Its type; the new one where it changes.
    pub resource_type: String,
    /// What happens to it.
    pub kind: ChangeKind,
    /// Paths of what changed (`Properties.KeySchema`), sorted. Empty when added or removed.
    pub properties: Vec<String>,
    /// Whether it keeps data that cannot be made again.
    pub stateful: bool,
    /// Whether an IAM policy in it allows more than before.
    pub broadens_iam: bool,
}

impl ResourceChange {
    /// Whether the resource is, or may be, made anew.
    pub fn replaces(&self) -> bool {
        matches!(self.kind, ChangeKind::Replaced(_) | ChangeKind::MaybeReplaced)
    }

    /// Whether it adds a table.
    pub fn adds_table(&self) -> bool {
        self.kind == ChangeKind::Added && self.resource_type == "AWS::DynamoDB::Table"
    }
}

/// The changes from one template to another, sorted by logical id. Only resources are compared: what a changed
/// parameter, mapping or condition makes of them is for the change set of AWS to say.
pub fn diff(old: &Node, new: &Node) -> Vec<ResourceChange> {
    let find = |document, id: &str| resources(document).find(|(known, _)| *known == id).map(|(_, node)| node);
    let ids: BTreeSet<&str> = resources(old).chain(resources(new)).map(|(id, _)| id).collect();
    ids.into_iter().filter_map(|id| change(id, find(old, id), find(new, id))).collect()
}

fn change(id: &str, old: Option<&Node>, new: Option<&Node>) -> Option<ResourceChange> {
    let (kind, properties) = match (old, new) {
        (None, _) => (ChangeKind::Added, Vec::new()),
        (_, None) => (ChangeKind::Removed, Vec::new()),
        (Some(old), Some(new)) => {
            let paths = changed_paths(old, new);
            (kind_of(old, new, &paths)?, paths)
        }
    };
    let known = |node: Option<&Node>| node.is_some_and(|n| atoms::is_stateful(type_of(n)));
    Some(ResourceChange {
        logical_id: id.to_owned(),
        resource_type: type_of(new.or(old)?).to_owned(),
        kind,
        properties,
        stateful: known(old) || known(new),
        broadens_iam: new.is_some_and(|new| iam::broadens(old, new)),
    })
}

fn kind_of(old: &Node, new: &Node, paths: &[String]) -> Option<ChangeKind> {
    if paths.is_empty() {
        return None;
    }
    if type_of(old) != type_of(new) {
        return Some(ChangeKind::Replaced("Type changed".to_owned()));
    }
    // A condition decides whether the resource is there at all; properties as a whole may hold anything.
    if paths.iter().any(|path| path == "Condition" || path == "Properties") {
        return Some(ChangeKind::MaybeReplaced);
    }
    let properties: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix("Properties.")).collect();
    if properties.is_empty() {
        return Some(ChangeKind::Modified);
    }
    let Some(atom) = atoms::atom(type_of(new)) else { return Some(ChangeKind::MaybeReplaced) };
    Some(kind_of_known(atom, &properties))
}

fn kind_of_known(atom: &Atom, properties: &[&str]) -> ChangeKind {
    let hit = |list: &[&'static str]| list.iter().copied().find(|path| properties.iter().any(|p| touches(p, path)));
    match hit(atom.replacing) {
        Some(property) => ChangeKind::Replaced(format!("{property} changed")),
        None if hit(atom.may_replace).is_some() => ChangeKind::MaybeReplaced,
        None => ChangeKind::Modified,
    }
}

/// Whether a change at `changed` is one of `path`: the same, within it, or around it.
fn touches(changed: &str, path: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    within(changed, path) || within(path, changed)
}

/// The paths at which two resources differ: as deep as both have mappings.
fn changed_paths(old: &Node, new: &Node) -> Vec<String> {
    let mut paths = Vec::new();
    compare("", &Canon::of(old), &Canon::of(new), &mut paths);
    paths
}

fn compare(path: &str, old: &Canon, new: &Canon, paths: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Canon::Map(a), Canon::Map(b)) if !old.is_intrinsic() && !new.is_intrinsic() => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let (a, b) = (a.get(key).unwrap_or(&Canon::Absent), b.get(key).unwrap_or(&Canon::Absent));
                compare(&path, a, b, paths);
            }
        }
        _ => paths.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::yaml::parse;

    fn of(old: &str, new: &str) -> Vec<ResourceChange> {
        diff(&parse(old).expect("old"), &parse(new).expect("new"))
    }

    const TABLE: &str = "Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      TableName: a\n      Tags: [{Key: a, Value: !Ref B}]\n";

    #[test]
    fn two_spellings_are_no_change() {
        let long = "{\"Resources\": {\"T\": {\"Properties\": {\"Tags\": [{\"Value\": {\"Ref\": \"B\"}, \"Key\": \"a\"}], \"TableName\": \"a\"}, \"Type\": \"AWS::DynamoDB::Table\"}}}";
        assert_eq!(of(TABLE, long), []);
        let att = |value: &str| format!("Resources:\n  Q:\n    Type: X::Y::Z\n    Properties:\n      A: {value}\n");
        for spelling in ["!GetAtt [B, Arn]", "{'Fn::GetAtt': [B, Arn]}", "{'Fn::GetAtt': B.Arn}"] {
            assert_eq!(of(&att("!GetAtt B.Arn"), &att(spelling)), [], "{spelling}");
        }
        assert_ne!(of(&att("'1'"), &att("!Ref '1'")), []);
    }

    #[test]
    fn a_new_name_replaces_a_table() {
        let changes = of(TABLE, &TABLE.replace("TableName: a", "TableName: b"));
        assert_eq!(changes[0].kind, ChangeKind::Replaced("TableName changed".to_owned()));
        assert_eq!(
            (changes[0].properties.as_slice(), changes[0].stateful),
            (["Properties.TableName".to_owned()].as_slice(), true)
        );
    }

    #[test]
    fn tags_change_in_place_and_unknown_types_are_in_doubt() {
        assert_eq!(of(TABLE, &TABLE.replace("Key: a", "Key: b"))[0].kind, ChangeKind::Modified);
        let unknown = TABLE.replace("AWS::DynamoDB::Table", "My::Own::Thing");
        assert_eq!(of(&unknown, &unknown.replace("Key: a", "Key: b"))[0].kind, ChangeKind::MaybeReplaced);
        assert_eq!(of(TABLE, &unknown)[0].kind, ChangeKind::Replaced("Type changed".to_owned()));
        let conditional = TABLE.replace("    Properties", "    Condition: C\n    Properties");
        assert_eq!(of(TABLE, &conditional)[0].kind, ChangeKind::MaybeReplaced);
        assert_eq!(of(TABLE, "Resources: {}\n")[0].kind, ChangeKind::Removed);
    }
}
