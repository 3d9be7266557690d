//! What every command on rollouts takes: the fleet, the ports of a rollout, who asks, and how a run is told.
//!
//! Constraint kept: a rollout that is let go of before its end is always told with the command that goes on with it.

use std::sync::Arc;

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::machine::{Rollout, Stage, Step};
use crate::fs::functions::Packager;
use crate::ops::init::bucket_prefix;
use crate::ops::plan::require_control;
use crate::ops::rollout::{Ended, Pilot, RolloutWorld, Shown};
use crate::ops::{ErrorKind, OpError};
use crate::output::rollout::{ended, github, show};

use super::Session;
use super::context::{self, Loaded};

/// A fleet, the ports of a rollout, and who asks.
pub struct RolloutOffice {
    fleet: Fleet,
    world: RolloutWorld,
    actor: Actor,
    bucket_prefix: String,
}

impl RolloutOffice {
    /// For commands that only read: nobody's name is written, so that AWS is not asked for it.
    pub async fn reading(session: &Session) -> Result<Self, OpError> {
        let actor = Actor { identity: String::new(), user: session.environment.user.clone(), ci_url: None };
        Self::with(session, context::fleet(session)?, None, Some(actor)).await
    }

    /// For commands that write.
    pub async fn writing(session: &Session) -> Result<Self, OpError> {
        Self::with(session, context::fleet(session)?, None, None).await
    }

    /// For commands that plan: function code may have to be stored. Their actor is the one who may write.
    pub async fn planning(session: &Session, loaded: &Loaded) -> Result<Self, OpError> {
        Self::with(session, loaded.fleet.clone(), Some(loaded.packager.clone()), None).await
    }

    async fn with(
        session: &Session,
        fleet: Fleet,
        packager: Option<Arc<Packager>>,
        actor: Option<Actor>,
    ) -> Result<Self, OpError> {
        let world = context::rollout_world(session, &fleet, packager).await?;
        require_control(&world.world, fleet.name.as_str()).await?;
        let actor = match actor {
            Some(actor) => actor,
            None => context::actor(session, &fleet, &world.world).await?,
        };
        let bucket_prefix = bucket_prefix(fleet.name.as_str());
        Ok(Self { fleet, world, actor, bucket_prefix })
    }

    /// What the operations take.
    pub fn pilot(&self) -> Pilot<'_> {
        Pilot { world: &self.world, fleet: &self.fleet, actor: &self.actor, bucket_prefix: &self.bucket_prefix }
    }

    /// The time, by the clock that the operations go by.
    pub fn now_ms(&self) -> i64 {
        self.world.world.clock.now_ms()
    }

    /// The name of who asks, as orders carry it.
    pub fn user(&self) -> String {
        self.actor.user.clone()
    }

    /// Whether somebody carries the rollout on.
    pub fn is_held(&self, shown: &Shown) -> bool {
        shown.holder(self.now_ms()).is_some()
    }
}

/// Carries a rollout on in this process, and tells how that ended.
pub async fn carry_on(session: &Session, office: &RolloutOffice, id: RolloutId) -> Result<Ended, OpError> {
    let ended = office.pilot().run(id, session.interrupt.graceful()).await;
    let ended = ended.inspect_err(|error| {
        // Where another process carries it on, it is not for this one to go on.
        if !matches!(error.kind, ErrorKind::Locked | ErrorKind::Refused) {
            session.printer.always(&go_on(session, &Ended::Stopped, id));
        }
    })?;
    let state = office.pilot().state(id).await?;
    let run = ended::Run { id, outcome: &ended, state: &state };
    session.printer.result("cellctl.rollout-ended/v1", &run, |style| ended::run(&run, style));
    session.printer.to_github(|| github::ended(&ended, &state));
    if matches!(ended, Ended::Stopped | Ended::Paused | Ended::AwaitsApproval { .. }) {
        session.printer.always(&go_on(session, &ended, id));
    }
    Ok(ended)
}

/// How to go on with a rollout that is not over.
fn go_on(session: &Session, ended: &Ended, id: RolloutId) -> String {
    let resume = command(session, &format!("resume {id}"));
    match ended {
        Ended::AwaitsApproval { wave } => {
            let approve = command(session, &format!("approve {id} --wave {wave}"));
            format!("approve it with `{approve}`; then go on with `{resume}`")
        }
        _ => format!("go on with `{resume}`"),
    }
}

/// A command on rollouts, with the options of this one.
pub fn command(session: &Session, words: &str) -> String {
    let mut words = vec![format!("cellctl rollout {words}")];
    words.extend(session.global.given());
    words.join(" ")
}

/// Prints where a rollout stands.
pub fn tell_state(session: &Session, shown: &Shown, now_ms: i64) {
    session.printer.result("cellctl.rollout/v1", shown, |style| show::head(shown, now_ms, style));
    session.printer.to_github(|| github::status(&shown.state));
}

/// The exit code of who waited for a rollout: as that of who carried it on.
pub fn exit_code(state: &Rollout) -> u8 {
    let (why, hint) = (String::new(), String::new());
    let ended = match (state.stage, state.next()) {
        (Stage::Completed, _) => Ended::Completed,
        (Stage::RolledBack, _) => Ended::RolledBack { why, kept: Vec::new() },
        (Stage::Aborted, _) => Ended::Aborted { why },
        (Stage::BackFailed, Step::Wait) if !state.paused => Ended::BackFailed { why, hint, cells: Vec::new() },
        (Stage::Halted, Step::Wait) if !state.paused => Ended::Halted { why, hint },
        _ => Ended::Stopped,
    };
    ended.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rollout::event::Event;
    use crate::output::rollout::samples::{begun, shown};

    #[test]
    fn who_waited_ends_as_who_carried_it_on() {
        let code = |events| exit_code(&shown(events).state);
        assert_eq!(code(begun(1)), 10);
        assert_eq!(code(vec![Event::Aborted { why: String::new() }]), 4);
        let failed = [
            Event::RollbackStarted { first: 0, why: String::new(), who: None },
            Event::RollbackFailed { why: String::new(), hint: String::new() },
        ];
        assert_eq!(code(begun(0).into_iter().chain(failed).collect()), 5);
        let mut state = shown(begun(0)).state;
        for (stage, wanted) in [(Stage::Completed, 0), (Stage::RolledBack, 4), (Stage::Halted, 3)] {
            state.stage = stage;
            assert_eq!(exit_code(&state), wanted, "{stage:?}");
        }
    }
}
