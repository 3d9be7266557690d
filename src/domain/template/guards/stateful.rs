//! Keeps the data of a cell: what stateful resources must have.
//!
//! Owns: the settings that are added, by resource type. Constraint kept: what someone wrote is never changed. Some
//! kinds of encryption can only be chosen when a resource is made; adding them to one that exists replaces it, which
//! the plan then shows and refuses like any other replacement.

use crate::domain::doc::{Node, Position, Value};
use crate::domain::template::atoms;
use crate::domain::template::build::{Injection, type_of};
use crate::domain::template::guards::{Allowed, Code};
use crate::domain::template::report::Report;

/// A setting of a resource type: absent, it is added; off, it is refused.
#[derive(Clone, Copy)]
struct Setting {
    code: Code,
    /// Path below Properties.
    path: &'static [&'static str],
    /// What is put at the path.
    value: fn() -> Node,
    /// Properties that take its place: with one of them there, nothing is added.
    unless: &'static [&'static str],
    /// Where the value stands that must not be off, below the path; empty for the path itself.
    switch: &'static [&'static str],
}

/// Guards one resource.
pub(super) fn guard(
    id: &str,
    at: Position,
    resource: &mut Node,
    allowed: &Allowed,
    report: &mut Report<'_>,
    injected: &mut Vec<Injection>,
) {
    let kind = type_of(resource).to_owned();
    if !atoms::is_stateful(&kind) {
        return;
    }
    keep_on_delete(id, resource, allowed, report, injected);
    let settings = settings(&kind);
    if settings.is_empty() {
        return;
    }
    if resource.get("Properties").is_none() {
        let mut empty = Node::mapping([]);
        empty.at = at;
        resource.set("Properties", empty);
    }
    let Some(properties) = resource.get_mut("Properties").filter(|p| p.is_mapping() && p.intrinsic().is_none()) else {
        return;
    };
    for setting in settings.iter().filter(|s| !allowed.has(s.code)) {
        apply(id, properties, setting, "Properties", report, injected);
    }
    let Some(Value::Sequence(replicas)) = properties.get_mut("Replicas").map(|node| &mut node.value) else { return };
    for (index, replica) in replicas.iter_mut().enumerate().filter(|(_, r)| r.is_mapping() && r.intrinsic().is_none()) {
        for setting in REPLICA.iter().filter(|s| kind == GLOBAL_TABLE_TYPE && !allowed.has(s.code)) {
            apply(id, replica, setting, &format!("Properties.Replicas.{index}"), report, injected);
        }
    }
}

/// `DeletionPolicy` and `UpdateReplacePolicy`: what becomes of the data when the resource leaves the stack.
fn keep_on_delete(
    id: &str,
    resource: &mut Node,
    allowed: &Allowed,
    report: &mut Report<'_>,
    injected: &mut Vec<Injection>,
) {
    if allowed.has(Code::DeletionPolicy) {
        return;
    }
    for (key, accepted) in
        [("DeletionPolicy", ["Retain", "RetainExceptOnCreate"].as_slice()), ("UpdateReplacePolicy", &["Retain"])]
    {
        match resource.get(key) {
            None => {
                resource.set(key, Node::plain("Retain"));
                injected.push(Injection { logical_id: id.to_owned(), path: key.to_owned() });
            }
            Some(node) if node.as_str().is_some_and(|text| node.tag.is_none() && accepted.contains(&text)) => {}
            Some(node) => {
                let message =
                    format!("{key} of {id} does not retain its data: {}", node.as_str().unwrap_or("a function"));
                report.error(
                    Code::DeletionPolicy.as_str(),
                    node.at,
                    message,
                    hint(Code::DeletionPolicy, "write Retain"),
                );
            }
        }
    }
}

fn apply(
    id: &str,
    properties: &mut Node,
    setting: &Setting,
    place: &str,
    report: &mut Report<'_>,
    injected: &mut Vec<Injection>,
) {
    if setting.unless.iter().any(|name| properties.get(name).is_some()) {
        return;
    }
    let (found, used) = properties.follow(setting.path);
    if used == setting.path.len() {
        let (switch, used) = found.follow(setting.switch);
        if used == setting.switch.len() && is_off(switch) {
            let message = format!("{} of {id} is off", setting.path.join("."));
            report.error(setting.code.as_str(), switch.at, message, hint(setting.code, "turn it on, or leave it out"));
        }
    } else if found.is_mapping() && found.intrinsic().is_none() && insert(properties, setting.path, (setting.value)()) {
        let path = format!("{place}.{}", setting.path.join("."));
        injected.push(Injection { logical_id: id.to_owned(), path });
    }
}

/// Puts `value` at `path`, with mappings on the way where there are none. Whether it could be done.
fn insert(node: &mut Node, path: &[&str], value: Node) -> bool {
    match path {
        [] => false,
        [last] => {
            node.set(last, value);
            node.get(last).is_some()
        }
        [first, rest @ ..] => {
            if node.get(first).is_none() {
                node.set(first, Node::mapping([]));
            }
            node.get_mut(first).is_some_and(|inner| insert(inner, rest, value))
        }
    }
}

