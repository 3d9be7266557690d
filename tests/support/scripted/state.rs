//! A stack and what can be seen of it at a moment.
//!
//! Owns: the steps of a stack's life and the fold over them. Constraint kept: what a stack looks like is a pure
//! function of its steps and a moment. The steps of an operation are laid out in full when it starts; nothing runs
//! in the background.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::changeset::ChangeSet;
use super::query::Caller;
use super::resolve::{self, Scope};
use super::template::Template;
use super::xml::Element;

/// Which stack it is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Its name.
    pub(crate) name: String,
    /// Its ARN.
    pub(crate) id: String,
    /// The account and Region it is in.
    pub(crate) caller: Caller,
}

/// What a stack was asked to be.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The template.
    pub(crate) template: Arc<Template>,
    /// Every parameter's value, defaults included.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The stack's tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// The capabilities that were granted.
    pub(crate) capabilities: Vec<String>,
    /// The role that the service assumes.
    pub(crate) role: Option<String>,
    /// The topics that hear of its events.
    pub(crate) notifications: Vec<String>,
    /// Outputs that a test dictates; otherwise they are resolved from the template.
    pub(crate) outputs: Option<BTreeMap<String, String>>,
}

/// What a step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The stack itself.
    Stack,
    /// One of its resources.
    Resource {
        /// Its logical id.
        logical: Arc<str>,
        /// Its type.
        kind: Arc<str>,
        /// Its physical id, once it has one.
        physical: Option<Arc<str>>,
    },
}

/// One step of a stack's life, which is also one event.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// When it happens.
    pub(crate) at: Duration,
    /// What it is about.
    pub(crate) subject: Subject,
    /// The status from then on.
    pub(crate) status: &'static str,
    /// Why.
    pub(crate) reason: Option<String>,
    /// The token of the request that began the operation.
    pub(crate) token: Option<Arc<str>>,
    /// What the stack is asked to be from then on, where that changes.
    pub(crate) facts: Option<Arc<Facts>>,
}

/// A resource at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Atom {
    /// Its logical id.
    pub(crate) logical: Arc<str>,
    /// Its type.
    pub(crate) kind: Arc<str>,
    /// Its physical id, once it has one.
    pub(crate) physical: Option<Arc<str>>,
    /// Its status.
    pub(crate) status: &'static str,
    /// Why.
    pub(crate) reason: Option<String>,
    /// When its status was last set.
    pub(crate) at: Duration,
    /// Which step set it.
    pub(crate) step: usize,
}

impl Atom {
    /// Whether there is such a thing (or what is left of it) in the account and in the stack.
    pub(crate) fn is_present(&self) -> bool {
        self.physical.is_some() && !matches!(self.status, "DELETE_COMPLETE" | "DELETE_SKIPPED")
    }
}

/// A stack at a moment.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Its status.
    pub(crate) status: &'static str,
    /// Why.
    pub(crate) reason: Option<String>,
    /// What it is asked to be.
    pub(crate) facts: Arc<Facts>,
    /// Its resources, in the order in which they first appeared.
    pub(crate) resources: Vec<Atom>,
    /// When its last update began.
    pub(crate) updated: Option<Duration>,
    /// When its deletion began.
    pub(crate) deleted: Option<Duration>,
}

impl View {
    /// The resource of that logical id.
    pub(crate) fn atom(&self, logical: &str) -> Option<&Atom> {
        self.resources.iter().find(|atom| &*atom.logical == logical)
    }

    /// Values of the outputs. A stack that has never been complete has none.
    pub(crate) fn outputs(&self, stack: &Identity) -> BTreeMap<String, String> {
        if !self.status.ends_with("COMPLETE") || matches!(self.status, "ROLLBACK_COMPLETE" | "DELETE_COMPLETE") {
            return BTreeMap::new();
        }
        if let Some(outputs) = &self.facts.outputs {
            return outputs.clone();
        }
        let physical = |atom: &Atom| atom.physical.as_deref().unwrap_or_default().to_owned();
        let resources = self.resources.iter().map(|a| (a.logical.to_string(), (a.kind.to_string(), physical(a))));
        let resources = resources.collect();
        let scope = Scope { stack, parameters: &self.facts.parameters, resources: &resources };
        let value = |node: &cellctl::domain::doc::Node| {
            node.get("Value").map_or_else(String::new, |value| resolve::resolve(value, scope))
        };
        self.facts.template.outputs.iter().map(|(name, node)| (name.clone(), value(node))).collect()
    }

