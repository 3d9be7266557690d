//! Who carries moves on.
//!
//! Constraint kept: a lease that has run out, or whose process is seen to be gone, is nobody's. A mover takes its lease
//! anew between its first entry and its first step, so that nobody may be there for a moment.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::domain::lock::Lease;
use crate::domain::moves::MoveId;
use crate::ports::moves::{Moves, Summary};
use crate::ports::{Called, Processes};

/// Leases that are read at a time.
const READS_AT_ONCE: usize = 16;

/// Who carries a move on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Carrier {
    /// Who.
    pub holder: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
}

/// A move in the list, with who carries it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The move.
    #[serde(flatten)]
    pub summary: Summary,
    /// Who carries it on; none where nobody does.
    pub carrier: Option<Carrier>,
    /// What to do where nobody carries on what is not over.
    pub hint: Option<String>,
}

impl Listed {
    fn new(summary: Summary, carrier: Option<Carrier>) -> Self {
        let is_alone = carrier.is_none() && !summary.stage.is_over();
        let hint = is_alone.then(|| hint(&summary.id, summary.stuck.is_some()));
        Self { summary, carrier, hint }
    }

    /// Whether it takes something of its cells: somebody carries it on, and it waits for nobody.
    pub fn works(&self) -> bool {
        self.carrier.is_some() && !self.summary.waits()
    }
}

/// What to do about a move that nobody carries on.
pub(super) fn hint(id: &MoveId, is_stuck: bool) -> String {
    if is_stuck {
        return format!("`cellctl move show {id}` says what holds it up; then `cellctl move resume {id}`");
    }
    format!("`cellctl move resume {id}` carries it on")
}

/// Who carries a move on at `now_ms`, by its lease.
pub(super) fn carrier(lease: Option<&Lease>, processes: &dyn Processes, now_ms: i64) -> Option<Carrier> {
    let is_gone = |lease: &Lease| lease.process.as_ref().is_some_and(|process| processes.is_gone(process));
    let lease = lease.filter(|lease| lease.is_held(now_ms) && !is_gone(lease))?;
    Some(Carrier { holder: lease.holder.clone(), since_ms: lease.acquired_at_ms })
}

/// Moves with who carries them on, in the same order. Those that are over have nobody.
pub async fn carried(
    moves: &dyn Moves,
    processes: &dyn Processes,
    summaries: Vec<Summary>,
    now_ms: i64,
) -> Called<Vec<Listed>> {
    let look = |summary: Summary| async move {
        if summary.stage.is_over() {
            return Ok(Listed::new(summary, None));
        }
        let lease = moves.lease(&summary.id).await?;
        Ok(Listed::new(summary, carrier(lease.as_ref(), processes, now_ms)))
    };
    stream::iter(summaries.into_iter().map(look)).buffered(READS_AT_ONCE).try_collect().await
}
