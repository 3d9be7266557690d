//! SEAL, DRAIN and FLIP, how a cutover that did not end is settled, and what follows FLIP.

use super::mover::token_of;
use super::mutants::Mutant;
use super::protocol::{Level, Protocol};
use super::state::{Cell, Entry, Hold, Kind, Mode, Mover, Pc, Request, Shard, Stage, State};

impl Protocol {
    pub(super) fn seal(&self, s: &mut State, m: usize, shard: usize) -> Option<()> {
        let (own, epoch) = (Self::hold(s, m), s.movers[m].epoch);
        let before = match self.bounds.level {
            Level::Lease => Shard::open(epoch),
            _ => Shard { mode: Mode::Guarded, epoch, hold: own },
        };
        let sealed = Shard { mode: Mode::Sealed, epoch, hold: own };
        if s.source[shard] != before && s.source[shard] != sealed {
            return Self::go(s, m, Pc::Settle);
        }
        s.source[shard] = sealed;
        let next = shard + 1;
        let pc = if next == self.bounds.shards { Pc::Drain { proved: false } } else { Pc::Seal(1) };
        Self::go(s, m, pc)
    }

    /// Whether what shows that all writes are on the target is there.
    pub(super) fn drained(&self, s: &mut State, m: usize, proved: bool) -> Option<()> {
        let notes_left = s.notes.contains(&true) && !self.has(Mutant::NoNotes);
        if s.movers[m].job.is_some() || s.dirty.contains(&true) || notes_left {
            return None;
        }
        if self.bounds.level != Level::Lease {
            return Self::go(s, m, Pc::Flip);
        }
        if self.has_plain(s) && !self.has(Mutant::NoLeaseWait) {
            return None;
        }
        if !self.bounds.compare {
            let quiet = s.stream.iter().all(Option::is_none) && !s.journal.owes;
            return if quiet { Self::go(s, m, Pc::Flip) } else { None };
        }
        if proved {
            return Self::go(s, m, Pc::Flip);
        }
        for key in 0..self.bounds.keys {
            if s.src[key] != s.dst[key] {
                s.mark(key);
            }
        }
        Self::go(s, m, Pc::Drain { proved: true })
    }

    pub(super) fn flip_now(&self, s: &mut State, m: usize) -> Option<()> {
        if self.has(Mutant::OpenBeforeOut) && s.target.mode == Mode::Incoming {
            s.target = Shard::open(s.target.epoch);
            return Some(());
        }
        let Hold { id, token } = self.target_hold(s, m);
        let flipped = self.flip(s, id, token, s.movers[m].epoch);
        let pc = if flipped.is_some() { Pc::Append(Stage::Flipped) } else { Pc::Settle };
        Self::go(s, m, pc)
    }

    /// FLIP is sent, and no answer comes: what is there is read back.
    pub(super) fn flip_in_doubt(&self, s: &mut State, m: usize) -> Option<()> {
        if s.movers[m].pc != Pc::Flip || !self.bounds.doubt {
            return None;
        }
        let Mover { id, epoch, .. } = s.movers[m];
        s.send(Request { kind: Kind::Flip, id, token: token_of(m), epoch, key: 0, value: 0 })?;
        Self::go(s, m, Pc::Settle)
    }

    /// The mover gives a cutover up that takes too long.
    pub(super) fn give_up(&self, s: &mut State, m: usize) -> Option<()> {
        let draining = matches!(s.movers[m].pc, Pc::Drain { .. });
        if !draining || s.movers[m].job.is_some() {
            return None;
        }
        Self::go(s, m, Pc::Settle)
    }

    /// How a cutover ended is read from the source's fence: OUT is forward, all else is reopened, shard by shard.
    pub(super) fn settle(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch;
        let blind = self.has(Mutant::SettleBlind);
        if s.source[0].mode == Mode::Out && !blind {
            let ours = s.source[0].epoch == epoch + 1 && s.source[0].hold.id == s.movers[m].id;
            return if ours { Self::go(s, m, Pc::Append(Stage::Flipped)) } else { Self::quit(s, m) };
        }
        let back = Shard::open(if self.has(Mutant::ReopenSameEpoch) { epoch } else { epoch + 2 });
        let is_to_reopen = |shard: &Shard| (shard.epoch == epoch || blind) && *shard != back;
        if let Some(shard) = s.source[..self.bounds.shards].iter_mut().find(|shard| is_to_reopen(shard)) {
            *shard = back;
            return Some(());
        }
        // Somebody has gone on from there: this mover is not the one that has the lease.
        if s.source[..self.bounds.shards].iter().any(|shard| shard.epoch != back.epoch) {
            return Self::quit(s, m);
        }
        self.hold_next_epoch(s, m, back.epoch + 1)
    }

    /// After the way back the target is to open with a higher epoch.
    pub(super) fn hold_next_epoch(&self, s: &mut State, m: usize, epoch: u8) -> Option<()> {
        let own = self.target_hold(s, m);
        if s.target.mode != Mode::Incoming || s.target.hold != own {
            return Self::quit(s, m);
        }
        s.target.epoch = epoch;
        Self::go(s, m, Pc::Append(Stage::Barred))
    }

    pub(super) fn land_target(&self, s: &mut State, m: usize) -> Option<()> {
        if self.bounds.three {
            let _ = self.open_target(s);
            return Self::go(s, m, Pc::LandEntry);
        }
        Self::go(s, m, Pc::Append(Stage::Landed))
    }

    pub(super) fn land_entry(&self, s: &mut State, m: usize) -> Option<()> {
        let before = Entry { cell: Cell::Source, epoch: s.entry.epoch, moving: true };
        if s.entry == before && s.entry.epoch <= s.movers[m].epoch {
            s.entry = Entry { cell: Cell::Target, epoch: s.movers[m].epoch + 1, moving: true };
        }
        Self::go(s, m, Pc::Append(Stage::Landed))
    }

    pub(super) fn clean(&self, s: &mut State, m: usize, key: u8) -> Option<()> {
        let at = usize::from(key);
        if at == self.bounds.keys {
            return Self::go(s, m, Pc::Append(Stage::Completed));
        }
        let own = Self::hold(s, m);
        let ours = s.source[0].mode == Mode::Out && s.source[0].hold == own;
        if !ours && !self.has(Mutant::CleanUnchecked) {
            return Self::quit(s, m);
        }
        s.src[at] = 0;
        Self::go(s, m, Pc::Clean(key + 1))
    }
}
