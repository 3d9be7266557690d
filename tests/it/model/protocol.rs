//! The model: its bounds, its actions, what a state is reduced to.

use stateright::{Model, Property};

use super::mover::token_of;
use super::mutants::Mutant;
use super::state::{Cell, GONE, KEYS_MAX, Kind, Mode, Pc, Stage, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Strict,
    Guarded,
    Lease,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) level: Level,
    /// Shards of the source's fence: 1 or 2. A writer goes by the shard of its place.
    pub(super) shards: usize,
    pub(super) keys: usize,
    pub(super) writers: usize,
    /// Writes in all.
    pub(super) writes: u8,
    /// Whether writers also write to the target.
    pub(super) after: bool,
    /// Movers: 1, or one more that takes over at any time, once.
    pub(super) movers: usize,
    /// Cutovers that a mover begins.
    pub(super) cutovers: u8,
    pub(super) aborts: bool,
    /// Moves that begin: after an abort, one more.
    pub(super) moves: u8,
    /// Whether the stream loses records.
    pub(super) gaps: bool,
    /// Whether it gives records twice.
    pub(super) dups: bool,
    /// Whether FLIP is three writes.
    pub(super) three: bool,
    /// Whether the answer of FLIP may be lost.
    pub(super) doubt: bool,
    /// At level `lease`: whether everything is compared under the seal, else the streams are read to their ends.
    pub(super) compare: bool,
    /// Whether a later move brings the tenant back.
    pub(super) back: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    pub(super) bounds: Bounds,
    pub(super) mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    ReadFence {
        writer: usize,
        cell: Cell,
    },
    Commit {
        writer: usize,
        key: usize,
        delete: bool,
    },
    /// A write fails, or the lease that it was to be made under ends.
    Drop {
        writer: usize,
    },
    Reopen {
        shard: usize,
    },
    Trim {
        at: usize,
    },
    Land {
        at: usize,
    },
    OpenTarget,
    ComeBack,
    TakeOver,
    Step {
        m: usize,
    },
    Take {
        m: usize,
        key: usize,
    },
    Done {
        m: usize,
    },
    Hear {
        m: usize,
        at: usize,
        forward: bool,
    },
    Persist {
        m: usize,
    },
    HearNote {
        m: usize,
        key: usize,
    },
    FlipInDoubt {
        m: usize,
    },
    GiveUp {
        m: usize,
    },
    Abort {
        m: usize,
    },
    BeginAgain {
        m: usize,
    },
}

impl Protocol {
    fn around(&self, s: &State, actions: &mut Vec<Action>) {
        for writer in 0..self.bounds.writers {
            self.writer(s, writer, actions);
        }
        actions.extend((0..self.bounds.shards).map(|shard| Action::Reopen { shard }));
        let stream = (0..s.stream.len()).filter(|at| s.stream[*at].is_some());
        if self.bounds.gaps {
            actions.extend(stream.map(|at| Action::Trim { at }));
        }
        actions.extend((0..s.air.len()).filter(|at| s.air[*at].is_some()).map(|at| Action::Land { at }));
        if self.bounds.three {
            actions.push(Action::OpenTarget);
        }
        if self.bounds.back {
            actions.push(Action::ComeBack);
        }
        actions.push(Action::TakeOver);
    }

    fn writer(&self, s: &State, writer: usize, actions: &mut Vec<Action>) {
        if s.hands[writer].is_none() {
            actions.push(Action::ReadFence { writer, cell: Cell::Source });
            if self.bounds.after {
                actions.push(Action::ReadFence { writer, cell: Cell::Target });
            }
            return;
        }
        for key in 0..self.bounds.keys {
            actions.push(Action::Commit { writer, key, delete: false });
            actions.push(Action::Commit { writer, key, delete: true });
        }
        actions.push(Action::Drop { writer });
    }

