//! Verifying a chain: what was changed, taken away or put in, by name.
//!
//! Owns: the flaws that an audit log can have, and the check of one chain. Constraints kept: a record is looked at once
//! and forgotten, so that the length of a chain costs no memory; nothing that a record says of itself is believed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use crate::domain::ids::Digest;

use super::{AUDIT_FORMAT, Head, Record, Subject};

/// Most flaws that are told of one chain: who rewrote a whole chain is found out with these.
pub const FLAWS_MAX: usize = 50;

/// What kind of flaw it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlawKind {
    /// The text cannot be read.
    Unreadable,
    /// It was written by a newer version, and this one cannot tell what it says.
    NewerFormat,
    /// It says that it belongs elsewhere.
    Misplaced,
    /// The text does not have the hash that stands beside it.
    TextChanged,
    /// It does not follow the one before it.
    LinkBroken,
    /// One or more are missing.
    Missing,
    /// Nothing is left of the chain, and nothing of what vouched for it.
    ChainGone,
    /// It comes after the last one that is vouched for.
    BeyondHead,
    /// It is not the one that the entry vouches for.
    HeadDiffers,
    /// The entry does not say what the chain last told of it.
    EntryDiffers,
    /// It is not the one that a root vouches for.
    RootDiffers,
    /// The heads of a root are not those that it was made over.
    HeadsDiffer,
    /// The chain of roots does not have the root that was asked for.
    RootAbsent,
}

/// One thing that is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flaw {
    /// What it was found in: `tenant/NAME`, `cell/NAME` or `root/NUMBER`.
    pub subject: String,
    /// What kind it is.
    pub kind: FlawKind,
    /// Number of the record, or of the first of several.
    pub seq: Option<u64>,
    /// Number of the last of several.
    pub to: Option<u64>,
    /// For people.
    pub message: String,
}

impl Flaw {
    /// Whether both tell of the same thing, in whatever words.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |flaw: &Self| (flaw.kind, flaw.seq, flaw.to);
        self.subject == other.subject && key(self) == key(other)
    }
}

/// A record as it was found: nothing is taken for granted.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The subject whose chain it was found in.
    pub subject: &'a Subject,
    /// The number under which it was found.
    pub seq: u64,
    /// Its text.
    pub text: &'a str,
    /// The hash that stands beside it.
    pub hash: &'a str,
}

/// What the text of a record can be read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A record.
    Record(Box<Record>),
    /// A record of a newer format, and the hash that it names as the one before it.
    Newer {
        /// Its format.
        format: u64,
        /// What it says comes before it.
        prev: Option<String>,
    },
    /// Neither; why.
    Unreadable(String),
}

/// Reads the text of a record.
pub fn read(text: &str) -> Reading {
    let loose: Json = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Reading::Unreadable(error.to_string()),
    };
    let format = loose["format"].as_u64();
    if let Some(format) = format.filter(|format| *format > u64::from(AUDIT_FORMAT)) {
        return Reading::Newer { format, prev: loose["prev"].as_str().map(str::to_owned) };
    }
    match serde_json::from_value(loose) {
        Ok(record) => Reading::Record(Box::new(record)),
        Err(error) => Reading::Unreadable(error.to_string()),
    }
}

/// Who says how a chain goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voucher {
    /// The tenant's entry, or the cell's load.
    Entry,
    /// The root of this number.
    Root(u64),
}

/// What an entry says of itself: name and value of some of its fields. Where a record tells a field of that name, the
/// last one that does must agree.
pub type Claims = Vec<(&'static str, Json)>;

/// A record that somebody vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Who.
    pub by: Voucher,
    /// Number and hash of the record.
    pub head: Head,
    /// What they say besides.
    pub claims: Claims,
}

/// What is known of the record before the next one.
enum Before {
    /// There is none.
    Start,
    /// The hash of its text, and the one that stood beside it.
    Known(Digest, String),
    /// It is missing.
    Unknown,
}

/// The check of one chain. Feed it the records in order, then ask for the flaws.
pub struct ChainCheck {
    subject: Subject,
    vouched: Vec<Vouched>,
    next: u64,
    before: Before,
    records: u64,
    /// What the records told last, of the fields that somebody makes claims of.
    told: BTreeMap<&'static str, Json>,
    flaws: Vec<Flaw>,
}

