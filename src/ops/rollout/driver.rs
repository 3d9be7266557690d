//! The driver of a rollout: obeys orders, asks the state machine what is next, does it, writes down what happened.
//!
//! Constraint kept: one event for each step, written after what it says is so.

use tokio::sync::watch;

use crate::domain::rollout::change::{CellChange, Content};
use crate::domain::rollout::event::{Changed, Event};
use crate::domain::rollout::machine::{Rollout, Step};
use crate::domain::stack::{Phase, StackStatus, Stuck};
use crate::ops::apply::Concurrency;
use crate::ops::error::{ErrorKind, OpError};

use super::back::failed_back;
use super::bake::Bake;
use super::converge::{Goal, Records, gone, troubled};
use super::halt::Halt;
use super::journal::{self, Hand};
use super::watch::{Cut, Standing, tell};
use super::{Ended, Pilot};

/// A rollout in the hands of a process.
pub(super) struct Driver<'a> {
    pub(super) pilot: Pilot<'a>,
    pub(super) hand: Hand<'a>,
    pub(super) state: Rollout,
    pub(super) content: Content,
    /// Turns true when the user wants it to let go.
    pub(super) stop: watch::Receiver<bool>,
    /// Turns true when an apply under way is to begin nothing more.
    pub(super) quit: watch::Sender<bool>,
    pub(super) standing: Standing,
    /// What is known of the bake under way.
    pub(super) bake: Option<Bake>,
}

