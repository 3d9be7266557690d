//! The state machine of a rollout: `apply` folds an event into the state, `next` says what is to be done.
//!
//! Constraint kept: pure and total. Every pair of state and event has an answer, and an event that does not belong there is an
//! error value. The guards that keep a bad version in its waves are here: a wave begins only after the one before it has
//! passed, and passes only on gates that held to the end of the bake, or on somebody's word.

use serde::{Deserialize, Serialize};

use crate::domain::definition::Rollback;

use super::event::{Changed, Entry, Event, Troubled};
use super::gate::{Look, Verdict};
use super::{Plan, Wave};

/// How far a rollout has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The wave is the next to begin; behind the last one, all are good.
    Ready,
    /// The cells of the wave are being changed.
    Changing,
    /// The gates of the wave are being looked at.
    Baking,
    /// The wave has failed.
    Failed,
    /// It stands still until somebody acts.
    Halted,
    /// The cells of the wave are being taken back.
    TakingBack,
    /// All waves are back; calls of somebody who is gone may still count.
    TakenBack,
    /// The rollback has met a failure.
    BackFailed,
    /// Done.
    Completed,
    /// Taken back.
    RolledBack,
    /// Given up.
    Aborted,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Wait for somebody to approve the wave.
    AwaitApproval,
    /// Write down what the cells of the wave are.
    StartWave,
    /// Change the cells of the wave.
    ChangeWave,
    /// Look at the gates until the bake is over or one fails.
    Bake,
    /// Begin to take back.
    TakeBack,
    /// Stand still with a reason.
    Halt,
    /// Take the cells of the wave back.
    BackWave,
    /// Stop a rollback that has met a failure.
    FailBack,
    /// Wait until no call of somebody who is gone can count any more, and look again.
    Settle,
    /// End.
    Complete,
    /// Nothing: somebody has to act.
    Wait,
    /// Nothing: it is over.
    Rest,
}

/// Where a rollout stands: the fold of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The plan.
    pub plan: Plan,
    /// How far it has come.
    pub stage: Stage,
    /// The wave that the stage is about, from 0.
    pub wave: usize,
    /// Number of the last entry.
    pub seq: u64,
    /// When that was, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether somebody paused it.
    pub paused: bool,
    /// Waves below this one need no approval any more.
    pub approved: usize,
    /// For how long the wave has baked, in milliseconds.
    pub baked_ms: u64,
    /// Looks at its gates so far.
    pub looks: u32,
    /// The last look at each of its gates.
    pub gates: Vec<Look>,
    /// Until when calls of earlier holders may count, in milliseconds since 1970.
    pub calls_until_ms: i64,
    /// Why it failed, halted, is taken back or was given up.
    pub why: Option<String>,
    /// What to do, where somebody has to act.
    pub hint: Option<String>,
    /// The first of the waves that are taken back.
    pub back_to: Option<usize>,
    /// How the cells of each wave ended, on the way forward and on the way back; by wave.
    pub waves: Vec<Progress>,
    /// Cells that keep the new version although it was taken back.
    pub kept: Vec<Troubled>,
}

/// How far a wave has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// When it began, in milliseconds since 1970.
    pub started_at_ms: Option<i64>,
    /// How its cells ended.
    pub changed: Option<Changed>,
    /// When that was.
    pub changed_at_ms: Option<i64>,
    /// When it passed.
    pub passed_at_ms: Option<i64>,
    /// How its cells were taken back.
    pub back: Option<Changed>,
    /// When that was.
    pub back_at_ms: Option<i64>,
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
    /// Whether nothing goes on any more. One that is completed can still be taken back.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Aborted)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Changing => "changing",
            Self::Baking => "baking",
            Self::Failed => "failed",
            Self::Halted => "halted",
            Self::TakingBack => "taking-back",
            Self::TakenBack => "taken-back",
            Self::BackFailed => "back-failed",
            Self::Completed => "completed",
            Self::RolledBack => "rolled-back",
            Self::Aborted => "aborted",
        }
    }
}

