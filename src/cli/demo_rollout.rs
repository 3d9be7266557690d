//! The demo's part on rollouts: a good change goes through all waves, a bad one is caught in the first.
//!
//! Constraint kept: the bad change is one that AWS refuses, too: SQS takes 1 to 1,000 tries before a message is a dead letter.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::domain::audit::Actor;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::orders::Word;
use crate::ops::init::bucket_prefix;
use crate::ops::rollout::{Ended, Options, Pilot, RolloutWorld};
use crate::ops::{ErrorKind, OpError};
use crate::output::progress;
use crate::output::rollout::{ended, plan as show_plan};
use crate::wire;

use super::Session;
use super::context::Loaded;
use super::demo::{failed, heading};

/// Waves with bakes that somebody may sit through; by default they are minutes.
const WAVES: &str = "    waves:
      - { name: canary, select: type=canary, bake: 3s }
      - { name: one, select: type=shared, take: '1', bake: 3s }
      - { name: rest, select: type=shared, bake: 3s }
      - { name: zero, select: type=zero, bake: 3s }
";
/// The wave that waits for somebody's word.
const LAST: &str = "zero";

/// The folder of the demo's fleet, its endpoint, and who plays it.
pub(super) struct RolloutScene<'a> {
    /// Where to print.
    pub(super) session: &'a Session,
    /// The folder.
    pub(super) dir: &'a Path,
    /// The endpoint.
    pub(super) endpoint: &'a str,
    /// Who.
    pub(super) actor: &'a Actor,
}

impl RolloutScene<'_> {
    /// Rolls out a good change, then a bad one.
    pub(super) async fn play(&self) -> Result<(), OpError> {
        self.append("cells/fleet.yaml", WAVES)?;
        heading(self.session, "cellctl rollout start: new code for the functions, the canary cell first");
        self.append("functions/processor/index.py", "\n# A better version.\n")?;
        self.tell("functions/processor/index.py: a better version");
        let id = self.start(&Ended::AwaitsApproval { wave: LAST.to_owned() }).await?;
        heading(self.session, &format!("cellctl rollout approve --wave {LAST}, and cellctl rollout resume"));
        self.approve(id).await?;
        heading(self.session, "cellctl rollout start: a bad change, 1000 times as many tries as somebody meant");
        self.spoil()?;
        let back = Ended::RolledBack { why: String::new(), kept: Vec::new() };
        let id = self.start(&back).await?;
        self.count(id).await
    }

    fn tell(&self, text: &str) {
        self.session.printer.data(text);
    }

    /// Plans, begins and carries on; it must end in the expected way.
    async fn start(&self, expected: &Ended) -> Result<RolloutId, OpError> {
        let stage = self.stage()?;
        let pilot = stage.pilot();
        let cells: Vec<_> = stage.loaded.fleet.cells.iter().collect();
        let request = stage.loaded.request(self.session, &cells, BTreeSet::new())?;
        let planned = pilot.plan(request, &Options::default()).await?;
        show_plan::with_document(&planned, |document| {
            let text = |style| show_plan::text(&planned, style);
            self.session.printer.result("cellctl.rollout-plan/v1", document, text);
        });
        let id = pilot.begin(&planned).await?;
        self.run(&pilot, id, expected).await.map(|()| id)
    }

    async fn approve(&self, id: RolloutId) -> Result<(), OpError> {
        let stage = self.stage()?;
        let pilot = stage.pilot();
        let wave = pilot.state(id).await?.wave;
        let word = Word { wave, by: self.actor.user.clone() };
        pilot.order(id, |orders| orders.approve = Some(word.clone())).await?;
        self.run(&pilot, id, &Ended::Completed).await
    }

    async fn run(&self, pilot: &Pilot<'_>, id: RolloutId, expected: &Ended) -> Result<(), OpError> {
        let outcome = pilot.run(id, self.session.interrupt.graceful()).await?;
        let state = pilot.state(id).await?;
        let run = ended::Run { id, outcome: &outcome, state: &state };
        self.session.printer.result("cellctl.rollout-ended/v1", &run, |style| ended::run(&run, style));
        if std::mem::discriminant(&outcome) == std::mem::discriminant(expected) {
            return Ok(());
        }
        if outcome == Ended::Stopped {
            return Err(OpError::new(ErrorKind::Stopped, "the demo's rollout did not end; the demo ends here"));
        }
        Err(wrong("a rollout ended in another way"))
    }

    /// Says how many cells the bad change has reached.
    async fn count(&self, id: RolloutId) -> Result<(), OpError> {
        let stage = self.stage()?;
        let state = stage.pilot().state(id).await?;
        let waves = state.plan.waves.iter().zip(&state.waves);
        let reached: usize = waves.filter(|(_, went)| went.started_at_ms.is_some()).map(|(wave, _)| wave.cells).sum();
        let all = stage.loaded.fleet.cells.len();
        if reached != 1 {
            return Err(wrong("the bad change was not caught in the canary wave"));
        }
        self.tell(&format!("\nThe bad change has reached {reached} of {all} cells, and none has it now."));
        Ok(())
    }

    /// What somebody does who takes a number of tries for one of milliseconds.
    fn spoil(&self) -> Result<(), OpError> {
        let file = "templates/serverless/template.yaml.j2";
        let (good, bad) = ("${{ queue.deadLetterAfter }}", "${{ queue.deadLetterAfter * 1000 }}");
        let text = self.read(file)?;
        let spoilt = text.replacen(good, bad, 1);
        if spoilt == text {
            return Err(wrong("the example's template has no deadLetterAfter"));
        }
        let style = self.session.printer.style();
        self.tell(&format!("{file}: {} → {}", style.good(good), style.bad(bad)));
        self.write(file, &spoilt)
    }

    fn append(&self, file: &str, more: &str) -> Result<(), OpError> {
        self.write(file, &(self.read(file)? + more))
    }

    fn read(&self, file: &str) -> Result<String, OpError> {
        std::fs::read_to_string(self.dir.join(file)).map_err(|error| failed(&format!("read {file}"), &error))
    }

    fn write(&self, file: &str, text: &str) -> Result<(), OpError> {
        std::fs::write(self.dir.join(file), text).map_err(|error| failed(&format!("change {file}"), &error))
    }

    /// What the definitions say now, and the ports for that.
    fn stage(&self) -> Result<Stage<'_>, OpError> {
        let loaded = super::demo::loaded(self.dir)?;
        let reporter = progress::reporter(&self.session.printer);
        let (packager, dir) = (Arc::clone(&loaded.packager), self.dir.to_path_buf());
        let world = wire::rollout_world(Some(self.endpoint.to_owned()), &loaded.fleet, packager, reporter, dir);
        let bucket_prefix = bucket_prefix(loaded.fleet.name.as_str());
        Ok(Stage { loaded, world, actor: self.actor, bucket_prefix })
    }
}

struct Stage<'a> {
    loaded: Loaded,
    world: RolloutWorld,
    actor: &'a Actor,
    bucket_prefix: String,
}

impl Stage<'_> {
    fn pilot(&self) -> Pilot<'_> {
        let (world, fleet) = (&self.world, &self.loaded.fleet);
        Pilot { world, fleet, actor: self.actor, bucket_prefix: &self.bucket_prefix }
    }
}

fn wrong(what: &str) -> OpError {
    OpError::new(ErrorKind::Failed, format!("the demo did not go as it should: {what}"))
        .hint("this is a fault of cellctl; run it again with -v and --log FILE, and report it")
}
