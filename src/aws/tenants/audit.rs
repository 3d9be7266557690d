//! The audit log in the control table.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | record | `AUDIT#<subject>` | number, ten digits |
//! | root | `AUDITROOT` | number, ten digits |
//! | page of a root's heads | `AUDITHEADS#<root>` | page, ten digits |
//!
//! Owns: these items, and the index `byTime` over the records. Constraint kept: a record is put only where none is, so
//! that nothing is ever overwritten; `body` is the very text that was hashed.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::TransactWriteItem;
use futures_util::future::try_join_all;

use crate::aws::dynamo::{Item, Table, key, name_of, ten_digits, text, text_of, values};
use crate::domain::audit::{Head, Sealed, Subject};
use crate::ports::tenants::{AuditLog, StoredRecord, StoredRoot};
use crate::ports::{CallErrorKind, Called};

use super::TenantTables;

/// The sparse index: only audit records have its keys.
const INDEX: &str = "byTime";
/// Partitions of one day in the index, so that no day is one hot partition.
const DAY_SHARDS: u8 = 4;
/// How far back the index is searched, in days. Older records are found by their subject.
const DAYS_MAX: usize = 366;
/// Length of a day, in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// How far another machine's clock may be ahead, in milliseconds: AWS refuses signatures beyond that.
const SKEW_MS: i64 = 300_000;

/// The part of a transaction that appends a record.
pub(in crate::aws) fn append(control: &Table, record: &Sealed) -> Called<TransactWriteItem> {
    let subject = &record.record.subject;
    let mut item = key(&chain_key(subject), &ten_digits(record.record.seq));
    item.insert("body".to_owned(), text(&record.text));
    item.insert("hash".to_owned(), text(record.hash.as_str()));
    item.insert("day".to_owned(), text(&day_key(record.record.at_ms, shard_of(subject))));
    item.insert("at".to_owned(), text(&time_key(record)));
    control.put(item, "attribute_not_exists(pk)", Item::new())
}

/// Whether this very record stands in its chain: a write whose answer was lost has happened.
pub(in crate::aws) async fn is_stored(control: &Table, record: &Sealed) -> Called<bool> {
    let stored = control.get(&chain_key(&record.record.subject), &ten_digits(record.record.seq)).await?;
    Ok(stored.is_some_and(|item| text_of(&item, "hash") == Some(record.hash.as_str())))
}

fn chain_key(subject: &Subject) -> String {
    format!("AUDIT#{subject}")
}

/// Partition key of the index for a time.
fn day_key(at_ms: i64, shard: u8) -> String {
    let day = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default().strftime("%Y-%m-%d");
    format!("AUDIT#{day}#{shard}")
}

/// Sort key of the index: by time, then by chain.
fn time_key(record: &Sealed) -> String {
    format!("{}#{}#{}", instant(record.record.at_ms), record.record.subject, ten_digits(record.record.seq))
}

/// Milliseconds as 15 digits, so that they sort.
fn instant(at_ms: i64) -> String {
    format!("{:015}", at_ms.max(0))
}

fn shard_of(subject: &Subject) -> u8 {
    use sha2::Digest as _;
    sha2::Sha256::digest(subject.to_string().as_bytes()).first().map_or(0, |byte| byte % DAY_SHARDS)
}

/// The days to look at, the latest first, each by a time in it.
fn days(now_ms: i64, since_ms: i64) -> impl Iterator<Item = i64> {
    let first = since_ms.max(0).div_euclid(DAY_MS);
    let last = (now_ms + SKEW_MS).div_euclid(DAY_MS);
    (first..=last).rev().take(DAYS_MAX).map(|day| day * DAY_MS)
}

/// The number under which an item stands.
fn sequence_of(item: &Item) -> u64 {
    text_of(item, "sk").and_then(|sk| sk.parse().ok()).unwrap_or_default()
}

/// A record as it stands.
fn stored(control: &Table, item: &Item) -> Called<StoredRecord> {
    let pk = text_of(item, "pk").and_then(|pk| pk.strip_prefix("AUDIT#")).unwrap_or_default();
    Ok(StoredRecord {
        subject: pk.parse().map_err(|error| control.unreadable(&name_of(item), error))?,
        seq: sequence_of(item),
        text: text_of(item, "body").unwrap_or_default().to_owned(),
        hash: text_of(item, "hash").unwrap_or_default().to_owned(),
    })
}

