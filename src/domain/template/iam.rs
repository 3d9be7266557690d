//! Judges IAM policies: what they must not allow, and whether one allows more than before.
//!
//! Constraint kept: a role of a cell reaches the cell's own resources only.

use std::collections::BTreeSet;

use super::build::type_of;
use super::canon::Canon;
use super::guards::{Allowed, Code};
use super::report::Report;
use super::sub::{self, Piece};
use crate::domain::doc::Node;

/// Actions that take no resource, or none that could be named beforehand: with these alone, `Resource: "*"` is right
/// (service authorisation reference: actions without a resource type).
const WITHOUT_RESOURCE: [&str; 14] = [
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "kms:GenerateRandom",
    "s3:ListAllMyBuckets",
    "sqs:ListQueues",
    "sts:GetCallerIdentity",
    "tag:GetResources",
];
/// Services whose actions may have any resource: they carry what a function says about itself.
const OPEN_SERVICES: [&str; 2] = ["logs:", "xray:"];
/// AWS-managed policies that allow all of a service, or all of an account, by the end of their names.
const BROAD_MANAGED: [&str; 3] = ["/AdministratorAccess", "/PowerUserAccess", "FullAccess"];

/// Checks the policies of a resource that says what its holder may do.
pub(super) fn check(id: &str, resource: &Node, allowed: &Allowed, report: &mut Report<'_>) {
    if allowed.has(Code::IamWildcard) {
        return;
    }
    for statement in documents(resource).into_iter().flat_map(statements) {
        if statement.get("Effect").and_then(Node::as_str) != Some("Deny") {
            check_statement(id, statement, report);
        }
    }
    check_managed(id, resource, report);
}

/// The policy documents of a resource that speaks of its holder. Policies of a key, a bucket or a queue speak of their
/// callers instead; there, `*` is the resource itself.
fn documents(resource: &Node) -> Vec<&Node> {
    let (kind, Some(properties)) = (type_of(resource), resource.get("Properties")) else { return Vec::new() };
    if !kind.starts_with("AWS::IAM::") {
        return Vec::new();
    }
    let inline = properties.get("Policies").map(Node::items).unwrap_or_default();
    inline.iter().chain([properties]).filter_map(|policy| policy.get("PolicyDocument")).collect()
}

fn statements(document: &Node) -> Vec<&Node> {
    document.get("Statement").map(one_or_many).unwrap_or_default()
}

/// The items of a sequence, or the single node that stands for one.
fn one_or_many(node: &Node) -> Vec<&Node> {
    if node.items().is_empty() || node.intrinsic().is_some() { vec![node] } else { node.items().iter().collect() }
}

fn check_statement(id: &str, statement: &Node, report: &mut Report<'_>) {
    for key in ["NotAction", "NotResource"] {
        if let Some(at) = statement.key(key).map(|key| key.at) {
            let message = format!("a policy of {id} allows all but what {key} names");
            refuse(at, message, "list what is allowed under Action and Resource", report);
        }
    }
    let actions = statement.get("Action").map(one_or_many).unwrap_or_default();
    for action in actions.iter().filter(|a| a.as_str().is_some_and(|text| text == "*" || text.ends_with(":*"))) {
        let message = format!("a policy of {id} allows every action of a service: {}", action.as_str().unwrap_or("*"));
        refuse(action.at, message, "list the actions that are needed", report);
    }
    if actions.iter().all(|a| a.as_str().is_some_and(may_have_any_resource)) {
        return;
    }
    for resource in statement.get("Resource").map(one_or_many).unwrap_or_default() {
        for pieces in sub::flatten(resource).iter().filter(|pieces| !is_confined(pieces)) {
            let message = format!("a policy of {id} reaches beyond the cell: Resource {:?}", text_of(pieces));
            refuse(
                resource.at,
                message,
                "name the resource with !GetAtt, or begin its name with ${AWS::StackName}-",
                report,
            );
        }
    }
}

fn check_managed(id: &str, resource: &Node, report: &mut Report<'_>) {
    let list = resource.get("Properties").and_then(|p| p.get("ManagedPolicyArns")).map(Node::items).unwrap_or_default();
    for arn in list {
        let text = sub::flatten(arn).first().map(|pieces| text_of(pieces)).unwrap_or_default();
        if BROAD_MANAGED.iter().any(|end| text.ends_with(end)) {
            let message = format!("{id} has the managed policy {text}, which reaches beyond the cell");
            refuse(arn.at, message, "write a policy that names the cell's own resources", report);
        }
    }
}

fn refuse(at: crate::domain::doc::Position, message: String, remedy: &str, report: &mut Report<'_>) {
    let hint = format!("{remedy}; if it must be, allow `{}` in the resource's Metadata", Code::IamWildcard.as_str());
    report.error(Code::IamWildcard.as_str(), at, message, hint);
}

