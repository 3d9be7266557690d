//! What a schedule is made of, drawn from its seed.
//!
//! Owns: the ranges from which it is drawn.

use cellctl::domain::definition::Rollback;

/// How often what goes wrong, in calls of ten thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The service throttles; nothing happens.
    pub(crate) throttled: u32,
    /// The endpoint is not reached; nothing happens.
    pub(crate) unreachable: u32,
    /// No answer comes: before the effect, after it, or long before it.
    pub(crate) doubt: u32,
    /// The pilot dies.
    pub(crate) crash: u32,
    /// The pilot's process stands still for a while.
    pub(crate) freeze: u32,
    /// The pilot's clock jumps.
    pub(crate) jump: u32,
}

/// What is wrong with the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing.
    None,
    /// From this wave on its cells are unwell some time after they were changed.
    Unwell { wave: usize, after_ms: i64 },
    /// From this wave on the first so many cells of a wave fail to update; every other one of them gets stuck.
    Fails { wave: usize, cells: usize, stuck: bool },
}

/// What a person orders, without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Nothing,
    Pause,
    Rollback,
    Abort,
    Promote,
}

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) seed: u64,
    /// Cells of each wave.
    pub(crate) waves: Vec<usize>,
    /// Regions of the later waves; the first two are in one.
    pub(crate) regions: usize,
    /// Cells changed at a time.
    pub(crate) in_flight: Option<usize>,
    pub(crate) max_failures: usize,
    pub(crate) bake_ms: u64,
    /// Looks in a row that must fail.
    pub(crate) fail_after: u32,
    /// The wave that needs approval.
    pub(crate) approval: Option<usize>,
    pub(crate) scope: Rollback,
    pub(crate) harm: Harm,
    /// What somebody orders, and when after the beginning.
    pub(crate) wish: Wish,
    pub(crate) wish_ms: u64,
    /// Cells that are deleted, and when after the beginning.
    pub(crate) deleted: usize,
    pub(crate) deleted_ms: u64,
    /// Whether a rollout that is done is taken back later.
    pub(crate) regret: bool,
    pub(crate) faults: Faults,
    /// How many crashes there are at the most.
    pub(crate) crashes_max: u32,
    /// For how long whoever runs pilots waits for one before starting another, in milliseconds.
    pub(crate) patience_ms: u64,
    /// Whether all processes are on one machine, so that a death is seen.
    pub(crate) one_machine: bool,
}

impl Drawn {
    /// The schedule of a seed, with so many cells or, without a number, a few.
    pub(crate) fn of(seed: u64, cells: Option<usize>) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x0105_eed0);
        let cells = cells.unwrap_or_else(|| [3, 5, 5, 8, 12, 30][rng.usize(..6)]);
        let waves = waves(cells, &mut rng);
        let large = cells > 1_000;
        let faults = faults(&mut rng, if large { 1 } else { 10 });
        let wave = rng.usize(..waves.len());
        let harm = match rng.u8(..5) {
            0 => Harm::None,
            1 | 2 => Harm::Unwell { wave, after_ms: [0, 30_000, 200_000][rng.usize(..3)] },
            _ => Harm::Fails { wave, cells: rng.usize(1..=3), stuck: rng.bool() },
        };
        let wishes =
            [Wish::Nothing, Wish::Nothing, Wish::Nothing, Wish::Pause, Wish::Rollback, Wish::Abort, Wish::Promote];
        let scopes = [Rollback::All, Rollback::All, Rollback::Wave, Rollback::None];
        Self {
            seed,
            regions: if large { 20 } else { rng.usize(1..=3) },
            in_flight: if large { Some(1_000) } else { [None, Some(1), Some(3), Some(10)][rng.usize(..4)] },
            max_failures: [0, 0, 0, 1, 2][rng.usize(..5)],
            bake_ms: [20_000, 600_000][rng.usize(..2)],
            fail_after: rng.u32(1..=2),
            approval: (rng.u8(..3) == 0).then(|| rng.usize(..waves.len())),
            scope: scopes[rng.usize(..4)],
            harm,
            wish: wishes[rng.usize(..wishes.len())],
            wish_ms: [1_000, 300_000, 3_000_000][rng.usize(..3)] + rng.u64(..60_000),
            deleted: usize::from(rng.u8(..4) == 0),
            deleted_ms: [1_000, 300_000, 3_000_000][rng.usize(..3)] + rng.u64(..60_000),
            regret: rng.u8(..3) == 0,
            faults,
            crashes_max: if faults.crash == 0 { 0 } else { rng.u32(1..=5) },
            patience_ms: [60_000, 1_800_000, 36_000_000][rng.usize(..3)],
            one_machine: rng.bool(),
            waves,
        }
    }

    /// The same, without anything that goes wrong or that anybody wishes.
    pub(crate) fn plain(seed: u64, waves: Vec<usize>) -> Self {
        Self {
            regions: 1,
            in_flight: None,
            max_failures: 0,
            bake_ms: 60_000,
            fail_after: 1,
            approval: None,
            scope: Rollback::All,
            harm: Harm::None,
            wish: Wish::Nothing,
            deleted: 0,
            regret: false,
            faults: Faults::default(),
            crashes_max: 9,
            patience_ms: 36_000_000,
            one_machine: true,
            waves,
            ..Self::of(seed, Some(5))
        }
    }

    /// Number of all cells.
    pub(crate) fn cells(&self) -> usize {
        self.waves.iter().sum()
    }
}

/// A canary or two, one cell, 5 %, 20 %, the rest.
fn waves(cells: usize, rng: &mut fastrand::Rng) -> Vec<usize> {
    let mut left = cells;
    let mut waves = Vec::new();
    for size in [rng.usize(1..=2), 1, cells.div_ceil(20), cells.div_ceil(5)] {
        let size = size.min(left);
        if size > 0 {
            waves.push(size);
            left -= size;
        }
    }
    if left > 0 {
        waves.push(left);
    }
    waves
}

/// One schedule in five goes without faults, and each kind is left out of every third.
fn faults(rng: &mut fastrand::Rng, scale: u32) -> Faults {
    let much = [0, 1, 2, 4, 8][rng.usize(..5)] * scale;
    let mut of = |share: u32| if rng.u8(..3) == 0 { 0 } else { much * share };
    Faults { throttled: of(4), unreachable: of(1), doubt: of(3), crash: of(2), freeze: of(1), jump: of(1) }
}
