//! The resources that an operation touches, with their physical ids.
//!
//! Owns: how physical ids are invented. Constraint kept: deterministic; the same stack and template give the same
//! ids, and a replacement gives another one.

use std::collections::BTreeMap;
use std::sync::Arc;

use cellctl::domain::doc::Node;
use cellctl::domain::ids::Digest;

use super::resolve::{self, Scope};
use super::script::Failure;
use super::state::{Atom, Facts, Identity, Step, Subject, View};
use super::template::Resource;

/// A resource with its physical id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its logical id.
    pub(crate) logical: Arc<str>,
    /// Its type.
    pub(crate) kind: Arc<str>,
    /// Its physical id.
    pub(crate) physical: Arc<str>,
    /// Whether it stays when the stack lets go of it.
    pub(crate) retain: bool,
    /// Whether it stays even when the operation that made it is rolled back.
    pub(crate) retain_new: bool,
}

/// A resource before and after an update.
#[derive(Debug, Clone)]
pub(crate) struct Touched {
    /// After; for one that is removed the same as before.
    pub(crate) new: Item,
    /// Before, unless it is new.
    pub(crate) old: Option<Item>,
}

impl Touched {
    /// Whether there is another physical resource afterwards.
    pub(crate) fn is_replaced(&self) -> bool {
        self.old.as_ref().is_some_and(|old| old.physical != self.new.physical)
    }
}

/// A failure and the item that it hits.
#[derive(Debug, Clone)]
pub(crate) struct Strike {
    at: Option<usize>,
    name: String,
    reason: &'static str,
}

impl Strike {
    /// Hits the failure's resource, or the last item where there is no such.
    pub(crate) fn among(items: &[Item], failure: Failure) -> Self {
        let named = items.iter().position(|item| &*item.logical == failure.resource);
        let at = named.or(items.len().checked_sub(1));
        let name = at.map_or(failure.resource.to_owned(), |index| items[index].logical.to_string());
        Self { at, name, reason: failure.reason }
    }

    /// The reason, if that item is hit.
    pub(crate) fn at(strike: Option<&Self>, index: usize) -> Option<&'static str> {
        strike.filter(|strike| strike.at == Some(index)).map(|strike| strike.reason)
    }

    /// How many items come before.
    pub(crate) fn before(&self) -> usize {
        self.at.unwrap_or(0)
    }

    /// The sentence that the service has for it; `what` is such as "create".
    pub(crate) fn sentence(&self, what: &str) -> String {
        format!("The following resource(s) failed to {what}: [{}]. ", self.name)
    }
}

/// Whether a step is about that resource.
pub(crate) fn names(step: &Step, name: &str) -> bool {
    matches!(&step.subject, Subject::Resource { logical, .. } if &**logical == name)
}

/// All resources of a template, as `generation` of the stack makes them.
pub(crate) fn of_template(facts: &Facts, stack: &Identity, generation: u32) -> Vec<Item> {
    facts.template.resources.iter().map(|resource| new_item(resource, facts, stack, generation)).collect()
}

/// A resource that has to be made.
pub(crate) fn new_item(resource: &Resource, facts: &Facts, stack: &Identity, generation: u32) -> Item {
    Item {
        logical: Arc::clone(&resource.logical),
        kind: Arc::clone(&resource.kind),
        physical: physical_id(resource, facts, stack, generation).into(),
        retain: resource.retain,
        retain_new: resource.retain_new,
    }
}

/// What of a stack's resources exists.
pub(crate) fn present(view: &View) -> Vec<Item> {
    view.resources.iter().filter(|atom| atom.is_present()).map(|atom| existing(atom, view)).collect()
}

/// A resource that a stack has.
pub(crate) fn existing(atom: &Atom, view: &View) -> Item {
    let defined = view.facts.template.resource(&atom.logical);
    Item {
        logical: Arc::clone(&atom.logical),
        kind: Arc::clone(&atom.kind),
        physical: atom.physical.clone().unwrap_or_else(|| "".into()),
        retain: defined.is_some_and(|resource| resource.retain),
        retain_new: defined.is_some_and(|resource| resource.retain_new),
    }
}

/// What an update has touched so far: everything with a step of its own since `baseline`.
pub(crate) fn touched_since(baseline: &View, now: &View) -> Vec<Touched> {
    let changed = |atom: &&Atom| atom.is_present() && baseline.atom(&atom.logical).is_none_or(|b| b.step != atom.step);
    let touched = now.resources.iter().filter(changed).map(|atom| Touched {
        new: existing(atom, now),
        old: baseline.atom(&atom.logical).map(|before| existing(before, baseline)),
    });
    touched.collect()
}

/// The id that the service gives a resource: the name that it is given, or one made of stack, logical id and a hash.
fn physical_id(resource: &Resource, facts: &Facts, stack: &Identity, generation: u32) -> String {
    let resources = BTreeMap::new();
    let scope = Scope { stack, parameters: &facts.parameters, resources: &resources };
    let given = naming_property(&resource.kind).and_then(|name| resource.node.get("Properties")?.get(name));
    let invented = || {
        let parts = [stack.id.as_bytes(), resource.logical.as_bytes(), &generation.to_be_bytes()];
        format!("{}-{}-{}", stack.name, resource.logical, Digest::of_parts(parts).short())
    };
    let name = given.map_or_else(invented, |node: &Node| resolve::resolve(node, scope));
    let (region, account) = (&stack.caller.region, &stack.caller.account);
    match &*resource.kind {
        "AWS::SQS::Queue" => format!("https://sqs.{region}.amazonaws.com/{account}/{name}"),
        "AWS::SNS::Topic" => resolve::arn("AWS::SNS::Topic", &name, region, account),
        "AWS::S3::Bucket" => name.to_ascii_lowercase(),
        _ => name,
    }
}

/// The property that gives a resource of that type its name.
pub(crate) fn naming_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::DynamoDB::Table" => "TableName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::Lambda::Function" => "FunctionName",
        "AWS::S3::Bucket" => "BucketName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::CloudWatch::Alarm" => "AlarmName",
        _ => return None,
    })
}
