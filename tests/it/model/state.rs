//! What there is in the model: fences, items, the stream, the journal, movers, writers, requests under way.
//!
//! Small numbers stand for everything: epochs count from 1, an item is the number of the write that made it (0: absent,
//! 1: as it was at first), a mover's fencing token is its place plus 1.

pub(super) const KEYS_MAX: usize = 2;
pub(super) const SHARDS_MAX: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cell {
    Source,
    Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    Absent,
    Open,
    Incoming,
    Guarded,
    Sealed,
    Out,
    Closed,
}

/// Who holds a fence: a move, by the token of a mover. Zeros: nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hold {
    pub(super) id: u8,
    pub(super) token: u8,
}

pub(super) const NOBODY: Hold = Hold { id: 0, token: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shard {
    pub(super) mode: Mode,
    pub(super) epoch: u8,
    pub(super) hold: Hold,
}

impl Shard {
    pub(super) fn open(epoch: u8) -> Self {
        Self { mode: Mode::Open, epoch, hold: NOBODY }
    }

    /// Whether a writer may begin to write by it.
    pub(super) fn accepts(self) -> bool {
        matches!(self.mode, Mode::Open | Mode::Guarded)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) cell: Cell,
    pub(super) epoch: u8,
    pub(super) moving: bool,
}

/// How far a move has come, as `domain/moves/machine.rs` has it; stages without a write of their own are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stage {
    Planned,
    Capturing,
    Copied,
    Barred,
    Reconciled,
    Guarded,
    Verified,
    CuttingOver,
    Aborting,
    Aborted,
    Flipped,
    Landed,
    Completed,
}

/// The journal, folded, and what the ledger holds beside dirty keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Journal {
    pub(super) id: u8,
    pub(super) stage: Stage,
    pub(super) epoch: u8,
    pub(super) cutovers: u8,
    /// A comparison is owed.
    pub(super) owes: bool,
    /// Keys copied: the cursor.
    pub(super) copied: u8,
    /// Token of the mover that wrote last.
    pub(super) by: u8,
}

/// A record of the source's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Record {
    pub(super) key: u8,
    pub(super) image: u8,
    /// Trimmed before it was read.
    pub(super) lost: bool,
}

/// What a mover does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pc {
    HoldTarget,
    HoldSource,
    Reserve,
    ReserveFence,
    Copy,
    Bar,
    Work,
    Guard,
    Verify { key: u8, read: Option<u8> },
    Intend,
    Seal(u8),
    Drain { proved: bool },
    Flip,
    Settle,
    Land,
    LandEntry,
    Clean(u8),
    Back,
    ClearBar,
    HoldToClear,
    Clear(u8),
    Close,
    EndAbort,
    Append(Stage),
    Rest,
    Gone,
}

/// A write to the target that a mover has sent and has no answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub(super) key: u8,
    /// The key was marked again since.
    pub(super) again: bool,
}

/// A mover and what it has in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mover {
    pub(super) pc: Pc,
    pub(super) id: u8,
    pub(super) epoch: u8,
    pub(super) job: Option<Job>,
    /// A key that was read from the stream and is in no ledger yet: with the guard away alone.
    pub(super) heard: Option<u8>,
}

pub(super) const GONE: Mover = Mover { pc: Pc::Gone, id: 0, epoch: 0, job: None, heard: None };

/// What a writer has read of a fence, and will write by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hand {
    pub(super) cell: Cell,
    pub(super) mode: Mode,
    pub(super) epoch: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Without a condition.
    Bulk,
    /// With a check of the target's fence.
    Checked,
    /// FLIP, whose answer was lost.
    Flip,
}

/// A request under way: it may count at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) id: u8,
    pub(super) token: u8,
    pub(super) epoch: u8,
    pub(super) key: u8,
    pub(super) value: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) source: [Shard; SHARDS_MAX],
    pub(super) target: Shard,
    pub(super) entry: Entry,
    pub(super) src: [u8; KEYS_MAX],
    pub(super) dst: [u8; KEYS_MAX],
    /// What the last write of each key that was acknowledged says.
    pub(super) truth: [u8; KEYS_MAX],
    pub(super) stream: [Option<Record>; 3],
    pub(super) notes: [bool; KEYS_MAX],
    pub(super) dirty: [bool; KEYS_MAX],
    /// The image that a record had: with the guard away alone.
    pub(super) image: [u8; KEYS_MAX],
    pub(super) journal: Journal,
    /// Token of the mover that has the lease.
    pub(super) lease: u8,
    pub(super) movers: [Mover; 2],
    pub(super) hands: [Option<Hand>; 2],
    pub(super) air: [Option<Request>; 3],
    pub(super) writes: u8,
    /// FLIP has happened, and nobody has moved the tenant back.
    pub(super) flipped: bool,
    /// A write committed by a shard that was sealed or out.
    pub(super) late: bool,
    /// Something of a mover counted after a later one had made sure that it cannot.
    pub(super) foul: bool,
}

impl State {
    pub(super) fn first() -> Self {
        let journal = Journal { id: 1, stage: Stage::Planned, epoch: 1, cutovers: 0, owes: false, copied: 0, by: 1 };
        Self {
            source: [Shard::open(1); SHARDS_MAX],
            target: Shard { mode: Mode::Absent, epoch: 0, hold: NOBODY },
            entry: Entry { cell: Cell::Source, epoch: 1, moving: false },
            src: [1; KEYS_MAX],
            dst: [0; KEYS_MAX],
            truth: [1; KEYS_MAX],
            stream: [None; 3],
            notes: [false; KEYS_MAX],
            dirty: [false; KEYS_MAX],
            image: [0; KEYS_MAX],
            journal,
            lease: 1,
            movers: [Mover { pc: Pc::Reserve, id: 1, epoch: 1, job: None, heard: None }, GONE],
            hands: [None; 2],
            air: [None; 3],
            writes: 0,
            flipped: false,
            late: false,
            foul: false,
        }
    }

    pub(super) fn has_bulk(&self) -> bool {
        self.air.iter().flatten().any(|request| request.kind == Kind::Bulk)
    }

    /// Whether a write of this mover to the target is under way.
    pub(super) fn is_waiting(&self, token: u8) -> bool {
        self.air.iter().flatten().any(|request| request.token == token && request.kind != Kind::Flip)
    }

    /// Takes a request up; none where there is no room for one more within the bounds.
    pub(super) fn send(&mut self, request: Request) -> Option<()> {
        let slot = self.air.iter_mut().find(|slot| slot.is_none())?;
        *slot = Some(request);
        Some(())
    }

    /// Marks a key dirty, in the ledger; a write of it that is under way may be of an older value.
    pub(super) fn mark(&mut self, key: usize) {
        self.dirty[key] = true;
        for mover in &mut self.movers {
            if let Some(job) = &mut mover.job
                && usize::from(job.key) == key
            {
                job.again = true;
            }
        }
    }
}
