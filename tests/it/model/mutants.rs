//! Guards of the protocol that can be taken away, one by one.

/// A guard that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A writer's transaction checks nothing.
    NoFenceCheck,
    /// It checks the epoch, and not the mode.
    NoModeCheck,
    /// The mover does not wait for plain writes that are under way.
    NoLeaseWait,
    /// The target's check does not name the mover's token.
    NoTokenCheck,
    /// A mover that takes over leaves the fences with the token of the one before.
    NoRehold,
    /// Bulk requests that are under way are not waited for.
    NoBarrier,
    /// Dirty keys are put by bulk requests.
    BulkAfterBarrier,
    /// A bulk request is sent without a look at the lease.
    NoLeaseLook,
    /// An abort leaves the epoch.
    AbortSameEpoch,
    /// Whoever reopens leaves the epoch.
    ReopenSameEpoch,
    /// An abort does not wait for bulk requests that are under way.
    AbortNoBarrier,
    /// An abort leaves a fence alone that is not there yet.
    AbortNoTombstone,
    /// RESERVE leaves a target's fence alone that a mover that was held up has made meanwhile.
    ReserveOnce,
    /// The target's items are deleted without a check.
    ClearUnchecked,
    /// FLIP names one shard.
    FlipOneShard,
    /// FLIP names no state before.
    FlipUnconditional,
    /// The target opens before the source is out.
    OpenBeforeOut,
    /// A mover that takes over reopens without a look at what is there.
    SettleBlind,
    /// The record's image is put, the source not read again.
    ApplyImage,
    /// A dirty key is forgotten when it is taken, before it is written.
    ForgetTaken,
    /// A dirty key is forgotten when it is written, though it was marked again.
    ForgetAgain,
    /// A lost record is passed over.
    GapIgnored,
    /// A gap that is found during a comparison counts as covered by it.
    GapInVerify,
    /// The comparison comes before the guard.
    VerifyBeforeGuard,
    /// No comparison.
    NoVerify,
    /// Notes are not read under the seal.
    NoNotes,
    /// The position goes to the ledger before the keys do.
    PositionFirst,
    /// A write without an answer is taken for done.
    InDoubtIgnored,
    /// The source's items are deleted without a check.
    CleanUnchecked,
    /// An entry of the journal needs no lease.
    JournalUnfenced,
    /// Nobody but the mover reopens.
    NoWatchdog,
}