    fn take(&mut self, index: usize, step: &Step) {
        if let Some(facts) = &step.facts {
            self.facts = Arc::clone(facts);
        }
        match &step.subject {
            Subject::Stack => self.take_status(step),
            Subject::Resource { logical, kind, physical } => {
                let atom = Atom {
                    logical: Arc::clone(logical),
                    kind: Arc::clone(kind),
                    physical: physical.clone(),
                    status: step.status,
                    reason: step.reason.clone(),
                    at: step.at,
                    step: index,
                };
                self.take_atom(atom);
            }
        }
    }

    fn take_status(&mut self, step: &Step) {
        self.status = step.status;
        self.reason.clone_from(&step.reason);
        match step.status {
            "UPDATE_IN_PROGRESS" | "IMPORT_IN_PROGRESS" => self.updated = Some(step.at),
            "DELETE_IN_PROGRESS" => self.deleted = Some(step.at),
            "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" => self.resources.retain(Atom::is_present),
            _ => {}
        }
    }

    /// The deletion of what a replacement left behind is an event only: the resource lives on under its new id.
    fn take_atom(&mut self, atom: Atom) {
        let Some(known) = self.resources.iter_mut().find(|known| known.logical == atom.logical) else {
            self.resources.push(atom);
            return;
        };
        let left_behind = atom.status.starts_with("DELETE") && known.physical != atom.physical;
        if !left_behind {
            let physical = atom.physical.clone().or_else(|| known.physical.clone());
            *known = Atom { physical, ..atom };
        }
    }
}

/// How a resource differs from its definition, as a test dictates it.
#[derive(Debug, Clone)]
pub(crate) struct Drift {
    /// `MODIFIED` or `DELETED`.
    pub(crate) status: &'static str,
    /// Pointer to the property, expected and actual value.
    pub(crate) difference: Option<(String, String, String)>,
}

/// A stack, deleted ones included.
#[derive(Debug)]
pub(crate) struct Stack {
    /// Which one it is.
    pub(crate) identity: Identity,
    /// Its life, in order of time; some of it may lie ahead.
    pub(crate) steps: Vec<Step>,
    /// What it was before the update that runs or has failed; that is where a rollback leads.
    pub(crate) baseline: Option<Arc<View>>,
    /// Its change sets.
    pub(crate) change_sets: Vec<ChangeSet>,
    /// Whether its deletion is refused.
    pub(crate) protected: bool,
    /// Whether a failed create or update stays as it is.
    pub(crate) rollback_disabled: bool,
    /// Its stack policy.
    pub(crate) policy: Option<String>,
    /// Request tokens with the action that they were used for and its answer.
    pub(crate) tokens: HashMap<String, (String, Vec<Element>)>,
    /// Drift by logical id.
    pub(crate) drifts: BTreeMap<String, Drift>,
    /// When drift was last looked for.
    pub(crate) drift_checked: Option<Duration>,
    /// How many operations have begun; new physical ids contain it.
    pub(crate) generation: u32,
}

impl Stack {
    /// The stack as it is at `now`. A stack has at least one step, which carries facts.
    pub(crate) fn view(&self, now: Duration) -> Option<View> {
        let first = self.steps.first()?;
        let facts = Arc::clone(first.facts.as_ref()?);
        let (reason, resources) = (None, Vec::new());
        let mut view = View { status: first.status, reason, facts, resources, updated: None, deleted: None };
        let past = self.steps.iter().take_while(|step| step.at <= now);
        past.enumerate().for_each(|(index, step)| view.take(index, step));
        Some(view)
    }

    /// Its status alone, which is much cheaper.
    pub(crate) fn status(&self, now: Duration) -> &'static str {
        let mut stack = self.steps.iter().rev().filter(|step| step.subject == Subject::Stack);
        stack.find(|step| step.at <= now).map_or("CREATE_IN_PROGRESS", |step| step.status)
    }

    /// When it came into being.
    pub(crate) fn created(&self) -> Duration {
        self.steps.first().map(|step| step.at).unwrap_or_default()
    }

    /// Lays an operation's steps over `total` from `now`; what was still to come is not to be any more.
    pub(crate) fn begin(&mut self, steps: Vec<Step>, now: Duration, total: Duration, token: Option<&str>) {
        self.steps.retain(|step| step.at <= now);
        let token: Option<Arc<str>> = token.map(Into::into);
        let last = u32::try_from(steps.len().saturating_sub(1)).unwrap_or(u32::MAX).max(1);
        for (index, mut step) in (0..).zip(steps) {
            step.at = now + total * index / last;
            step.token.clone_from(&token);
            self.steps.push(step);
        }
    }
}
