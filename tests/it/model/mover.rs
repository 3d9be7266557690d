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

    pub(super) fn hold(s: &State, m: usize) -> Hold {
        Hold { id: s.movers[m].id, token: token_of(m) }
    }

    /// How a mover holds the target's fence: a mutant takes what is there for its own.
    pub(super) fn target_hold(&self, s: &State, m: usize) -> Hold {
        let own = Self::hold(s, m);
        let adopts = (self.has(Mutant::NoRehold) || self.has(Mutant::NoTokenCheck)) && s.target.hold.id == own.id;
        if adopts { s.target.hold } else { own }
    }

    pub(super) fn go(s: &mut State, m: usize, pc: Pc) -> Option<()> {
        s.movers[m].pc = pc;
        Some(())
    }

    pub(super) fn quit(s: &mut State, m: usize) -> Option<()> {
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
        let verify =
            if self.has(Mutant::NoVerify) { Pc::Append(Stage::Verified) } else { Pc::Verify { key: 0, read: None } };
        match stage {
            Stage::Planned => Pc::Reserve,
            Stage::Capturing => Pc::Copy,
            Stage::Copied => Pc::Bar,
            Stage::Barred => Pc::Work,
            Stage::Reconciled if notes && !early => Pc::Guard,
            Stage::Guarded if early => Pc::Intend,
            Stage::Reconciled | Stage::Guarded => verify,
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
            Stage::CuttingOver => Pc::Settle,
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
            Pc::ClearBar => Self::go(s, m, Pc::HoldToClear),
            Pc::HoldToClear => self.hold_to_clear(s, m),
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
                s.movers[m].epoch += if self.has(Mutant::ReopenSameEpoch) { 0 } else { 2 };
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
        if !self.take_target(s, m) {
            return Self::quit(s, m);
        }
        Self::go(s, m, Pc::Append(Stage::Capturing))
    }

    /// The target's fence becomes INCOMING, held by this mover. A mover that was held up may have made it so for itself after
    /// this one had looked for something to take over.
    pub(super) fn take_target(&self, s: &mut State, m: usize) -> bool {
        let own = Self::hold(s, m);
        let Shard { mode, epoch, hold } = s.target;
        let wanted = Shard { mode: Mode::Incoming, epoch: s.movers[m].epoch + 1, hold: own };
        let is_free = matches!(mode, Mode::Absent | Mode::Closed | Mode::Out) && epoch < wanted.epoch;
        let is_older = hold.token < own.token && !self.has(Mutant::ReserveOnce);
        let is_ours = mode == Mode::Incoming && hold.id == own.id && (hold == own || is_older);
        if is_free || is_ours {
            s.target = Shard { epoch: wanted.epoch.max(epoch), ..wanted };
        }
        is_free || is_ours
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
}