impl ChainCheck {
    /// The check of a subject's chain against what others say of it.
    pub fn new(subject: Subject, vouched: Vec<Vouched>) -> Self {
        Self { subject, vouched, next: 1, before: Before::Start, records: 0, told: BTreeMap::new(), flaws: Vec::new() }
    }

    /// Records that were looked at.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Number of the last record, 0 without one.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    /// Looks at the next record.
    pub fn record(&mut self, found: &Found<'_>) {
        self.records += 1;
        self.check_number(found.seq);
        let hash = Digest::of(found.text.as_bytes());
        if hash.as_str() != found.hash {
            self.flaw(FlawKind::TextChanged, found.seq, "was changed: its text does not have its hash");
        }
        self.check_text(found);
        self.check_vouched(found.seq, &hash, found.hash);
        self.before = Before::Known(hash, found.hash.to_owned());
        self.next = self.next.max(found.seq.saturating_add(1));
    }

    fn check_number(&mut self, seq: u64) {
        if seq < self.next {
            self.flaw(FlawKind::Misplaced, seq, "stands out of order");
            self.before = Before::Unknown;
        } else if seq > self.next {
            self.missing(self.next, seq - 1, "the records after them are there");
            self.before = Before::Unknown;
        }
    }

    fn check_text(&mut self, found: &Found<'_>) {
        match read(found.text) {
            Reading::Record(record) => {
                if record.subject != *found.subject || *found.subject != self.subject || record.seq != found.seq {
                    let message = format!("says that it is record {} of {}", record.seq, record.subject);
                    self.flaw(FlawKind::Misplaced, found.seq, &message);
                }
                self.check_link(found.seq, record.prev.as_ref().map(Digest::as_str));
                self.note(&record.to);
            }
            Reading::Newer { format, prev } => {
                let message = format!(
                    "has format {format}, and this version knows up to {AUDIT_FORMAT}: verify with a newer cellctl"
                );
                self.flaw(FlawKind::NewerFormat, found.seq, &message);
                self.check_link(found.seq, prev.as_deref());
            }
            Reading::Unreadable(why) => {
                self.flaw(FlawKind::Unreadable, found.seq, &format!("cannot be read: {why}"));
            }
        }
    }

    /// A record whose text was changed is named as such; the one after it may name the hash that it had.
    fn check_link(&mut self, seq: u64, prev: Option<&str>) {
        let message = match (&self.before, prev) {
            (Before::Start, Some(_)) => "names a record before it, and it is the first".to_owned(),
            (Before::Known(..), None) => {
                "names no record before it: it was not written as part of this chain".to_owned()
            }
            (Before::Known(hash, beside), Some(prev)) if prev != hash.as_str() && prev != beside => {
                format!("does not follow record {}: one of the two was changed or replaced", seq.saturating_sub(1))
            }
            _ => return,
        };
        self.flaw(FlawKind::LinkBroken, seq, &message);
    }

    fn check_vouched(&mut self, seq: u64, hash: &Digest, beside: &str) {
        let differs = |v: &&Vouched| v.head.seq == seq && v.head.hash != *hash && v.head.hash.as_str() != beside;
        let by: Vec<Voucher> = self.vouched.iter().filter(differs).map(|v| v.by.clone()).collect();
        for by in by {
            self.differs(seq, &by);
        }
        self.check_claims(seq);
    }

    fn note(&mut self, to: &Json) {
        for (name, _) in self.vouched.iter().flat_map(|v| &v.claims) {
            if let Some(value) = to.get(name) {
                self.told.insert(name, value.clone());
            }
        }
    }

    fn check_claims(&mut self, seq: u64) {
        let claims = self.vouched.iter().filter(|v| v.head.seq == seq).flat_map(|v| &v.claims);
        let wrong = claims.filter_map(|(name, says)| Some((name, says, self.told.get(name)?)));
        let wrong = wrong.filter(|(_, says, told)| says != told);
        let told: Vec<String> =
            wrong.map(|(name, says, told)| format!("{name} is {says}, and was last told as {told}")).collect();
        if !told.is_empty() {
            let message = format!("the {} was changed without a record: {}", self.keeper(), told.join("; "));
            self.push(FlawKind::EntryDiffers, Some(seq), None, message);
        }
    }

