//! What a request asks a stack to be.
//!
//! Owns: template, parameters, tags and capabilities of a request, with their limits. Constraint kept: limits are
//! the documented ones: 51,200 bytes in the request, 1 MB behind a URL.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::errors::Refusal;
use super::super::query::Request;
use super::super::state::Facts;
use super::super::template::Template;
use super::super::world::World;

/// Bytes of a template in a request ("AWS CloudFormation quotas").
const BODY_BYTES_MAX: usize = 51_200;
/// Bytes of a template behind a URL.
const STORED_BYTES_MAX: usize = 1_000_000;

/// Reads everything; `previous` is what the stack is so far.
pub(super) fn facts(world: &mut World, request: &Request, previous: Option<&Facts>) -> Result<Facts, Refusal> {
    let template = match previous {
        Some(previous) if request.flag("UsePreviousTemplate") => Arc::clone(&previous.template),
        _ => template(world, request)?,
    };
    let capabilities: Vec<String> = request.list("Capabilities").into_iter().map(str::to_owned).collect();
    check_capabilities(&template, &capabilities)?;
    let topics = request.list("NotificationARNs").into_iter().map(str::to_owned);
    Ok(Facts {
        parameters: parameters(&template, request, previous)?,
        tags: tags(request, previous),
        capabilities,
        role: request.get("RoleARN").map(str::to_owned).or_else(|| previous.and_then(|p| p.role.clone())),
        notifications: topics.collect(),
        outputs: previous.and_then(|previous| previous.outputs.clone()),
        template,
    })
}

/// The template of a request, by value or by URL.
pub(super) fn template(world: &mut World, request: &Request) -> Result<Arc<Template>, Refusal> {
    match (request.get("TemplateBody"), request.get("TemplateURL")) {
        (Some(""), None) => {
            Err(Refusal::constraint("''", "templateBody", "Member must have length greater than or equal to 1"))
        }
        (Some(body), None) if body.len() > BODY_BYTES_MAX => {
            let rule = format!("Member must have length less than or equal to {BODY_BYTES_MAX}");
            Err(Refusal::constraint(&format!("'{}...'", &first_line(body)), "templateBody", &rule))
        }
        (Some(body), None) => world.template(body),
        (None, Some(url)) => stored(world, url),
        (Some(_), Some(_)) => Err(Refusal::validation("You cannot specify both a template body and a template URL.")),
        (None, None) => Err(Refusal::validation("Either Template URL or Template Body must be specified.")),
    }
}

fn first_line(body: &str) -> String {
    body.lines().next().unwrap_or_default().chars().take(40).collect()
}

fn stored(world: &mut World, url: &str) -> Result<Arc<Template>, Refusal> {
    let Some(resolver) = world.settings.resolver.clone() else { return Ok(Arc::new(Template::opaque(url))) };
    let missing = || Refusal::validation("S3 error: The specified key does not exist.");
    let body = resolver(url).ok_or_else(missing)?;
    if body.len() > STORED_BYTES_MAX {
        return Err(Refusal::validation(format!("Template may not exceed {STORED_BYTES_MAX} bytes in size.")));
    }
    world.template(&body)
}

fn check_capabilities(template: &Template, granted: &[String]) -> Result<(), Refusal> {
    let has = |name: &str| granted.iter().any(|capability| capability == name);
    let suffices = |name: &&str| match *name {
        "CAPABILITY_IAM" => !has("CAPABILITY_IAM") && !has("CAPABILITY_NAMED_IAM"),
        other => !has(other),
    };
    let missing: Vec<&str> = template.capabilities().into_iter().filter(suffices).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("Requires capabilities : [{}]", missing.join(", "));
    Err(Refusal::new("InsufficientCapabilitiesException", text))
}

/// The value of every parameter: the request's, the one so far where it says so, or the default.
fn parameters(
    template: &Template,
    request: &Request,
    previous: Option<&Facts>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let given: BTreeMap<&str, BTreeMap<&str, &str>> = request
        .structs("Parameters")
        .into_iter()
        .filter_map(|fields| Some((fields.get("ParameterKey").copied()?, fields)))
        .collect();
    check_known(template, &given)?;
    let mut values = BTreeMap::new();
    let mut missing = Vec::new();
    for parameter in &template.parameters {
        let before = || previous.and_then(|previous| previous.parameters.get(&parameter.name).cloned());
        let value = match given.get(parameter.name.as_str()) {
            Some(fields) if fields.get("UsePreviousValue") == Some(&"true") => before(),
            Some(fields) => fields.get("ParameterValue").map(|value| (*value).to_owned()),
            None => parameter.default.clone(),
        };
        match value {
            Some(value) => drop(values.insert(parameter.name.clone(), value)),
            None => missing.push(parameter.name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(values);
    }
    Err(Refusal::validation(format!("Parameters: [{}] must have values", missing.join(", "))))
}

/// Refuses parameters that the template does not have; of an opaque one nobody knows.
fn check_known(template: &Template, given: &BTreeMap<&str, BTreeMap<&str, &str>>) -> Result<(), Refusal> {
    let known = |name: &&&str| template.parameters.iter().any(|parameter| parameter.name == **name);
    let unknown: Vec<&str> = given.keys().filter(|name| !known(name)).copied().collect();
    if template.resources.is_empty() || unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::validation(format!("Parameters: [{}] do not exist in the template", unknown.join(", "))))
}

/// Tags of the request. An update that names none keeps the ones that are there; an empty list removes them.
fn tags(request: &Request, previous: Option<&Facts>) -> BTreeMap<String, String> {
    let given = request.structs("Tags");
    if given.is_empty() && request.get("Tags").is_none() {
        return previous.map(|previous| previous.tags.clone()).unwrap_or_default();
    }
    let field = |fields: &BTreeMap<&str, &str>, name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
    given.iter().map(|fields| (field(fields, "Key"), field(fields, "Value"))).collect()
}
