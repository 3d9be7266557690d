//! What a mover does: one step at a time, each with one effect on the world, or one entry of the journal.
//!
//! A mover that is never scheduled again has crashed; one that is, after another took over, is a zombie.

use super::mutants::Mutant;
use super::protocol::{Level, Protocol};
use super::state::{Cell, Entry, Hold, Job, Kind, Mode, Mover, Pc, Request, Shard, Stage, State};

/// Token of the mover at this place.
pub(super) fn token_of(m: usize) -> u8 {
    u8::try_from(m).unwrap_or(0) + 1
}

impl Protocol {
    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn hold(s: &State, m: usize) -> Hold {
        Hold { id: s.movers[m].id, token: token_of(m) }
    }

    /// How a mover holds the target's fence: a mutant takes what is there for its own.
    fn target_hold(&self, s: &State, m: usize) -> Hold {
        let own = Self::hold(s, m);
        let adopts = (self.has(Mutant::NoRehold) || self.has(Mutant::NoTokenCheck)) && s.target.hold.id == own.id;
        if adopts { s.target.hold } else { own }
    }

    fn go(s: &mut State, m: usize, pc: Pc) -> Option<()> {
        s.movers[m].pc = pc;
        Some(())
    }

    fn quit(s: &mut State, m: usize) -> Option<()> {
        s.movers[m] = super::state::GONE;
        Some(())
    }

    pub(super) fn leads(&self, s: &State, m: usize) -> bool {
        s.lease == token_of(m) && s.journal.id == s.movers[m].id
    }

    /// Where a mover goes on after an entry of the journal.
    fn pc_after(&self, stage: Stage) -> Pc {
        let notes = self.bounds.level != Level::Lease;
        let early = self.has(Mutant::VerifyBeforeGuard);
        let verify = if self.has(Mutant::NoVerify) {
            Pc::Append(Stage::Verified)
        } else {
            Pc::Verify { key: 0, read: None }
        };
        match stage {
            Stage::Planned => Pc::Reserve,
            Stage::Capturing => Pc::Copy,
            Stage::Copied => Pc::Bar,
            Stage::Barred => Pc::Work,
            Stage::Reconciled if notes && !early => Pc::Guard,
            Stage::Reconciled => verify,
            Stage::Guarded if early => Pc::Intend,
            Stage::Guarded => verify,
            Stage::Verified if early => Pc::Guard,
            Stage::Verified => Pc::Intend,
            Stage::CuttingOver => Pc::Seal(0),
            Stage::Aborting => Pc::Back,
            Stage::Flipped => Pc::Land,
            Stage::Landed => Pc::Clean(0),
            Stage::Aborted | Stage::Completed => Pc::Rest,
        }
    }

    /// Another mover takes the lease: the one before has crashed, or was held up.
    pub(super) fn take_over(&self, s: &mut State) -> Option<()> {
        if self.bounds.movers < 2 || s.lease != 1 || matches!(s.journal.stage, Stage::Aborted | Stage::Completed) {
            return None;
        }
        s.lease = 2;
        let pc = if self.has(Mutant::NoRehold) { self.resume_at(s) } else { Pc::HoldTarget };
        s.movers[1] = Mover { pc, id: s.journal.id, epoch: s.journal.epoch, job: None, heard: None };
        Some(())
    }

    fn resume_at(&self, s: &State) -> Pc {
        match s.journal.stage {
            Stage::CuttingOver if !self.has(Mutant::NoWayBack) => Pc::Settle,
            stage => self.pc_after(stage),
        }
    }

