//! 64 writers adding 2,000 tenants to cells with room for exactly 2,000.
//!
//! Constraint kept: the figure counts only if every tenant was placed, no cell is overfilled, and every counter is that of
//! the entries; anything else ends the run.

use crate::figure::{Figure, as_f64};
use crate::support::writers::{WRITERS, fill};

const TENANTS: usize = 2_000;

/// Fills the fleet, and says how long that took: the goal is that it is filled.
pub(crate) fn figures() -> Vec<Figure> {
    let took = tokio::runtime::Runtime::new().expect("a runtime").block_on(fill("wb", TENANTS));
    println!(
        "  {WRITERS} writers: {:.1} s, {:.0} tenants a second",
        took.as_secs_f64(),
        as_f64(TENANTS) / took.as_secs_f64()
    );
    vec![Figure::at_least(
        "2,000 tenants by 64 writers into 2,000 places: placed",
        as_f64(TENANTS),
        as_f64(TENANTS),
        "",
    )]
}
