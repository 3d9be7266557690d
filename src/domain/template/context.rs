//! What a template sees of its cell.
//!
//! Owns: the names that templates use, documented in `docs/templates.md`. Constraint kept: every default is filled in
//! here, every list is sorted by name, so that a template needs no logic for absence and the order in a definition
//! changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::definition::{CellSpec, Function, KeyType, Projection, Queue, Seconds, Table};
use crate::domain::fleet::{Cell, Fleet};
use crate::domain::ids::Digest;

/// Memory of a function that names none, in MiB.
const MEMORY_MIB: u32 = 256;
/// Time-out of a function that names none, in seconds.
const TIMEOUT_SECONDS: u32 = 30;
/// Messages or records handed to a function at a time where it names none.
const BATCH_SIZE: u32 = 10;
/// Seconds for which a received message is hidden; also SQS's own default.
const VISIBILITY_SECONDS: u32 = 30;
/// Receives after which a message is a dead letter.
const RECEIVES_MAX: u32 = 5;
/// Seconds for which a message is kept: 4 days, also SQS's own default.
const RETENTION_SECONDS: u32 = 345_600;
/// Shards of a tenant's fence in a cell that names no number.
const FENCE_SHARDS: u8 = 1;
/// Days for which logs are kept.
const LOG_RETENTION_DAYS: u32 = 30;

/// The fields of `cell`, by name.
pub(super) type Fields = BTreeMap<&'static str, Value>;

/// The fields of `fleet`.
pub(super) fn fleet(fleet: &Fleet) -> Value {
    json!({ "name": fleet.name, "labels": fleet.labels })
}

/// The fields of `artifacts`. The bucket's name is for `!Sub`: account and Region are known to CloudFormation.
pub(super) fn artifacts(fleet: &Fleet) -> Value {
    json!({ "bucket": format!("cellctl-{}-${{AWS::AccountId}}-${{AWS::Region}}", fleet.name) })
}

/// The fields of `cell`. `code` has the digest of each function's package, by the function's `code` path; a path that
/// it lacks is the error.
pub(super) fn cell(cell: &Cell, code: &BTreeMap<String, Digest>) -> Result<Fields, String> {
    let spec = &cell.spec;
    let functions = sorted(&spec.functions).map(|(name, f)| function(name, f, spec, code));
    Ok(Fields::from([
        ("name", json!(cell.id)),
        ("type", json!(spec.cell_type.as_str())),
        ("region", json!(cell.place.region)),
        ("account", json!(cell.place.account)),
        ("labels", json!(cell.labels)),
        ("capacity", json!({ "tenants": spec.capacity.tenants, "weight": spec.capacity.weight })),
        ("tables", sorted(&spec.tables).map(|(name, t)| table(name, t)).collect()),
        ("queues", sorted(&spec.queues).map(|(name, q)| queue(name, q)).collect()),
        ("functions", Value::Array(functions.collect::<Result<_, _>>()?)),
        ("parameters", json!(spec.parameters.iter().collect::<BTreeMap<_, _>>())),
        ("fenceShards", json!(spec.fence_shards.unwrap_or(FENCE_SHARDS))),
        ("logRetentionDays", json!(spec.log_retention_days.unwrap_or(LOG_RETENTION_DAYS))),
        ("alarmTopic", json!(spec.alarm_topic)),
    ]))
}

fn sorted<T>(map: &IndexMap<String, T>) -> impl Iterator<Item = (&str, &T)> {
    map.iter().map(|(name, value)| (name.as_str(), value)).collect::<BTreeMap<_, _>>().into_iter()
}

fn table(name: &str, table: &Table) -> Value {
    let indexes = sorted(&table.indexes).map(|(name, index)| {
        json!({
            "name": name,
            "logical": logical(name),
            "partitionKey": index.partition_key,
            "sortKey": index.sort_key,
            "projection": match index.projection { Projection::All => "ALL", Projection::Keys => "KEYS_ONLY" },
        })
    });
    json!({
        "name": name,
        "logical": logical(name),
        "partitionKey": table.partition_key,
        "sortKey": table.sort_key,
        "attributes": attributes(table),
        "indexes": indexes.collect::<Value>(),
        "timeToLive": table.time_to_live,
        "tenant": table.tenant,
    })
}

