//! The way back: the cells of a wave brought to what they were before it.
//!
//! Constraint kept: it is an apply like any other, with its guards; a cell that somebody else has changed since is left alone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::ids::Digest;
use crate::domain::plan::Desired;
use crate::domain::rollout::change::{Before, CellChange, Earlier};
use crate::domain::rollout::event::{Changed, Event, Troubled};
use crate::ops::apply::Concurrency;

use super::converge::{Goal, Records, gone, troubled};
use super::driver::Driver;
use super::halt::Halt;

/// How often it looks whether calls of somebody who is gone can still count.
const LOOK: Duration = Duration::from_secs(1);
/// Times that the cells are looked at once more, until none has got the new version meanwhile.
const LOOKS_MAX: usize = 5;

impl Driver<'_> {
    /// Takes the cells of a wave back.
    pub(super) async fn back_wave(&self, wave: usize) -> Result<Changed, Halt> {
        let cells = self.cells(wave)?;
        let before = self.pilot.before(self.state.plan.id, wave).await?;
        let names: Vec<_> = cells.iter().map(|cell| cell.desired.cell.clone()).collect();
        self.clear_the_way(&names).await?;
        let purpose = format!("taking back wave {} of rollout {}", self.name(wave), self.state.plan.id);
        let concurrency = self.concurrency(wave);
        self.under_lock(&purpose, |records| Ok(goal(cells, before, records, concurrency))).await
    }

    /// Waits until no call of somebody who is gone can count, and looks at all waves that were taken back once more.
    pub(super) async fn settle(&self) -> Result<Event, Halt> {
        let clock = &self.pilot.world.world.clock;
        let mut late_ms = self.state.calls_until_ms - clock.now_ms();
        while late_ms > 0 {
            self.waits_for(Some(format!("calls of an earlier process, for {} s at the most", late_ms / 1000 + 1)));
            self.check()?;
            clock.sleep(LOOK.min(Duration::from_millis(late_ms.unsigned_abs()))).await;
            late_ms = self.state.calls_until_ms - clock.now_ms();
        }
        self.waits_for(None);
        let begun = self.state.waves.iter().rposition(|wave| wave.started_at_ms.is_some());
        let Some(last) = begun else { return Ok(Event::RolledBack { kept: Vec::new() }) };
        let mut kept = Vec::new();
        for wave in (self.state.back_to.unwrap_or(0)..=last).rev() {
            match self.look_again(wave).await? {
                Ok(left_out) => kept.extend(left_out),
                Err(changed) => return Ok(failed_back(&self.name(wave), &changed)),
            }
        }
        Ok(Event::RolledBack { kept })
    }

    /// Cells that are left out of a wave that is back; or what could not be taken back.
    async fn look_again(&self, wave: usize) -> Result<Result<Vec<Troubled>, Changed>, Halt> {
        for _ in 0..LOOKS_MAX {
            let changed = self.back_wave(wave).await?;
            if *self.quit.borrow() && changed.not_begun > 0 {
                return Err(Halt::Ordered);
            }
            if changed.failed + changed.not_begun > 0 {
                return Ok(Err(changed));
            }
            if self.last_round_was_empty() {
                return Ok(Ok(changed.troubled));
            }
        }
        Ok(Err(Changed::default()))
    }

    /// Whether the last apply found nothing to change.
    fn last_round_was_empty(&self) -> bool {
        let progress = self.standing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        progress.done == 0
    }
}

/// What a rollback that met a failure says.
pub(super) fn failed_back(wave: &str, changed: &Changed) -> Event {
    let cells: Vec<String> = changed.troubled.iter().map(|one| format!("{} ({})", one.cell, one.why)).collect();
    let more = if cells.is_empty() { "some cells kept changing".to_owned() } else { cells.join("; ") };
    let stuck = changed.troubled.iter().find(|one| one.outcome == "stuck" || one.outcome == "refused");
    let hint = match stuck {
        Some(one) => {
            format!("`cellctl cell recover {}` says what it will do; then `cellctl rollout rollback` goes on", one.cell)
        }
        None => "mend the cause, then `cellctl rollout rollback` goes on".to_owned(),
    };
    Event::RollbackFailed { why: format!("wave {wave} could not be taken back: {more}"), hint }
}

/// The cells as they were, without those that are new, gone, or changed by somebody else.
fn goal(cells: &[CellChange], before: Before, records: &Records, concurrency: Concurrency) -> Goal {
    let earlier: BTreeMap<_, &Earlier> = before.cells.iter().map(|earlier| (&earlier.cell, earlier)).collect();
    let (mut desired, mut left_out, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let Some(earlier) = earlier.get(&cell.desired.cell) else {
            left_out.push(troubled(&cell.desired.cell, "new", "it is new: there is nothing to take it back to"));
            continue;
        };
        if let Some(one) = gone(&cell.desired, false, records).or_else(|| taken(cell, earlier, records)) {
            left_out.push(one);
            continue;
        }
        match as_it_was(&cell.desired, earlier) {
            Ok(one) => desired.push(one),
            Err(why) => failed.push(troubled(&cell.desired.cell, "refused", why)),
        }
    }
    let allowed = std::collections::BTreeSet::new();
    Goal { desired, bodies: before.templates, allowed, concurrency, failures_max: failed.len(), left_out, failed }
}

/// A cell that has another version than the old and the new one: somebody else has changed it since.
fn taken(cell: &CellChange, earlier: &Earlier, records: &Records) -> Option<Troubled> {
    let applied = records.get(&cell.desired.cell)?.applied.as_ref()?;
    let known = applied.digest == cell.desired.digest || applied.digest == digest_of(earlier);
    let why = format!("plan {} has changed it since", applied.plan);
    (!known).then(|| troubled(&cell.desired.cell, "changed-since", why))
}

/// The digest that the record had, or one that stands for what was found.
fn digest_of(earlier: &Earlier) -> Digest {
    earlier.applied.clone().unwrap_or_else(|| {
        let words = [earlier.template.as_str(), &format!("{:?}{:?}", earlier.parameters, earlier.tags)].join("\n");
        Digest::of(words.as_bytes())
    })
}

/// What the stack of a cell was. A parameter that CloudFormation hides keeps the value that the new version gives it.
fn as_it_was(now: &Desired, earlier: &Earlier) -> Result<Desired, String> {
    let mut parameters = earlier.parameters.clone();
    for name in &earlier.hidden {
        let value = now.parameters.get(name).ok_or_else(|| {
            format!("CloudFormation hides the value of parameter {name}, and the new version does not have it")
        })?;
        parameters.insert(name.clone(), value.clone());
    }
    Ok(Desired {
        digest: digest_of(earlier),
        template: earlier.template.clone(),
        parameters,
        tags: earlier.tags.clone(),
        artifacts: Vec::new(),
        ..now.clone()
    })
}
