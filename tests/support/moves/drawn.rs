//! What a schedule is made of, drawn from its seed.
//!
//! Owns: the ranges from which it is drawn. Constraint kept: small enough to run in milliseconds, wide enough that every
//! branch of the protocol is met within some thousands of schedules.

use cellctl::domain::moves::FenceLevel;

/// How the items of a table are found, without the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The tenant is the partition key.
    Partition,
    /// It begins the partition key.
    Prefix,
    /// It is the key of an index.
    Index,
    /// It is an attribute.
    Attribute,
}

/// How often what goes wrong, in calls of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The service throttles; nothing happens.
    pub(crate) throttled: u32,
    /// The endpoint is not reached; nothing happens.
    pub(crate) unreachable: u32,
    /// No answer comes: before the effect, after it, or long before it.
    pub(crate) doubt: u32,
    /// The mover dies.
    pub(crate) crash: u32,
    /// The mover's process stands still for a while.
    pub(crate) freeze: u32,
    /// The mover's clock jumps.
    pub(crate) jump: u32,
    /// The control table is cut off for a while.
    pub(crate) cut_off: u32,
    /// A call takes seconds.
    pub(crate) slow: u32,
}

/// What a person does while the move is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    Nothing,
    /// Pauses it, and resumes it.
    Pause,
    /// Gives it up.
    Abort,
}

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    /// Its seed.
    pub(crate) seed: u64,
    /// What writers keep to.
    pub(crate) level: FenceLevel,
    /// Shards of the fences: source, target.
    pub(crate) shards: (u8, u8),
    /// Whether both cells and the control table are in one place.
    pub(crate) one_place: bool,
    /// The tables.
    pub(crate) tables: Vec<Kind>,
    /// Keys of the tenant in each table.
    pub(crate) keys: usize,
    /// Writers.
    pub(crate) writers: usize,
    /// Writes of each.
    pub(crate) writes: usize,
    /// How long a writer rests between two writes at the most, in milliseconds.
    pub(crate) rest_ms: u64,
    /// Messages that are produced.
    pub(crate) messages: usize,
    /// Whether a second mover comes.
    pub(crate) second: bool,
    /// How many crashes there are at the most.
    pub(crate) crashes_max: u32,
    /// Whether a crash may be followed by more than a day of nothing.
    pub(crate) outage: bool,
    /// What a person does.
    pub(crate) wish: Wish,
    /// Whether the cutover waits for a word.
    pub(crate) hold_cutover: bool,
    /// Whether the tenant goes back to where it came from, once it has gone.
    pub(crate) rollback: bool,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// For how long a writer acts on what it has read, in milliseconds.
    pub(crate) lease_ms: u64,
    /// The longest that a writer's request takes, in milliseconds.
    pub(crate) request_ms: u64,
}

impl Drawn {
    /// The schedule of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let levels = [FenceLevel::Strict, FenceLevel::Strict, FenceLevel::Guarded, FenceLevel::Lease];
        let kinds = [Kind::Partition, Kind::Prefix, Kind::Index, Kind::Attribute];
        let tables = (0..rng.usize(1..=2)).map(|_| kinds[rng.usize(..4)]).collect();
        let faults = faults(&mut rng);
        let wishes = [Wish::Nothing, Wish::Nothing, Wish::Nothing, Wish::Nothing, Wish::Pause, Wish::Abort];
        Self {
            seed,
            level: levels[rng.usize(..levels.len())],
            shards: ([1, 1, 3][rng.usize(..3)], [1, 1, 2][rng.usize(..3)]),
            one_place: rng.bool(),
            tables,
            keys: rng.usize(3..=6),
            writers: rng.usize(1..=3),
            writes: rng.usize(3..=10),
            rest_ms: [20, 200, 2_000, 30_000][rng.usize(..4)],
            messages: [0, 0, 2, 4][rng.usize(..4)],
            second: rng.u8(..3) == 0,
            crashes_max: if faults.crash == 0 { 0 } else { rng.u32(1..=4) },
            outage: rng.u8(..12) == 0,
            wish: wishes[rng.usize(..wishes.len())],
            hold_cutover: rng.u8(..10) == 0,
            rollback: false,
            faults,
            lease_ms: [200, 5_000][rng.usize(..2)],
            request_ms: [100, 5_000][rng.usize(..2)],
        }
    }

    /// The schedule of a seed, with a way back. Writers go on for longer; nobody else's items change hands.
    pub(crate) fn back(seed: u64) -> Self {
        let of = Self::of(seed);
        Self { rollback: true, messages: 0, wish: Wish::Nothing, writes: of.writes * 3, ..of }
    }

    /// A plain move of this level: nothing goes wrong but what is asked for.
    pub(crate) fn plain(seed: u64, level: FenceLevel) -> Self {
        let calm = Self { faults: Faults::default(), wish: Wish::Nothing, crashes_max: 9, ..Self::of(seed) };
        Self { level, second: false, outage: false, hold_cutover: false, ..calm }
    }
}

/// One schedule in eight goes without faults, and each kind is left out of every third.
fn faults(rng: &mut fastrand::Rng) -> Faults {
    let much = [0, 1, 2, 4, 4, 8, 8, 20][rng.usize(..8)];
    let mut of = |share: u32| if rng.u8(..3) == 0 { 0 } else { much * share };
    Faults {
        throttled: of(2),
        unreachable: of(1),
        doubt: of(3),
        crash: of(2),
        freeze: of(1),
        jump: of(1),
        cut_off: of(1),
        slow: of(2),
    }
}
