//! How much there is of everything in each configuration.

use std::fmt;

use super::protocol::{Bounds, Level};

pub(super) type Configuration = (&'static str, Bounds);

/// One key, one writer with one write at most in hand, two movers, two cutovers.
pub(super) const STRICT: Bounds = Bounds {
    level: Level::Strict,
    shards: 1,
    keys: 1,
    writers: 1,
    writes: 2,
    after: false,
    movers: 2,
    cutovers: 2,
    aborts: false,
    moves: 1,
    gaps: false,
    dups: false,
    three: false,
    doubt: false,
    compare: true,
    back: false,
};
const ONE_WRITE: Bounds = Bounds { writes: 1, cutovers: 1, ..STRICT };
const GUARDED: Bounds = Bounds { level: Level::Guarded, ..STRICT };
const LEASE: Bounds = Bounds { level: Level::Lease, ..STRICT };
const STREAMS: Bounds = Bounds { level: Level::Lease, compare: false, gaps: true, ..STRICT };
const SHARDS: Bounds = Bounds { shards: 2, writers: 2, movers: 1, doubt: true, ..STRICT };
const KEYS: Bounds = Bounds { keys: 2, movers: 1, ..STRICT };
const RECORDS: Bounds = Bounds { gaps: true, dups: true, cutovers: 1, ..STRICT };
const ABORTS: Bounds = Bounds { aborts: true, moves: 2, ..ONE_WRITE };
const BACK: Bounds = Bounds { back: true, after: true, cutovers: 1, ..STRICT };

pub(super) const CONFIGURATIONS: [Configuration; 11] = [
    ("strict", Bounds { doubt: true, ..STRICT }),
    ("guarded", GUARDED),
    ("lease", LEASE),
    ("lease, streams", STREAMS),
    ("three writes", Bounds { three: true, ..STRICT }),
    ("shards", SHARDS),
    ("keys", KEYS),
    ("records", RECORDS),
    ("aborts", ABORTS),
    ("aborts, three writes", Bounds { three: true, ..ABORTS }),
    ("back", BACK),
];

/// Bounds within which an end must be reachable from everywhere: with aborts, since cutovers are bounded.
pub(super) const ENDS: [Configuration; 3] = [
    ("ends", Bounds { aborts: true, ..ONE_WRITE }),
    ("ends, three writes", Bounds { aborts: true, three: true, ..ONE_WRITE }),
    ("ends, lease", Bounds { aborts: true, level: Level::Lease, ..ONE_WRITE }),
];

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = format!("{:?}", self.level).to_lowercase();
        write!(f, "{level}; {} keys, {} writers, {} writes", self.keys, self.writers, self.writes)?;
        write!(f, ", {} shards, {} movers, {} cutovers", self.shards, self.movers, self.cutovers)?;
        let more = [
            (self.moves > 1, "2 moves"),
            (self.aborts, "aborts"),
            (self.three, "FLIP in three writes"),
            (self.doubt, "FLIP in doubt"),
            (self.gaps, "records lost"),
            (self.dups, "records repeated"),
            (self.level == Level::Lease && !self.compare, "nothing compared under the seal"),
            (self.after, "writes to the target"),
            (self.back, "a move back"),
        ];
        more.iter().filter(|(on, _)| *on).try_for_each(|(_, word)| write!(f, ", {word}"))
    }
}