    fn differs(&mut self, seq: u64, by: &Voucher) {
        match by {
            Voucher::Entry => {
                let message = format!("is not the one that the {} vouches for", self.keeper());
                self.flaw(FlawKind::HeadDiffers, seq, &message);
            }
            Voucher::Root(root) => {
                let message = format!("is not the one that root {root} vouches for: the chain was rewritten since");
                self.flaw(FlawKind::RootDiffers, seq, &message);
            }
        }
    }

    /// The flaws. `now` is the head as it was read after the last record, so that one written meanwhile is none; who
    /// saw no record beyond the head may pass the one from before.
    pub fn finish(mut self, now: Option<&Head>) -> Vec<Flaw> {
        let last = self.last();
        let furthest = self.vouched.iter().max_by_key(|v| v.head.seq).cloned();
        if self.records == 0 && now.is_none() {
            if let Some(vouched) = furthest {
                self.gone(&vouched);
            }
            return self.flaws;
        }
        if let Some(vouched) = furthest.filter(|v| v.head.seq > last) {
            let says = match vouched.by {
                Voucher::Entry => format!("the {} vouches for record {}", self.keeper(), vouched.head.seq),
                Voucher::Root(root) => format!("root {root} vouches for record {}", vouched.head.seq),
            };
            self.missing(last + 1, vouched.head.seq, &says);
        }
        self.check_end(last, now);
        self.flaws
    }

    fn check_end(&mut self, last: u64, now: Option<&Head>) {
        let head_seq = now.map_or(0, |head| head.seq);
        if last > head_seq {
            let message = match now {
                Some(_) => format!("is beyond the end that the {} vouches for", self.keeper()),
                None => format!("is vouched for by nothing: the {} is gone, or names no record", self.keeper()),
            };
            self.beyond(head_seq + 1, last, &message);
        }
        let known = |head: &&Head| match &self.before {
            Before::Known(hash, beside) => head.hash == *hash || head.hash.as_str() == beside,
            Before::Start | Before::Unknown => true,
        };
        let differs = now.filter(|head| head.seq == last && !known(head));
        if differs.is_some() && !self.flaws.iter().any(|f| f.kind == FlawKind::HeadDiffers) {
            self.differs(last, &Voucher::Entry);
        }
    }

    fn gone(&mut self, vouched: &Vouched) {
        let by = match vouched.by {
            Voucher::Entry => self.keeper().to_owned(),
            Voucher::Root(root) => format!("root {root}"),
        };
        let message = format!("the whole chain is gone: {by} vouches for {} records", vouched.head.seq);
        self.push(FlawKind::ChainGone, Some(1), Some(vouched.head.seq), message);
    }

    /// What keeps the head of the chain.
    fn keeper(&self) -> &'static str {
        match self.subject {
            Subject::Cell(_) => "item of the cell's counters",
            Subject::Tenant(_) => "tenant's entry",
        }
    }

    fn missing(&mut self, from: u64, to: u64, why: &str) {
        let message = if from == to {
            format!("record {from} is missing: {why}")
        } else {
            format!("records {from} to {to} are missing: {why}")
        };
        self.push(FlawKind::Missing, Some(from), (from != to).then_some(to), message);
    }

    fn beyond(&mut self, from: u64, to: u64, why: &str) {
        let message = if from == to {
            format!("record {from} {why}")
        } else {
            format!("each of the records {from} to {to} {why}")
        };
        self.push(FlawKind::BeyondHead, Some(from), (from != to).then_some(to), message);
    }

    fn flaw(&mut self, kind: FlawKind, seq: u64, message: &str) {
        self.push(kind, Some(seq), None, format!("record {seq} {message}"));
    }

    fn push(&mut self, kind: FlawKind, seq: Option<u64>, to: Option<u64>, message: String) {
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(Flaw { subject: self.subject.to_string(), kind, seq, to, message });
        }
    }
}
