//! How far each shard of the streams is read: what a read says, and which shards are next.
//!
//! Constraint kept: pure but for the clock's readings that it is given. A shard's parent is read to its end before it; a
//! shard that is not known yet is read from its oldest record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::data::ItemKey;
use crate::ports::data::{Change, From, ShardRead, StreamShard};

/// From so many records on, a page counts as full.
pub(super) const FULL: usize = 100;

/// How far a shard was read: what the ledger keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Position {
    /// Behind the record of this number.
    After(String),
    /// To its end.
    Done,
}

/// A shard of a table's stream: the table by its place in the plan, and the shard's id.
pub(super) type ShardId = (usize, String);

/// A moment, by both clocks, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970.
    pub(super) wall_ms: i64,
    /// By the clock that does not go back.
    pub(super) ms: u64,
}

/// One shard.
#[derive(Debug)]
pub(super) struct Reader {
    parent: Option<String>,
    /// From where it is read next.
    pub(super) from: From,
    /// How far it was read.
    position: Option<Position>,
    /// The same, as the ledger has it.
    stored: Option<Position>,
    /// Up to which moment it was read.
    caught_ms: Option<i64>,
    /// When the first and the last of the reads began that gave nothing of the tenant, one after another.
    quiet_ms: Option<(u64, u64)>,
    /// When it is to be read next.
    pub(super) due_ms: u64,
    /// Reads that failed, one after another.
    pub(super) failures: u32,
}

/// All shards.
#[derive(Debug, Default)]
pub(super) struct Shards {
    readers: BTreeMap<ShardId, Reader>,
    /// Those that are gone, as long as the ledger has another position of them.
    gone: BTreeSet<ShardId>,
}

/// What a read has given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// Keys that have changed.
    pub(super) keys: Vec<ItemKey>,
    /// Number of records, also of other tenants.
    pub(super) records: usize,
    /// Whether the shard is at its end.
    pub(super) ended: bool,
    /// Whether records were lost.
    pub(super) lost: bool,
}

impl Reader {
    fn new(parent: Option<String>, from: From, position: Option<Position>) -> Self {
        let stored = position.clone();
        Self { parent, from, position, stored, caught_ms: None, quiet_ms: None, due_ms: 0, failures: 0 }
    }

    /// One that goes on from where the ledger says.
    fn resumed(parent: Option<String>, position: Option<Position>) -> Self {
        let from = match &position {
            Some(Position::After(seq)) => From::After(seq.clone()),
            _ => From::Oldest,
        };
        Self::new(parent, from, position)
    }

    fn is_done(&self) -> bool {
        self.position == Some(Position::Done)
    }

    /// Takes note of a read that began at `began`. Changes before `since_ms` are older than the copy.
    fn take(&mut self, read: ShardRead, began: Moment, since_ms: i64) -> Given {
        self.failures = 0;
        match read {
            ShardRead::Page { changes, next } => self.page(changes, next, began, since_ms),
            ShardRead::Expired => {
                self.from = match &self.position {
                    Some(Position::After(seq)) => From::After(seq.clone()),
                    _ => From::Oldest,
                };
                Given::default()
            }
            ShardRead::Trimmed => {
                let lost = self.from != From::Oldest;
                (self.from, self.position, self.quiet_ms) = (From::Oldest, None, None);
                Given { lost, ..Given::default() }
            }
        }
    }

    fn page(&mut self, changes: Vec<Change>, next: Option<String>, began: Moment, since_ms: i64) -> Given {
        let (records, ended) = (changes.len(), next.is_none());
        self.caught_ms = Some(changes.last().map_or(began.wall_ms, |last| last.at_ms));
        if let Some(last) = changes.last() {
            self.position = Some(Position::After(last.seq.clone()));
        }
        match next {
            Some(iterator) => self.from = From::Iterator(iterator),
            None => self.position = Some(Position::Done),
        }
        let keys = changes.into_iter().filter(|change| change.at_ms >= since_ms).filter_map(|change| change.key);
        let keys: Vec<ItemKey> = keys.collect();
        // Records of other tenants never stop where a table is shared; a page that is not full is the last one.
        self.quiet_ms =
            (keys.is_empty() && records < FULL).then(|| (self.quiet_ms.map_or(began.ms, |(first, _)| first), began.ms));
        Given { keys, records, ended, lost: false }
    }
}

impl Shards {
    /// Takes note of a first listing: shards are read from now on, and those that are closed not at all.
    pub(super) fn begin(&mut self, table: usize, listed: Vec<StreamShard>) {
        for shard in listed {
            let mut reader = Reader::new(shard.parent, From::Latest, None);
            if shard.closed {
                reader.position = Some(Position::Done);
            }
            self.readers.insert((table, shard.id), reader);
        }
    }

