//! What there is in the model: the journal as the real machine folds it, cells, calls under way, pilots, orders.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use cellctl::domain::definition::Rollback;
use cellctl::domain::rollout::machine::{Progress, Rollout};

/// Cells of all waves, at the most.
pub(super) const CELLS_MAX: usize = 5;
pub(super) const WAVES: usize = 3;

/// The real state of a rollout. Numbers, times and texts that nothing depends on are the same in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folded(Arc<Rollout>);

impl Folded {
    pub(super) fn new(mut rollout: Rollout) -> Self {
        (rollout.seq, rollout.at_ms, rollout.looks) = (1, 0, 0);
        rollout.gates.clear();
        for text in [&mut rollout.why, &mut rollout.hint] {
            *text = text.take().filter(|text| !text.is_empty()).map(|_| "told".to_owned());
        }
        Self(Arc::new(rollout))
    }
}

impl Deref for Folded {
    type Target = Rollout;

    fn deref(&self) -> &Rollout {
        &self.0
    }
}

impl Hash for Folded {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let of = |wave: &Progress| {
            let count = |changed: &Option<_>| {
                changed.as_ref().map(|one: &cellctl::domain::rollout::event::Changed| (one.failed, one.not_begun))
            };
            (wave.started_at_ms, count(&wave.changed), wave.passed_at_ms, count(&wave.back))
        };
        (self.stage, self.wave, self.paused, self.approved, self.baked_ms, self.calls_until_ms).hash(hasher);
        (self.back_to, &self.why, &self.hint).hash(hasher);
        self.waves.iter().for_each(|wave| of(wave).hash(hasher));
    }
}

/// What a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Version {
    Old,
    New,
    /// A rollback of the service has failed: some of the new version may be there.
    Stuck,
}

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sign {
    Good,
    Missing,
    Bad,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How {
    Done,
    Failed,
    Stuck,
    /// It never comes: its sender died first.
    Never,
}

/// A call that changes a cell: it counts at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Call {
    pub(super) token: u8,
    pub(super) cell: usize,
    /// Whether it brings the new version.
    pub(super) forward: bool,
}

/// What people order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Orders {
    pub(super) pause: bool,
    pub(super) abort: bool,
    pub(super) promote: Option<usize>,
    pub(super) approve: Option<usize>,
    pub(super) rollback: Option<Rollback>,
}

/// An entry that is about to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Line {
    TakenOver {
        late: bool,
    },
    Resumed,
    Paused,
    Approved {
        wave: usize,
    },
    Started,
    Changed {
        failed: usize,
        not_begun: usize,
    },
    Baked {
        baked: u8,
    },
    GatesFailed {
        baked: u8,
    },
    /// For how long it was baked, and what the gate said at the last look.
    Passed {
        promoted: bool,
        baked: u8,
        sign: Sign,
    },
    Completed,
    Halted,
    TakeBack {
        scope: Rollback,
        ordered: bool,
    },
    Back {
        failed: usize,
    },
    BackFailed,
    RolledBack,
    Aborted,
}

/// What a pilot does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pc {
    TakeOver,
    Resume,
    Turn,
    /// `obeyed`: orders that it answers.
    Append {
        line: Line,
        obeyed: Option<Orders>,
    },
    /// The answer was lost: it looks whether the entry is there.
    ReadBack {
        line: Line,
        obeyed: Option<Orders>,
    },
    Clear {
        obeyed: Orders,
    },
    Before,
    Change,
    Bake,
    Back,
    Settle,
    /// It has let go: somebody has to act, or it is over.
    Ended,
    Gone,
}

/// A pilot, and what it has in its memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pilot {
    pub(super) pc: Pc,
    pub(super) token: u8,
    pub(super) view: Folded,
    /// For how long it has baked, once it has looked.
    pub(super) baked: Option<u8>,
    /// A call on the way back has failed.
    pub(super) failed: bool,
}

/// What nobody in the model sees: for the properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Truth {
    /// Cells whose change failed, the last time.
    pub(super) failed: [bool; CELLS_MAX],
    /// Cells of which a pilot was told that its change failed.
    pub(super) known: [bool; CELLS_MAX],
    /// Waves that somebody has approved.
    pub(super) approved: [bool; WAVES],
    /// Waves that somebody has promoted.
    pub(super) promoted: [bool; WAVES],
    /// The first wave that is to be taken back.
    pub(super) back_to: Option<usize>,
    /// A wave passed by something else than gates that held, or a word.
    pub(super) passed_foul: bool,
    /// A cell was begun after too many had failed.
    pub(super) begun_foul: bool,
    /// An entry of somebody who had lost the lease is in the journal.
    pub(super) foul: bool,
    /// A wave was begun by somebody who had seen that it is to be taken back.
    pub(super) defied: bool,
    /// A call counted after its sender had lost the lease.
    pub(super) late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) journal: Folded,
    /// Token of the pilot that has the lease, or had it last.
    pub(super) lease: u8,
    pub(super) is_free: bool,
    /// Whether calls of earlier holders may count, as the lease says.
    pub(super) unsettled: bool,
    pub(super) pilots: [Pilot; 2],
    pub(super) cells: [Version; CELLS_MAX],
    /// Cells of which the record says that this change has failed.
    pub(super) tried: [bool; CELLS_MAX],
    /// What was written down before a wave, for its cells.
    pub(super) before: [Option<Version>; CELLS_MAX],
    pub(super) air: [Option<Call>; 3],
    pub(super) orders: Orders,
    /// Kinds of orders that were given, as bits.
    pub(super) given: u8,
    /// Calls that failed.
    pub(super) failures: u8,
    pub(super) truth: Truth,
}

impl State {
    /// Calls of a pilot that are under way.
    pub(super) fn own_calls(&self, token: u8) -> usize {
        self.air.iter().flatten().filter(|call| call.token == token).count()
    }

    pub(super) fn has_own_call(&self, token: u8, cell: usize) -> bool {
        self.air.iter().flatten().any(|call| call.token == token && call.cell == cell)
    }

    /// None where there is no room for one more within the bounds.
    pub(super) fn send(&mut self, call: Call) -> Option<()> {
        let slot = self.air.iter_mut().find(|slot| slot.is_none())?;
        *slot = Some(call);
        Some(())
    }
}
