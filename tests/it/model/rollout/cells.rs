//! What a pilot does to cells, how calls end, and what gates say.

use std::ops::Range;

use cellctl::domain::rollout::gate::Verdict;
use cellctl::domain::rollout::machine::Stage;

use super::lines::verdict;
use super::mutants::Mutant;
use super::plan::BAKE_MS;
use super::protocol::Protocol;
use super::state::{Call, How, Line, Pc, Sign, State, Version, WAVES};

impl Protocol {
    pub(super) fn cells_of(&self, wave: usize) -> Range<usize> {
        let from: usize = self.bounds.cells[..wave].iter().sum();
        from..from + self.bounds.cells[wave]
    }

    pub(super) fn wave_of(&self, cell: usize) -> usize {
        (0..WAVES).find(|wave| self.cells_of(*wave).contains(&cell)).unwrap_or(WAVES)
    }

    /// What the cells are is written down once; whoever comes later finds it.
    pub(super) fn before(&self, s: &mut State, p: usize) -> Option<()> {
        let wave = s.pilots[p].view.wave;
        for cell in self.cells_of(wave) {
            if s.before[cell].is_none() || self.has(Mutant::BeforeAgain) {
                s.before[cell] = Some(s.cells[cell]);
            }
        }
        Self::append(s, p, Line::Started)
    }

    /// Without a guard: a cell is changed before the entry is written.
    pub(super) fn rush(&self, s: &mut State, p: usize) -> Option<()> {
        let early = matches!(s.pilots[p].pc, Pc::Append { line: Line::Started, .. });
        if !early || !self.has(Mutant::ChangeBeforeEntry) {
            return None;
        }
        let cell = self.cells_of(s.pilots[p].view.wave).next()?;
        s.send(Call { token: s.pilots[p].token, cell, forward: true })
    }

    fn failed_in(&self, s: &State, wave: usize) -> usize {
        self.cells_of(wave).filter(|cell| s.tried[*cell]).count()
    }

    /// Begins with a cell, or ends the wave.
    pub(super) fn change(&self, s: &mut State, p: usize) -> Option<()> {
        let (token, wave) = (s.pilots[p].token, s.pilots[p].view.wave);
        let stuck = |s: &State, cell: usize| s.cells[cell] == Version::Stuck;
        for cell in self.cells_of(wave) {
            s.tried[cell] |= stuck(s, cell);
        }
        let failed = self.failed_in(s, wave);
        let too_many = failed > self.bounds.max_failures;
        let idle = |s: &State, cell: usize| s.cells[cell] != Version::New && !s.has_own_call(token, cell);
        let next = self.cells_of(wave).find(|cell| idle(s, *cell) && !s.tried[*cell]);
        let in_flight = s.own_calls(token);
        match next {
            Some(cell) if !too_many || self.has(Mutant::NoStop) => {
                let known = self.cells_of(wave).filter(|cell| s.truth.known[*cell]).count();
                s.truth.begun_foul |= known > self.bounds.max_failures;
                (in_flight < self.bounds.in_flight).then_some(())?;
                s.send(Call { token, cell, forward: true })
            }
            _ if in_flight > 0 => None,
            _ => {
                let done = |cell: &usize| s.cells[*cell] == Version::New || s.tried[*cell];
                let not_begun = self.cells_of(wave).filter(|cell| !done(cell)).count();
                Self::append(s, p, Line::Changed { failed, not_begun })
            }
        }
    }

    /// Somebody gave an order: nothing more is begun, what is under way is let end.
    pub(super) fn interrupt(&self, s: &mut State, p: usize) -> Option<()> {
        let (token, pc) = (s.pilots[p].token, s.pilots[p].pc);
        let cut = matches!(pc, Pc::Before | Pc::Bake);
        let let_end = matches!(pc, Pc::Change | Pc::Back | Pc::Settle) && s.own_calls(token) == 0;
        if !(cut || let_end) || !self.has_orders(s, p) {
            return None;
        }
        if pc == Pc::Change && self.has(Mutant::NotBegunIsDone) {
            let wave = s.pilots[p].view.wave;
            let failed = self.failed_in(s, wave);
            return Self::append(s, p, Line::Changed { failed, not_begun: 1 });
        }
        Self::go(s, p, Pc::Turn)
    }

    fn has_orders(&self, s: &State, p: usize) -> bool {
        let (orders, view) = (&s.orders, &s.pilots[p].view);
        let promotes = orders.promote == Some(view.wave) && s.pilots[p].pc == Pc::Bake;
        orders.pause || orders.abort || (orders.rollback.is_some() && view.last_begun().is_some()) || promotes
    }