impl Rollout {
    /// The state after the first entry, which must be the plan.
    pub fn begin(entry: &Entry) -> Result<Self, IllegalTransition> {
        let (Event::Planned { plan }, 1) = (&entry.event, entry.seq) else {
            return Err(illegal(entry, "nothing"));
        };
        Ok(Self {
            waves: vec![Progress::default(); plan.waves.len()],
            plan: (**plan).clone(),
            stage: Stage::Ready,
            wave: 0,
            seq: 1,
            at_ms: entry.at_ms,
            paused: false,
            approved: 0,
            baked_ms: 0,
            looks: 0,
            gates: Vec::new(),
            calls_until_ms: 0,
            why: None,
            hint: None,
            back_to: None,
            kept: Vec::new(),
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
        let after = self.after(&entry.event).filter(|_| entry.seq == self.seq + 1);
        let Some((stage, wave)) = after else { return Err(illegal(entry, self.stage.as_str())) };
        self.note(&entry.event, entry.at_ms);
        (self.stage, self.wave) = (stage, wave);
        (self.seq, self.at_ms) = (entry.seq, entry.at_ms);
        Ok(self)
    }

    /// Stage and wave after an event; none where it does not belong there.
    #[allow(clippy::match_same_arms, reason = "a line for each transition, in their order")]
    fn after(&self, event: &Event) -> Option<(Stage, usize)> {
        let (now, wave) = (self.stage, self.wave);
        let next = match (event, now) {
            (Event::TakenOver { .. } | Event::Paused { .. } | Event::Resumed, _) if !now.is_over() => (now, wave),
            (Event::Approved { wave: approved, .. }, Stage::Ready) if *approved >= wave => (now, wave),
            (Event::WaveStarted { wave: begun }, Stage::Ready) if *begun == wave && self.may_begin() => {
                (Stage::Changing, wave)
            }
            (Event::WaveChanged { wave: done, changed }, Stage::Changing) if *done == wave => {
                (self.after_change(changed)?, wave)
            }
            (Event::Baked { wave: baked, .. }, Stage::Baking) if *baked == wave => (now, wave),
            (Event::GatesFailed { wave: failed, .. }, Stage::Baking) if *failed == wave && !self.plan.gate_dry_run => {
                (Stage::Failed, wave)
            }
            (Event::WavePassed { wave: passed, promoted_by: None, baked_ms, gates }, Stage::Baking)
                if *passed == wave && self.holds(*baked_ms, gates) =>
            {
                (Stage::Ready, wave + 1)
            }
            (
                Event::WavePassed { wave: passed, promoted_by: Some(_), .. },
                Stage::Baking | Stage::Failed | Stage::Halted,
            ) if *passed == wave => (Stage::Ready, wave + 1),
            (Event::Completed, Stage::Ready) if wave == self.plan.waves.len() => (Stage::Completed, wave),
            (Event::Halted { .. }, Stage::Failed) => (Stage::Halted, wave),
            (Event::RollbackStarted { first, .. }, _) => {
                let last = self.last_begun().filter(|last| first <= last)?;
                (Stage::TakingBack, last)
            }
            (Event::WaveBack { wave: back, changed }, Stage::TakingBack) if *back == wave => self.after_back(changed),
            (Event::RollbackFailed { .. }, Stage::TakingBack | Stage::TakenBack) => (Stage::BackFailed, wave),
            (Event::RolledBack { .. }, Stage::TakenBack) => (Stage::RolledBack, wave),
            (Event::Aborted { .. }, _) if !now.is_over() => (Stage::Aborted, wave),
            _ => return None,
        };
        Some(next)
    }

    /// The last wave that can be taken back; none where there is none, or it is being taken back. One that is over may be
    /// taken back as well, as far as that was not done.
    pub fn last_begun(&self) -> Option<usize> {
        match self.stage {
            Stage::TakingBack | Stage::TakenBack => None,
            Stage::RolledBack => self.back_to.and_then(|first| first.checked_sub(1)),
            _ => self.waves.iter().rposition(|wave| wave.started_at_ms.is_some()),
        }
    }

    /// Whether the wave that is next needs nobody's word, or has it.
    fn may_begin(&self) -> bool {
        !self.paused && self.current().is_some_and(|next| !next.approval || self.wave < self.approved)
    }

    /// A wave with too many failures has failed; one that was not done to its end is not over.
    fn after_change(&self, changed: &Changed) -> Option<Stage> {
        let failed = changed.failed > self.current()?.max_failures;
        match (failed, changed.not_begun) {
            (true, _) => Some(Stage::Failed),
            (false, 0) => Some(Stage::Baking),
            (false, _) => None,
        }
    }

    /// Whether the gates have held to the end of the bake.
    fn holds(&self, baked_ms: u64, gates: &[Look]) -> bool {
        let Some(wave) = self.current() else { return false };
        let holds = |name: &str| gates.iter().any(|look| look.gate == name && look.verdict == Verdict::Pass);
        let well = self.plan.gate_dry_run || wave.gates.iter().all(|gate| holds(&gate.name));
        baked_ms >= wave.bake_ms && well
    }

    fn after_back(&self, changed: &Changed) -> (Stage, usize) {
        if changed.failed + changed.not_begun > 0 {
            (Stage::TakingBack, self.wave)
        } else if self.back_to.is_none_or(|first| self.wave <= first) {
            (Stage::TakenBack, self.wave)
        } else {
            (Stage::TakingBack, self.wave - 1)
        }
    }

    fn note(&mut self, event: &Event, at_ms: i64) {
        match event {
            Event::TakenOver { calls_until_ms } => self.calls_until_ms = self.calls_until_ms.max(*calls_until_ms),
            Event::Approved { wave, .. } => self.approved = self.approved.max(wave + 1),
            Event::WaveStarted { wave } => {
                (self.baked_ms, self.looks) = (0, 0);
                self.gates.clear();
                self.progress(*wave, |progress| progress.started_at_ms = Some(at_ms));
            }
            Event::WaveChanged { wave, changed } => self.note_changed(*wave, changed, at_ms),
            Event::Baked { baked_ms, looks, gates, .. } => {
                (self.baked_ms, self.looks) = (*baked_ms, *looks);
                self.gates.clone_from(gates);
            }
            Event::GatesFailed { baked_ms, gates, .. } => {
                self.baked_ms = *baked_ms;
                self.gates.clone_from(gates);
                self.why = Some(failed_gates(gates));
            }
            Event::WavePassed { wave, baked_ms, gates, .. } => {
                self.baked_ms = *baked_ms;
                self.gates.clone_from(gates);
                (self.why, self.hint) = (None, None);
                self.progress(*wave, |progress| progress.passed_at_ms = Some(at_ms));
            }
            Event::Halted { why, hint } | Event::RollbackFailed { why, hint } => {
                (self.why, self.hint) = (Some(why.clone()), Some(hint.clone()));
            }
            Event::Paused { .. } => self.paused = true,
            Event::Resumed => self.paused = false,
            Event::RollbackStarted { first, why, .. } => {
                self.back_to = Some(*first);
                // What an earlier rollback has taken back, and this one leaves alone, stays written.
                let last = self.last_begun().unwrap_or(0);
                self.waves.iter_mut().take(last + 1).for_each(|wave| wave.back = None);
                (self.paused, self.why, self.hint) = (false, Some(why.clone()), None);
            }
            Event::WaveBack { wave, changed } => self.progress(*wave, |progress| {
                (progress.back, progress.back_at_ms) = (Some(changed.clone()), Some(at_ms));
            }),
            Event::RolledBack { kept } => self.kept.clone_from(kept),
            Event::Aborted { why } => self.why = Some(why.clone()),
            Event::Planned { .. } | Event::Completed => {}
        }
    }

    fn note_changed(&mut self, wave: usize, changed: &Changed, at_ms: i64) {
        if self.current().is_some_and(|wave| changed.failed > wave.max_failures) {
            self.why = Some(failed_cells(changed));
        }
        self.progress(wave, |progress| {
            (progress.changed, progress.changed_at_ms) = (Some(changed.clone()), Some(at_ms));
        });
    }

    fn progress(&mut self, wave: usize, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = self.waves.get_mut(wave) {
            change(progress);
        }
    }

    /// The wave that the stage is about; none behind the last one.
    pub fn current(&self) -> Option<&Wave> {
        self.plan.waves.get(self.wave)
    }

    /// What is to be done next.
    pub fn next(&self) -> Step {
        if self.paused && !self.stage.is_over() {
            return Step::Wait;
        }
        match self.stage {
            Stage::Ready if self.current().is_none() => Step::Complete,
            Stage::Ready if !self.may_begin() => Step::AwaitApproval,
            Stage::Ready => Step::StartWave,
            Stage::Changing => Step::ChangeWave,
            Stage::Baking => Step::Bake,
            Stage::Failed if self.plan.rollback == Rollback::None => Step::Halt,
            Stage::Failed => Step::TakeBack,
            Stage::TakingBack if self.back_has_failed() => Step::FailBack,
            Stage::TakingBack => Step::BackWave,
            Stage::TakenBack => Step::Settle,
            Stage::Halted | Stage::BackFailed => Step::Wait,
            Stage::Completed | Stage::RolledBack | Stage::Aborted => Step::Rest,
        }
    }

    /// Whether the wave was taken back with a failure, since the rollback was begun last.
    fn back_has_failed(&self) -> bool {
        let back = self.waves.get(self.wave).and_then(|progress| progress.back.as_ref());
        back.is_some_and(|back| back.failed + back.not_begun > 0)
    }

    /// The first wave that a rollback of this scope takes back; none where there is nothing to take back.
    pub fn back_from(&self, scope: Rollback) -> Option<usize> {
        let last = self.last_begun()?;
        match scope {
            Rollback::All => Some(0),
            Rollback::Wave => Some(last),
            Rollback::None => None,
        }
    }
}

fn failed_gates(gates: &[Look]) -> String {
    let failed = gates.iter().filter(|look| look.failed);
    let words = failed.map(|look| {
        let what = look.seen.first().map_or("no data", |seen| seen.what.as_str());
        format!("gate {} failed: {what}", look.gate)
    });
    words.collect::<Vec<_>>().join("; ")
}

fn failed_cells(changed: &Changed) -> String {
    let first = changed.troubled.first().map(|one| format!(": {}: {}", one.cell, one.why)).unwrap_or_default();
    let s = if changed.failed == 1 { "" } else { "s" };
    format!("{} cell{s} failed{first}", changed.failed)
}

fn illegal(entry: &Entry, stage: &str) -> IllegalTransition {
    IllegalTransition { seq: entry.seq, event: entry.event.name(), stage: stage.to_owned() }
}
