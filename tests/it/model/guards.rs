//! Which invariant breaks without which guard, and the bounds that are enough to see it.

use super::bounds::STRICT;
use super::mutants::Mutant;
use super::properties::{I1, I2, I3, I4, I5, I6, I7, I8, I11};
use super::protocol::{Bounds, Level};
use super::queues::{self, AFTER, KEPT, ONCE};

const ALONE: Bounds = Bounds { movers: 1, writes: 1, cutovers: 1, ..STRICT };
const TWO_WRITES: Bounds = Bounds { writes: 2, ..ALONE };
const MOVERS: Bounds = Bounds { movers: 2, ..ALONE };
const GUARDED: Bounds = Bounds { level: Level::Guarded, ..ALONE };
const LEASE: Bounds = Bounds { level: Level::Lease, ..ALONE };
const STREAMS: Bounds = Bounds { level: Level::Lease, compare: false, gaps: true, ..ALONE };
const THREE: Bounds = Bounds { three: true, ..MOVERS };
const SHARDS: Bounds = Bounds { shards: 2, writers: 2, ..ALONE };
const ABORTS: Bounds = Bounds { aborts: true, ..MOVERS };
const AGAIN: Bounds = Bounds { moves: 2, ..ABORTS };
const DOUBT: Bounds = Bounds { cutovers: 2, doubt: true, ..ALONE };
const BACK: Bounds = Bounds { back: true, ..MOVERS };

pub(super) const GUARDS: [(Mutant, Bounds, &str); 39] = [
    (Mutant::NoFenceCheck, ALONE, I3),
    (Mutant::NoFenceCheck, ALONE, I2),
    (Mutant::NoModeCheck, ALONE, I3),
    (Mutant::NoModeCheck, ALONE, I2),
    (Mutant::NoLeaseWait, GUARDED, I3),
    (Mutant::NoLeaseWait, LEASE, I3),
    (Mutant::NoLeaseWait, LEASE, I2),
    (Mutant::NoTokenCheck, Bounds { writes: 2, ..MOVERS }, I2),
    (Mutant::NoTokenCheck, MOVERS, I6),
    (Mutant::NoRehold, Bounds { writes: 2, ..MOVERS }, I4),
    (Mutant::NoBarrier, MOVERS, I2),
    (Mutant::NoBarrier, MOVERS, I5),
    (Mutant::BulkAfterBarrier, Bounds { writes: 2, ..MOVERS }, I2),
    (Mutant::NoLeaseLook, MOVERS, I6),
    (Mutant::AbortSameEpoch, ABORTS, I7),
    (Mutant::AbortSameEpoch, Bounds { three: true, ..ABORTS }, I7),
    (Mutant::ReopenSameEpoch, DOUBT, I2),
    (Mutant::AbortNoBarrier, ABORTS, I7),
    (Mutant::AbortNoBarrier, AGAIN, I6),
    (Mutant::AbortNoTombstone, Bounds { three: true, ..ABORTS }, I7),
    (Mutant::ClearUnchecked, AGAIN, I2),
    (Mutant::FlipOneShard, SHARDS, I2),
    (Mutant::FlipUnconditional, DOUBT, I2),
    (Mutant::OpenBeforeOut, THREE, I1),
    (Mutant::SettleBlind, THREE, I11),
    (Mutant::SettleBlind, THREE, I1),
    (Mutant::ApplyImage, TWO_WRITES, I2),
    (Mutant::ForgetTaken, MOVERS, I4),
    (Mutant::ForgetAgain, TWO_WRITES, I4),
    (Mutant::GapIgnored, STREAMS, I4),
    (Mutant::GapInVerify, STREAMS, I2),
    (Mutant::VerifyBeforeGuard, ALONE, I2),
    (Mutant::NoVerify, ALONE, I2),
    (Mutant::NoNotes, ALONE, I2),
    (Mutant::PositionFirst, MOVERS, I4),
    (Mutant::InDoubtIgnored, TWO_WRITES, I2),
    (Mutant::CleanUnchecked, BACK, I2),
    (Mutant::JournalUnfenced, MOVERS, I6),
    (Mutant::NoWatchdog, ALONE, I8),
];

/// Without these nothing is lost, but a move gets stuck.
pub(super) const ENDS: [(Mutant, Bounds); 1] = [(Mutant::ReserveOnce, ABORTS)];

pub(super) const QUEUES: [(queues::Mutant, &str); 5] = [
    (queues::Mutant::NoNoteAtTarget, ONCE),
    (queues::Mutant::NoNoteAtSource, ONCE),
    (queues::Mutant::DeleteFirst, KEPT),
    (queues::Mutant::CarrierDeletesFirst, KEPT),
    (queues::Mutant::ForwardSealed, AFTER),
];
