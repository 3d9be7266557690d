//! A tenant of 1,000 items, from the start of the program to its end.

use crate::figure::Figure;
use crate::stand::{Layout, Stand};

const ITEMS: usize = 1_000;
/// Moves that are measured; the median counts.
const MOVES: usize = 5;
/// Seconds at the most.
const GOAL_S: f64 = 5.0;

pub(crate) fn figures() -> Vec<Figure> {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure())
}

async fn measure() -> Vec<Figure> {
    let stand = Stand::make("moveswhole", Layout::OneKey).await;
    stand.tenant("acme", ITEMS).await;
    let mut seconds = Vec::new();
    for n in 0..MOVES {
        let moved = stand.move_to("acme", ["cell-2", "cell-1"][n % 2]).await;
        println!("  1,000 items: {:.2} s", moved.took.as_secs_f64());
        seconds.push(moved.took.as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    vec![Figure::new("a tenant of 1,000 items, end to end", seconds[MOVES / 2], GOAL_S, "s")]
}
