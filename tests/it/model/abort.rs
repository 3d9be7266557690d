//! How a move is given up, and how the next one begins.

use super::mover::token_of;
use super::mutants::Mutant;
use super::protocol::Protocol;
use super::state::{Cell, Entry, Mode, Mover, Pc, Shard, Stage, State};

impl Protocol {
    /// People, or the mover itself, give the move up.
    pub(super) fn abort(&self, s: &mut State, m: usize) -> Option<()> {
        let fits = matches!(
            s.movers[m].pc,
            Pc::Reserve | Pc::ReserveFence | Pc::Copy | Pc::Bar | Pc::Work | Pc::Guard | Pc::Verify { .. } | Pc::Intend
        );
        let idle = s.movers[m].job.is_none() || s.movers[m].pc == Pc::Copy;
        if !self.bounds.aborts || !fits || !idle || !self.leads(s, m) {
            return None;
        }
        s.movers[m].job = None;
        Self::go(s, m, Pc::Append(Stage::Aborting))
    }

    pub(super) fn back(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch;
        let next = if self.has(Mutant::AbortSameEpoch) { epoch } else { epoch + 2 };
        let is_back = |shard: &Shard| *shard == Shard::open(next) || shard.epoch != epoch;
        match s.source[..self.bounds.shards].iter_mut().find(|shard| !is_back(shard)) {
            Some(shard) => *shard = Shard::open(next),
            None => s.movers[m].pc = Pc::ClearBar,
        }
        Some(())
    }

    /// The target's fence is held, as RESERVE does it, also where there is none yet: who was about to make one comes too late.
    pub(super) fn hold_to_clear(&self, s: &mut State, m: usize) -> Option<()> {
        let is_closed = s.target.mode == Mode::Closed && s.target.epoch > s.movers[m].epoch;
        let is_left = s.target.mode == Mode::Absent && self.has(Mutant::AbortNoTombstone);
        if is_closed || is_left {
            return Self::go(s, m, Pc::EndAbort);
        }
        if !self.take_target(s, m) {
            return Self::quit(s, m);
        }
        Self::go(s, m, Pc::Clear(0))
    }

    fn holds_target(&self, s: &State, m: usize) -> bool {
        s.target.mode == Mode::Incoming && s.target.hold == self.target_hold(s, m)
    }

    pub(super) fn clear(&self, s: &mut State, m: usize, key: u8) -> Option<()> {
        let at = usize::from(key);
        if at == self.bounds.keys {
            return Self::go(s, m, Pc::Close);
        }
        if !self.holds_target(s, m) && !self.has(Mutant::ClearUnchecked) {
            return Self::quit(s, m);
        }
        s.dst[at] = 0;
        Self::go(s, m, Pc::Clear(key + 1))
    }

    pub(super) fn close(&self, s: &mut State, m: usize) -> Option<()> {
        if !self.holds_target(s, m) {
            return Self::quit(s, m);
        }
        s.target = Shard { mode: Mode::Closed, epoch: s.target.epoch, hold: super::state::NOBODY };
        Self::go(s, m, Pc::EndAbort)
    }

    pub(super) fn end_abort(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch;
        // The entry has the epoch that the move began with; the source's may be higher, after a cutover in vain.
        // It is written also where RESERVE never was, so that one that comes late finds another entry.
        if s.entry.cell == Cell::Source && s.entry.epoch <= epoch {
            let next = if self.has(Mutant::AbortSameEpoch) { epoch } else { epoch + 2 };
            s.entry = Entry { cell: Cell::Source, epoch: next, moving: false };
        }
        Self::go(s, m, Pc::Append(Stage::Aborted))
    }

    /// After an abort the tenant is moved again, to the same cell.
    pub(super) fn begin_again(&self, s: &mut State, m: usize) -> Option<()> {
        let ended = s.journal.stage == Stage::Aborted && s.movers[m].pc == Pc::Rest;
        if !ended || s.journal.id >= self.bounds.moves {
            return None;
        }
        s.journal = State::first().journal;
        (s.journal.id, s.journal.epoch, s.journal.by) = (2, s.entry.epoch, token_of(m));
        s.lease = token_of(m);
        s.movers[m] = Mover { pc: Pc::Reserve, id: 2, epoch: s.entry.epoch, job: None, heard: None };
        Some(())
    }
}
