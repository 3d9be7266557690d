//! Renders a cell into the stack that it asks for.
//!
//! Owns: the cache that makes 10,000 equal cells cost one template, and what differs between them: parameters, tags
//! and names. Constraint kept: a digest covers all that reaches CloudFormation and the functions' code, and nothing
//! else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::build::{self, PhysicalName, RenderedTemplate};
use super::context::{self, Fields};
use super::expand::Expander;
use super::isolation;
use super::source::TemplateSource;
use crate::domain::doc::{Node, Position};
use crate::domain::finding::{Finding, did_you_mean};
use crate::domain::fleet::{Cell, Fleet, Place};
use crate::domain::ids::{CellId, Digest, StackName, TemplateName};

/// Reads YAML or JSON text. Passed in, because the domain knows no parser.
pub type ParseText = fn(&str) -> Result<Node, (Position, String)>;

/// Entries that the cache holds; past it, it starts anew. A fleet has a handful of shapes.
const CACHE_ENTRIES_MAX: usize = 4_096;
/// Characters of a table's name (DynamoDB quotas).
const TABLE_NAME_CHARS_MAX: usize = 255;
/// Characters of a queue's name, with `.fifo` (SQS quotas).
const QUEUE_NAME_CHARS_MAX: usize = 80;
/// Different sets of fields that a template may read; one for each way through its conditions.
const PATTERNS_MAX: usize = 16;

/// The stack that a cell asks for.
#[derive(Debug, Clone)]
pub struct RenderedStack {
    /// The cell.
    pub cell: CellId,
    /// Name of the stack.
    pub stack: StackName,
    /// Where the stack lives.
    pub place: Place,
    /// What is sent, shared by equal cells.
    pub template: Arc<RenderedTemplate>,
    /// Values of the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Tags of the stack: the fleet's, the cell's, `cellctl:fleet` and `cellctl:cell`.
    pub tags: BTreeMap<String, String>,
    /// Digest of body, parameters, tags and function code.
    pub digest: Digest,
    /// Names of the tables that the stack creates, where they can be told beforehand.
    pub tables: Vec<String>,
    /// Names of the queues that the stack creates, where they can be told beforehand.
    pub queues: Vec<String>,
}

type Built = Result<Arc<RenderedTemplate>, Vec<Finding>>;

/// Renders the cells of a fleet. May be used from many threads.
pub struct Renderer {
    templates: BTreeMap<TemplateName, Template>,
    parse: ParseText,
    /// What a text was built into, by digest of template, fleet name and text.
    built: Mutex<HashMap<Digest, Built>>,
}

struct Template {
    source: TemplateSource,
    /// Absent for a template that is used as it is; the finding where it does not compile.
    expander: Option<Result<Expander, Finding>>,
    seen: Mutex<Seen>,
}

/// What cells were rendered into, by the fields that their template read.
#[derive(Default)]
struct Seen {
    patterns: Vec<BTreeSet<&'static str>>,
    built: HashMap<Digest, Built>,
}

impl Renderer {
    /// A renderer of the given templates. One that is faulty is reported when a cell needs it.
    pub fn new(sources: impl IntoIterator<Item = TemplateSource>, parse: ParseText) -> Self {
        let template = |source: TemplateSource| {
            let expander = source.dynamic.then(|| Expander::new(&source));
            (source.name.clone(), Template { source, expander, seen: Mutex::default() })
        };
        Self { templates: sources.into_iter().map(template).collect(), parse, built: Mutex::default() }
    }

    /// Renders one cell. `code` has the digest of each function's package, by the `code` path in its definition.
    pub fn render(
        &self,
        fleet: &Fleet,
        cell: &Cell,
        code: &BTreeMap<String, Digest>,
    ) -> Result<RenderedStack, Vec<Finding>> {
        let template = self.template_of(cell).map_err(|f| vec![f])?;
        let rendered = self.rendered(template, fleet, cell, code)?;
        finish(fleet, cell, code, template, rendered)
    }

    /// The text that a cell's template expands to, before checks and guards, for someone who writes one.
    pub fn expand(&self, fleet: &Fleet, cell: &Cell, code: &BTreeMap<String, Digest>) -> Result<String, Finding> {
        let template = self.template_of(cell)?;
        let Some(expander) = &template.expander else { return Ok(template.source.text.clone()) };
        let fields = context::cell(cell, code).map_err(|path| no_code(cell, &path))?;
        let expander = expander.as_ref().map_err(Clone::clone)?;
        Ok(expander.expand(&context::fleet(fleet), &context::artifacts(fleet), &fields)?.text)
    }

