//! What happened, in the past tense, for whoever shows it.
//!
//! Constraint kept: events carry facts, not sentences; `output` finds the words.

use serde::Serialize;

use crate::domain::ids::CellId;
use crate::domain::moves::MoveId;
use crate::domain::moves::machine::Stage;
use crate::domain::plan::Action;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::event::Event as RolloutEvent;
use crate::domain::rollout::machine::Rollout;

use super::rollout::Progress as RolloutProgress;

/// How the work on one cell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The cell is as planned.
    Done,
    /// It already was.
    AlreadyDone,
    /// An operation of another run has ended; the cell must be looked at again.
    Settled,
    /// The change failed and was taken back.
    RolledBack,
    /// The change failed and the stack is stuck.
    Stuck,
    /// The change failed otherwise.
    Failed,
    /// A guard refused it.
    Refused,
    /// It was not begun.
    NotStarted,
}

impl Outcome {
    /// Whether it counts as a failure.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::RolledBack | Self::Stuck | Self::Failed | Self::Refused)
    }
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "event")]
pub enum Event {
    /// An apply has begun.
    ApplyStarted {
        /// Digest of the plan.
        plan: String,
        /// Cells to be changed.
        cells: usize,
    },
    /// An artifact was stored.
    ArtifactStored {
        /// Its key.
        key: String,
        /// Its size.
        bytes: usize,
    },
    /// The work on a cell has begun.
    CellStarted {
        /// The cell.
        cell: CellId,
        /// What is done to it.
        action: Action,
    },
    /// A resource of a cell has changed its status.
    ResourceChanged {
        /// The cell.
        cell: CellId,
        /// Name in the template.
        logical_id: String,
        /// Type of the resource.
        resource_type: String,
        /// Its new status.
        status: String,
        /// Why, where the service says.
        reason: Option<String>,
    },
    /// The work on a cell has ended.
    CellFinished {
        /// The cell.
        cell: CellId,
        /// What was done to it.
        action: Action,
        /// How it ended.
        outcome: Outcome,
        /// Status of the stack, where it was seen.
        status: Option<String>,
        /// Why, where it did not end well.
        reason: Option<String>,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// An import has begun to write.
    ImportStarted {
        /// Rows to be written.
        rows: usize,
    },
    /// Rows of an import were written to their end.
    RowsImported {
        /// Rows written so far.
        done: usize,
        /// Rows to be written.
        total: usize,
    },
    /// A move has written an entry of its journal.
    MoveStepped {
        /// The move.
        id: MoveId,
        /// How far it has come.
        stage: Stage,
        /// What happened, as one word.
        what: &'static str,
        /// The same as a sentence, where there is more to say than the word.
        detail: Option<String>,
    },
    /// A move goes on.
    MoveProgressed {
        /// Where it stands.
        progress: Box<Progress>,
    },
    /// A mover has let go of a move, however that ended.
    MoveLetGo {
        /// The move.
        id: MoveId,
    },
    /// Somebody has begun to carry a rollout on here, or to follow it.
    RolloutPickedUp {
        /// How it stands.
        state: Box<Rollout>,
    },
    /// A rollout has written an entry of its journal.
    RolloutStepped {
        /// The rollout.
        id: RolloutId,
        /// The name of the wave that it is about, where it is about one.
        wave: Option<String>,
        /// What happened.
        what: Box<RolloutEvent>,
    },
    /// A rollout goes on.
    RolloutProgressed {
        /// Where it stands.
        progress: Box<RolloutProgress>,
    },
    /// Nobody carries a rollout on here any more, or follows it.
    RolloutLetGo {
        /// The rollout.
        id: RolloutId,
    },
    /// Something worth knowing that fits nowhere else.
    Noted {
        /// The sentence.
        message: String,
    },
}

/// Where a move stands, from moment to moment.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The move.
    pub id: MoveId,
    /// How far it has come.
    pub stage: Stage,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Items copied so far, or compared, or deleted, as the stage is.
    pub items: u64,
    /// Items in all, about, where that is known.
    pub items_about: Option<u64>,
    /// Bytes so far.
    pub bytes: u64,
    /// Bytes in all, about, where that is known.
    #[serde(default)]
    pub bytes_about: Option<u64>,
    /// Items a second, over the last seconds.
    pub items_per_s: f64,
    /// Bytes a second, over the last seconds.
    pub bytes_per_s: f64,
    /// How far the streams are behind, in milliseconds, where that is known.
    pub lag_ms: Option<u64>,
    /// Keys that are dirty.
    pub dirty: u64,
    /// For how long writes would stop, in milliseconds, where that can be told.
    pub gap_ms: Option<u64>,
    /// How much of the stage is done, in percent, 99 at the most, where that can be told.
    #[serde(default)]
    pub percent: Option<u64>,
    /// How long the stage still takes, in seconds, where that can be told.
    pub eta_s: Option<u64>,
}

/// Shows events.
pub trait Reporter: Send + Sync {
    /// Takes note of an event. Must not block for long.
    fn report(&self, event: &Event);
}

/// Shows nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}