    /// The next step of a mover, where there is only one.
    pub(super) fn step(&self, s: &mut State, m: usize) -> Option<()> {
        match s.movers[m].pc {
            Pc::HoldTarget => self.hold_target(s, m),
            Pc::HoldSource => self.hold_source(s, m),
            Pc::Reserve => self.reserve(s, m),
            Pc::ReserveFence => self.reserve_fence(s, m),
            Pc::Copy => self.copy(s, m),
            Pc::Bar if s.has_bulk() && !self.has(Mutant::NoBarrier) => None,
            Pc::Bar => Self::go(s, m, Pc::Append(Stage::Barred)),
            Pc::Work => self.end_of_round(s, m),
            Pc::Guard => self.guard(s, m),
            Pc::Verify { key, read } => self.verify(s, m, key, read),
            Pc::Intend if s.journal.owes => Self::go(s, m, Pc::Verify { key: 0, read: None }),
            Pc::Intend => Self::go(s, m, Pc::Append(Stage::CuttingOver)),
            Pc::Seal(shard) => self.seal(s, m, usize::from(shard)),
            Pc::Drain { proved } => self.drained(s, m, proved),
            Pc::Flip => self.flip_now(s, m),
            Pc::Settle => self.settle(s, m),
            Pc::Land => self.land_target(s, m),
            Pc::LandEntry => self.land_entry(s, m),
            Pc::Clean(key) => self.clean(s, m, key),
            Pc::Back => self.back(s, m),
            Pc::ClearBar if s.has_bulk() && !self.has(Mutant::AbortNoBarrier) => None,
            Pc::ClearBar => Self::go(s, m, Pc::Clear(0)),
            Pc::Clear(key) => self.clear(s, m, key),
            Pc::Close => self.close(s, m),
            Pc::EndAbort => self.end_abort(s, m),
            Pc::Append(stage) => self.append(s, m, stage),
            Pc::Rest | Pc::Gone => None,
        }
    }

    fn append(&self, s: &mut State, m: usize, stage: Stage) -> Option<()> {
        if !self.leads(s, m) {
            if !self.has(Mutant::JournalUnfenced) {
                return Self::quit(s, m);
            }
            s.foul = true;
        }
        let reopened = s.journal.stage == Stage::CuttingOver && stage == Stage::Barred;
        s.journal.stage = stage;
        s.journal.by = token_of(m);
        match stage {
            Stage::Verified => s.journal.owes = false,
            Stage::CuttingOver => s.journal.cutovers += 1,
            Stage::Barred if reopened => {
                s.movers[m].epoch += 2;
                s.journal.epoch = s.movers[m].epoch;
            }
            _ => {}
        }
        Self::go(s, m, self.pc_after(stage))
    }

    fn hold_target(&self, s: &mut State, m: usize) -> Option<()> {
        let own = Self::hold(s, m);
        if s.target.mode == Mode::Incoming && s.target.hold.id == own.id {
            if s.target.hold.token > own.token {
                return Self::quit(s, m);
            }
            s.target.hold = own;
        }
        Self::go(s, m, Pc::HoldSource)
    }

    fn hold_source(&self, s: &mut State, m: usize) -> Option<()> {
        let own = Self::hold(s, m);
        for shard in &mut s.source {
            if shard.hold.id == own.id && shard.hold.token < own.token {
                shard.hold = own;
            }
        }
        let pc = self.resume_at(s);
        Self::go(s, m, pc)
    }

    fn reserve(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch;
        if s.entry != (Entry { cell: Cell::Source, epoch, moving: s.entry.moving }) {
            return Self::quit(s, m);
        }
        s.entry.moving = true;
        if self.bounds.three { Self::go(s, m, Pc::ReserveFence) } else { self.reserve_fence(s, m) }
    }

    fn reserve_fence(&self, s: &mut State, m: usize) -> Option<()> {
        let own = Self::hold(s, m);
        let wanted = Shard { mode: Mode::Incoming, epoch: s.movers[m].epoch + 1, hold: own };
        let is_free = s.target.mode == Mode::Absent
            || (matches!(s.target.mode, Mode::Closed | Mode::Out) && s.target.epoch < wanted.epoch);
        if !is_free && s.target != wanted {
            return Self::quit(s, m);
        }
        s.target = wanted;
        Self::go(s, m, Pc::Append(Stage::Capturing))
    }

    /// A page is read and sent; behind its answer the cursor goes to the ledger.
    fn copy(&self, s: &mut State, m: usize) -> Option<()> {
        let leads = self.leads(s, m);
        if let Some(job) = s.movers[m].job {
            if s.is_waiting(token_of(m)) {
                return None;
            }
            if !leads {
                return Self::quit(s, m);
            }
            s.movers[m].job = None;
            s.journal.copied = job.key + 1;
            return Some(());
        }
        if !leads && !self.has(Mutant::NoLeaseLook) {
            return Self::quit(s, m);
        }
        let key = s.journal.copied;
        if usize::from(key) == self.bounds.keys {
            return Self::go(s, m, Pc::Append(Stage::Copied));
        }
        let value = s.src[usize::from(key)];
        s.movers[m].job = Some(Job { key, again: false });
        let kind = if value == 0 { None } else { Some(Kind::Bulk) };
        kind.map_or(Some(()), |kind| self.put(s, m, kind, key, value))
    }

