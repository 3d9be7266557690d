//! What a mover holds while it works: the lease, and who it is.

use crate::domain::audit::{Actor, Stamp};
use crate::ops::lease::HeldLease;

/// A mover's lease, and who it is.
pub(super) struct Held<'a> {
    pub(super) lease: &'a HeldLease,
    pub(super) actor: &'a Actor,
}

impl Held<'_> {
    /// What a change of the map is stamped with.
    pub(super) fn stamp(&self, now_ms: i64) -> Stamp {
        Stamp { at_ms: now_ms, actor: self.actor.clone() }
    }
}
