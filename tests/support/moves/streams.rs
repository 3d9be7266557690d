//! Streams in memory: shards that split, records that show up late, twice, or no more.
//!
//! Constraints kept: records of one item are in one shard, or in a shard and its descendants, in order; a record shows up
//! only after those before it in its shard; what is older than a day is gone (API reference, `GetRecords`).

use std::fmt::Write as _;

use async_trait::async_trait;
use cellctl::domain::data::{Item, ItemKey};
use cellctl::ports::data::{Change, ChangeStreams, From, ShardRead, Share, StreamShard, TableRef};
use cellctl::ports::{CallErrorKind, Called};

use super::gate::{Seat, error, read};
use super::tables::hash;

/// For how long records are kept, in milliseconds.
pub(crate) const KEPT_MS: i64 = 24 * 3_600_000;
/// For how long an iterator is good, in milliseconds (API reference, `GetShardIterator`).
const ITERATOR_MS: i64 = 15 * 60_000;
/// How late a record shows up at the most, in milliseconds.
const LATE_MS: i64 = 1_000;

/// A record.
#[derive(Debug, Clone)]
struct Record {
    at_ms: i64,
    visible_ms: i64,
    key: ItemKey,
    before: Option<Item>,
    after: Option<Item>,
}

/// A shard: the keys whose hashes end like this.
#[derive(Debug, Clone)]
struct Shard {
    parent: Option<usize>,
    /// The keys whose hash modulo `of` is `rest`.
    of: u64,
    rest: u64,
    closed_ms: Option<i64>,
    records: Vec<Record>,
    /// How many of its records are gone.
    trimmed: usize,
}

/// A stream.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    shards: Vec<Shard>,
}

impl Default for Stream {
    fn default() -> Self {
        let first = Shard { parent: None, of: 1, rest: 0, closed_ms: None, records: Vec::new(), trimmed: 0 };
        Self { shards: vec![first] }
    }
}

impl Shard {
    fn is_gone(&self, now_ms: i64) -> bool {
        self.closed_ms.is_some_and(|at_ms| at_ms + KEPT_MS < now_ms)
    }
}

impl Stream {
    /// Appends a record to the shard of its key. Now and then that shard is closed first, and followed by one or two.
    pub(crate) fn append(
        &mut self,
        key: &ItemKey,
        before: Option<Item>,
        after: Option<Item>,
        now_ms: i64,
        rng: &mut fastrand::Rng,
    ) {
        let place = hash(key);
        let open = self.shards.iter().position(|s| s.closed_ms.is_none() && place % s.of == s.rest).unwrap_or(0);
        let old = self.shards[open].records.last().is_some_and(|last| last.at_ms + 4 * 3_600_000 < now_ms);
        let open = if old || rng.u8(..12) == 0 { self.split(open, place, now_ms, rng.bool()) } else { open };
        let records = &mut self.shards[open].records;
        let late_ms = if rng.u8(..4) == 0 { rng.i64(0..LATE_MS) } else { rng.i64(0..200) };
        let visible_ms = records.last().map_or(0, |last| last.visible_ms).max(now_ms + late_ms);
        records.push(Record { at_ms: now_ms, visible_ms, key: key.clone(), before, after });
    }

    /// Closes a shard; gives the child that takes `place`.
    fn split(&mut self, shard: usize, place: u64, now_ms: i64, in_two: bool) -> usize {
        let (of, rest) = (self.shards[shard].of, self.shards[shard].rest);
        self.shards[shard].closed_ms = Some(now_ms);
        let child =
            |of, rest| Shard { parent: Some(shard), of, rest, closed_ms: None, records: Vec::new(), trimmed: 0 };
        if in_two && of < 8 {
            self.shards.push(child(of * 2, rest));
            self.shards.push(child(of * 2, rest + of));
        } else {
            self.shards.push(child(of, rest));
        }
        (shard..self.shards.len()).rev().find(|&n| place % self.shards[n].of == self.shards[n].rest).unwrap_or(shard)
    }

    /// Takes away what is too old.
    fn trim(&mut self, now_ms: i64) {
        for shard in &mut self.shards {
            let old = shard.records.iter().take_while(|record| record.at_ms + KEPT_MS < now_ms).count();
            shard.trimmed = shard.trimmed.max(old);
        }
    }

