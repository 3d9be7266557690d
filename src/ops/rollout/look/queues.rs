//! Looking at queues.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::domain::rollout::change::CellChange;
use crate::domain::rollout::gate::{Seen, Verdict};
use crate::domain::rollout::judge::{self, QueueDepth, is_for_dead_letters, seen};
use crate::ports::Called;
use crate::ports::rollout::Signals;

use super::Round;
use super::ask::each;

/// What the dead-letter queues of a cell hold: the baseline that a look compares with. A queue that does not exist yet is not
/// in it.
pub(in crate::ops::rollout) async fn dead_letters(
    signals: &dyn Signals,
    cell: &CellChange,
) -> Called<BTreeMap<String, u64>> {
    let mut held = BTreeMap::new();
    for queue in cell.desired.queues.iter().filter(|queue| is_for_dead_letters(queue)) {
        if let Some(depth) = signals.depth(&cell.desired.place, queue).await? {
            held.insert(queue.clone(), depth.messages);
        }
    }
    Ok(held)
}

impl Round<'_> {
    /// The queues of each cell but those for dead letters.
    pub(super) async fn queues(&self, max: u64) -> Vec<Seen> {
        let looked = each(&self.watched.cells, async |cell| {
            let (depths, unknown) = self.depths(cell, |queue| !is_for_dead_letters(queue)).await;
            with(unknown, &depths, || judge::queues(&cell.desired.cell, &depths, max))
        });
        looked.await.concat()
    }

    /// The dead-letter queues of each cell.
    pub(super) async fn dead_letters(&self, max: u64) -> Vec<Seen> {
        let none = BTreeMap::new();
        let before: BTreeMap<_, _> =
            self.watched.before.cells.iter().map(|earlier| (&earlier.cell, &earlier.dead_letters)).collect();
        let looked = each(&self.watched.cells, async |cell| {
            let (depths, unknown) = self.depths(cell, is_for_dead_letters).await;
            let before = before.get(&cell.desired.cell).copied().unwrap_or(&none);
            with(unknown, &depths, || judge::dead_letters(&cell.desired.cell, &depths, before, max))
        });
        looked.await.concat()
    }

    /// The depths of a cell's queues, and those that could not be asked for.
    async fn depths(&self, cell: &CellChange, wanted: impl Fn(&str) -> bool) -> (Vec<QueueDepth>, Vec<Seen>) {
        let queues: Vec<&String> = cell.desired.queues.iter().filter(|queue| wanted(queue)).collect();
        let place = &cell.desired.place;
        let asked = join_all(queues.iter().map(|queue| self.ask.call(self.ports.signals.depth(place, queue)))).await;
        let (mut depths, mut unknown) = (Vec::new(), Vec::new());
        for (queue, answer) in queues.into_iter().zip(asked) {
            match answer {
                Ok(depth) => depths.push((queue.clone(), depth.map(|depth| depth.messages))),
                Err(why) => {
                    let what = format!("queue {queue} could not be looked at: {why}");
                    unknown.push(seen(&cell.desired.cell, Verdict::Missing, what));
                }
            }
        }
        (depths, unknown)
    }
}

/// What was judged, and what is not known. A cell of which no queue is known is not one without queues.
fn with(mut unknown: Vec<Seen>, depths: &[QueueDepth], judged: impl FnOnce() -> Vec<Seen>) -> Vec<Seen> {
    if unknown.is_empty() || !depths.is_empty() {
        unknown.extend(judged());
    }
    unknown
}
