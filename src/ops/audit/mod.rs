//! The audit log: showing it, proving it, and signing it off.
//!
//! Owns: reading of records and chains. Constraint kept: a chain and the map may be of any length; what is held of them
//! is bounded.

pub mod heads;
pub mod sign;
pub mod tail;
pub mod verify;

use serde::Serialize;

use crate::domain::audit::chain::{Reading, Vouched, read};
use crate::domain::audit::root::{FoundRoot, RootsChecked, check_roots};
use crate::domain::audit::{Head, Record, Subject};
use crate::domain::ids::Digest;
use crate::ports::Called;
use crate::ports::tenants::{StoredRecord, StoredRoot};

use super::{ErrorKind, OpError, World};

use heads::Current;

/// Records in one page of a chain: some 1 KB each.
const CHAIN_PAGE: u32 = 200;
/// Most records that one look at a history gives.
pub const HISTORY_MAX: u32 = 1_000;

/// A record to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The subject whose chain it was found in.
    pub subject: Subject,
    /// The number under which it was found.
    pub seq: u64,
    /// The hash that stands beside it.
    pub hash: String,
    /// What it says; none where it cannot be read.
    pub record: Option<Record>,
    /// What is wrong with it, where that can be seen without the rest of the chain.
    pub problem: Option<String>,
}

impl From<StoredRecord> for Shown {
    fn from(stored: StoredRecord) -> Self {
        let changed = Digest::of(stored.text.as_bytes()).as_str() != stored.hash;
        let (record, problem) = match read(&stored.text) {
            Reading::Record(record) => (Some(*record), None),
            Reading::Newer { format, .. } => (None, Some(format!("it has format {format}, of a newer cellctl"))),
            Reading::Unreadable(why) => (None, Some(format!("it cannot be read: {why}"))),
        };
        let misplaced = record.as_ref().filter(|r| r.subject != stored.subject || r.seq != stored.seq);
        let misplaced = misplaced.map(|r| format!("it says that it is record {} of {}", r.seq, r.subject));
        let problem = changed.then(|| "its text was changed".to_owned()).or(problem).or(misplaced);
        Self { subject: stored.subject, seq: stored.seq, hash: stored.hash, record, problem }
    }
}

/// A part of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The records, newest first.
    pub records: Vec<Shown>,
    /// What to pass as `before` for the next, older part; none when this is the oldest.
    pub before: Option<u64>,
}

/// The history of a subject, newest first: at most `limit` records (and `HISTORY_MAX`) with numbers below `before`.
/// A subject that nobody ever heard of has an empty one.
pub async fn history(world: &World, subject: &Subject, before: Option<u64>, limit: u32) -> Result<History, OpError> {
    let last = match before {
        Some(before) => before.saturating_sub(1),
        None => head(world, subject).await?.map_or(0, |head| head.seq),
    };
    let first = last.saturating_add(1).saturating_sub(u64::from(limit.clamp(1, HISTORY_MAX))).max(1);
    let mut records: Vec<Shown> = Vec::new();
    let mut next = first;
    while next <= last {
        let left = u32::try_from((last - next).saturating_add(1)).unwrap_or(CHAIN_PAGE);
        let page = world.audit.chain(subject, next, left.min(CHAIN_PAGE)).await?;
        let Some(end) = page.last().map(|record| record.seq) else { break };
        records.extend(page.into_iter().filter(|record| record.seq <= last).map(Shown::from));
        next = end + 1;
    }
    records.reverse();
    Ok(History { records, before: (first > 1 && last > 0).then_some(first) })
}

/// The records of a chain that come right after a known one, or its first: one page, empty at the end.
pub async fn page_after(world: &World, subject: &Subject, known: Option<&Head>) -> Called<Vec<StoredRecord>> {
    world.audit.chain(subject, known.map_or(0, |head| head.seq) + 1, CHAIN_PAGE).await
}

/// The end of a chain, as the tenant's entry or the cell's load vouches for it.
pub async fn head(world: &World, subject: &Subject) -> Called<Option<Head>> {
    Ok(current(world, subject).await?.map(|vouched| vouched.head))
}

/// What the tenant's entry or the cell's load says of a chain.
async fn current(world: &World, subject: &Subject) -> Called<Option<Vouched>> {
    let current = match subject {
        Subject::Tenant(tenant) => world.map.entry(tenant).await?.as_ref().map(Current::from),
        Subject::Cell(cell) => world.map.load(cell).await?.map(Current::from),
    };
    Ok(current.and_then(Current::vouched))
}

/// The roots, with what is wrong with them.
pub async fn roots(world: &World) -> Result<RootsChecked, OpError> {
    Ok(checked(&world.audit.roots().await?))
}

fn checked(stored: &[StoredRoot]) -> RootsChecked {
    check_roots(stored.iter().map(|root| FoundRoot { seq: root.seq, text: &root.text, hash: &root.hash }))
}

/// The error of a log with flaws, which are printed as data.
pub fn broken(flaws: u64, chains: u64) -> OpError {
    let (flaw, chain) = (plural(flaws, "flaw"), plural(chains, "chain"));
    OpError::new(ErrorKind::Failed, format!("the audit log is broken: {flaw} in {chain}"))
        .hint("keep what was printed, and a copy of the control table as of before (point-in-time recovery); docs/audit.md says how to find out who wrote what")
}

fn plural(number: u64, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