    fn of_mover(&self, s: &State, m: usize, actions: &mut Vec<Action>) {
        actions.push(Action::Step { m });
        if s.movers[m].job.is_some() {
            actions.push(Action::Done { m });
        } else {
            let dirty = (0..self.bounds.keys).filter(|key| s.dirty[*key]);
            actions.extend(dirty.map(|key| Action::Take { m, key }));
        }
        if s.movers[m].heard.is_some() {
            actions.push(Action::Persist { m });
        }
        for at in (0..s.stream.len()).filter(|at| s.stream[*at].is_some()) {
            actions.push(Action::Hear { m, at, forward: true });
            if self.bounds.dups {
                actions.push(Action::Hear { m, at, forward: false });
            }
        }
        actions.extend((0..self.bounds.keys).filter(|key| s.notes[*key]).map(|key| Action::HearNote { m, key }));
        actions.extend([
            Action::FlipInDoubt { m },
            Action::GiveUp { m },
            Action::Abort { m },
            Action::BeginAgain { m },
        ]);
    }

    fn act(&self, s: &mut State, action: Action) -> Option<()> {
        match action {
            Action::ReadFence { writer, cell } => self.read_fence(s, writer, cell),
            Action::Commit { writer, key, delete } => self.commit(s, writer, key, delete),
            Action::Drop { writer } => s.hands[writer].take().map(|_| ()),
            Action::Reopen { shard } => self.reopen(s, shard),
            Action::Trim { at } => self.trim(s, at),
            Action::Land { at } => self.land(s, at),
            Action::OpenTarget => self.open_target(s),
            Action::ComeBack => self.come_back(s),
            Action::TakeOver => self.take_over(s),
            Action::Step { m } => self.step(s, m),
            Action::Take { m, key } => self.take(s, m, key),
            Action::Done { m } => self.done(s, m),
            Action::Hear { m, at, forward } => self.hear(s, m, at, forward),
            Action::Persist { m } => self.persist(s, m),
            Action::HearNote { m, key } => self.hear_note(s, m, key),
            Action::FlipInDoubt { m } => self.flip_in_doubt(s, m),
            Action::GiveUp { m } => self.give_up(s, m),
            Action::Abort { m } => self.abort(s, m),
            Action::BeginAgain { m } => self.begin_again(s, m),
        }
    }

    /// States that differ in nothing that matters become one: order of records and requests, a mover that can do nothing
    /// but find that it lost its lease, what nobody looks at any more.
    fn reduce(&self, s: &mut State) {
        s.stream.sort_unstable();
        s.air.sort_unstable();
        for m in 0..s.movers.len() {
            let harmless = match s.movers[m].pc {
                Pc::Append(_) => !self.has(Mutant::JournalUnfenced),
                Pc::Copy => !self.has(Mutant::NoLeaseLook),
                Pc::Verify { .. } | Pc::Bar | Pc::Intend | Pc::Rest => true,
                _ => false,
            };
            if harmless && !self.leads(s, m) {
                s.movers[m] = GONE;
            }
        }
        if s.writes == self.bounds.writes {
            for hand in &mut s.hands {
                *hand = None;
            }
        }
        if s.journal.stage > Stage::CuttingOver {
            (s.stream, s.notes, s.dirty) = ([None; 3], [false; KEYS_MAX], [false; KEYS_MAX]);
            (s.journal.owes, s.journal.copied) = (false, 0);
        }
    }

    /// The move is over, and one cell serves the tenant.
    pub(super) fn is_settled(s: &State) -> bool {
        let source = s.source[0].mode == Mode::Open && s.entry.cell == Cell::Source;
        let target = s.target.mode == Mode::Open && s.entry.cell == Cell::Target;
        match s.journal.stage {
            Stage::Completed => source || target,
            Stage::Aborted => source,
            _ => false,
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first()]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        self.around(s, actions);
        for m in 0..self.bounds.movers {
            if s.movers[m].pc != Pc::Gone {
                self.of_mover(s, m, actions);
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut next = *before;
        self.act(&mut next, action)?;
        self.reduce(&mut next);
        (next != *before).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = super::properties::always();
        properties.extend(super::properties::sometimes(&self.bounds));
        properties
    }
}

/// Whether a checked write of a mover that was taken over is still under way.
pub(super) fn has_zombie_write(s: &State) -> bool {
    let is_old = |token: u8| token == token_of(0) && s.target.hold.token == token_of(1);
    s.air.iter().flatten().any(|request| request.kind == Kind::Checked && is_old(request.token))
}
