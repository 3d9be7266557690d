//! What happens around the movers: writers, whoever reopens past the deadline, streams, requests that arrive late.

use super::mutants::Mutant;
use super::protocol::{Level, Protocol};
use super::state::{Cell, Hand, Hold, Kind, Mode, NOBODY, Record, Request, Shard, Stage, State};

impl Protocol {
    fn shard_of(&self, writer: usize) -> usize {
        writer % self.bounds.shards
    }

    fn shard(&self, s: &State, writer: usize, cell: Cell) -> Shard {
        match cell {
            Cell::Source => s.source[self.shard_of(writer)],
            Cell::Target => s.target,
        }
    }

    /// A writer, or its router, asks a fence.
    pub(super) fn read_fence(&self, s: &mut State, writer: usize, cell: Cell) -> Option<()> {
        let fence = self.shard(s, writer, cell);
        if s.hands[writer].is_some() || s.writes == self.bounds.writes || !fence.accepts() {
            return None;
        }
        s.hands[writer] = Some(Hand { cell, mode: fence.mode, epoch: fence.epoch });
        Some(())
    }

    fn is_plain(&self, hand: Hand) -> bool {
        match self.bounds.level {
            Level::Strict => false,
            Level::Guarded => hand.mode == Mode::Open,
            Level::Lease => true,
        }
    }

    /// Whether a write by what was read may still come without a check: what a mover waits out.
    pub(super) fn has_plain(&self, s: &State) -> bool {
        s.hands.iter().flatten().any(|hand| hand.cell == Cell::Source && self.is_plain(*hand))
    }

    fn may_commit(&self, fence: Shard, hand: Hand) -> bool {
        match self.mutant {
            Some(Mutant::NoFenceCheck) => true,
            Some(Mutant::NoModeCheck) => fence.epoch == hand.epoch,
            _ => self.is_plain(hand) || (fence.mode, fence.epoch) == (hand.mode, hand.epoch),
        }
    }

    /// A write arrives and is acknowledged. `delete`: it deletes the item.
    pub(super) fn commit(&self, s: &mut State, writer: usize, key: usize, delete: bool) -> Option<()> {
        let hand = s.hands[writer]?;
        let fence = self.shard(s, writer, hand.cell);
        if !self.may_commit(fence, hand) {
            return None;
        }
        let value = if delete { 0 } else { s.writes + 2 };
        s.hands[writer] = None;
        s.writes += 1;
        s.truth[key] = value;
        if hand.cell == Cell::Target {
            s.dst[key] = value;
            return Some(());
        }
        s.src[key] = value;
        s.notes[key] |= self.bounds.level != Level::Lease && hand.mode == Mode::Guarded;
        // Where a lease is all there is, a sealed fence counts from the end of the lease on: FLIP comes after it.
        s.late |= fence.mode == Mode::Out || (fence.mode == Mode::Sealed && self.bounds.level != Level::Lease);
        self.record(s, key, value);
        Some(())
    }

    fn record(&self, s: &mut State, key: usize, value: u8) {
        if s.journal.stage < Stage::Capturing || s.journal.stage > Stage::CuttingOver {
            return;
        }
        let image = if self.mutant == Some(Mutant::ApplyImage) { value } else { 0 };
        if let Some(slot) = s.stream.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(Record { key: u8::try_from(key).unwrap_or(0), image, lost: false });
        }
    }

    /// Past the deadline anybody reopens a shard. The deadline is read by clocks that may be wrong: at any time.
    pub(super) fn reopen(&self, s: &mut State, shard: usize) -> Option<()> {
        if s.source[shard].mode != Mode::Sealed || self.mutant == Some(Mutant::NoWatchdog) {
            return None;
        }
        let step = if self.mutant == Some(Mutant::ReopenSameEpoch) { 0 } else { 2 };
        s.source[shard] = Shard::open(s.source[shard].epoch + step);
        Some(())
    }

    /// The stream loses a record before it was read.
    pub(super) fn trim(&self, s: &mut State, at: usize) -> Option<()> {
        if !self.bounds.gaps || s.journal.owes || s.stream.iter().flatten().any(|record| record.lost) {
            return None;
        }
        s.stream[at].as_mut()?.lost = true;
        Some(())
    }

    /// A request under way counts, or is refused.
    pub(super) fn land(&self, s: &mut State, at: usize) -> Option<()> {
        let request = s.air[at].take()?;
        match request.kind {
            Kind::Bulk => {
                // An abort has its own barrier, before it clears the target.
                let barred = s.journal.stage >= Stage::Barred && s.journal.stage != Stage::Aborting;
                s.foul |= barred && request.token < s.lease;
                s.dst[usize::from(request.key)] = request.value;
            }
            Kind::Checked if self.is_held(s.target, request) => {
                s.foul |= request.token < s.target.hold.token;
                s.dst[usize::from(request.key)] = request.value;
            }
            Kind::Checked => {}
            Kind::Flip => {
                let _ = self.flip(s, request.id, request.token, request.epoch);
            }
        }
        Some(())
    }

    /// The check of the target's fence: INCOMING, this epoch, this move, this mover's token.
    fn is_held(&self, fence: Shard, request: Request) -> bool {
        let hold = Hold { id: request.id, token: request.token };
        let is_token = fence.hold == hold || self.mutant == Some(Mutant::NoTokenCheck);
        fence.mode == Mode::Incoming && fence.epoch == request.epoch && fence.hold.id == request.id && is_token
    }

    /// FLIP: one transaction over all three, or, in more places than one, its first write: the source's fence.
    pub(super) fn flip(&self, s: &mut State, id: u8, token: u8, epoch: u8) -> Option<()> {
        let hold = Hold { id, token };
        let blind = self.mutant == Some(Mutant::FlipUnconditional);
        let named = if self.mutant == Some(Mutant::FlipOneShard) { 1 } else { self.bounds.shards };
        let sealed = Shard { mode: Mode::Sealed, epoch, hold };
        if !blind && s.source[..named].iter().any(|shard| *shard != sealed) {
            return None;
        }
        let incoming = Shard { mode: Mode::Incoming, epoch: epoch + 1, hold };
        if !self.bounds.three && !blind && s.target != incoming {
            return None;
        }
        s.source[..self.bounds.shards].fill(Shard { mode: Mode::Out, epoch: epoch + 1, hold });
        s.flipped = true;
        if !self.bounds.three {
            s.target = Shard::open(epoch + 1);
            s.entry = super::state::Entry { cell: Cell::Target, epoch: epoch + 1, moving: true };
        }
        Some(())
    }

    /// Where FLIP is three writes: anybody who has seen the source out opens the target.
    pub(super) fn open_target(&self, s: &mut State) -> Option<()> {
        let Shard { mode, epoch, hold } = s.source[0];
        if mode != Mode::Out
            || s.target.mode != Mode::Incoming
            || s.target.epoch != epoch
            || s.target.hold.id != hold.id
        {
            return None;
        }
        s.target = Shard::open(epoch);
        Some(())
    }

    /// After the move a later one brings the tenant back, in one go.
    pub(super) fn come_back(&self, s: &mut State) -> Option<()> {
        if !self.bounds.back || s.journal.stage != Stage::Completed || s.entry.cell == Cell::Source {
            return None;
        }
        let epoch = s.entry.epoch + 1;
        s.src = s.dst;
        s.source = [Shard::open(epoch); 2];
        s.target = Shard { mode: Mode::Out, epoch, hold: NOBODY };
        s.entry = super::state::Entry { cell: Cell::Source, epoch, moving: false };
        s.flipped = false;
        Some(())
    }
}
