//! Comparing both sides: digests by bucket, then the keys of the buckets that differ.
//!
//! Constraint kept: memory does not grow with the tenant; items past their time to live count on neither side, both judged
//! at the same moment.

use crate::domain::data::digest::TableDigest;

use super::context::Context;
use super::dirty::TableKey;
use super::halt::Halt;
use super::meter::Meter;

/// What a comparison has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compared {
    /// The digests of the source.
    pub(super) tables: Vec<TableDigest>,
    /// Keys that differ.
    pub(super) differing: Vec<TableKey>,
    /// Whether there are more of them, which did not fit.
    pub(super) more: bool,
    /// Whether both sides hold the same.
    pub(super) equal: bool,
}

/// Reads both sides.
pub(super) async fn compare(context: &Context<'_>, meter: &Meter) -> Result<Compared, Halt> {
    let _ = (context, meter);
    todo!()
}