/// The attributes that are a key somewhere, each once, with their types.
fn attributes(table: &Table) -> Value {
    let keys = |partition: &String, sort: &Option<String>| [Some(partition.clone()), sort.clone()];
    let own = keys(&table.partition_key, &table.sort_key);
    let indexed = table.indexes.values().flat_map(|i| keys(&i.partition_key, &i.sort_key));
    let names: BTreeSet<String> = own.into_iter().chain(indexed).flatten().collect();
    let kind = |name: &String| table.attributes.get(name).copied().unwrap_or(KeyType::S);
    names.iter().map(|name| json!({ "name": name, "type": kind(name) })).collect()
}

fn queue(name: &str, queue: &Queue) -> Value {
    json!({
        "name": name,
        "logical": logical(name),
        "fifo": queue.fifo,
        "visibilitySeconds": seconds(queue.visibility_timeout, VISIBILITY_SECONDS),
        "retentionSeconds": seconds(queue.retention, RETENTION_SECONDS),
        "delaySeconds": seconds(queue.delay, 0),
        "deadLetterAfter": queue.dead_letter_after.unwrap_or(RECEIVES_MAX),
        "tenant": queue.tenant,
    })
}

fn seconds(given: Option<Seconds>, default: u32) -> u32 {
    given.map_or(default, |s| s.0)
}

fn function(name: &str, f: &Function, spec: &CellSpec, code: &BTreeMap<String, Digest>) -> Result<Value, String> {
    let digest = code.get(&f.code).ok_or_else(|| f.code.clone())?;
    let environment = sorted(&f.environment).map(|(name, value)| json!({ "name": name, "value": value }));
    Ok(json!({
        "name": name,
        "logical": logical(name),
        "runtime": f.runtime,
        "handler": f.handler,
        "memory": f.memory.unwrap_or(MEMORY_MIB),
        "timeoutSeconds": seconds(f.timeout, TIMEOUT_SECONDS),
        "batchSize": f.batch_size.unwrap_or(BATCH_SIZE),
        "reservedConcurrency": f.reserved_concurrency,
        "code": { "key": format!("functions/{digest}.zip") },
        "consumes": queues(&f.consumes, spec),
        "sends": queues(&f.sends, spec),
        "streams": tables(&f.streams, spec),
        "reads": tables(&f.reads, spec),
        "writes": tables(&f.writes, spec),
        "environment": environment.collect::<Value>(),
    }))
}

/// What a function's entry says of the queues that it names.
fn queues(names: &[String], spec: &CellSpec) -> Value {
    let fifo = |name: &String| spec.queues.get(name).is_some_and(|q| q.fifo);
    let names: BTreeSet<&String> = names.iter().collect();
    names.into_iter().map(|n| json!({ "name": n, "logical": logical(n), "fifo": fifo(n) })).collect()
}

/// What a function's entry says of the tables that it names.
fn tables(names: &[String], spec: &CellSpec) -> Value {
    let indexed = |name: &String| spec.tables.get(name).is_some_and(|t| !t.indexes.is_empty());
    let names: BTreeSet<&String> = names.iter().collect();
    names.into_iter().map(|n| json!({ "name": n, "logical": logical(n), "indexed": indexed(n) })).collect()
}

/// A logical id made of a name: `order-lines` is `OrderLines`.
pub fn logical(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(capitalised).collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// A fingerprint of some values; equal values have equal ones.
pub(super) fn fingerprint<'a>(values: impl IntoIterator<Item = &'a (impl Serialize + 'a)>) -> Digest {
    let texts: Vec<String> = values.into_iter().map(|v| serde_json::to_string(v).unwrap_or_default()).collect();
    Digest::of_parts(texts.iter().map(String::as_bytes))
}
