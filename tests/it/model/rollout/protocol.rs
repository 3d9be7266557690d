//! The model: its bounds, its actions, what people do, what a state is reduced to.

use cellctl::domain::definition::Rollback;
use cellctl::domain::rollout::machine::Stage;
use stateright::{Model, Property};

use super::mutants::Mutant;
use super::plan::begun;
use super::state::{CELLS_MAX, How, Orders, Pc, Pilot, Sign, State, Truth, Version, WAVES};

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Cells of each wave.
    pub(super) cells: [usize; WAVES],
    pub(super) in_flight: usize,
    pub(super) max_failures: usize,
    /// Pilots, one after the other: each but the first takes over, at any time.
    pub(super) tokens: u8,
    /// Calls that fail.
    pub(super) failures: u8,
    /// Whether a call may leave a cell stuck.
    pub(super) stuck: bool,
    pub(super) bad_gates: bool,
    /// The wave that needs approval.
    pub(super) approval: Option<usize>,
    /// What is taken back when a wave fails.
    pub(super) scope: Rollback,
    /// What people order, each once.
    pub(super) orders: &'static [Order],
    /// Whether people order as often as they like.
    pub(super) often: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Approve,
    Promote,
    Pause,
    RollbackAll,
    RollbackWave,
    Abort,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    pub(super) bounds: Bounds,
    pub(super) mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Step {
        p: usize,
    },
    Interrupt {
        p: usize,
    },
    Look {
        p: usize,
        sign: Sign,
    },
    LoseRequest {
        p: usize,
    },
    LoseAnswer {
        p: usize,
    },
    Rush {
        p: usize,
    },
    Land {
        at: usize,
        how: How,
    },
    TakeOver,
    /// The pilot is never heard of again.
    Die,
    Resume,
    Order(Order),
    Recover {
        cell: usize,
    },
}

impl Protocol {
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn act(&self, s: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Step { p } => self.step(s, p),
            Action::Interrupt { p } => self.interrupt(s, p),
            Action::Look { p, sign } => self.look(s, p, sign),
            Action::LoseRequest { p } => self.lose_request(s, p),
            Action::LoseAnswer { p } => self.lose_answer(s, p),
            Action::Rush { p } => self.rush(s, p),
            Action::Land { at, how } => self.land(s, at, how),
            Action::TakeOver => self.take_over(s),
            Action::Die => self.die(s),
            Action::Resume => self.resume(s),
            Action::Order(order) => self.order(s, order),
            Action::Recover { cell } => Self::recover(s, cell),
        }
    }

    /// People look at the journal before they order.
    fn order(&self, s: &mut State, order: Order) -> Option<()> {
        let bit = 1 << order as u8;
        let back = matches!(order, Order::RollbackAll | Order::RollbackWave) && s.journal.last_begun().is_some();
        if (s.journal.stage.is_over() && !back) || (s.given & bit != 0 && !self.bounds.often) {
            return None;
        }
        let (before, wave) = (s.orders, s.journal.wave.min(WAVES - 1));
        match order {
            Order::Approve => {
                let wave = self.bounds.approval.unwrap_or(wave);
                s.orders.approve = Some(wave);
                s.truth.approved[wave] = true;
            }
            Order::Promote => {
                s.orders.promote = Some(wave);
                s.truth.promoted[wave] = true;
            }
            Order::Pause => s.orders.pause = true,
            Order::RollbackAll => s.orders.rollback = Some(Rollback::All),
            Order::RollbackWave => s.orders.rollback = Some(Rollback::Wave),
            Order::Abort => s.orders.abort = true,
        }
        s.given |= bit;
        (s.orders != before).then_some(())
    }

    /// `cell recover` brings a stuck cell back to what it was.
    fn recover(s: &mut State, cell: usize) -> Option<()> {
        if s.cells[cell] != Version::Stuck || s.journal.stage != Stage::BackFailed {
            return None;
        }
        s.cells[cell] = Version::Old;
        Some(())
    }

    /// States that differ in nothing that matters become one: a pilot that can do nothing but find that it lost its lease.
    fn reduce(&self, s: &mut State) {
        s.air.sort_unstable();
        for p in 0..s.pilots.len() {
            let over = s.pilots[p].pc == Pc::Ended && !self.leads(s, p);
            let refused = s.pilots[p].token < s.lease && !self.acts_without(s.pilots[p].pc);
            if over || refused {
                s.pilots[p] = self.gone(s);
            }
        }
    }

    /// Whether a pilot that has lost its lease still does something without a guard.
    fn acts_without(&self, pc: Pc) -> bool {
        match pc {
            Pc::Append { .. } => self.has(Mutant::JournalUnfenced),
            Pc::Before => self.has(Mutant::BeforeAgain),
            _ => false,
        }
    }

    pub(super) fn gone(&self, s: &State) -> Pilot {
        Pilot { pc: Pc::Gone, token: 0, view: s.journal.clone(), baked: None, failed: false }
    }

    /// It came to an end at which nobody has to do anything more.
    pub(super) fn is_settled(s: &State) -> bool {
        let nothing = s.journal.stage == Stage::Aborted && s.cells == [Version::Old; CELLS_MAX];
        nothing || matches!(s.journal.stage, Stage::Completed | Stage::RolledBack)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let journal = begun(&self.bounds);
        let pilot = Pilot { pc: Pc::TakeOver, token: 1, view: journal.clone(), baked: None, failed: false };
        let none = Pilot { pc: Pc::Gone, token: 0, ..pilot.clone() };
        vec![State {
            journal,
            lease: 1,
            is_free: false,
            unsettled: false,
            pilots: [pilot, none],
            cells: [Version::Old; CELLS_MAX],
            tried: [false; CELLS_MAX],
            before: [None; CELLS_MAX],
            air: [None; 3],
            orders: Orders::default(),
            given: 0,
            failures: 0,
            truth: Truth::default(),
        }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        for p in (0..2).filter(|p| s.pilots[*p].pc != Pc::Gone) {
            actions.extend([Action::Step { p }, Action::Interrupt { p }, Action::LoseAnswer { p }]);
            actions.extend([Action::LoseRequest { p }, Action::Rush { p }]);
            actions.extend([Sign::Good, Sign::Missing, Sign::Bad].map(|sign| Action::Look { p, sign }));
        }
        for at in (0..s.air.len()).filter(|at| s.air[*at].is_some()) {
            actions.extend([How::Done, How::Failed, How::Stuck, How::Never].map(|how| Action::Land { at, how }));
        }
        actions.extend([Action::TakeOver, Action::Die, Action::Resume]);
        actions.extend(self.bounds.orders.iter().map(|order| Action::Order(*order)));
        actions.extend((0..CELLS_MAX).map(|cell| Action::Recover { cell }));
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut next = before.clone();
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