    fn list(&mut self, now_ms: i64, rng: &mut fastrand::Rng) -> Vec<StreamShard> {
        self.trim(now_ms);
        let seen = self.shards.iter().enumerate().filter(|(_, shard)| !shard.is_gone(now_ms));
        let mut seen: Vec<StreamShard> = seen
            .map(|(number, shard)| StreamShard {
                id: id(number),
                parent: shard.parent.map(id),
                closed: shard.closed_ms.is_some(),
            })
            .collect();
        rng.shuffle(&mut seen);
        seen
    }

    fn read(
        &mut self,
        share: &Share,
        shard: &str,
        from: &From,
        now_ms: i64,
        rng: &mut fastrand::Rng,
    ) -> Called<ShardRead> {
        self.trim(now_ms);
        let gone = || error(CallErrorKind::NotFound, "dynamodb:GetShardIterator", "no such shard");
        let number: usize = shard.strip_prefix("shard-").and_then(|text| text.parse().ok()).ok_or_else(gone)?;
        let of = self.shards.get(number).ok_or_else(gone)?;
        let at = match from {
            _ if of.is_gone(now_ms) => return Ok(ShardRead::Trimmed),
            From::Oldest => of.trimmed,
            From::Latest => of.records.len(),
            From::After(seq) => match seq.parse::<usize>() {
                Ok(seq) if seq >= of.trimmed => seq + 1,
                _ => return Ok(ShardRead::Trimmed),
            },
            From::Iterator(iterator) => match place_of(iterator) {
                Some((of, ..)) if of != number => return Err(gone()),
                Some((_, _, made_ms)) if made_ms + ITERATOR_MS < now_ms => return Ok(ShardRead::Expired),
                Some((_, at, _)) => at,
                None => return Err(gone()),
            },
        };
        if at < of.trimmed {
            return Ok(ShardRead::Trimmed);
        }
        Ok(of.page(number, at, share, now_ms, rng))
    }
}

impl Shard {
    fn page(&self, number: usize, at: usize, share: &Share, now_ms: i64, rng: &mut fastrand::Rng) -> ShardRead {
        // A page may be empty although there is more, and records before it may come once more.
        let visible = self.records.iter().take_while(|record| record.visible_ms <= now_ms).count();
        let most = if rng.u8(..8) == 0 { 0 } else { rng.usize(1..=4) };
        let to = visible.min(at + most).max(at);
        let back = if to > at && rng.u8(..8) == 0 { rng.usize(0..=2) } else { 0 };
        let from = at.saturating_sub(back).max(self.trimmed);
        let shown = |(at, record): (usize, &Record)| record.shown(at, share);
        let changes = self.records.iter().enumerate().take(to.min(visible)).skip(from).map(shown).collect();
        let at_end = self.closed_ms.is_some() && to >= self.records.len();
        ShardRead::Page { changes, next: (!at_end).then(|| format!("{number}|{to}|{now_ms}")) }
    }
}

impl Record {
    fn shown(&self, seq: usize, share: &Share) -> Change {
        let mut text = String::new();
        // Numbers of records are longer than any integer.
        let _ = write!(text, "{seq:024}");
        let ours = |item: &Item| share.find.is_of(&share.tenant, &share.key, item);
        let is_ours = self.before.as_ref().is_some_and(ours) || self.after.as_ref().is_some_and(ours);
        Change { seq: text, at_ms: self.at_ms, key: is_ours.then(|| self.key.clone()) }
    }
}

fn id(number: usize) -> String {
    format!("shard-{number:04}")
}

fn place_of(iterator: &str) -> Option<(usize, usize, i64)> {
    let mut parts = iterator.split('|');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[async_trait]
impl ChangeStreams for Seat {
    async fn shards(&self, table: &TableRef, _: &str) -> Called<Vec<StreamShard>> {
        let table = table.clone();
        self.call(read("dynamodb:DescribeStream"), move |state| {
            let (cell, number) = state.table(&table)?;
            let (tables, rng) = (&mut state.tables, &mut state.rng);
            Ok(tables[cell][number].stream.list(state.now_ms, rng))
        })
        .await
    }

    async fn read(&self, share: &Share, _: &str, shard: &str, from: &From) -> Called<ShardRead> {
        let (share, shard, from) = (share.clone(), shard.to_owned(), from.clone());
        self.call(read("dynamodb:GetRecords"), move |state| {
            let (cell, number) = state.table(&share.table)?;
            let (tables, rng) = (&mut state.tables, &mut state.rng);
            tables[cell][number].stream.read(&share, &shard, &from, state.now_ms, rng)
        })
        .await
    }
}
