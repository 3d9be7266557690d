//! Moves, as people read them.

pub mod ended;
pub mod list;
pub mod plan;
pub(super) mod progress;
pub mod receipt;
pub(super) mod sheet;
pub mod show;
#[cfg(test)]
mod tests;
mod timeline;
pub(super) mod units;

use crate::domain::ids::TenantId;
use crate::ops::moves::many::Failure;

use super::Style;
use super::tenants::visible;

/// Why the move of one of several tenants came to nothing, and what to do about it.
fn failure(tenant: &TenantId, failure: &Failure, style: Style) -> String {
    let why = format!("{} {}", style.bad(&format!("{tenant}:")), visible(&failure.message));
    match &failure.hint {
        Some(hint) => format!("{why}\n    {} {}\n", style.strong("hint:"), visible(hint)),
        None => format!("{why}\n"),
    }
}