/// Whether a setting is literally off. One that depends on a condition or a parameter is taken as it is.
fn is_off(node: &Node) -> bool {
    const OFF: [&str; 4] = ["false", "no", "off", "suspended"];
    node.tag.is_none() && node.as_str().is_some_and(|text| OFF.contains(&text.to_ascii_lowercase().as_str()))
}

fn hint(code: Code, remedy: &str) -> String {
    format!("{remedy}; if it must be, add `Metadata: {{ cellctl: {{ allow: [{}] }} }}` to the resource", code.as_str())
}

fn on() -> Node {
    Node::plain("true")
}

const fn switch(code: Code, path: &'static [&'static str]) -> Setting {
    Setting { code, path, value: on, unless: &[], switch: &[] }
}

const GLOBAL_TABLE_TYPE: &str = "AWS::DynamoDB::GlobalTable";

/// What each replica of a global table must have; a table has the same.
const REPLICA: [Setting; 2] = [
    switch(Code::DeletionProtection, &["DeletionProtectionEnabled"]),
    switch(Code::Recovery, &["PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"]),
];

/// What a resource type must have, beside retention.
fn settings(kind: &str) -> &'static [Setting] {
    const PROTECTED: Setting = switch(Code::DeletionProtection, &["DeletionProtection"]);
    const STORAGE: Setting =
        Setting { unless: &["SnapshotIdentifier"], ..switch(Code::Encryption, &["StorageEncrypted"]) };
    const TABLE: [Setting; 3] = [REPLICA[0], REPLICA[1], switch(Code::Encryption, &["SSESpecification", "SSEEnabled"])];
    const GLOBAL_TABLE: [Setting; 1] = [switch(Code::Encryption, &["SSESpecification", "SSEEnabled"])];
    const CLUSTER: [Setting; 2] = [PROTECTED, STORAGE];
    // An instance of a cluster has neither setting: the cluster has them.
    const INSTANCE: [Setting; 2] = [
        Setting { unless: &["DBClusterIdentifier"], ..PROTECTED },
        Setting {
            unless: &["DBClusterIdentifier", "DBSnapshotIdentifier", "SourceDBInstanceIdentifier"],
            ..switch(Code::Encryption, &["StorageEncrypted"])
        },
    ];
    const QUEUE: [Setting; 1] =
        [Setting { unless: &["KmsMasterKeyId"], ..switch(Code::Encryption, &["SqsManagedSseEnabled"]) }];
    const STREAM: [Setting; 1] =
        [Setting { value: stream_encryption, ..switch(Code::Encryption, &["StreamEncryption"]) }];
    const FILES: [Setting; 1] = [switch(Code::Encryption, &["Encrypted"])];
    const CACHE: [Setting; 1] = [switch(Code::Encryption, &["AtRestEncryptionEnabled"])];
    const SEARCH: [Setting; 1] = [switch(Code::Encryption, &["EncryptionAtRestOptions", "Enabled"])];
    const WAREHOUSE: [Setting; 1] = [switch(Code::Encryption, &["Encrypted"])];
    const USERS: [Setting; 1] = [Setting { value: active, ..PROTECTED }];
    match kind {
        "AWS::DynamoDB::Table" => &TABLE,
        GLOBAL_TABLE_TYPE => &GLOBAL_TABLE,
        "AWS::S3::Bucket" => &BUCKET,
        "AWS::RDS::DBCluster" | "AWS::DocDB::DBCluster" | "AWS::Neptune::DBCluster" => &CLUSTER,
        "AWS::RDS::DBInstance" => &INSTANCE,
        "AWS::SQS::Queue" => &QUEUE,
        "AWS::Kinesis::Stream" => &STREAM,
        "AWS::EFS::FileSystem" | "AWS::EC2::Volume" => &FILES,
        "AWS::ElastiCache::ReplicationGroup" => &CACHE,
        "AWS::OpenSearchService::Domain" => &SEARCH,
        "AWS::Redshift::Cluster" => &WAREHOUSE,
        "AWS::Cognito::UserPool" => &USERS,
        _ => &[],
    }
}

/// What a bucket must have.
const BUCKET: [Setting; 6] = [
    Setting { value: bucket_encryption, ..switch(Code::Encryption, &["BucketEncryption"]) },
    switch(Code::PublicAccess, &["PublicAccessBlockConfiguration", "BlockPublicAcls"]),
    switch(Code::PublicAccess, &["PublicAccessBlockConfiguration", "BlockPublicPolicy"]),
    switch(Code::PublicAccess, &["PublicAccessBlockConfiguration", "IgnorePublicAcls"]),
    switch(Code::PublicAccess, &["PublicAccessBlockConfiguration", "RestrictPublicBuckets"]),
    Setting { value: enabled, ..switch(Code::Recovery, &["VersioningConfiguration", "Status"]) },
];

fn enabled() -> Node {
    Node::plain("Enabled")
}

fn active() -> Node {
    Node::plain("ACTIVE")
}

fn bucket_encryption() -> Node {
    let by_default = Node::mapping([("SSEAlgorithm", Node::plain("AES256"))]);
    let rule = Node::mapping([("ServerSideEncryptionByDefault", by_default)]);
    Node::mapping([("ServerSideEncryptionConfiguration", Node::sequence([rule]))])
}

fn stream_encryption() -> Node {
    Node::mapping([("EncryptionType", Node::plain("KMS")), ("KeyId", Node::plain("alias/aws/kinesis"))])
}
