//! The state machine of a move: `apply` folds an event into the state, `next` says what is to be done.
//!
//! Constraint kept: pure and total. Every pair of state and event has an answer, and an event that does not belong there
//! is an error value; every state has a next step, also one that is stuck or done. Before FLIP a move can be undone, after
//! it there is no way back.

use serde::{Deserialize, Serialize};

use crate::domain::data::digest::TableDigest;

use super::Plan;
use super::event::{Entry, Event};
use super::receipt::{Gap, Proof, Receipt};

/// How far a move has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Planned: nothing was changed yet, or the room was just taken.
    Planned,
    /// Room is taken, the target's fence is held.
    Reserved,
    /// The streams are read.
    Capturing,
    /// Everything was copied.
    Copied,
    /// No bulk request can count any more.
    Barred,
    /// What is dirty fits into the budget.
    Reconciled,
    /// Writers leave notes.
    Guarded,
    /// Both sides were compared.
    Verified,
    /// The source is sealed, or about to be.
    CuttingOver,
    /// The source has sent the tenant away.
    Flipped,
    /// The target serves it.
    Landed,
    /// The messages are over.
    QueuesMoved,
    /// The grace period is over.
    Soaked,
    /// The source holds nothing of it, or what it holds is kept.
    Cleaned,
    /// Done.
    Completed,
    /// Being given up: the source is to be open.
    Aborting,
    /// The source is open, the target is empty.
    Cleared,
    /// Given up.
    Aborted,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Take room and the target's fence.
    Reserve,
    /// Begin to read the streams.
    Capture,
    /// Copy.
    Copy,
    /// Wait until no bulk request can count any more.
    Bar,
    /// Reconcile dirty keys.
    Reconcile,
    /// Wait for the order to cut over, then ask writers for notes.
    Guard,
    /// Compare both sides; at level `lease`, wait for the order to cut over first.
    Verify,
    /// Seal, drain and flip.
    CutOver,
    /// Find out how a cutover ended: it was sealed by somebody who is gone.
    Settle,
    /// Open the target and write the map.
    Land,
    /// Carry messages over.
    MoveQueues,
    /// Watch the source.
    Soak,
    /// Delete on the source.
    Clean,
    /// Write the receipt, give the source's room back.
    Complete,
    /// Open the source, empty the target.
    Clear,
    /// Give the target's room back.
    EndAbort,
    /// Nothing: somebody has to act.
    Wait,
    /// Nothing: it is over.
    Rest,
}

/// Why a move waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// As one word.
    pub code: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// Where a move stands: the fold of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The plan.
    pub plan: Plan,
    /// How far it has come.
    pub stage: Stage,
    /// Number of the last entry.
    pub seq: u64,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// The epoch at which the source serves, or served, the tenant.
    pub epoch: u64,
    /// When the streams began to be read, in milliseconds since 1970.
    pub capture_from_ms: Option<i64>,
    /// Until when bulk requests of earlier movers may count, in milliseconds since 1970.
    pub bulk_until_ms: i64,
    /// Whether a comparison of everything is owed, since the streams have a gap.
    pub owes_comparison: bool,
    /// Why it waits for people, where it does.
    pub trouble: Option<Trouble>,
    /// Whether somebody paused it.
    pub paused: bool,
    /// Why it is given up, where it is.
    pub abort: Option<String>,
    /// Deadline of the cutover under way, in milliseconds since 1970.
    pub deadline_ms: Option<i64>,
    /// Cutovers of the mover that has it now: those that somebody else did not finish say nothing of how long one takes.
    pub tries: u32,
    /// What it adds up to so far.
    pub tally: Tally,
}

/// What a move adds up to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Items that were copied.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Keys that were reconciled.
    pub keys: u64,
    /// Keys that a comparison found.
    pub repaired: u64,
    /// Gaps in the streams.
    pub gaps: u32,
    /// How often it was taken over.
    pub takeovers: u32,
    /// How often it was cut over.
    pub cutovers: u32,
    /// Messages carried over.
    pub messages: u64,
    /// Items deleted on the source.
    pub cleaned: u64,
    /// Why the rest of them is kept, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Digests, as compared last.
    pub tables: Vec<TableDigest>,
    /// The gap, and what shows that nothing is missing.
    pub flip: Option<(Gap, Proof)>,
    /// The receipt.
    pub receipt: Option<Box<Receipt>>,
}

/// An event that does not belong where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of the journal says {event}, which cannot follow {stage}")]
pub struct IllegalTransition {
    /// Number of the entry.
    pub seq: u64,
    /// What it says.
    pub event: &'static str,
    /// What was there before, in words.
    pub stage: String,
}

impl Stage {
    /// Whether there is no way back.
    pub fn is_past_flip(self) -> bool {
        matches!(
            self,
            Self::Flipped | Self::Landed | Self::QueuesMoved | Self::Soaked | Self::Cleaned | Self::Completed
        )
    }

