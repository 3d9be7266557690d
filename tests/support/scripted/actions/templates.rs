//! Templates by themselves, and the limits of the account.
//!
//! Owns: `GetTemplate`, `GetTemplateSummary`, `ValidateTemplate` and `DescribeAccountLimits`.

use std::sync::Arc;
use std::time::Duration;

use super::super::query::Request;
use super::super::template::{Parameter, Template};
use super::super::world::World;
use super::super::xml::{Element, leaf, list, maybe, texts};
use super::{Answer, change_sets, input, readable};

pub(super) fn get(world: &World, request: &Request, now: Duration) -> Answer {
    let template = match request.get("ChangeSetName") {
        Some(_) => {
            let (index, at) = change_sets::locate(world, request, now)?;
            Arc::clone(&world.stacks[index].change_sets[at].facts.template)
        }
        None => Arc::clone(&world.view(readable(world, request, now)?, now)?.facts.template),
    };
    Ok(vec![leaf("TemplateBody", &template.text), texts("StagesAvailable", ["Original", "Processed"])])
}

pub(super) fn summary(world: &mut World, request: &Request, now: Duration) -> Answer {
    let template = match request.get("StackName") {
        Some(_) => Arc::clone(&world.view(readable(world, request, now)?, now)?.facts.template),
        None => input::template(world, request)?,
    };
    let mut shown = about(&template);
    let kinds: std::collections::BTreeSet<&str> = template.resources.iter().map(|r| &*r.kind).collect();
    shown.push(texts("ResourceTypes", kinds));
    shown.push(leaf("Version", "2010-09-09"));
    Ok(shown)
}

pub(super) fn validate(world: &mut World, request: &Request) -> Answer {
    Ok(about(&*input::template(world, request)?))
}

fn about(template: &Template) -> Vec<Element> {
    let mut shown = vec![list("Parameters", template.parameters.iter().map(parameter))];
    shown.extend(maybe("Description", template.description.as_ref()));
    let needed = template.capabilities();
    let reason = format!("The following resource(s) require capabilities: [{}]", needed.join(", "));
    shown.extend((!needed.is_empty()).then(|| leaf("CapabilitiesReason", reason)));
    shown.push(texts("Capabilities", needed));
    shown.push(texts("DeclaredTransforms", &template.transforms));
    shown
}

fn parameter(parameter: &Parameter) -> Vec<Element> {
    let mut shown = vec![
        leaf("ParameterKey", &parameter.name),
        leaf("NoEcho", parameter.no_echo),
        leaf("ParameterType", &parameter.kind),
    ];
    shown.extend(maybe("DefaultValue", parameter.default.as_ref()));
    shown
}

/// The limits that the service reports ("AWS CloudFormation quotas"): 2,000 stacks, 200 outputs.
pub(super) fn account_limits(world: &World) -> Vec<Element> {
    let stacks = world.settings.stacks_max.min(2_000).to_string();
    let limits =
        [("StackLimit", stacks), ("StackOutputsLimit", "200".into()), ("ConcurrentResourcesLimit", "2500".into())];
    vec![list("AccountLimits", limits.map(|(name, value)| vec![leaf("Name", name), leaf("Value", value)]))]
}