    fn put(&self, s: &mut State, m: usize, kind: Kind, key: u8, value: u8) -> Option<()> {
        let epoch = s.movers[m].epoch + 1;
        let Hold { id, token } = self.target_hold(s, m);
        // Who sent it is what counts for waiting; the adopted token is what the check names.
        let token = if self.has(Mutant::NoRehold) { token } else { token_of(m) };
        s.send(Request { kind, id, token, epoch, key, value })
    }

    fn end_of_round(&self, s: &mut State, m: usize) -> Option<()> {
        if s.movers[m].job.is_some() || s.journal.cutovers == self.bounds.cutovers {
            return None;
        }
        Self::go(s, m, Pc::Append(Stage::Reconciled))
    }

    /// A dirty key is read from the source, and what was read is sent.
    pub(super) fn take(&self, s: &mut State, m: usize, key: usize) -> Option<()> {
        let busy = !matches!(s.movers[m].pc, Pc::Work | Pc::Verify { .. } | Pc::Drain { .. });
        if busy || !s.dirty[key] || s.movers[m].job.is_some() {
            return None;
        }
        let value = if self.has(Mutant::ApplyImage) { s.image[key] } else { s.src[key] };
        s.dirty[key] &= !self.has(Mutant::ForgetTaken);
        let key = u8::try_from(key).unwrap_or(0);
        s.movers[m].job = Some(Job { key, again: false });
        let kind = if self.has(Mutant::BulkAfterBarrier) { Kind::Bulk } else { Kind::Checked };
        self.put(s, m, kind, key, value)
    }

    /// The answer is there: the key is dirty no more, unless it was marked again.
    pub(super) fn done(&self, s: &mut State, m: usize) -> Option<()> {
        let job = s.movers[m].job?;
        let late = s.is_waiting(token_of(m)) && !self.has(Mutant::InDoubtIgnored);
        if s.movers[m].pc == Pc::Copy || late {
            return None;
        }
        if !self.leads(s, m) {
            return Self::quit(s, m);
        }
        s.movers[m].job = None;
        if !job.again || self.has(Mutant::ForgetAgain) {
            s.dirty[usize::from(job.key)] = false;
        }
        Some(())
    }

    fn guard(&self, s: &mut State, m: usize) -> Option<()> {
        let (own, epoch) = (Self::hold(s, m), s.movers[m].epoch);
        let may = |shard: &Shard| {
            let is_mine = shard.hold.id == own.id && shard.hold.token <= own.token;
            shard.epoch == epoch && (shard.mode == Mode::Open || (shard.mode == Mode::Guarded && is_mine))
        };
        if !s.source[..self.bounds.shards].iter().all(may) {
            return Self::quit(s, m);
        }
        s.source[..self.bounds.shards].fill(Shard { mode: Mode::Guarded, epoch, hold: own });
        Self::go(s, m, Pc::Append(Stage::Guarded))
    }

    /// A key is read on one side, then on the other.
    fn verify(&self, s: &mut State, m: usize, key: u8, read: Option<u8>) -> Option<()> {
        if s.movers[m].job.is_some() {
            return None;
        }
        let at = usize::from(key);
        if at == self.bounds.keys {
            return Self::go(s, m, Pc::Append(Stage::Verified));
        }
        let waits = self.bounds.level == Level::Guarded && !self.has(Mutant::NoLeaseWait);
        match read {
            None if at == 0 && waits && self.has_plain(s) => None,
            None => Self::go(s, m, Pc::Verify { key, read: Some(s.src[at]) }),
            Some(value) => {
                if value != s.dst[at] {
                    s.mark(at);
                }
                Self::go(s, m, Pc::Verify { key: key + 1, read: None })
            }
        }
    }

