//! What every part of a running move shares: the plan, the ports, who holds it, and how fast it may go.
//!
//! Constraint kept: shared by tasks of one mover, none of which changes the journal; only the driver does.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::domain::data::shape::KeySchema;
use crate::domain::ids::TenantId;
use crate::domain::lock::SIGNED_MS;
use crate::domain::moves::fence::{Guard, Hold};
use crate::domain::moves::orders::Orders;
use crate::domain::moves::{End, Plan, TablePlan};
use crate::domain::tenant::fence::{FenceMode, FenceTable};
use crate::ops::lease::HeldLease;
use crate::ports::data::{Permit, Share, TableRef};

use super::MoveWorld;
use super::halt::Halt;
use super::lanes::Lanes;

/// Which end of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The cell that the tenant comes from.
    Source,
    /// The cell that it goes to.
    Target,
}

/// What the parts of a running move share.
pub(super) struct Context<'a> {
    /// The ports.
    pub(super) world: &'a MoveWorld,
    /// The plan.
    pub(super) plan: &'a Plan,
    /// The lease.
    pub(super) lease: &'a HeldLease,
    /// Looked at right before each bulk request.
    pub(super) permit: Arc<dyn Permit>,
    /// How often the target's fence got a new token under this lease.
    changes: AtomicU64,
    /// Number of guarded writes so far, for their tokens.
    writes: AtomicU64,
    /// The shards that guarded writes check, at the source and at the target.
    lanes: [Lanes; 2],
    /// Keys reconciled since somebody asked last.
    reconciled: AtomicU64,
    /// Until when a bulk request of this mover may count that nobody has seen answered.
    doubt_until_ms: AtomicI64,
    /// What people have ordered, as it was read last.
    orders: Mutex<Orders>,
    /// Whether what runs beside others is to end, since one of them failed.
    cancelled: AtomicBool,
    /// Whether nobody can give the move up any more: there is no way back, or it is given up already.
    decided: AtomicBool,
    /// Whether the order to keep what the source holds ends what is done now.
    keeps: AtomicBool,
    /// Whether somebody asked to stop.
    pub(super) stop: tokio::sync::watch::Receiver<bool>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        world: &'a MoveWorld,
        plan: &'a Plan,
        lease: &'a HeldLease,
        permit: Arc<dyn Permit>,
        stop: tokio::sync::watch::Receiver<bool>,
    ) -> Self {
        Self {
            world,
            plan,
            lease,
            permit,
            changes: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            lanes: [Lanes::new(plan.source.shards), Lanes::new(plan.target.shards)],
            reconciled: AtomicU64::new(0),
            doubt_until_ms: AtomicI64::new(0),
            orders: Mutex::default(),
            cancelled: AtomicBool::new(false),
            decided: AtomicBool::new(false),
            keeps: AtomicBool::new(false),
            stop,
        }
    }

    /// The tenant.
    pub(super) fn tenant(&self) -> &TenantId {
        self.plan.tenant()
    }

    /// How this mover holds fences now.
    pub(super) fn hold(&self) -> Hold {
        let token = (self.lease.lease().token << 20) + self.changes.load(Ordering::SeqCst);
        Hold { id: self.plan.id.clone(), token }
    }

    /// From now on fences are held with a higher token: what was sent with the one before counts no more once the target's
    /// fence has the new one, which the caller sees to.
    pub(super) fn renew_hold(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The token of one more guarded write, never given twice: 36 characters at most (DynamoDB API reference,
    /// `TransactWriteItems`).
    pub(super) fn write_token(&self) -> String {
        let (hold, number) = (self.hold(), self.writes.fetch_add(1, Ordering::SeqCst));
        let hash = Sha256::digest(format!("{}/{}/{number}", hold.id, hold.token));
        hex::encode(&hash[..16])
    }

    /// A bulk request was given up without an answer: it may count as long as AWS takes its signature.
    pub(super) fn doubt_bulk(&self) {
        let until_ms = self.world.clock.now_ms() + SIGNED_MS;
        self.doubt_until_ms.fetch_max(until_ms, Ordering::SeqCst);
    }

    /// Until when a bulk request of this mover may count that nobody has seen answered, in milliseconds since 1970; 0 where
    /// there is none. Who gives the lease back before that has to say so in the journal, or let it run out instead.
    pub(super) fn doubt_until_ms(&self) -> i64 {
        self.doubt_until_ms.load(Ordering::SeqCst)
    }

    /// Counts keys that were reconciled.
    pub(super) fn count_reconciled(&self, keys: u64) {
        self.reconciled.fetch_add(keys, Ordering::Relaxed);
    }

    /// How many those are since this was asked last.
    pub(super) fn take_reconciled(&self) -> u64 {
        self.reconciled.swap(0, Ordering::Relaxed)
    }

    /// One end of the move.
    pub(super) fn end(&self, side: Side) -> &End {
        match side {
            Side::Source => &self.plan.source,
            Side::Target => &self.plan.target,
        }
    }

    /// The fence table of one end.
    pub(super) fn fence_table(&self, side: Side) -> FenceTable {
        let end = self.end(side);
        FenceTable { place: end.place.clone(), name: end.fence_table.clone() }
    }

    /// A table of one end.
    pub(super) fn table(&self, side: Side, table: &TablePlan) -> TableRef {
        let name = match side {
            Side::Source => &table.source,
            Side::Target => &table.target,
        };
        TableRef { place: self.end(side).place.clone(), name: name.clone() }
    }

    /// The tenant's share of a table of one end.
    pub(super) fn share(&self, side: Side, table: &TablePlan) -> Share {
        let key: KeySchema = table.shape.key.clone();
        Share { table: self.table(side, table), key, find: table.find.clone(), tenant: self.tenant().clone() }
    }

    /// The check of the target's fence before FLIP: INCOMING at `target_epoch`, held by this mover.
    pub(super) fn incoming(&self, target_epoch: u64) -> Guard {
        self.guard(Side::Target, target_epoch, FenceMode::Incoming)
    }

    /// A check of the fence of one end, held by this mover. Each transaction looks at a shard of its own.
    pub(super) fn guard(&self, side: Side, epoch: u64, mode: FenceMode) -> Guard {
        Guard { table: self.fence_table(side), tenant: self.tenant().clone(), shard: 0, epoch, mode, hold: self.hold() }
    }

    /// The shards of the fence that a guard looks at.
    pub(super) fn lanes(&self, guard: &Guard) -> &Lanes {
        let [source, target] = &self.lanes;
        if guard.table == self.fence_table(Side::Source) { source } else { target }
    }

    /// What people have ordered, as it was read last.
    pub(super) fn orders(&self) -> Orders {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of what people have ordered.
    pub(super) fn take_orders(&self, orders: Orders) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = orders;
    }

    /// Asks what runs to end at its next check, or no more.
    pub(super) fn cancel(&self, cancelled: bool) {
        self.cancelled.store(cancelled, Ordering::SeqCst);
    }

    /// From now on nobody can give the move up.
    pub(super) fn decide(&self) {
        self.decided.store(true, Ordering::SeqCst);
    }

    /// From now on, or no more, the order to keep what the source holds ends what is done.
    pub(super) fn obey_keep(&self, keeps: bool) {
        self.keeps.store(keeps, Ordering::SeqCst);
    }

    /// Whether the step may go on: asked between any two pieces of work.
    pub(super) fn check(&self) -> Result<(), Halt> {
        if self.lease.is_lost() {
            return Err(Halt::Lost);
        }
        let orders = self.orders();
        if let Some(why) = orders.abort.filter(|_| !self.decided.load(Ordering::SeqCst)) {
            return Err(Halt::AbortOrdered(why));
        }
        if let Some(why) = orders.keep.clone().filter(|_| self.keeps.load(Ordering::SeqCst)) {
            return Err(Halt::KeepOrdered(why));
        }
        // Who goes back wants this move to end.
        if orders.pause && orders.keep.is_none() {
            return Err(Halt::Paused);
        }
        if *self.stop.borrow() || self.cancelled.load(Ordering::SeqCst) {
            return Err(Halt::Stopped);
        }
        Ok(())
    }

    /// Write units a second at most.
    pub(super) fn rate(&self) -> Option<u64> {
        self.orders().rate.or(self.plan.options.rate).filter(|rate| *rate > 0)
    }
}
