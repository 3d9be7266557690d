//! A CloudFormation endpoint that does what a test orders.
//!
//! No emulator shows the states in which stacks really get stuck. This one speaks the actions that cellctl uses over
//! HTTP, walks stacks through every documented status, and fails, throttles and loses answers on a script. Owns: the
//! handle that a test holds. Constraint kept: it is reached like any endpoint; the program under test knows nothing
//! of it.

mod actions;
mod builder;
mod changeset;
mod clock;
mod diff;
mod errors;
mod http;
mod items;
mod life;
mod limits;
mod preload;
mod query;
mod record;
mod resolve;
mod script;
mod state;
mod template;
mod world;
mod xml;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use builder::Builder;
pub(crate) use errors::{ErrorKind, Refusal};
pub(crate) use limits::Group;
pub(crate) use preload::{External, Preload};
pub(crate) use record::{Call, Outcome};
pub(crate) use script::{Fate, OnFailure};
pub(crate) use state::Drift;

use query::Caller;
use world::World;

/// A running endpoint. Dropping it stops it.
pub(crate) struct Scripted {
    server: http::Server,
    world: Arc<Mutex<World>>,
}

impl Scripted {
    /// Begins to order one.
    pub(crate) fn builder() -> Builder {
        Builder::new()
    }

    /// Where it is reached, for `AWS_ENDPOINT_URL_CLOUDFORMATION`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Moves a standing clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.world().clock.advance(by);
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.world().clock.now()
    }

    /// Adds a stack; gives its ARN. Fails where the template is none.
    pub(crate) fn preload(&self, stack: Preload) -> Result<String, Refusal> {
        stack.add_to(&mut self.world())
    }

    /// The next operation of its kind on a stack ends like that.
    pub(crate) fn on(&self, stack: &str, fate: Fate) {
        self.world().fates.entry(stack.to_owned()).or_default().push(fate);
    }

    /// The nth request of an action, counted from the start, is refused.
    pub(crate) fn fail(&self, action: &str, nth: usize, kind: ErrorKind) {
        self.world().faults.failures.insert((action.to_owned(), nth), kind);
    }

    /// Somebody else changes a stack, given by name (in the default account and Region) or ARN.
    pub(crate) fn change_externally(&self, stack: &str, change: External) -> Result<(), Refusal> {
        let mut world = self.world();
        let index = locate(&world, stack)?;
        change.apply_to(&mut world, index)
    }

    /// Somebody else deletes a stack; its resources are gone too.
    pub(crate) fn delete_externally(&self, stack: &str) -> Result<(), Refusal> {
        let mut world = self.world();
        let (index, now) = (locate(&world, stack)?, world.clock.now());
        let steps = life::delete(&items::present(&world.view(index, now)?), |_| false, None);
        world.stacks[index].begin(steps, now, Duration::ZERO, None);
        Ok(())
    }

    /// Somebody changes a resource past the service; the next detection finds it.
    pub(crate) fn drift(&self, stack: &str, resource: &str, drift: Drift) -> Result<(), Refusal> {
        let mut world = self.world();
        let index = locate(&world, stack)?;
        world.stacks[index].drifts.insert(resource.to_owned(), drift);
        Ok(())
    }

    /// The status of a stack.
    pub(crate) fn status(&self, stack: &str) -> Option<&'static str> {
        let world = self.world();
        let index = locate(&world, stack).ok()?;
        Some(world.stacks[index].status(world.clock.now()))
    }

    /// The template that a stack has.
    pub(crate) fn template(&self, stack: &str) -> Option<String> {
        let world = self.world();
        let view = world.view(locate(&world, stack).ok()?, world.clock.now()).ok()?;
        Some(view.facts.template.text.to_string())
    }

    /// All requests so far, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.world().record.calls().to_vec()
    }

    /// How many requests of an action came, whatever became of them.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.world().record.count(action)
    }

    /// The requests that asked for a change.
    pub(crate) fn writes(&self) -> Vec<Call> {
        self.world().record.calls().iter().filter(|call| call.is_write()).cloned().collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn locate(world: &World, stack: &str) -> Result<usize, Refusal> {
    let mut parts = stack.split(':').skip(3);
    let caller = match (parts.next(), parts.next()) {
        (Some(region), Some(account)) => Caller { account: account.to_owned(), region: region.to_owned() },
        _ => Caller::default(),
    };
    world.find_any(&caller, stack).ok_or_else(|| Refusal::no_stack(stack))
}