    fn seal(&self, s: &mut State, m: usize, shard: usize) -> Option<()> {
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
    fn drained(&self, s: &mut State, m: usize, proved: bool) -> Option<()> {
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

    fn flip_now(&self, s: &mut State, m: usize) -> Option<()> {
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
    fn settle(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch;
        let blind = self.has(Mutant::SettleBlind);
        if s.source[0].mode == Mode::Out && !blind {
            let ours = s.source[0].epoch == epoch + 1 && s.source[0].hold.id == s.movers[m].id;
            return if ours { Self::go(s, m, Pc::Append(Stage::Flipped)) } else { Self::quit(s, m) };
        }
        let same = self.has(Mutant::ReopenSameEpoch);
        let is_back = |shard: &Shard| shard.epoch == epoch + 2 || (same && *shard == Shard::open(epoch));
        if let Some(shard) = s.source[..self.bounds.shards].iter_mut().find(|shard| !is_back(shard)) {
            *shard = Shard::open(if same { epoch } else { epoch + 2 });
            return Some(());
        }
        self.hold_next_epoch(s, m, epoch + if same { 1 } else { 3 })
    }

    /// After the way back the target is to open with a higher epoch.
    fn hold_next_epoch(&self, s: &mut State, m: usize, epoch: u8) -> Option<()> {
        let own = self.target_hold(s, m);
        if s.target.mode != Mode::Incoming || s.target.hold != own {
            return Self::quit(s, m);
        }
        s.target.epoch = epoch;
        Self::go(s, m, Pc::Append(Stage::Barred))
    }

    fn land_target(&self, s: &mut State, m: usize) -> Option<()> {
        if self.bounds.three {
            let _ = self.open_target(s);
            return Self::go(s, m, Pc::LandEntry);
        }
        Self::go(s, m, Pc::Append(Stage::Landed))
    }

    fn land_entry(&self, s: &mut State, m: usize) -> Option<()> {
        let before = Entry { cell: Cell::Source, epoch: s.entry.epoch, moving: true };
        if s.entry == before && s.entry.epoch <= s.movers[m].epoch {
            s.entry = Entry { cell: Cell::Target, epoch: s.movers[m].epoch + 1, moving: true };
        }
        Self::go(s, m, Pc::Append(Stage::Landed))
    }

    fn clean(&self, s: &mut State, m: usize, key: u8) -> Option<()> {
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

    fn back(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch;
        let next = if self.has(Mutant::AbortSameEpoch) { epoch } else { epoch + 2 };
        let is_back = |shard: &Shard| *shard == Shard::open(next) || shard.epoch != epoch;
        match s.source[..self.bounds.shards].iter_mut().find(|shard| !is_back(shard)) {
            Some(shard) => *shard = Shard::open(next),
            None => s.movers[m].pc = Pc::ClearBar,
        }
        Some(())
    }

    fn clear(&self, s: &mut State, m: usize, key: u8) -> Option<()> {
        let at = usize::from(key);
        if at == self.bounds.keys {
            return Self::go(s, m, Pc::Close);
        }
        let ours = s.target.mode == Mode::Incoming && s.target.hold == self.target_hold(s, m);
        let empty = matches!(s.target.mode, Mode::Absent | Mode::Closed);
        if !ours && !empty && !self.has(Mutant::ClearUnchecked) {
            return Self::quit(s, m);
        }
        if !empty {
            s.dst[at] = 0;
        }
        Self::go(s, m, Pc::Clear(key + 1))
    }

    /// The target's fence closes, also one that is not there yet: who was about to make it comes too late.
    fn close(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch + 1;
        let ours = s.target.mode == Mode::Incoming && s.target.hold == self.target_hold(s, m);
        let early = matches!(s.target.mode, Mode::Absent | Mode::Closed | Mode::Out) && s.target.epoch < epoch;
        if ours || (early && !self.has(Mutant::AbortNoTombstone)) {
            s.target = Shard { mode: Mode::Closed, epoch, hold: super::state::NOBODY };
        } else if s.target.mode == Mode::Incoming {
            return Self::quit(s, m);
        }
        Self::go(s, m, Pc::EndAbort)
    }

    fn end_abort(&self, s: &mut State, m: usize) -> Option<()> {
        let epoch = s.movers[m].epoch;
        if s.entry.epoch == epoch {
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
        s.movers[m] =
            Mover { pc: Pc::Reserve, id: 2, epoch: s.entry.epoch, job: None, heard: None };
        Some(())
    }
}
