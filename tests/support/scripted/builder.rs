//! Ordering what the endpoint does, before it starts.
//!
//! Owns: the builder and its defaults. Constraint kept: without orders it is a service that works: fast, without
//! limits, without faults.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Scripted;
use super::clock::Clock;
use super::errors::ErrorKind;
use super::http::Server;
use super::limits::{Group, Limits, Rate};
use super::script::{Fate, Faults};
use super::world::{Settings, World};

/// Entries in a page of the service.
const PAGE_SIZE: usize = 100;

/// What a scripted endpoint shall do.
pub(crate) struct Builder {
    settings: Settings,
    faults: Faults,
    limits: Limits,
    fates: HashMap<String, Vec<Fate>>,
    standing: bool,
}

impl Builder {
    pub(super) fn new() -> Self {
        let settings = Settings {
            stack_time: Duration::from_millis(20),
            stack_times: HashMap::new(),
            change_set_time: Duration::ZERO,
            event_delay: Duration::ZERO,
            latency: Duration::ZERO,
            page_size: PAGE_SIZE,
            stacks_max: usize::MAX,
            resolver: None,
            replacements: HashMap::new(),
        };
        let (faults, limits) = (Faults::default(), Limits::default());
        Self { settings, faults, limits, fates: HashMap::new(), standing: false }
    }

    /// Every operation on a stack takes `time`, its rollback included.
    pub(crate) fn stack_time(mut self, time: Duration) -> Self {
        self.settings.stack_time = time;
        self
    }

    /// Operations on one stack take `time`.
    pub(crate) fn stack_time_of(mut self, stack: &str, time: Duration) -> Self {
        self.settings.stack_times.insert(stack.to_owned(), time);
        self
    }

    /// Change sets are worked out for `time`.
    pub(crate) fn change_set_time(mut self, time: Duration) -> Self {
        self.settings.change_set_time = time;
        self
    }

    /// Time stands still until the test advances it.
    pub(crate) fn standing_clock(mut self) -> Self {
        self.standing = true;
        self
    }

    /// Every group of actions has a bucket of `burst` tokens, of which `per_second` come back each second.
    pub(crate) fn rate(self, per_second: f64, burst: u32) -> Self {
        [Group::Read, Group::Events, Group::Write].into_iter().fold(self, |b, g| b.rate_of(g, per_second, burst))
    }

    /// One group of actions has such a bucket.
    pub(crate) fn rate_of(mut self, group: Group, per_second: f64, burst: u32) -> Self {
        self.limits.rates.insert(group, Rate { per_second, burst });
        self
    }

    /// Pages hold `entries`.
    pub(crate) fn page_size(mut self, entries: usize) -> Self {
        self.settings.page_size = entries.max(1);
        self
    }

    /// An account may have `stacks` in a Region.
    pub(crate) fn stacks_max(mut self, stacks: usize) -> Self {
        self.settings.stacks_max = stacks;
        self
    }

    /// Every answer takes `time` longer.
    pub(crate) fn latency(mut self, time: Duration) -> Self {
        self.settings.latency = time;
        self
    }

    /// The next operation of its kind on a stack ends like that. Several are used up in order.
    pub(crate) fn on(mut self, stack: &str, fate: Fate) -> Self {
        self.fates.entry(stack.to_owned()).or_default().push(fate);
        self
    }

    /// A change of that resource replaces it (`True`, `Conditional` or `False`), whatever changes.
    pub(crate) fn replacement(mut self, stack: &str, resource: &str, value: &'static str) -> Self {
        let dictated: &mut BTreeMap<_, _> = self.settings.replacements.entry(stack.to_owned()).or_default();
        dictated.insert(resource.to_owned(), value);
        self
    }

    /// The nth request of an action (from 1) takes effect, and the connection is closed without an answer.
    pub(crate) fn lose_response(mut self, action: &str, nth: usize) -> Self {
        self.faults.losses.push((action.to_owned(), nth));
        self
    }

    /// The nth request of an action (from 1) is refused.
    pub(crate) fn fail(mut self, action: &str, nth: usize, kind: ErrorKind) -> Self {
        self.faults.failures.insert((action.to_owned(), nth), kind);
        self
    }

    /// That share of all requests is throttled, by chance from a seed.
    pub(crate) fn throttle_fraction(mut self, fraction: f64, seed: u64) -> Self {
        self.faults.throttle_fraction = fraction;
        self.faults.random = fastrand::Rng::with_seed(seed);
        self
    }

    /// Events are seen `time` after they happen.
    pub(crate) fn delay_events(mut self, time: Duration) -> Self {
        self.settings.event_delay = time;
        self
    }

    /// Templates behind URLs come from `resolver`; without one they are opaque.
    pub(crate) fn resolve_urls(mut self, resolver: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.settings.resolver = Some(Arc::new(resolver));
        self
    }

    /// Starts the endpoint. Fails where no port or thread is to be had.
    pub(crate) fn start(self) -> io::Result<Scripted> {
        let clock = if self.standing { Clock::standing() } else { Clock::real() };
        let mut world = World::new(clock, self.settings);
        (world.faults, world.limits, world.fates) = (self.faults, self.limits, self.fates);
        let world = Arc::new(Mutex::new(world));
        Ok(Scripted { server: Server::start(Arc::clone(&world))?, world })
    }
}
