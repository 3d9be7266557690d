//! What must hold, and what nobody in the world knows.
//!
//! Constraint kept: it is looked at when something happens, not at the end alone.

use std::collections::BTreeSet;

use cellctl::domain::ids::CellId;
use cellctl::domain::record::CellState;
use cellctl::domain::rollout::event::{Event, Troubled};
use cellctl::domain::rollout::machine::{Rollout, Stage};

use super::drawn::Harm;
use super::stacks::{STACK_MS, Version};
use super::state::State;

/// What is known of a schedule.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// What was broken; nothing, if all is well.
    pub(crate) broken: Vec<String>,
    /// Waves that were begun, in the journal.
    pub(crate) begun: usize,
    /// The first wave that is back, once it is said that it is.
    pub(crate) back_from: Option<usize>,
    /// Cells of each wave whose change has failed, the last time.
    pub(crate) failed: Vec<BTreeSet<CellId>>,
    /// Cells that have got the new version, in all.
    pub(crate) spread: BTreeSet<CellId>,
    /// Whether somebody has ordered that a wave passes.
    pub(crate) promoted: bool,
    /// When a probe was told of harm first, and when the first call followed that takes a cell back.
    pub(crate) unwell_ms: Option<i64>,
    pub(crate) first_back_ms: Option<i64>,
    /// Calls of pilots when the last wave was changed, and when one passed last; looks between.
    pub(crate) baking_from: u64,
    pub(crate) baking_calls: u64,
}

impl State {
    /// A version is brought to a cell.
    pub(crate) fn changed(&mut self, cell: &CellId, wave: usize, to: Version, status: &'static str) {
        if to == Version::Old {
            return;
        }
        if wave >= self.truth.begun {
            self.violate(format!("{cell} gets the new version, and wave {wave} was not begun"));
        }
        if self.truth.back_from.is_some_and(|first| wave >= first) {
            self.violate(format!("{cell} gets the new version after wave {wave} was said to be back"));
        }
        self.truth.spread.insert(cell.clone());
        if status == "UPDATE_COMPLETE" {
            self.truth.failed[wave].remove(cell);
            return;
        }
        self.truth.failed[wave].insert(cell.clone());
        let (failed, most) = (self.truth.failed[wave].len(), self.drawn.in_flight.unwrap_or(40));
        if failed > self.drawn.max_failures + most {
            self.violate(format!(
                "{failed} cells of wave {wave} fail, more than {} and {most}",
                self.drawn.max_failures
            ));
        }
    }

    /// An entry is in the journal.
    pub(crate) fn journalled(&mut self, event: &Event) {
        match event {
            // Somebody who slept begins the same change once more.
            Event::Planned { .. } => {
                (self.truth.begun, self.truth.back_from) = (0, None);
                self.truth.failed.iter_mut().for_each(BTreeSet::clear);
            }
            Event::WaveStarted { wave } => self.truth.begun = wave + 1,
            Event::WaveChanged { .. } => self.truth.baking_from = self.calls,
            Event::WavePassed { wave, promoted_by, .. } => {
                self.truth.baking_calls = self.calls - self.truth.baking_from;
                if promoted_by.is_none() {
                    self.passed(*wave);
                }
            }
            Event::RollbackStarted { .. } => self.truth.back_from = None,
            Event::RolledBack { .. } => {
                let journal = self.open_journal();
                self.truth.back_from = journal.and_then(|state| state.back_to);
            }
            _ => {}
        }
    }

    /// The last rollout as its journal says.
    pub(crate) fn open_journal(&self) -> Option<Rollout> {
        let kept = self.rollouts.values().next_back()?;
        Rollout::fold(&kept.journal).ok().flatten()
    }

    /// A wave passes without a word: none of its cells may be unwell.
    fn passed(&mut self, wave: usize) {
        let (now_ms, harm) = (self.now_ms, self.drawn.harm);
        let mut unwell = Vec::new();
        for stack in self.stacks.values_mut().filter(|stack| stack.wave == wave && !stack.gone) {
            stack.settle(now_ms);
            if let Harm::Unwell { wave: from, after_ms } = harm
                && wave >= from
                && stack.version == Version::New
                && now_ms >= stack.changed_at_ms + STACK_MS + after_ms + SEEN_MS
            {
                unwell.push(stack.cell.to_string());
            }
        }
        if !unwell.is_empty() {
            unwell.sort();
            self.violate(format!("wave {wave} passes although {} are unwell", unwell.join(", ")));
        }
    }

    /// What must hold once nothing goes on any more.
    pub(crate) fn judge(&mut self) -> Option<Rollout> {
        let kept = self.rollouts.values().next_back()?.clone();
        let state = match Rollout::fold(&kept.journal) {
            Ok(state) => state?,
            Err(error) => {
                self.violate(error.to_string());
                return None;
            }
        };
        let now_ms = self.now_ms;
        self.stacks.values_mut().for_each(|stack| stack.settle(now_ms));
        match state.stage {
            Stage::Completed => self.judge_completed(&state),
            Stage::RolledBack => self.judge_back(&state),
            Stage::Halted | Stage::BackFailed if state.why.is_none() || state.hint.is_none() => {
                self.violate("it stands still and does not say why".to_owned());
            }
            Stage::Halted | Stage::BackFailed | Stage::Aborted => {}
            stage => self.violate(format!("it ends in stage {}", stage.as_str())),
        }
        if state.stage.is_over() && !self.marks.is_empty() {
            self.violate(format!("{} marks are left", self.marks.len()));
        }
        Some(state)
    }

    fn judge_completed(&mut self, state: &Rollout) {
        for wave in 0..state.waves.len() {
            let named: BTreeSet<CellId> =
                state.waves[wave].changed.iter().flat_map(|changed| named(&changed.troubled)).collect();
            let left = self.cells_with(wave, Version::Old).filter(|cell| !named.contains(cell)).count();
            // What somebody promoted is as it was then.
            if left > 0 && !self.truth.promoted {
                self.violate(format!("{left} cells of wave {wave} do not have the new version, and are not named"));
            }
        }
    }

    fn judge_back(&mut self, state: &Rollout) {
        let kept: BTreeSet<CellId> = named(&state.kept).collect();
        for wave in state.back_to.unwrap_or(0)..state.waves.len() {
            let left: Vec<CellId> = self.cells_with(wave, Version::New).filter(|cell| !kept.contains(cell)).collect();
            if let Some(cell) = left.first() {
                self.violate(format!("{} cells of wave {wave} are not back, such as {cell}", left.len()));
            }
        }
    }

    fn cells_with(&self, wave: usize, version: Version) -> impl Iterator<Item = CellId> {
        let live = self.records.values().filter(|record| record.state != CellState::Deleted);
        let live: BTreeSet<&CellId> = live.map(|record| &record.cell).collect();
        let stacks = self.stacks.values().filter(|stack| stack.wave == wave && !stack.gone);
        let found = stacks.filter(|stack| stack.version == version && live.contains(&stack.cell));
        found.map(|stack| stack.cell.clone()).collect::<Vec<_>>().into_iter()
    }
}

/// The last look at a wave comes so long before its entry, in milliseconds, where calls are slow or a process stands still.
const SEEN_MS: i64 = 500_000;

fn named(troubled: &[Troubled]) -> impl Iterator<Item = CellId> {
    troubled.iter().map(|one| one.cell.clone())
}
