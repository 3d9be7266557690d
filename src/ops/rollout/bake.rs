//! The bake: the gates of a wave are looked at again and again.
//!
//! Constraint kept: time counts only while somebody looks, by a clock that does not jump; the wave passes on a last look at
//! which every gate holds, and fails at once when one has failed as often as it may not.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::rollout::change::CellChange;
use crate::domain::rollout::event::Event;
use crate::domain::rollout::gate::{Look, Verdict};

use super::driver::Driver;
use super::halt::Halt;
use super::look::{Looker, Watched};
use super::watch::{Cut, tell};

/// Time between two looks, in milliseconds: a twentieth of the bake within these bounds.
const POLL_MS: (u64, u64) = (1_000, 15_000);
/// What was baked is written down at least so often, in milliseconds of baking.
const NOTE_MS: u64 = 60_000;

/// What is known of a bake under way.
pub(super) struct Bake {
    wave: usize,
    looker: Looker,
    /// When it looked last, by the clock that does not jump.
    looked_at_ms: Option<u64>,
    baked_ms: u64,
    looks: u32,
    last: Vec<Look>,
    /// What was written down last.
    noted_ms: u64,
}

impl Driver<'_> {
    /// One look, after the time between two; then what it came to. None: nothing worth writing down.
    pub(super) async fn bake(&mut self) -> Result<Option<Event>, Halt> {
        let mut bake = match self.bake.take().filter(|bake| bake.wave == self.state.wave) {
            Some(bake) => bake,
            None => self.begin_bake().await?,
        };
        let looked = self.beside(Cut::Now, self.look(&mut bake)).await;
        let event = looked.map(|()| self.judge(&mut bake));
        self.bake = Some(bake);
        event
    }

    async fn begin_bake(&self) -> Result<Bake, Halt> {
        let wave = self.state.wave;
        let before = self.pilot.before(self.state.plan.id, wave).await?;
        let controls = self.content.waves.iter().skip(wave + 1).flatten().cloned().collect();
        let since_ms = self.state.waves[wave].changed_at_ms.unwrap_or(self.state.at_ms);
        let watched =
            Watched { rollout: self.state.plan.id, cells: self.changed_cells(wave)?, controls, before, since_ms };
        Ok(Bake {
            wave,
            looker: Looker::new(self.pilot.world.clone(), watched),
            looked_at_ms: None,
            baked_ms: self.state.baked_ms,
            looks: self.state.looks,
            last: self.state.gates.clone(),
            noted_ms: self.state.baked_ms,
        })
    }

    /// The cells of a wave that may have the new version: those that were rolled back, are stuck or left out are known not to
    /// have it as it should be. One that merely failed may have got it all the same, where an answer was lost.
    fn changed_cells(&self, wave: usize) -> Result<Vec<CellChange>, Halt> {
        let troubled = self.state.waves[wave].changed.iter().flat_map(|changed| &changed.troubled);
        let without: BTreeSet<_> = troubled.filter(|one| one.outcome != "failed").map(|one| &one.cell).collect();
        let cells = self.cells(wave)?.iter().filter(|cell| !without.contains(&cell.desired.cell));
        Ok(cells.cloned().collect())
    }

    fn bake_ms(&self) -> u64 {
        self.state.current().map_or(0, |wave| wave.bake_ms)
    }

    /// Time between two looks.
    fn poll_ms(&self) -> u64 {
        (self.bake_ms() / 20).clamp(POLL_MS.0, POLL_MS.1)
    }

    async fn look(&self, bake: &mut Bake) -> Result<(), Halt> {
        let clock = &self.pilot.world.world.clock;
        if let Some(looked_at_ms) = bake.looked_at_ms {
            let left_ms = self.bake_ms().saturating_sub(bake.baked_ms);
            let since_ms = clock.monotonic_ms().saturating_sub(looked_at_ms);
            let wait_ms = self.poll_ms().min(left_ms.max(POLL_MS.0)).saturating_sub(since_ms);
            clock.sleep(Duration::from_millis(wait_ms)).await;
        }
        let now_ms = clock.monotonic_ms();
        // A process that stood still has not looked meanwhile.
        let since_ms = bake.looked_at_ms.map_or(0, |looked_at_ms| now_ms.saturating_sub(looked_at_ms));
        bake.baked_ms += since_ms.min(2 * self.poll_ms());
        bake.looked_at_ms = Some(now_ms);
        let at_end = bake.baked_ms >= self.bake_ms();
        let Some(wave) = self.state.current() else { return Ok(()) };
        bake.last = bake.looker.look(wave, &bake.last, at_end).await;
        bake.looks += 1;
        tell(&self.standing, |progress| {
            progress.baked_ms = bake.baked_ms;
            progress.gates.clone_from(&bake.last);
        });
        Ok(())
    }

    /// What the last look means.
    fn judge(&self, bake: &mut Bake) -> Option<Event> {
        let (wave, baked_ms, gates) = (bake.wave, bake.baked_ms, bake.last.clone());
        let dry = self.state.plan.gate_dry_run;
        if !dry && gates.iter().any(|look| look.failed) {
            return Some(Event::GatesFailed { wave, baked_ms, gates });
        }
        let holds = dry || gates.iter().all(|look| look.verdict == Verdict::Pass);
        if baked_ms >= self.bake_ms() && holds {
            return Some(Event::WavePassed { wave, baked_ms, promoted_by: None, gates });
        }
        let verdicts = |looks: &[Look]| looks.iter().map(|look| (look.gate.clone(), look.verdict)).collect::<Vec<_>>();
        let is_news = verdicts(&gates) != verdicts(&self.state.gates);
        if !is_news && baked_ms < bake.noted_ms + NOTE_MS {
            return None;
        }
        bake.noted_ms = baked_ms;
        Some(Event::Baked { wave, baked_ms, looks: bake.looks, gates })
    }
}
