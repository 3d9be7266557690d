//! Digests of many items that do not depend on their order.
//!
//! Owns: the sum of hashes modulo 2^256, and its buckets. Constraint kept: what is added and taken away again leaves no
//! trace, so that a digest can follow single changes. Source: M. Bellare and D. Micciancio, "A new paradigm for
//! collision-free hashing: incrementality at reduced cost" (1997), `AdHash`.

use serde::{Deserialize, Serialize};

use super::canon;
use super::{Item, ItemKey};

/// Number of buckets of a table's digest: a difference is looked for in one of them, 1/1024 of the tenant's items.
pub const BUCKETS: usize = 1024;

/// A sum of hashes modulo 2^256, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Four words, the least significant first.
    words: [u64; 4],
    /// Number of items.
    pub count: u64,
}

impl Sum {
    /// Counts an item in.
    pub fn add(&mut self, item: &Item) {
        self.add_hash(&canon::hash(item));
    }

    /// Counts a hash in.
    pub fn add_hash(&mut self, hash: &[u8; 32]) {
        let other = words(hash);
        let mut carry = false;
        for (mine, theirs) in self.words.iter_mut().zip(other) {
            let (sum, first) = mine.overflowing_add(theirs);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *mine = sum;
            carry = first || second;
        }
        self.count = self.count.wrapping_add(1);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (mine, theirs) in self.words.iter_mut().zip(other.words) {
            let (sum, first) = mine.overflowing_add(theirs);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *mine = sum;
            carry = first || second;
        }
        self.count = self.count.wrapping_add(other.count);
    }

    /// The sum as 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        let [first, second, third, fourth] = self.words;
        format!("{fourth:016x}{third:016x}{second:016x}{first:016x}")
    }
}

fn words(hash: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(hash.chunks_exact(8)) {
        *word = bytes.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    }
    words
}

/// The digest of a tenant's items in one table, by bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    buckets: Vec<Sum>,
    /// Bytes of the items, about.
    pub bytes: u64,
}

impl Default for Digests {
    fn default() -> Self {
        Self { buckets: vec![Sum::default(); BUCKETS], bytes: 0 }
    }
}

impl Digests {
    /// Counts an item in.
    pub fn add(&mut self, key: &ItemKey, item: &Item) {
        self.buckets[bucket_of(key)].add(item);
        self.bytes = self.bytes.saturating_add(item.bytes() as u64);
    }

    /// Adds those of another part of the table.
    pub fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| mine.merge(theirs));
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// The buckets in which two sides differ.
    pub fn differing(&self, other: &Self) -> Vec<usize> {
        let pairs = self.buckets.iter().zip(&other.buckets).enumerate();
        pairs.filter(|(_, (mine, theirs))| mine != theirs).map(|(index, _)| index).collect()
    }

    /// Number of items in a bucket.
    pub fn count(&self, bucket: usize) -> u64 {
        self.buckets.get(bucket).map_or(0, |sum| sum.count)
    }

    /// All buckets together.
    pub fn total(&self) -> Sum {
        let mut total = Sum::default();
        self.buckets.iter().for_each(|sum| total.merge(sum));
        total
    }
}

/// The bucket that an item belongs to, by the hash of its key.
pub fn bucket_of(key: &ItemKey) -> usize {
    let hash = canon::key_hash(key);
    (usize::from(hash[0]) << 8 | usize::from(hash[1])) % BUCKETS
}

/// The digest of a table as the journal and the receipt have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDigest {
    /// The table, as the definition calls it.
    pub table: String,
    /// Number of items.
    pub items: u64,
    /// Their bytes, about as DynamoDB counts them.
    pub bytes: u64,
    /// Sum of the SHA-256 of each item's canonical form modulo 2^256, in hexadecimal digits.
    pub digest: String,
}
