//! Roots: the ends of all chains at one time, tied together by one digest.
//!
//! Owns: the root, its chain, and the digest over heads. Constraint kept: a root is hashed as it is stored, and the digest
//! over heads is one that anybody can compute again: SHA-256 of a line `SUBJECT SEQ HASH` for each head, in order.

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::domain::ids::Digest;

use super::chain::{Flaw, FlawKind};
use super::{Actor, Head, Stamp, Subject};

/// The format of the roots that this version writes.
pub const ROOT_FORMAT: u32 = 1;

/// A signed-off state of all chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Format of this root.
    pub format: u32,
    /// Its number, from 1.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who.
    pub actor: Actor,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Number of chains.
    pub subjects: u64,
    /// Number of the set of pages that holds their heads.
    pub heads: u64,
    /// Number of those pages.
    pub pages: u32,
    /// The digest over the heads.
    pub digest: Digest,
    /// Hash of the root before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Digest>,
}

/// A root as it is stored: its text, and the hash of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRoot {
    /// What the text says.
    pub root: Root,
    /// The JSON that is stored.
    pub text: String,
    /// SHA-256 of the text: what is kept elsewhere.
    pub hash: Digest,
}

/// The pages that a root is made over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Number of the set.
    pub set: u64,
    /// Number of pages.
    pub pages: u32,
    /// Number of heads.
    pub subjects: u64,
    /// The digest over the heads.
    pub digest: Digest,
}

impl SealedRoot {
    /// The root that comes after one of this number and hash.
    pub fn next(before: Option<&Head>, stamp: &Stamp, note: Option<String>, pages: Pages) -> Self {
        let root = Root {
            format: ROOT_FORMAT,
            seq: before.map_or(1, |head| head.seq + 1),
            at_ms: stamp.at_ms,
            actor: stamp.actor.clone(),
            note,
            subjects: pages.subjects,
            heads: pages.set,
            pages: pages.pages,
            digest: pages.digest,
            prev: before.map(|head| head.hash.clone()),
        };
        // A root of strings and numbers can always be written.
        let text = serde_json::to_string(&root).unwrap_or_default();
        let hash = Digest::of(text.as_bytes());
        Self { root, text, hash }
    }
}

/// The number of a set of pages for a root. Who signs at the same time writes a set of its own: with one set for both,
/// the slower one would overwrite what the other's root was made over. `chance` is from 0 up to but not including 1. The
/// number stays below 2^53 for two million roots, so that every reader of JSON can hold it.
pub fn page_set(root: u64, chance: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 up to but not including 2^32")]
    let drawn = (chance.clamp(0.0, 1.0) * 4_294_967_295.0) as u64;
    (root << 32) | drawn
}

/// The digest over heads, fed one by one.
#[derive(Default)]
pub struct HeadsDigest {
    hasher: sha2::Sha256,
    subjects: u64,
}

impl HeadsDigest {
    /// The next head.
    pub fn add(&mut self, subject: &Subject, head: &Head) {
        self.hasher.update(format!("{subject} {} {}\n", head.seq, head.hash));
        self.subjects += 1;
    }

    /// How many there were, and their digest.
    pub fn finish(self) -> (u64, Digest) {
        (self.subjects, Digest::of_hasher(self.hasher))
    }
}

/// A root as it was found.
#[derive(Debug, Clone, Copy)]
pub struct FoundRoot<'a> {
    /// The number under which it was found.
    pub seq: u64,
    /// Its text.
    pub text: &'a str,
    /// The hash that stands beside it.
    pub hash: &'a Digest,
}

/// What the chain of roots looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootsChecked {
    /// The roots that can be read, oldest first, each with the hash of its text.
    pub roots: Vec<(Root, Digest)>,
    /// What is wrong.
    pub flaws: Vec<Flaw>,
}

impl RootsChecked {
    /// The latest root that can be read.
    pub fn latest(&self) -> Option<&(Root, Digest)> {
        self.roots.last()
    }
}

/// Verifies the chain of roots, oldest first.
pub fn check_roots<'a>(found: impl IntoIterator<Item = FoundRoot<'a>>) -> RootsChecked {
    let mut checked = RootsChecked::default();
    let mut next = 1;
    let mut before: Option<[Digest; 2]> = None;
    for one in found {
        if one.seq != next {
            let missing = one.seq.saturating_sub(1);
            let (to, message) = match missing > next {
                true => (Some(missing), format!("roots {next} to {missing} are missing")),
                false => (None, format!("root {next} is missing")),
            };
            checked.flaws.push(flaw(next, FlawKind::Missing, to, message));
            before = None;
        }
        let hash = Digest::of(one.text.as_bytes());
        if hash != *one.hash {
            let message = format!("root {} was changed: its text does not have its hash", one.seq);
            checked.flaws.push(flaw(one.seq, FlawKind::TextChanged, None, message));
        }
        check_root(&mut checked, &one, &hash, before.as_ref(), one.seq == 1);
        before = Some([hash, one.hash.clone()]);
        next = one.seq.saturating_add(1);
    }
    checked
}

fn check_root(
    checked: &mut RootsChecked,
    found: &FoundRoot<'_>,
    hash: &Digest,
    before: Option<&[Digest; 2]>,
    first: bool,
) {
    let seq = found.seq;
    let mut tell = |kind, message: String| checked.flaws.push(flaw(seq, kind, None, message));
    let root = match read(found.text) {
        Ok(root) => root,
        Err((kind, why)) => return tell(kind, format!("root {seq} {why}")),
    };
    if root.seq != seq {
        tell(FlawKind::Misplaced, format!("root {seq} says that it is root {}", root.seq));
    }
    let follows = match (before, &root.prev) {
        (None, prev) => !first || prev.is_none(),
        (Some(known), Some(prev)) => known.contains(prev),
        (Some(_), None) => false,
    };
    if !follows {
        tell(
            FlawKind::LinkBroken,
            format!("root {seq} does not follow the one before it: one of them was changed or replaced"),
        );
    }
    checked.roots.push((root, hash.clone()));
}

/// Reads the text of a root.
fn read(text: &str) -> Result<Root, (FlawKind, String)> {
    let unreadable = |error: serde_json::Error| (FlawKind::Unreadable, format!("cannot be read: {error}"));
    let loose: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
    if let Some(format) = loose["format"].as_u64().filter(|format| *format > u64::from(ROOT_FORMAT)) {
        let why = format!("has format {format}, and this version knows up to {ROOT_FORMAT}: use a newer cellctl");
        return Err((FlawKind::NewerFormat, why));
    }
    serde_json::from_value(loose).map_err(unreadable)
}

/// A flaw of a root.
pub fn flaw(root: u64, kind: FlawKind, to: Option<u64>, message: String) -> Flaw {
    Flaw { subject: format!("root/{root}"), kind, seq: Some(root), to, message }
}