fn may_have_any_resource(action: &str) -> bool {
    WITHOUT_RESOURCE.iter().any(|known| known.eq_ignore_ascii_case(action))
        || OPEN_SERVICES.iter().any(|service| action.starts_with(service))
}

/// Whether a wildcard in a resource's name, if there is one, comes after something that only this stack has: one of its
/// resources, a parameter that its definition fills, or its name with a separator after it (`shop-cell-1*` would reach
/// `shop-cell-10`).
fn is_confined(pieces: &[Piece]) -> bool {
    let mut owned = false;
    let mut after_stack_name = false;
    for piece in pieces {
        match piece {
            Piece::Text(text) if text.contains(['*', '?']) => {
                return owned && !(after_stack_name && text.starts_with(['*', '?']));
            }
            Piece::Text(_) => after_stack_name = false,
            Piece::Var(name) => {
                after_stack_name = name == "AWS::StackName";
                owned |= after_stack_name || name == "AWS::StackId" || !name.starts_with("AWS::");
            }
        }
    }
    true
}

fn text_of(pieces: &[Piece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Var(name) => format!("${{{name}}}"),
        })
        .collect()
}

/// Whether the policies of a resource allow more than before: something allowed is new, or something denied is gone.
/// Policies of callers (of a key, a bucket, a queue) count as well.
pub(super) fn broadens(old: Option<&Node>, new: &Node) -> bool {
    let grants = |node: Option<&Node>| node.map(|n| grants(&Canon::of(n))).unwrap_or_default();
    let (before, after) = (grants(old), grants(Some(new)));
    after.allowed.difference(&before.allowed).next().is_some()
        || before.denied.difference(&after.denied).next().is_some()
}

/// Who may do what with what under which condition, one entry for each combination.
#[derive(Default)]
struct Grants {
    allowed: BTreeSet<Vec<Canon>>,
    denied: BTreeSet<Vec<Canon>>,
}

fn grants(node: &Canon) -> Grants {
    let mut found = Grants::default();
    collect(node, &mut found);
    found
}

/// Finds statements wherever they stand; a policy has no other mark than its `Statement`.
fn collect(node: &Canon, found: &mut Grants) {
    match node {
        Canon::Map(entries) => {
            for statement in node.get("Statement").map(Canon::one_or_many).unwrap_or_default() {
                add(statement, found);
            }
            for arn in node.get("ManagedPolicyArns").map(Canon::one_or_many).unwrap_or_default() {
                found.allowed.insert(vec![arn.clone()]);
            }
            for value in entries.values() {
                collect(value, found);
            }
        }
        Canon::List(items) => items.iter().for_each(|item| collect(item, found)),
        Canon::Text(_) | Canon::Absent => {}
    }
}

fn add(statement: &Canon, found: &mut Grants) {
    let part = |key: &str| statement.get(key).cloned().unwrap_or(Canon::Absent);
    let rest = ["NotAction", "NotResource", "Principal", "NotPrincipal", "Condition"].map(part);
    let (actions, resources) = (part("Action"), part("Resource"));
    let or_absent = |list: Vec<Canon>| if list.is_empty() { vec![Canon::Absent] } else { list };
    let denied = part("Effect") == Canon::Text("Deny".to_owned());
    for action in or_absent(actions.one_or_many().into_iter().cloned().collect()) {
        for resource in or_absent(resources.one_or_many().into_iter().cloned().collect()) {
            let entry = [action.clone(), resource].into_iter().chain(rest.clone()).collect();
            if denied {
                found.denied.insert(entry)
            } else {
                found.allowed.insert(entry)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::template::diff;
    use crate::fs::yaml::parse;

    fn broadens(old: &str, new: &str) -> Vec<bool> {
        let policy = |statements: &str| {
            let text = format!(
                "Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      Policies:\n        - PolicyDocument: {{ Statement: {statements} }}\n"
            );
            parse(&text).expect("parses")
        };
        diff(&policy(old), &policy(new)).iter().map(|change| change.broadens_iam).collect()
    }

    #[test]
    fn more_allowed_or_less_denied_is_broader() {
        let get = "{ Effect: Allow, Action: [a:Get], Resource: !GetAtt T.Arn }";
        let put = "{ Effect: Allow, Action: [a:Get, a:Put], Resource: !GetAtt T.Arn }";
        let deny = "{ Effect: Deny, Action: a:Put, Resource: '*' }";
        assert_eq!(broadens(get, put), [true]);
        assert_eq!(broadens(put, get), [false]);
        assert_eq!(broadens(get, &get.replace("T.Arn", "U.Arn")), [true]);
        assert_eq!(broadens(&format!("[{put}, {deny}]"), &format!("[{put}]")), [true]);
        assert_eq!(broadens(&format!("[{put}]"), &format!("[{put}, {deny}]")), [false]);
        assert_eq!(broadens(get, &format!("[{get}]")), [false]);
    }
}
