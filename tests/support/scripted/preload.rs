//! Stacks that are there before the test begins, and changes that somebody else makes.
//!
//! Owns: both builders. Constraint kept: no request is needed and none is recorded, so thousands are there at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::changeset::Fortune;
use super::errors::Refusal;
use super::items;
use super::life;
use super::query::Caller;
use super::state::{Facts, Step};
use super::world::World;

/// A stack in any state.
#[derive(Debug, Clone)]
pub(crate) struct Preload {
    name: String,
    caller: Caller,
    status: &'static str,
    reason: Option<String>,
    template: Arc<str>,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    outputs: Option<BTreeMap<String, String>>,
    protected: bool,
}

impl Preload {
    /// A stack in `CREATE_COMPLETE` from a template.
    pub(crate) fn new(name: impl Into<String>, template: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            caller: Caller::default(),
            status: "CREATE_COMPLETE",
            reason: None,
            template: template.into(),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
            outputs: None,
            protected: false,
        }
    }

    /// In that status. One in progress stays in progress.
    pub(crate) fn status(self, status: &'static str) -> Self {
        Self { status, ..self }
    }

    /// With that reason.
    pub(crate) fn reason(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    /// In that account and Region.
    pub(crate) fn place(self, account: &str, region: &str) -> Self {
        Self { caller: Caller { account: account.to_owned(), region: region.to_owned() }, ..self }
    }

    /// With that parameter.
    pub(crate) fn parameter(mut self, key: &str, value: &str) -> Self {
        self.parameters.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With that tag.
    pub(crate) fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With that output, in place of all the template's.
    pub(crate) fn output(mut self, key: &str, value: &str) -> Self {
        self.outputs.get_or_insert_default().insert(key.to_owned(), value.to_owned());
        self
    }

    /// With termination protection.
    pub(crate) fn protected(self) -> Self {
        Self { protected: true, ..self }
    }

    /// Puts it into the world; gives its ARN.
    pub(super) fn add_to(self, world: &mut World) -> Result<String, Refusal> {
        let now = world.clock.now();
        let template = world.template(&self.template)?;
        let mut parameters = self.parameters;
        for parameter in &template.parameters {
            if let Some(default) = &parameter.default {
                parameters.entry(parameter.name.clone()).or_insert_with(|| default.clone());
            }
        }
        let facts = Arc::new(Facts {
            capabilities: template.capabilities().into_iter().map(str::to_owned).collect(),
            template,
            parameters,
            tags: self.tags,
            role: None,
            notifications: Vec::new(),
            outputs: self.outputs,
        });
        let index = world.add(&self.caller, &self.name);
        world.stacks[index].protected = self.protected;
        settle(world, index, &facts, self.status, self.reason.as_deref(), now);
        Ok(world.stacks[index].identity.id.clone())
    }
}

/// Gives a stack a past that leads to `status`.
fn settle(
    world: &mut World,
    index: usize,
    facts: &Arc<Facts>,
    status: &'static str,
    reason: Option<&str>,
    now: Duration,
) {
    let stack = &mut world.stacks[index];
    if status == "REVIEW_IN_PROGRESS" {
        let step = life::with_facts(life::stack(status, reason), facts);
        return stack.begin(vec![step], now, Duration::ZERO, None);
    }
    let items = items::of_template(facts, &stack.identity, stack.generation);
    let made = match status {
        "CREATE_FAILED" => items.len().saturating_sub(1),
        "CREATE_IN_PROGRESS" => 0,
        _ => items.len(),
    };
    let mut past = vec![life::with_facts(life::stack("CREATE_IN_PROGRESS", Some("User Initiated")), facts)];
    past.extend(items[..made].iter().map(|item| life::resource(item, "CREATE_COMPLETE", None)));
    if status.starts_with("UPDATE") || status.starts_with("DELETE") {
        past.push(life::stack("CREATE_COMPLETE", None));
    }
    stack.begin(past, now, Duration::ZERO, None);
    stack.baseline = stack.view(now).filter(|_| status.starts_with("UPDATE")).map(Arc::new);
    let steps: Vec<Step> = life::preloaded(status, reason, &items);
    stack.begin(steps, now, Duration::ZERO, None);
}

/// A change of a stack by somebody else: done at once, not through a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct External {
    template: Option<String>,
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    status: Option<&'static str>,
}

impl External {
    /// To another template.
    pub(crate) fn template(self, text: impl Into<String>) -> Self {
        Self { template: Some(text.into()), ..self }
    }

    /// To another value of a parameter.
    pub(crate) fn parameter(mut self, key: &str, value: &str) -> Self {
        self.parameters.insert(key.to_owned(), value.to_owned());
        self
    }

    /// To another value of a tag.
    pub(crate) fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Into another status; otherwise `UPDATE_COMPLETE`.
    pub(crate) fn status(self, status: &'static str) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Makes the change. Change sets that wait become obsolete.
    pub(super) fn apply_to(self, world: &mut World, index: usize) -> Result<(), Refusal> {
        let now = world.clock.now();
        let view = world.view(index, now)?;
        let mut facts = (*view.facts).clone();
        if let Some(text) = &self.template {
            facts.template = world.template(text)?;
        }
        facts.parameters.extend(self.parameters);
        facts.tags.extend(self.tags);
        let stack = &mut world.stacks[index];
        stack.change_sets.iter_mut().for_each(|set| set.fortune = Fortune::Obsolete);
        let facts = Arc::new(facts);
        let known = |item: &items::Item| view.atom(&item.logical).is_some_and(super::state::Atom::is_present);
        let all = items::of_template(&facts, &stack.identity, stack.generation);
        let mut steps = vec![life::with_facts(life::stack("UPDATE_IN_PROGRESS", Some("User Initiated")), &facts)];
        steps.extend(all.iter().filter(|item| !known(item)).map(|item| life::resource(item, "CREATE_COMPLETE", None)));
        let gone = items::present(&view).into_iter().filter(|item| facts.template.resource(&item.logical).is_none());
        steps.extend(gone.map(|item| life::resource(&item, "DELETE_COMPLETE", None)));
        steps.push(life::stack(self.status.unwrap_or("UPDATE_COMPLETE"), None));
        stack.begin(steps, now, Duration::ZERO, None);
        Ok(())
    }
}