impl Driver<'_> {
    /// Carries the rollout on until it is over, or somebody has to act.
    pub(super) async fn drive(&mut self) -> Result<Ended, OpError> {
        loop {
            if let Some(ended) = self.turn().await? {
                self.publish().await;
                return Ok(ended);
            }
        }
    }

    /// One turn: orders, then a step. Some: how it ended.
    async fn turn(&mut self) -> Result<Option<Ended>, OpError> {
        self.quit.send_replace(false);
        let outcome = self.turn_or_halt().await;
        match outcome {
            Ok(ended) => Ok(ended),
            // The next turn looks at the orders.
            Err(Halt::Ordered) => Ok(None),
            Err(Halt::Stopped) => Ok(Some(Ended::Stopped)),
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Lost) => Err(self.lost()),
        }
    }

    async fn turn_or_halt(&mut self) -> Result<Option<Ended>, Halt> {
        self.obey().await?;
        let step = self.state.next();
        if let Some(ended) = self.ended(step) {
            if self.state.stage.is_over() {
                self.unmark_but(&[]).await?;
            }
            return Ok(Some(ended));
        }
        self.check()?;
        if let Some(event) = self.work(step).await? {
            self.note(event).await?;
        }
        Ok(None)
    }

    /// Writes an event down.
    pub(super) async fn note(&mut self, event: Event) -> Result<(), Halt> {
        self.state = journal::append(self.pilot.world, self.hand, self.state.clone(), event).await?;
        tell(&self.standing, |progress| {
            (progress.wave, progress.stage) = (self.state.wave, self.state.stage);
            (progress.baked_ms, progress.waits_for) = (self.state.baked_ms, None);
            progress.gates.clone_from(&self.state.gates);
        });
        Ok(())
    }

    /// Does a step. None: nothing to write down yet.
    async fn work(&mut self, step: Step) -> Result<Option<Event>, Halt> {
        let wave = self.state.wave;
        if step == Step::Bake {
            return self.bake().await;
        }
        self.bake = None;
        let event = match step {
            Step::StartWave => self.beside(Cut::Now, self.start_wave()).await?,
            Step::ChangeWave => {
                let changed = self.beside(Cut::LetEnd, self.change_wave(wave)).await?;
                self.is_done(&changed, self.failures_max(wave))?;
                Event::WaveChanged { wave, changed }
            }
            Step::TakeBack => self.take_back(),
            Step::Halt => self.halt(),
            Step::BackWave => {
                let changed = self.beside(Cut::LetEnd, self.back_wave(wave)).await?;
                self.is_done(&changed, 0)?;
                Event::WaveBack { wave, changed }
            }
            Step::FailBack => self.fail_back(),
            Step::Settle => self.beside(Cut::LetEnd, self.settle()).await?,
            Step::Complete => Event::Completed,
            // The driver ends before these.
            Step::Bake | Step::AwaitApproval | Step::Wait | Step::Rest => return Ok(None),
        };
        Ok(Some(event))
    }

    /// Cells that were not begun because somebody gave an order are no end of a wave.
    fn is_done(&self, changed: &Changed, failures_max: usize) -> Result<(), Halt> {
        if changed.not_begun == 0 || changed.failed > failures_max {
            return Ok(());
        }
        self.check()?;
        if *self.quit.borrow() {
            return Err(Halt::Ordered);
        }
        // Operations of an earlier run that take long.
        Err(Halt::Failed(unsettled(changed)))
    }

    async fn change_wave(&self, wave: usize) -> Result<Changed, Halt> {
        let purpose = format!("wave {} of rollout {}", self.name(wave), self.state.plan.id);
        self.under_lock(&purpose, |records| self.goal(wave, records)).await
    }

    /// The cells of a wave as they are to be, without those that are gone, or have failed in this wave already.
    fn goal(&self, wave: usize, records: &Records) -> Result<Goal, Halt> {
        let since_ms = self.state.waves[wave].started_at_ms.unwrap_or(i64::MAX);
        let (mut desired, mut left_out, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        let mut allowed = std::collections::BTreeSet::new();
        for cell in self.cells(wave)? {
            if let Some(one) = gone(&cell.desired, cell.is_new, records) {
                left_out.push(one);
                continue;
            }
            let record = records.get(&cell.desired.cell);
            let tried = record.and_then(|record| record.failed.as_ref());
            match tried.filter(|tried| tried.digest == cell.desired.digest && tried.at_ms >= since_ms) {
                Some(tried) => {
                    failed.push(troubled(&cell.desired.cell, outcome_of(&tried.status), tried.reason.clone()));
                }
                None => desired.push(cell.desired.clone()),
            }
            allowed.extend(cell.allowed.iter().map(|atom| format!("{}/{atom}", cell.desired.cell)));
        }
        let bodies = self.content.templates.clone();
        let (concurrency, failures_max) = (self.concurrency(wave), self.failures_max(wave));
        Ok(Goal { desired, bodies, allowed, concurrency, failures_max, left_out, failed })
    }

    fn take_back(&self) -> Event {
        let first = self.state.back_from(self.state.plan.rollback).unwrap_or(self.state.wave);
        let why = self.state.why.clone().unwrap_or_else(|| "a wave failed".to_owned());
        Event::RollbackStarted { first, why, who: None }
    }

    fn halt(&self) -> Event {
        let id = self.state.plan.id;
        Event::Halted {
            why: self.state.why.clone().unwrap_or_else(|| "a wave failed".to_owned()),
            hint: format!(
                "look at `cellctl rollout status {id}`; then `cellctl rollout rollback {id}`, `cellctl rollout abort {id}`, or \
                 `cellctl rollout promote {id}` to go on all the same"
            ),
        }
    }

    fn fail_back(&self) -> Event {
        let changed = self.state.waves[self.state.wave].back.clone().unwrap_or_default();
        failed_back(&self.name(self.state.wave), &changed)
    }

    /// The cells of a wave.
    pub(super) fn cells(&self, wave: usize) -> Result<&[CellChange], Halt> {
        let cells = self.content.waves.get(wave).map(Vec::as_slice);
        cells.ok_or_else(|| Halt::Failed(OpError::new(ErrorKind::Failed, format!("the rollout has no wave {wave}"))))
    }

    /// The name of a wave.
    pub(super) fn name(&self, wave: usize) -> String {
        self.state.plan.waves.get(wave).map_or_else(|| wave.to_string(), |wave| wave.name.clone())
    }

    pub(super) fn concurrency(&self, wave: usize) -> Concurrency {
        let bound = self.state.plan.waves.get(wave).and_then(|wave| wave.max_in_flight);
        bound.map_or(Concurrency::Auto, Concurrency::Fixed)
    }

    fn failures_max(&self, wave: usize) -> usize {
        self.state.plan.waves.get(wave).map_or(0, |wave| wave.max_failures)
    }

    /// How a run ends that has nothing to do next.
    fn ended(&self, step: Step) -> Option<Ended> {
        use crate::domain::rollout::machine::Stage;
        let state = &self.state;
        let why = || state.why.clone().unwrap_or_default();
        let hint = || state.hint.clone().unwrap_or_default();
        match step {
            Step::AwaitApproval => Some(Ended::AwaitsApproval { wave: self.name(state.wave) }),
            Step::Wait if state.paused => Some(Ended::Paused),
            Step::Wait if state.stage == Stage::BackFailed => {
                let back = state.waves.iter().filter_map(|wave| wave.back.as_ref());
                let cells = back.flat_map(|back| back.troubled.iter().map(|one| one.cell.clone())).collect();
                Some(Ended::BackFailed { why: why(), hint: hint(), cells })
            }
            Step::Wait => Some(Ended::Halted { why: why(), hint: hint() }),
            Step::Rest => Some(match state.stage {
                Stage::RolledBack => Ended::RolledBack { why: why(), kept: state.kept.clone() },
                Stage::Aborted => Ended::Aborted { why: why() },
                _ => Ended::Completed,
            }),
            _ => None,
        }
    }

    fn lost(&self) -> OpError {
        let id = self.state.plan.id;
        OpError::new(ErrorKind::Locked, format!("somebody else carries rollout {id} on now"))
            .hint(format!("`cellctl rollout watch {id}` follows it"))
    }
}

/// How a cell ended whose stack has come to this status.
fn outcome_of(status: &str) -> &'static str {
    match StackStatus::new(status).phase() {
        Phase::RolledBack | Phase::Stuck(Stuck::RollbackComplete) => "rolled-back",
        Phase::Stuck(_) => "stuck",
        _ => "failed",
    }
}

fn unsettled(changed: &Changed) -> OpError {
    let message = format!("operations of an earlier run have not ended yet in {} cells", changed.not_begun);
    OpError::new(ErrorKind::Stopped, message).hint("`cellctl rollout resume` goes on once they have")
}