    /// A look at the gate.
    pub(super) fn look(&self, s: &mut State, p: usize, sign: Sign) -> Option<()> {
        // One gate looks at the stacks.
        let is_stuck = s.cells.contains(&Version::Stuck);
        let pilot = &mut s.pilots[p];
        if pilot.pc != Pc::Bake || (sign == Sign::Good && is_stuck) || (sign != Sign::Good && !self.bounds.bad_gates) {
            return None;
        }
        let before = u8::try_from(pilot.view.baked_ms).ok()?;
        let baked = pilot.baked.map_or(before, |baked| baked + 1);
        pilot.baked = Some(baked);
        let at_end = u64::from(baked) >= BAKE_MS || self.has(Mutant::PassEarly);
        let line = match verdict(self, sign) {
            Verdict::Fail => Line::GatesFailed { baked },
            Verdict::Missing if at_end => Line::GatesFailed { baked },
            Verdict::Pass if at_end => Line::Passed { promoted: false, baked, sign },
            _ if baked > before => Line::Baked { baked },
            _ => return Some(()),
        };
        Self::append(s, p, line)
    }

    /// Takes a cell of a wave back, or ends the wave.
    pub(super) fn back(&self, s: &mut State, p: usize) -> Option<()> {
        let wave = s.pilots[p].view.wave;
        match self.take_back(s, p, wave..=wave)? {
            None => Some(()),
            Some(failed) => Self::append(s, p, Line::Back { failed: usize::from(failed) }),
        }
    }

    /// Waits, looks at all that was taken back once more, and ends the rollback.
    pub(super) fn settle(&self, s: &mut State, p: usize) -> Option<()> {
        let (token, view) = (s.pilots[p].token, s.pilots[p].view.clone());
        let late = s.air.iter().flatten().any(|call| call.token < token);
        if view.calls_until_ms > 0 && late && !self.has(Mutant::SettleAtOnce) {
            return None;
        }
        let last = view.waves.iter().rposition(|wave| wave.started_at_ms.is_some())?;
        if self.has(Mutant::SettleBlind) {
            return Self::append(s, p, Line::RolledBack);
        }
        match self.take_back(s, p, view.back_to.unwrap_or(0)..=last)? {
            None => Some(()),
            Some(false) => Self::append(s, p, Line::RolledBack),
            Some(true) => Self::append(s, p, Line::BackFailed),
        }
    }

    /// None: it waits for calls. `Some(None)`: it has begun with one more. Else: whether something failed.
    fn take_back(&self, s: &mut State, p: usize, waves: std::ops::RangeInclusive<usize>) -> Option<Option<bool>> {
        let token = s.pilots[p].token;
        let cells: Vec<usize> = waves.rev().flat_map(|wave| self.cells_of(wave)).collect();
        let stuck = cells.iter().any(|cell| s.cells[*cell] == Version::Stuck) && !self.has(Mutant::StuckIsBack);
        let failed = stuck || s.pilots[p].failed;
        let in_flight = s.own_calls(token);
        let as_it_was = |s: &State, cell: usize| s.before[cell] == Some(s.cells[cell]);
        let is_stuck = |s: &State, cell: usize| s.cells[cell] == Version::Stuck;
        let next = cells.into_iter().find(|c| !as_it_was(s, *c) && !is_stuck(s, *c) && !s.has_own_call(token, *c));
        match next {
            Some(cell) if !failed => {
                (in_flight < self.bounds.in_flight).then_some(())?;
                s.send(Call { token, cell, forward: false })?;
                Some(None)
            }
            _ if in_flight > 0 => None,
            _ => Some(Some(failed)),
        }
    }

    /// A call counts; one of somebody who is gone perhaps never.
    pub(super) fn land(&self, s: &mut State, at: usize, how: How) -> Option<()> {
        let call = s.air[at]?;
        let leads = call.token == s.lease;
        let fails = matches!(how, How::Failed | How::Stuck);
        if (how == How::Never && leads) || (fails && s.failures == self.bounds.failures) {
            return None;
        }
        if how == How::Stuck && !self.bounds.stuck {
            return None;
        }
        s.air[at] = None;
        if how == How::Never || s.cells[call.cell] == Version::Stuck {
            return Some(());
        }
        s.truth.late |= !leads;
        s.failures += u8::from(fails);
        let owner = s.pilots.iter().position(|pilot| leads && pilot.token == call.token);
        self.end_call(s, call, how, owner)
    }

    fn end_call(&self, s: &mut State, call: Call, how: How, owner: Option<usize>) -> Option<()> {
        let cell = call.cell;
        // A cell that was done is no failure of its wave, whatever a late call makes of it.
        let was_done = s.cells[cell] == Version::New;
        match how {
            How::Done if call.forward => s.cells[cell] = Version::New,
            How::Done => s.cells[cell] = s.before[cell]?,
            How::Stuck => s.cells[cell] = Version::Stuck,
            How::Failed | How::Never => {}
        }
        let failed = how != How::Done;
        if call.forward {
            // One that fails while its wave is taken back is no failure of the wave.
            if s.journal.stage == Stage::Changing {
                s.truth.failed[cell] = failed && !was_done;
            }
            if owner.is_some() {
                s.truth.known[cell] = failed;
                s.tried[cell] = failed && !self.has(Mutant::ForgetFailed);
            }
        } else if let Some(p) = owner {
            s.pilots[p].failed |= failed;
        }
        Some(())
    }
}
