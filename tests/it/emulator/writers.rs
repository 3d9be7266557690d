//! 64 writers at once, each a machine of its own, and room for exactly as many tenants as they add.

use crate::support::writers::fill;

/// Enough for every writer to meet the others in the last free places; the full 2,000 are in the benchmarks.
const TENANTS: usize = 512;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_fill_every_cell_to_its_last_place_and_none_beyond() {
    fill("writers", TENANTS).await;
}
