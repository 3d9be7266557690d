//! Guards of a rollout that can be taken away, one by one.

/// A guard that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A wave begins although the one before it has not passed.
    BeginUnpassed,
    /// Cells are changed before `wave-started` is in the journal.
    ChangeBeforeEntry,
    /// An entry without an answer counts as written.
    DoubtIsDone,
    /// A gate without data counts as good.
    MissingPasses,
    /// A gate that fails counts as good.
    FailurePasses,
    /// The wave passes on the first look.
    PassEarly,
    /// A wave passes on a word that nobody gave.
    PromoteUnasked,
    /// What was not begun counts as done.
    NotBegunIsDone,
    /// A wave begins without the approval that it needs.
    NoApproval,
    /// Cells are begun after too many have failed.
    NoStop,
    /// A resume does not know which cells have failed already.
    ForgetFailed,
    /// A rollback of all waves takes the last one back.
    BackLastOnly,
    /// What a cell was is written down again when there is something already.
    BeforeAgain,
    /// A takeover does not write down that calls of the one before may count.
    TakeoverSilent,
    /// The lease forgets, from holder to holder, that calls may count.
    LeaseForgets,
    /// SETTLE does not wait.
    SettleAtOnce,
    /// SETTLE waits, and does not look again.
    SettleBlind,
    /// A cell that is stuck counts as taken back.
    StuckIsBack,
    /// An entry of the journal needs no lease.
    JournalUnfenced,
    /// A rollout that halts does not say why.
    HaltMute,
    /// An order is taken back before what it leads to is written.
    ClearFirst,
    /// An order to take back is dropped where nothing was begun yet.
    RollbackDropped,
    /// A rollback that has failed cannot be begun again.
    BackOnce,
    /// Nobody takes the lease of somebody who is gone.
    NoTakeover,
}
