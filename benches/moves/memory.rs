//! The memory of a move, by the number of items.

use crate::figure::Figure;
use crate::stand::{Layout, Stand};

/// MiB at the most.
const GOAL_MIB: f64 = 200.0;

pub(crate) fn figures() -> Vec<Figure> {
    vec![
        Figure::new("memory of a move of 1,000 items", peak("thousand", 1_000), GOAL_MIB, "MiB"),
        Figure::new("memory of a move of 100,000 items", peak("hundred", 100_000), GOAL_MIB, "MiB"),
    ]
}

pub(crate) fn million() -> Vec<Figure> {
    vec![Figure::new("memory of a move of 1,000,000 items", peak("million", 1_000_000), GOAL_MIB, "MiB")]
}

fn peak(name: &str, items: usize) -> f64 {
    let work = async {
        let stand = Stand::make(&format!("movesmemory{name}"), Layout::ManyKeys).await;
        stand.tenant("acme", items).await;
        let moved = stand.move_to("acme", "cell-2").await;
        println!("  {items} items: {:.1} s", moved.took.as_secs_f64());
        moved.peak_mib
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work)
}
