//! The keys that have changed since they were copied, and the chunks of the ledger that keep them.
//!
//! Constraint kept: a key is in it until its item was carried over after it was marked for the last time; what does not fit
//! is not forgotten silently.

use std::sync::{Mutex, PoisonError};

use crate::domain::data::ItemKey;

use super::context::Context;
use super::halt::Halt;

/// A key of a table, which is given by its place in the plan.
pub(super) type TableKey = (usize, ItemKey);

/// The dirty keys.
#[derive(Default)]
pub(super) struct Dirty {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {}

impl Dirty {
    /// The dirty keys as the ledger has them.
    pub(super) async fn load(context: &Context<'_>) -> Result<Self, Halt> {
        let _ = context;
        todo!()
    }

    /// Marks a key. False: there are too many, and `overflown` is set.
    pub(super) fn mark(&self, table: usize, key: ItemKey) -> bool {
        let _ = (table, key, self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        todo!()
    }

    /// Number of keys that are dirty, those that are being reconciled included.
    pub(super) fn len(&self) -> usize {
        todo!()
    }

    /// Whether a key is dirty, or being reconciled.
    pub(super) fn contains(&self, key: &TableKey) -> bool {
        let _ = key;
        todo!()
    }

    /// Whether keys did not fit since this was asked last: a comparison of everything is owed.
    pub(super) fn take_overflow(&self) -> bool {
        todo!()
    }

    /// Whether keys and positions go to the ledger, which they do not while the source is sealed. On at first.
    pub(super) fn set_durable(&self, durable: bool) {
        let _ = durable;
        todo!()
    }

    /// Up to which moment the streams are read, in milliseconds since 1970; none before they are.
    pub(super) fn caught_ms(&self) -> Option<i64> {
        todo!()
    }
}