    /// Whether it is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Aborted)
    }

    /// Whether bulk requests may be under way.
    pub fn is_bulk(self) -> bool {
        matches!(self, Self::Reserved | Self::Capturing | Self::Copied)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Reserved => "reserved",
            Self::Capturing => "capturing",
            Self::Copied => "copied",
            Self::Barred => "barred",
            Self::Reconciled => "reconciled",
            Self::Guarded => "guarded",
            Self::Verified => "verified",
            Self::CuttingOver => "cutting-over",
            Self::Flipped => "flipped",
            Self::Landed => "landed",
            Self::QueuesMoved => "queues-moved",
            Self::Soaked => "soaked",
            Self::Cleaned => "cleaned",
            Self::Completed => "completed",
            Self::Aborting => "aborting",
            Self::Cleared => "cleared",
            Self::Aborted => "aborted",
        }
    }
}

impl Move {
    /// The state after the first entry, which must be the plan.
    pub fn begin(entry: &Entry) -> Result<Self, IllegalTransition> {
        let Event::Planned { plan } = &entry.event else {
            return Err(illegal(entry, "nothing"));
        };
        if entry.seq != 1 {
            return Err(illegal(entry, "nothing"));
        }
        Ok(Self {
            epoch: plan.epoch,
            plan: (**plan).clone(),
            stage: Stage::Planned,
            seq: 1,
            at_ms: entry.at_ms,
            capture_from_ms: None,
            bulk_until_ms: 0,
            owes_comparison: false,
            trouble: None,
            paused: false,
            abort: None,
            deadline_ms: None,
            tries: 0,
            tally: Tally::default(),
        })
    }

    /// Folds a whole journal; none where it is empty.
    pub fn fold<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Result<Option<Self>, IllegalTransition> {
        let mut entries = entries.into_iter();
        let Some(first) = entries.next() else { return Ok(None) };
        entries.try_fold(Self::begin(first)?, Self::apply).map(Some)
    }

    /// The state after one more entry.
    pub fn apply(mut self, entry: &Entry) -> Result<Self, IllegalTransition> {
        if entry.seq != self.seq + 1 || self.stage.is_over() {
            return Err(illegal(entry, self.stage.as_str()));
        }
        let Some(stage) = self.stage_after(&entry.event) else {
            return Err(illegal(entry, self.stage.as_str()));
        };
        self.note(&entry.event, entry.at_ms);
        self.stage = stage;
        self.seq = entry.seq;
        self.at_ms = entry.at_ms;
        Ok(self)
    }

    /// The stage after an event; none where it does not belong there.
    #[allow(clippy::match_same_arms, reason = "a line for each transition, in their order")]
    fn stage_after(&self, event: &Event) -> Option<Stage> {
        let now = self.stage;
        let before_flip = !now.is_past_flip();
        let undoing = matches!(now, Stage::Aborting | Stage::Cleared);
        let next = match (event, now) {
            (Event::TakenOver { .. } | Event::Resumed | Event::Paused | Event::Stuck { .. }, _) => now,
            (Event::GapFound { .. }, _) if now >= Stage::Capturing && before_flip && !undoing => self.after_gap(),
            (Event::Reserved, Stage::Planned) => Stage::Reserved,
            (Event::CaptureStarted, Stage::Reserved) => Stage::Capturing,
            (Event::Copied { .. }, Stage::Capturing) => Stage::Copied,
            (Event::Barred { .. }, Stage::Copied) => Stage::Barred,
            (Event::Reconciled { .. }, Stage::Barred) => Stage::Reconciled,
            (Event::Guarded, Stage::Reconciled) if self.plan.options.fence.has_notes() => Stage::Guarded,
            (Event::Verified { .. }, Stage::Guarded) => Stage::Verified,
            (Event::Verified { .. }, Stage::Reconciled) if !self.plan.options.fence.has_notes() => Stage::Verified,
            (Event::CutoverStarted { .. }, Stage::Verified) => Stage::CuttingOver,
            (Event::Reopened { .. }, Stage::CuttingOver | Stage::Guarded | Stage::Verified) => Stage::Barred,
            (Event::Flipped { .. }, Stage::CuttingOver) => Stage::Flipped,
            (Event::Landed, Stage::Flipped) => Stage::Landed,
            (Event::QueuesMoved { .. }, Stage::Landed) => Stage::QueuesMoved,
            (Event::Soaked, Stage::QueuesMoved) => Stage::Soaked,
            (Event::Kept { .. }, Stage::QueuesMoved | Stage::Soaked) => Stage::Cleaned,
            (Event::Cleaned { .. }, Stage::Soaked) => Stage::Cleaned,
            (Event::Completed { .. }, Stage::Cleaned) => Stage::Completed,
            (Event::AbortStarted { .. }, _) if before_flip && !undoing && now != Stage::CuttingOver => Stage::Aborting,
            (Event::Cleared { .. }, Stage::Aborting) => Stage::Cleared,
            (Event::Aborted, Stage::Cleared) => Stage::Aborted,
            _ => return None,
        };
        Some(next)
    }

