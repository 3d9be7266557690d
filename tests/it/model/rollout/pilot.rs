//! A pilot: takes over, obeys, asks the real machine what is next, writes entries.

use cellctl::domain::definition::Rollback;
use cellctl::domain::rollout::machine::{Rollout, Stage, Step};

use super::lines::apply;
use super::mutants::Mutant;
use super::plan::BAKE_MS;
use super::protocol::Protocol;
use super::state::{Folded, Line, Orders, Pc, Pilot, Sign, State, Version};

impl Protocol {
    pub(super) fn leads(&self, s: &State, p: usize) -> bool {
        s.pilots[p].token == s.lease && !s.is_free
    }

    pub(super) fn go(s: &mut State, p: usize, pc: Pc) -> Option<()> {
        s.pilots[p].pc = pc;
        Some(())
    }

    pub(super) fn append(s: &mut State, p: usize, line: Line) -> Option<()> {
        Self::go(s, p, Pc::Append { line, obeyed: None })
    }

    /// A pilot that was held up for longer than its lease, or died, is followed by the next.
    pub(super) fn take_over(&self, s: &mut State) -> Option<()> {
        if s.is_free || s.lease == self.bounds.tokens || self.has(Mutant::NoTakeover) {
            return None;
        }
        let slot = usize::from(s.lease) % 2;
        s.unsettled = if self.has(Mutant::LeaseForgets) { s.own_calls(s.lease) > 0 } else { true };
        s.lease += 1;
        self.board(s, slot)
    }

    /// The last pilot within the bounds lives.
    pub(super) fn die(&self, s: &mut State) -> Option<()> {
        let p = (usize::from(s.lease) - 1) % 2;
        if !self.leads(s, p) || s.lease == self.bounds.tokens {
            return None;
        }
        s.pilots[p] = self.gone(s);
        Some(())
    }

    /// Somebody runs it again after it let go.
    pub(super) fn resume(&self, s: &mut State) -> Option<()> {
        let idle = s.journal.stage.is_over() && s.orders.rollback.is_none();
        if !s.is_free || idle {
            return None;
        }
        s.is_free = false;
        self.board(s, (usize::from(s.lease) - 1) % 2)
    }

    fn board(&self, s: &mut State, slot: usize) -> Option<()> {
        s.orders.pause = false;
        let view = s.journal.clone();
        s.pilots[slot] = Pilot { pc: Pc::TakeOver, token: s.lease, view, baked: None, failed: false };
        Some(())
    }

    /// What a pilot does by itself, but for calls and looks at gates.
    pub(super) fn step(&self, s: &mut State, p: usize) -> Option<()> {
        match s.pilots[p].pc {
            Pc::TakeOver => self.begin(s, p),
            Pc::Resume => {
                let paused = s.pilots[p].view.paused;
                if paused { Self::append(s, p, Line::Resumed) } else { Self::go(s, p, Pc::Turn) }
            }
            Pc::Turn => self.obey(s, p),
            Pc::Append { line, obeyed } => self.write(s, p, line, obeyed),
            Pc::ReadBack { line, obeyed } => {
                s.pilots[p].view = s.journal.clone();
                self.written(s, p, line, obeyed)
            }
            Pc::Clear { obeyed } => self.clear(s, p, obeyed),
            Pc::Before => self.before(s, p),
            Pc::Change => self.change(s, p),
            Pc::Back => self.back(s, p),
            Pc::Settle => self.settle(s, p),
            Pc::Bake | Pc::Ended | Pc::Gone => None,
        }
    }

    fn begin(&self, s: &mut State, p: usize) -> Option<()> {
        let view = &s.pilots[p].view;
        let begun = view.stage != Stage::Ready || view.wave > 0;
        if view.stage.is_over() || !begun {
            return Self::go(s, p, Pc::Resume);
        }
        let late = s.unsettled && !self.has(Mutant::TakeoverSilent);
        Self::append(s, p, Line::TakenOver { late })
    }

    /// The entry counts while the lease is this pilot's and nothing else is in its place.
    fn write(&self, s: &mut State, p: usize, line: Line, obeyed: Option<Orders>) -> Option<()> {
        self.store(s, p, line)?;
        s.pilots[p].view = s.journal.clone();
        self.written(s, p, line, obeyed)
    }

    pub(super) fn store(&self, s: &mut State, p: usize, line: Line) -> Option<()> {
        let leads = self.leads(s, p);
        if (!leads && !self.has(Mutant::JournalUnfenced)) || s.journal != s.pilots[p].view {
            return None;
        }
        let next = apply(self, &s.journal, line)?;
        s.truth.foul |= !leads;
        self.judge(s, line);
        s.journal = Folded::new(next);
        Some(())
    }

    fn written(&self, s: &mut State, p: usize, line: Line, obeyed: Option<Orders>) -> Option<()> {
        let pc = match (line, obeyed) {
            (Line::TakenOver { .. }, _) => Pc::Resume,
            (_, Some(obeyed)) if !self.has(Mutant::ClearFirst) => Pc::Clear { obeyed },
            _ => Pc::Turn,
        };
        Self::go(s, p, pc)
    }

    /// What no pilot sees, of an entry that is written.
    fn judge(&self, s: &mut State, line: Line) {
        let wave = s.journal.wave;
        match line {
            Line::Passed { promoted: true, .. } => s.truth.passed_foul |= !s.truth.promoted[wave],
            Line::Passed { promoted: false, baked, sign } => {
                let holds = sign == Sign::Good && u64::from(baked) >= BAKE_MS;
                let left = self.cells_of(wave).filter(|cell| s.cells[*cell] == Version::Old).count();
                s.truth.passed_foul |= !holds || left > self.bounds.max_failures;
            }
            Line::TakeBack { scope: Rollback::All, .. } => s.truth.back_to = Some(0),
            Line::TakeBack { .. } => s.truth.back_to = s.journal.last_begun(),
            _ => {}
        }
    }