    /// Takes note of a listing. Gives those that are gone without having been read to their ends: of what is known here, and
    /// of `stored`, where the ledger says how far each was read.
    pub(super) fn list(
        &mut self,
        table: usize,
        listed: Vec<StreamShard>,
        stored: &BTreeMap<ShardId, Position>,
    ) -> Vec<ShardId> {
        let there: BTreeSet<ShardId> = listed.iter().map(|shard| (table, shard.id.clone())).collect();
        for shard in listed {
            let id = (table, shard.id);
            let position = stored.get(&id).cloned();
            self.readers.entry(id).or_insert_with(|| Reader::resumed(shard.parent, position));
        }
        let known = self.readers.iter().filter(|(_, reader)| !reader.is_done()).map(|(id, _)| id);
        let kept = stored.iter().filter(|(_, position)| **position != Position::Done).map(|(id, _)| id);
        let lost: BTreeSet<ShardId> =
            known.chain(kept).filter(|id| id.0 == table && !there.contains(*id)).cloned().collect();
        self.readers.retain(|id, _| id.0 != table || there.contains(id));
        self.gone.extend(lost.iter().cloned());
        lost.into_iter().collect()
    }

    fn is_ready(&self, id: &ShardId, reader: &Reader) -> bool {
        let parent = reader.parent.as_ref().and_then(|parent| self.readers.get(&(id.0, parent.clone())));
        !reader.is_done() && parent.is_none_or(Reader::is_done)
    }

    /// Those of a first listing of which no iterator was fetched yet.
    pub(super) fn unopened(&self) -> Vec<(ShardId, From)> {
        let open = self.readers.iter().filter(|(_, reader)| !reader.is_done() && reader.from == From::Latest);
        open.map(|(id, reader)| (id.clone(), reader.from.clone())).collect()
    }

    /// Those that are to be read now, and from where.
    pub(super) fn due(&self, now_ms: u64) -> Vec<(ShardId, From)> {
        let due = self.readers.iter().filter(|(id, reader)| reader.due_ms <= now_ms && self.is_ready(id, reader));
        due.map(|(id, reader)| (id.clone(), reader.from.clone())).collect()
    }

    /// When the next one is to be read, by the clock that does not go back.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.readers.iter().filter(|(id, reader)| self.is_ready(id, reader)).map(|(_, reader)| reader.due_ms).min()
    }

    /// One of them.
    pub(super) fn reader(&mut self, id: &ShardId) -> Option<&mut Reader> {
        self.readers.get_mut(id)
    }

    /// Takes note of a read that began at `began`.
    pub(super) fn take(&mut self, id: &ShardId, read: ShardRead, began: Moment, since_ms: i64) -> Given {
        self.readers.get_mut(id).map(|reader| reader.take(read, began, since_ms)).unwrap_or_default()
    }

    /// Up to which moment all of them are read, in milliseconds since 1970; none before each was. Without any, there is
    /// nothing that could be behind `now_ms`.
    pub(super) fn caught_ms(&self, now_ms: i64) -> Option<i64> {
        let open = self.readers.values().filter(|reader| !reader.is_done());
        open.map(|reader| reader.caught_ms).min().unwrap_or(Some(now_ms))
    }

    /// Whether every shard has given nothing from `since_ms` on for `quiet_ms`, by the clock that does not go back.
    pub(super) fn are_quiet(&self, since_ms: u64, quiet_ms: u64) -> bool {
        let mut open = self.readers.values().filter(|reader| !reader.is_done());
        open.all(|reader| reader.quiet_ms.is_some_and(|(first, last)| first.max(since_ms) + quiet_ms <= last))
    }

    /// Positions that the ledger does not have yet.
    pub(super) fn unstored(&self) -> Vec<(ShardId, Position)> {
        let new = self.readers.iter().filter(|(_, reader)| reader.position != reader.stored);
        let new = new.filter_map(|(id, reader)| Some((id.clone(), reader.position.clone()?)));
        new.chain(self.gone.iter().map(|id| (id.clone(), Position::Done))).collect()
    }

    /// The ledger has these.
    pub(super) fn stored(&mut self, positions: Vec<(ShardId, Position)>) {
        for (id, position) in positions {
            self.gone.remove(&id);
            if let Some(reader) = self.readers.get_mut(&id) {
                reader.stored = Some(position);
            }
        }
    }
}

#[cfg(test)]
mod tests;