    /// A gap after the comparison, where nothing else would repair it, asks for another one.
    fn after_gap(&self) -> Stage {
        match self.stage {
            Stage::Verified if self.plan.options.fence.has_notes() => Stage::Guarded,
            Stage::Verified => Stage::Reconciled,
            stage => stage,
        }
    }

    fn note(&mut self, event: &Event, at_ms: i64) {
        let tally = &mut self.tally;
        match event {
            Event::TakenOver { bulk_until_ms } => {
                // Past the barrier no mover sends any.
                if self.stage.is_bulk() {
                    self.bulk_until_ms = self.bulk_until_ms.max(*bulk_until_ms);
                }
                tally.takeovers += 1;
                self.tries = 0;
            }
            Event::Barred { .. } => self.bulk_until_ms = 0,
            Event::CaptureStarted => self.capture_from_ms = Some(at_ms),
            Event::GapFound { .. } => {
                self.owes_comparison = true;
                tally.gaps += 1;
            }
            Event::Copied { items, bytes } => (tally.items, tally.bytes) = (*items, *bytes),
            Event::Reconciled { keys, .. } => tally.keys += keys,
            Event::Verified { tables, repaired, keys, .. } => {
                tally.keys += keys;
                self.owes_comparison = false;
                tally.tables.clone_from(tables);
                tally.repaired += repaired;
            }
            Event::CutoverStarted { deadline_ms, keys } => {
                tally.keys += keys;
                self.deadline_ms = Some(*deadline_ms);
                self.tries += 1;
                tally.cutovers += 1;
            }
            Event::Reopened { epoch, .. } => (self.epoch, self.deadline_ms) = (*epoch, None),
            Event::Flipped { gap, proof } => {
                self.deadline_ms = None;
                tally.keys += gap.keys;
                tally.flip = Some((gap.clone(), *proof));
            }
            Event::QueuesMoved { messages } => tally.messages = *messages,
            Event::Kept { why } => tally.kept = Some(why.clone()),
            Event::Cleaned { items } => tally.cleaned = *items,
            Event::Completed { receipt } => tally.receipt = Some(receipt.clone()),
            Event::AbortStarted { why } => {
                self.abort = Some(why.clone());
                (self.paused, self.trouble) = (false, None);
            }
            Event::Stuck { code, why, hint } => {
                self.trouble = Some(Trouble { code: code.clone(), why: why.clone(), hint: hint.clone() });
            }
            Event::Paused => self.paused = true,
            Event::Resumed => (self.paused, self.trouble, self.tries) = (false, None, 0),
            Event::Planned { .. }
            | Event::Reserved
            | Event::Guarded
            | Event::Landed
            | Event::Soaked
            | Event::Cleared { .. }
            | Event::Aborted => {}
        }
    }

    /// What is to be done next.
    pub fn next(&self) -> Step {
        if !self.stage.is_over() && (self.paused || self.trouble.is_some()) {
            return Step::Wait;
        }
        match self.stage {
            Stage::Planned => Step::Reserve,
            Stage::Reserved => Step::Capture,
            Stage::Capturing => Step::Copy,
            Stage::Copied => Step::Bar,
            Stage::Barred => Step::Reconcile,
            Stage::Reconciled if self.plan.options.fence.has_notes() => Step::Guard,
            Stage::Reconciled | Stage::Guarded => Step::Verify,
            Stage::Verified => Step::CutOver,
            Stage::CuttingOver => Step::Settle,
            Stage::Flipped => Step::Land,
            Stage::Landed => Step::MoveQueues,
            Stage::QueuesMoved => Step::Soak,
            Stage::Soaked => Step::Clean,
            Stage::Cleaned => Step::Complete,
            Stage::Aborting => Step::Clear,
            Stage::Cleared => Step::EndAbort,
            Stage::Completed | Stage::Aborted => Step::Rest,
        }
    }

    /// Whether the next step is the one that waits for the order to cut over, where that is held.
    pub fn awaits_cutover(&self) -> bool {
        let last = if self.plan.options.fence.has_notes() { Step::Guard } else { Step::Verify };
        self.plan.options.hold_cutover && self.next() == last
    }

    /// The epoch that the target opens with.
    pub fn target_epoch(&self) -> u64 {
        self.epoch + 1
    }
}

fn illegal(entry: &Entry, stage: &str) -> IllegalTransition {
    IllegalTransition { seq: entry.seq, event: entry.event.name(), stage: stage.to_owned() }
}