impl TenantTables {
    /// The latest records of one partition of the index, newest first.
    async fn latest(&self, day: String, since: &str, limit: usize) -> Called<Vec<Item>> {
        let control = &self.control;
        let client = control.client().await;
        let mut found = Vec::new();
        let mut start: Option<Item> = None;
        while found.len() < limit {
            let send = || {
                let request = client.query().table_name(&control.name).index_name(INDEX).scan_index_forward(false);
                let request = request.key_condition_expression("#day = :day AND #at >= :since");
                let request = request.expression_attribute_names("#day", "day").expression_attribute_names("#at", "at");
                let request = request.expression_attribute_values(":day", text(&day));
                let request = request.expression_attribute_values(":since", text(since));
                let request = request.set_limit(i32::try_from(limit - found.len()).ok());
                request.set_exclusive_start_key(start.clone()).send()
            };
            let page = control.caller.call(control.call("dynamodb:Query", &day), send).await?;
            found.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn root(&self, item: &Item) -> Called<StoredRoot> {
        let name = name_of(item);
        let hash = text_of(item, "hash").unwrap_or_default().to_owned();
        Ok(StoredRoot {
            seq: sequence_of(item),
            text: text_of(item, "body").unwrap_or_default().to_owned(),
            hash: hash.try_into().map_err(|error| self.control.unreadable(&name, error))?,
        })
    }
}

#[async_trait]
impl AuditLog for TenantTables {
    async fn chain(&self, subject: &Subject, from_seq: u64, limit: u32) -> Called<Vec<StoredRecord>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let items = self.control.query_from(&chain_key(subject), &ten_digits(from_seq), limit).await?;
        items.iter().map(|item| stored(&self.control, item)).collect()
    }

    async fn recent(&self, since_ms: i64, limit: u32) -> Called<Vec<StoredRecord>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let since = instant(since_ms);
        let mut found: Vec<Item> = Vec::new();
        for day_ms in days(self.control.caller.now_ms(), since_ms) {
            let shards = (0..DAY_SHARDS).map(|shard| self.latest(day_key(day_ms, shard), &since, limit));
            let mut of_day: Vec<Item> = try_join_all(shards).await?.into_iter().flatten().collect();
            of_day.sort_by(|a, b| text_of(b, "at").cmp(&text_of(a, "at")));
            found.extend(of_day);
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        found.iter().map(|item| stored(&self.control, item)).collect()
    }

    async fn roots(&self) -> Called<Vec<StoredRoot>> {
        self.control.query("AUDITROOT").await?.iter().map(|item| self.root(item)).collect()
    }

    async fn put_heads(&self, root: u64, page: u32, heads: &[(Subject, Head)]) -> Called<()> {
        let (control, pk) = (&self.control, format!("AUDITHEADS#{root}"));
        let item = control.encode(&pk, &ten_digits(page.into()), &heads)?;
        let client = control.client().await;
        let send = || client.put_item().table_name(&control.name).set_item(Some(item.clone())).send();
        control.caller.call(control.call("dynamodb:PutItem", &pk), send).await.map(|_| ())
    }

    async fn heads(&self, root: u64, page: u32) -> Called<Vec<(Subject, Head)>> {
        let item = self.control.get(&format!("AUDITHEADS#{root}"), &ten_digits(page.into())).await?;
        item.map_or_else(|| Ok(Vec::new()), |item| self.control.decode(&item))
    }

    async fn append_root(&self, root: &StoredRoot) -> Called<bool> {
        let sk = ten_digits(root.seq);
        let mut item = key("AUDITROOT", &sk);
        item.extend(values([("body", text(&root.text)), ("hash", text(root.hash.as_str()))]));
        match self.control.put_if(item, "attribute_not_exists(pk)", &Item::new(), "AUDITROOT").await {
            Ok(()) => Ok(true),
            // A repeat after a lost answer finds its own root.
            Err(error) if error.kind == CallErrorKind::Conflict => {
                let there = self.control.get("AUDITROOT", &sk).await?;
                Ok(there.map(|item| self.root(&item)).transpose()?.as_ref() == Some(root))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_by_day_and_time() {
        assert_eq!(day_key(1_700_000_000_000, 3), "AUDIT#2023-11-14#3");
        assert_eq!(instant(1_700_000_000_000), "001700000000000");
        assert!(instant(-5) < instant(5));
    }

    #[test]
    fn a_search_goes_back_day_by_day_and_not_for_ever() {
        let (noon, day) = (1_700_000_000_000 / DAY_MS * DAY_MS + DAY_MS / 2, DAY_MS);
        let found: Vec<i64> = days(noon, noon - day).map(|at| at / DAY_MS).collect();
        assert_eq!(found, [noon / day, noon / day - 1]);
        assert_eq!(days(noon, 0).count(), DAYS_MAX);
        assert_eq!(days(noon, noon + 2 * day).count(), 0);
        let midnight = noon + day / 2 - 1;
        assert_eq!(days(midnight, midnight).count(), 2, "a clock that is ahead has begun the next day");
    }
}