    /// The request of an entry is lost on its way.
    pub(super) fn lose_request(&self, s: &mut State, p: usize) -> Option<()> {
        let Pc::Append { line, obeyed } = s.pilots[p].pc else { return None };
        if !self.has(Mutant::DoubtIsDone) || !self.leads(s, p) {
            return None;
        }
        s.pilots[p].view = Folded::new(apply(self, &s.pilots[p].view, line)?);
        self.written(s, p, line, obeyed)
    }

    /// The entry is written, and its answer is lost.
    pub(super) fn lose_answer(&self, s: &mut State, p: usize) -> Option<()> {
        let Pc::Append { line, obeyed } = s.pilots[p].pc else { return None };
        self.store(s, p, line)?;
        Self::go(s, p, Pc::ReadBack { line, obeyed })
    }

    /// As `ops/rollout/obey.rs` does it.
    fn obey(&self, s: &mut State, p: usize) -> Option<()> {
        let obeyed = s.orders;
        match self.answer(&s.pilots[p].view, &obeyed) {
            Some(line) => {
                if self.has(Mutant::ClearFirst) {
                    s.orders = Orders::default();
                }
                Self::go(s, p, Pc::Append { line, obeyed: Some(obeyed) })
            }
            None => self.clear(s, p, obeyed),
        }
    }

    fn answer(&self, view: &Rollout, orders: &Orders) -> Option<Line> {
        let (stage, wave) = (view.stage, view.wave);
        if orders.abort && !stage.is_over() {
            return Some(Line::Aborted);
        }
        if let Some(scope) = orders.rollback {
            let redone = stage == Stage::BackFailed && self.has(Mutant::BackOnce);
            if view.back_from(scope).is_some() && !redone {
                return Some(Line::TakeBack { scope, ordered: true });
            }
            if stage == Stage::Ready && wave == 0 && !self.has(Mutant::RollbackDropped) {
                return Some(Line::Aborted);
            }
        }
        if stage.is_over() {
            return None;
        }
        let waits = matches!(stage, Stage::Baking | Stage::Failed | Stage::Halted);
        if orders.promote == Some(wave) && waits {
            return Some(Line::Passed { promoted: true, baked: 0, sign: Sign::Bad });
        }
        if let Some(word) = orders.approve.filter(|word| *word >= wave && view.approved <= *word)
            && stage == Stage::Ready
        {
            return Some(Line::Approved { wave: word });
        }
        (orders.pause && !view.paused).then_some(Line::Paused)
    }

    fn cleared(view: &Rollout, obeyed: &Orders) -> Orders {
        Orders {
            pause: obeyed.pause,
            promote: obeyed.promote.filter(|wave| *wave >= view.wave),
            approve: obeyed.approve.filter(|wave| *wave >= view.approved),
            ..Orders::default()
        }
    }

    /// What is obeyed is taken back, unless somebody ordered something new meanwhile.
    fn clear(&self, s: &mut State, p: usize, obeyed: Orders) -> Option<()> {
        let wanted = Self::cleared(&s.pilots[p].view, &obeyed);
        if wanted != obeyed {
            if s.orders != obeyed {
                return Self::go(s, p, Pc::Turn);
            }
            s.orders = wanted;
        }
        let dropped = obeyed.rollback.is_some() && !s.pilots[p].view.stage.is_over();
        s.truth.defied |= dropped && s.pilots[p].view.next() == Step::StartWave;
        self.decide(s, p)
    }

    fn decide(&self, s: &mut State, p: usize) -> Option<()> {
        let step = self.next(&s.pilots[p].view);
        if step != Step::Bake {
            s.pilots[p].baked = None;
        }
        s.pilots[p].failed = false;
        match step {
            Step::AwaitApproval | Step::Wait | Step::Rest => self.let_go(s, p),
            Step::StartWave => Self::go(s, p, Pc::Before),
            Step::ChangeWave => Self::go(s, p, Pc::Change),
            Step::Bake => Self::go(s, p, Pc::Bake),
            Step::TakeBack if self.has(Mutant::PromoteUnasked) => {
                Self::append(s, p, Line::Passed { promoted: true, baked: 0, sign: Sign::Bad })
            }
            Step::TakeBack => Self::append(s, p, Line::TakeBack { scope: self.bounds.scope, ordered: false }),
            Step::Halt => Self::append(s, p, Line::Halted),
            Step::BackWave => Self::go(s, p, Pc::Back),
            Step::FailBack => Self::append(s, p, Line::BackFailed),
            Step::Settle => Self::go(s, p, Pc::Settle),
            Step::Complete => Self::append(s, p, Line::Completed),
        }
    }

    fn let_go(&self, s: &mut State, p: usize) -> Option<()> {
        if self.leads(s, p) {
            s.is_free = true;
        }
        Self::go(s, p, Pc::Ended)
    }

    /// What the real machine says, unless a guard is away.
    fn next(&self, view: &Rollout) -> Step {
        match view.next() {
            Step::AwaitApproval if self.has(Mutant::NoApproval) => Step::StartWave,
            Step::Bake if self.has(Mutant::BeginUnpassed) && view.wave + 1 < view.plan.waves.len() => Step::StartWave,
            step => step,
        }
    }
}