    fn template_of(&self, cell: &Cell) -> Result<&Template, Finding> {
        self.templates.get(&cell.template).ok_or_else(|| {
            let names = self.templates.keys().map(TemplateName::as_str);
            let message = format!("there is no template {:?}", cell.template.as_str());
            let hint = did_you_mean(cell.template.as_str(), names).map_or_else(
                || "put one into a folder of that name below the templates directory".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            Finding::error("unknown-template", &cell.file, message).hint(hint)
        })
    }

    fn rendered(&self, template: &Template, fleet: &Fleet, cell: &Cell, code: &BTreeMap<String, Digest>) -> Built {
        let Some(expander) = &template.expander else {
            return self.built(&template.source, &template.source.file, &template.source.text, fleet);
        };
        let expander = expander.as_ref().map_err(|finding| vec![finding.clone()])?;
        let fields = context::cell(cell, code).map_err(|path| vec![no_code(cell, &path)])?;
        let (fleet_fields, artifacts) = (context::fleet(fleet), context::artifacts(fleet));
        if let Some(known) = template.seen().find(&fleet_fields, &fields) {
            return known;
        }
        let expansion = expander.expand(&fleet_fields, &artifacts, &fields).map_err(|finding| vec![finding])?;
        let file = format!("{} (expanded)", template.source.file);
        let built = self.built(&template.source, &file, &expansion.text, fleet);
        template.seen().remember(&fleet_fields, &fields, expansion.used, &built);
        built
    }

    /// What a text is built into, from the cache where it was built before.
    fn built(&self, source: &TemplateSource, file: &str, text: &str, fleet: &Fleet) -> Built {
        let parts = [source.name.as_str(), fleet.name.as_str(), text];
        let key = Digest::of_parts(parts.map(str::as_bytes));
        if let Some(known) = self.cache().get(&key) {
            return known.clone();
        }
        let built = build::build(self.parse, file, text, fleet.name.as_str()).map(Arc::new);
        let mut cache = self.cache();
        if cache.len() >= CACHE_ENTRIES_MAX {
            cache.clear();
        }
        // Another thread may have been quicker; all must share what it made.
        cache.entry(key).or_insert(built).clone()
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Built>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Template {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn find(&self, fleet: &serde_json::Value, fields: &Fields) -> Option<Built> {
        self.patterns.iter().find_map(|used| self.built.get(&key(used, fleet, fields)).cloned())
    }

    fn remember(&mut self, fleet: &serde_json::Value, fields: &Fields, used: BTreeSet<&'static str>, built: &Built) {
        if self.built.len() >= CACHE_ENTRIES_MAX {
            self.built.clear();
        }
        self.built.insert(key(&used, fleet, fields), built.clone());
        if self.patterns.len() < PATTERNS_MAX && !self.patterns.contains(&used) {
            self.patterns.push(used);
        }
    }
}

/// What an expansion depends on: the fleet, and those fields of the cell that it read. A run of a template that reads
/// these and finds the same values can do nothing else than the run before it.
fn key(used: &BTreeSet<&'static str>, fleet: &serde_json::Value, fields: &Fields) -> Digest {
    let read: BTreeMap<_, _> = used.iter().filter_map(|name| fields.get_key_value(name)).collect();
    context::fingerprint([&serde_json::json!({ "fleet": fleet, "cell": read })])
}

fn no_code(cell: &Cell, path: &str) -> Finding {
    Finding::error("missing-code", &cell.file, format!("the function code {path:?} was not packaged"))
        .hint("check the path: it starts at the directory that holds the templates directory")
}

/// Puts together what a cell has of its own.
fn finish(
    fleet: &Fleet,
    cell: &Cell,
    code: &BTreeMap<String, Digest>,
    template: &Template,
    rendered: Arc<RenderedTemplate>,
) -> Result<RenderedStack, Vec<Finding>> {
    let mut findings = isolation::foreign_names(fleet, cell, &template.source.file, &rendered);
    let parameters = parameters(fleet, cell, &template.source.file, &rendered, &mut findings);
    let stack = fleet.stack_of(&cell.id);
    let tags = tags(fleet, cell);
    let resolve = |names: &[PhysicalName]| -> Vec<String> {
        names.iter().filter_map(|n| resolve(n, &stack, cell, &parameters)).collect()
    };
    let (tables, queues) = (resolve(&rendered.tables), resolve(&rendered.queues));
    findings.extend(too_long(cell, "table", &tables, TABLE_NAME_CHARS_MAX));
    findings.extend(too_long(cell, "queue", &queues, QUEUE_NAME_CHARS_MAX));
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(RenderedStack {
        digest: digest(cell, code, &rendered, &parameters, &tags),
        tables,
        queues,
        cell: cell.id.clone(),
        place: cell.place.clone(),
        template: rendered,
        stack,
        parameters,
        tags,
    })
}

/// A finding for each name that the service would refuse.
fn too_long<'a>(cell: &'a Cell, kind: &'a str, names: &'a [String], max: usize) -> impl Iterator<Item = Finding> + 'a {
    names.iter().filter(move |name| name.len() > max).map(move |name| {
        let message = format!("the {kind} name {name} has {} characters; AWS takes {max}", name.len());
        Finding::error("name-too-long", &cell.file, message).hint(format!("give the {kind} a shorter name"))
    })
}

/// Values of the declared parameters: those of the definition, then those that cellctl fills in itself.
fn parameters(
    fleet: &Fleet,
    cell: &Cell,
    file: &str,
    rendered: &RenderedTemplate,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, String> {
    let declared = |name: &str| rendered.parameters.iter().any(|p| p.name == name);
    for name in cell.spec.parameters.keys().filter(|name| !declared(name)) {
        let hint = did_you_mean(name, rendered.parameters.iter().map(|p| p.name.as_str()));
        let message = format!("the template {} has no parameter {name:?}", cell.template);
        findings.push(Finding::error("unknown-parameter", &cell.file, message).hint(hint.map_or_else(
            || "remove it, or declare it under Parameters".to_owned(),
            |h| format!("did you mean `{h}`?"),
        )));
    }
    let mut values = BTreeMap::new();
    for parameter in &rendered.parameters {
        match cell.spec.parameters.get(&parameter.name).cloned().or_else(|| built_in(&parameter.name, fleet, cell)) {
            Some(value) => drop(values.insert(parameter.name.clone(), value)),
            None if parameter.required => findings.push(missing_parameter(cell, file, &parameter.name)),
            None => {}
        }
    }
    values
}

fn missing_parameter(cell: &Cell, file: &str, name: &str) -> Finding {
    let message = format!("the parameter {name:?} of {file} has no default and the cell gives no value");
    Finding::error("missing-parameter", &cell.file, message)
        .hint(format!("add `{name}` under spec.parameters, or a Default to the template"))
}

/// The parameters that cellctl fills where a template declares them.
fn built_in(name: &str, fleet: &Fleet, cell: &Cell) -> Option<String> {
    match name {
        "FleetName" => Some(fleet.name.to_string()),
        "CellName" => Some(cell.id.to_string()),
        "CellType" => Some(cell.spec.cell_type.as_str().to_owned()),
        _ => None,
    }
}

fn tags(fleet: &Fleet, cell: &Cell) -> BTreeMap<String, String> {
    let mut tags = fleet.tags.clone();
    tags.extend(cell.spec.tags.iter().map(|(k, v)| (k.clone(), v.clone())));
    tags.insert("cellctl:fleet".to_owned(), fleet.name.to_string());
    tags.insert("cellctl:cell".to_owned(), cell.id.to_string());
    tags
}

fn resolve(
    name: &PhysicalName,
    stack: &StackName,
    cell: &Cell,
    parameters: &BTreeMap<String, String>,
) -> Option<String> {
    name.resolve(|variable| match variable {
        "AWS::StackName" => Some(stack.as_str()),
        "AWS::Region" => Some(cell.place.region.as_str()),
        "AWS::AccountId" => cell.place.account.as_ref().map(crate::domain::ids::AccountId::as_str),
        other => parameters.get(other).map(String::as_str),
    })
}

fn digest(
    cell: &Cell,
    code: &BTreeMap<String, Digest>,
    rendered: &RenderedTemplate,
    parameters: &BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
) -> Digest {
    let own: BTreeMap<&str, &Digest> =
        cell.spec.functions.values().filter_map(|f| Some((f.code.as_str(), code.get(&f.code)?))).collect();
    let mut parts = vec![rendered.digest.as_str(), "parameters"];
    parts.extend(parameters.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
    parts.push("tags");
    parts.extend(tags.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
    parts.push("code");
    parts.extend(own.iter().flat_map(|(path, digest)| [*path, digest.as_str()]));
    Digest::of_parts(parts.into_iter().map(str::as_bytes))
}
