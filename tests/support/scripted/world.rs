//! Everything that the endpoint knows.
//!
//! Owns: the stacks, their names and ids, and the settings. Constraint kept: one lock around all of it, held for one
//! request at a time, so that requests have an order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cellctl::domain::ids::Digest;

use super::clock::Clock;
use super::errors::Refusal;
use super::limits::Limits;
use super::query::Caller;
use super::record::Record;
use super::script::{Fate, Faults, Operation};
use super::state::{Identity, Stack, Step, View};
use super::template::Template;

/// Templates kept parsed; beyond that the parsed ones are forgotten.
const TEMPLATES_MAX: usize = 1_000;

/// Fetches the body behind a template's URL; `None` where there is none.
pub(crate) type Resolver = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How the endpoint behaves.
pub(crate) struct Settings {
    /// How long an operation on a stack takes, rollback included.
    pub(crate) stack_time: Duration,
    /// The same for single stacks, by name.
    pub(crate) stack_times: HashMap<String, Duration>,
    /// How long a change set is worked out.
    pub(crate) change_set_time: Duration,
    /// How much later than they happen events are seen.
    pub(crate) event_delay: Duration,
    /// How long every answer takes, for benchmarks.
    pub(crate) latency: Duration,
    /// Entries in a page.
    pub(crate) page_size: usize,
    /// Stacks that an account may have in a Region.
    pub(crate) stacks_max: usize,
    /// Where templates behind URLs come from; without one, such a template is opaque.
    pub(crate) resolver: Option<Resolver>,
    /// Dictated replacements: stack, then logical id.
    pub(crate) replacements: HashMap<String, BTreeMap<String, &'static str>>,
}

/// The state of the endpoint.
pub(crate) struct World {
    /// Its time.
    pub(crate) clock: Clock,
    /// How it behaves.
    pub(crate) settings: Settings,
    /// Faults of requests.
    pub(crate) faults: Faults,
    /// The rate limit.
    pub(crate) limits: Limits,
    /// Fates of stacks, by name.
    pub(crate) fates: HashMap<String, Vec<Fate>>,
    /// What was asked of it.
    pub(crate) record: Record,
    /// All stacks, in the order in which they came into being.
    pub(crate) stacks: Vec<Stack>,
    /// Drift detections by id: the stack and when it began.
    pub(crate) detections: HashMap<String, (usize, Duration)>,
    names: HashMap<(Caller, String), usize>,
    ids: HashMap<String, usize>,
    templates: HashMap<Arc<str>, Arc<Template>>,
}

impl World {
    /// A world without stacks.
    pub(crate) fn new(clock: Clock, settings: Settings) -> Self {
        Self {
            clock,
            settings,
            faults: Faults::default(),
            limits: Limits::default(),
            fates: HashMap::new(),
            record: Record::default(),
            stacks: Vec::new(),
            detections: HashMap::new(),
            names: HashMap::new(),
            ids: HashMap::new(),
            templates: HashMap::new(),
        }
    }

    /// The newest stack of that name, or the stack of that ARN, deleted or not.
    pub(crate) fn find_any(&self, caller: &Caller, name: &str) -> Option<usize> {
        if name.starts_with("arn:") {
            return self.ids.get(name).copied().filter(|index| self.stacks[*index].identity.caller == *caller);
        }
        self.names.get(&(caller.clone(), name.to_owned())).copied()
    }

    /// The stack of that ARN, or the one of that name if it is not deleted.
    pub(crate) fn find(&self, caller: &Caller, name: &str, now: Duration) -> Option<usize> {
        let by_id = name.starts_with("arn:");
        self.find_any(caller, name).filter(|index| by_id || self.stacks[*index].status(now) != "DELETE_COMPLETE")
    }

    /// The stack as it is at `now`.
    pub(crate) fn view(&self, index: usize, now: Duration) -> Result<View, Refusal> {
        let view = self.stacks[index].view(now);
        view.ok_or_else(|| Refusal { status: 500, code: "InternalFailure", message: "a stack without steps".into() })
    }

    /// A new stack that has had nothing happen to it yet.
    pub(crate) fn add(&mut self, caller: &Caller, name: &str) -> usize {
        let index = self.stacks.len();
        let Caller { account, region } = caller;
        let unique = uuid(&[account, region, name, &index.to_string()]);
        let id = format!("arn:aws:cloudformation:{region}:{account}:stack/{name}/{unique}");
        self.names.insert((caller.clone(), name.to_owned()), index);
        self.ids.insert(id.clone(), index);
        self.stacks.push(Stack {
            identity: Identity { name: name.to_owned(), id, caller: caller.clone() },
            steps: Vec::new(),
            baseline: None,
            change_sets: Vec::new(),
            protected: false,
            rollback_disabled: false,
            policy: None,
            tokens: HashMap::new(),
            drifts: BTreeMap::new(),
            drift_checked: None,
            generation: 0,
        });
        index
    }

    /// Begins an operation on a stack; it takes the stack's time.
    pub(crate) fn begin(&mut self, index: usize, steps: Vec<Step>, now: Duration, token: Option<&str>) {
        let stack = &mut self.stacks[index];
        let total = self.settings.stack_times.get(&stack.identity.name).copied();
        stack.generation += 1;
        stack.begin(steps, now, total.unwrap_or(self.settings.stack_time), token);
    }

    /// Uses up the first fate of a stack that fits the operation.
    pub(crate) fn take_fate(&mut self, index: usize, operation: Operation) -> Option<Fate> {
        let fates = self.fates.get_mut(&self.stacks[index].identity.name)?;
        let at = fates.iter().position(|fate| fate.fits(operation))?;
        Some(fates.remove(at))
    }

    /// A parsed template; equal texts are parsed once.
    pub(crate) fn template(&mut self, text: &str) -> Result<Arc<Template>, Refusal> {
        if let Some(known) = self.templates.get(text) {
            return Ok(Arc::clone(known));
        }
        let parsed = Arc::new(Template::parse(text)?);
        if self.templates.len() >= TEMPLATES_MAX {
            self.templates.clear();
        }
        self.templates.insert(Arc::clone(&parsed.text), Arc::clone(&parsed));
        Ok(parsed)
    }

    /// How many stacks an account has in a Region.
    pub(crate) fn count_of(&self, caller: &Caller, now: Duration) -> usize {
        let alive = |index: &&usize| self.stacks[**index].status(now) != "DELETE_COMPLETE";
        self.names.iter().filter(|((of, _), _)| of == caller).map(|(_, index)| index).filter(alive).count()
    }
}

/// An id in the form of a UUID that depends on nothing but `parts`.
pub(crate) fn uuid(parts: &[&str]) -> String {
    let digest = Digest::of_parts(parts.iter().map(|part| part.as_bytes()));
    let hex = digest.as_str();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}
