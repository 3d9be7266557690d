//! From the files and settings of a user to what an operation takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::domain::audit::Actor;
use crate::domain::finding::Finding;
use crate::domain::fleet::{Cell, Fleet, Place};
use crate::domain::ids::{CellId, Digest};
use crate::domain::plan::{Artifact, Desired};
use crate::domain::template::{RenderedStack, Renderer};
use crate::fs::definitions::{self, LoadError};
use crate::fs::functions::Packager;
use crate::fs::templates;
use crate::local::{self, InstanceName, LocalSettings, Status};
use crate::ops::lease::Claim;
use crate::ops::moves::MoveWorld;
use crate::ops::plan::Request;
use crate::ops::rollout::RolloutWorld;
use crate::ops::{ErrorKind, OpError, Reporter, World};
use crate::output::{findings, progress};
use crate::wire;

use super::Session;

/// A fleet with everything that its definitions and templates say.
pub struct Loaded {
    /// The fleet.
    pub fleet: Fleet,
    /// The function code.
    pub packager: Arc<Packager>,
    /// Digests of the function code, by path.
    pub code: BTreeMap<String, Digest>,
    /// The templates.
    pub renderer: Renderer,
}

/// Rendered cells, ready to be planned.
pub struct Rendered {
    /// What each stack is to be.
    pub desired: Vec<Desired>,
    /// Bodies of the templates.
    pub bodies: BTreeMap<Digest, Arc<str>>,
}

/// Reads the definitions alone, and tells their warnings.
pub fn fleet(session: &Session) -> Result<Fleet, OpError> {
    let loaded = definitions::load(&session.global.cells).map_err(load_error)?;
    if !loaded.warnings.is_empty() {
        session.printer.note(findings::text(&loaded.warnings, session.printer.style_err()).trim_end());
    }
    let mut fleet = loaded.fleet;
    if session.global.local {
        forget_accounts(&mut fleet);
    }
    Ok(fleet)
}

/// Reads definitions, templates and function code.
pub fn load(session: &Session) -> Result<Loaded, OpError> {
    let fleet = fleet(session)?;
    load_from(fleet, &session.global.templates)
}

/// Adds templates and function code to a fleet.
pub fn load_from(fleet: Fleet, dir: &Path) -> Result<Loaded, OpError> {
    let names: BTreeSet<_> = fleet.cells.iter().map(|c| c.template.clone()).collect();
    let invalid = |findings: Vec<Finding>| OpError::invalid("the templates are not valid", findings);
    let sources = templates::load(dir, &names).map_err(invalid)?;
    let packager = Arc::new(Packager::new(code_root(dir)));
    let code = packager.digests(&fleet).map_err(|f| OpError::invalid("the function code cannot be packaged", f))?;
    let renderer = Renderer::new(sources, wire::parse_document);
    Ok(Loaded { fleet, packager, code, renderer })
}

/// Paths of code, and of commands, start at the directory that holds the directory of the templates, or of the cells.
fn code_root(folder: &Path) -> &Path {
    folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A local endpoint has one account, whatever the definitions name.
pub fn forget_accounts(fleet: &mut Fleet) {
    let forget = |place: &mut Place| {
        place.account = None;
        place.role_arn = None;
    };
    forget(&mut fleet.control);
    fleet.cells.iter_mut().for_each(|cell| forget(&mut cell.place));
}

fn load_error(error: LoadError) -> OpError {
    match error {
        LoadError::Findings(findings) => OpError::invalid("the definitions are not valid; nothing was done", findings),
        LoadError::Io { path, reason, hint } => {
            let message = format!("cannot read the definitions in {}: {reason}", path.display());
            OpError::new(ErrorKind::InvalidInput, message).hint(hint)
        }
    }
}

impl Loaded {
    /// The selected cells. None at all is an error: a selector that matches nothing is a mistake.
    pub fn selected(&self, session: &Session) -> Result<Vec<&Cell>, OpError> {
        select(&self.fleet, session)
    }

    /// Renders cells, all findings at once.
    pub fn render(&self, cells: &[&Cell]) -> Result<Vec<RenderedStack>, OpError> {
        let results: Vec<_> =
            cells.par_iter().map(|cell| self.renderer.render(&self.fleet, cell, &self.code)).collect();
        let mut stacks = Vec::with_capacity(results.len());
        let mut findings: Vec<Finding> = Vec::new();
        for result in results {
            match result {
                Ok(stack) => stacks.push(stack),
                Err(found) => findings.extend(found),
            }
        }
        if findings.is_empty() {
            return Ok(stacks);
        }
        Err(OpError::invalid("the templates are not valid; nothing was done", distinct(findings)))
    }

    /// Renders cells for a plan.
    pub fn desired(&self, cells: &[&Cell]) -> Result<Rendered, OpError> {
        let stacks = self.render(cells)?;
        let mut bodies: BTreeMap<Digest, Arc<str>> = BTreeMap::new();
        let mut desired = Vec::with_capacity(stacks.len());
        for (cell, stack) in cells.iter().zip(stacks) {
            let template = &stack.template;
            bodies.entry(template.digest.clone()).or_insert_with(|| template.body.as_str().into());
            desired.push(self.desired_of(cell, stack));
        }
        Ok(Rendered { desired, bodies })
    }

    fn desired_of(&self, cell: &Cell, stack: RenderedStack) -> Desired {
        let codes: BTreeSet<&String> = cell.spec.functions.values().map(|f| &f.code).collect();
        let artifact = |source: &String| {
            let digest = self.code.get(source)?.clone();
            Some(Artifact { key: format!("functions/{digest}.zip"), digest, source: source.clone() })
        };
        Desired {
            cell: stack.cell,
            cell_type: cell.spec.cell_type.as_str().to_owned(),
            template_name: cell.template.to_string(),
            stack: stack.stack,
            place: stack.place,
            digest: stack.digest,
            template: stack.template.digest.clone(),
            parameters: stack.parameters,
            tags: stack.tags,
            capabilities: stack.template.capabilities.iter().cloned().collect(),
            artifacts: codes.into_iter().filter_map(artifact).collect(),
            tables: stack.tables,
            queues: stack.queues,
        }
    }

    /// What a plan is asked for.
    pub fn request(&self, session: &Session, cells: &[&Cell], allowed: BTreeSet<String>) -> Result<Request, OpError> {
        let rendered = self.desired(cells)?;
        Ok(Request {
            fleet: self.fleet.name.to_string(),
            selection: session.global.select.as_ref().map(ToString::to_string),
            desired: rendered.desired,
            defined: self.fleet.cells.iter().map(|c| c.id.clone()).collect(),
            bodies: rendered.bodies,
            allowed,
        })
    }
}

/// Equal cells have equal findings; each is told once.
fn distinct(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    }
    kept.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    kept
}

/// The selected cells of a fleet.
pub fn select<'a>(fleet: &'a Fleet, session: &Session) -> Result<Vec<&'a Cell>, OpError> {
    let Some(selector) = &session.global.select else { return Ok(fleet.cells.iter().collect()) };
    let cells: Vec<&Cell> = fleet.cells.iter().filter(|cell| selector.matches(cell)).collect();
    if cells.is_empty() {
        let message =
            format!("the selector {selector} matches none of the {} cells of fleet {}", fleet.cells.len(), fleet.name);
        return Err(OpError::new(ErrorKind::Usage, message).hint("`cellctl cell list` shows the cells"));
    }
    Ok(cells)
}

/// One cell by name.
pub fn one<'a>(fleet: &'a Fleet, name: &CellId) -> Result<&'a Cell, OpError> {
    fleet.cell(name).ok_or_else(|| crate::ops::cells::view::unknown_cell(fleet, name))
}

/// The world of a fleet, as the settings say.
pub async fn world(session: &Session, fleet: &Fleet, packager: Option<Arc<Packager>>) -> Result<World, OpError> {
    let reporter: Arc<dyn Reporter> = progress::reporter(&session.printer);
    let endpoint = if session.global.local { Some(local_endpoint(session).await?) } else { None };
    let packager = packager.unwrap_or_else(|| Arc::new(Packager::new(code_root(&session.global.templates))));
    Ok(wire::world(endpoint, fleet, packager, reporter))
}

/// The ports of a move, as the settings say.
pub async fn move_world(session: &Session, fleet: &Fleet, reporter: Arc<dyn Reporter>) -> Result<MoveWorld, OpError> {
    let endpoint = if session.global.local { Some(local_endpoint(session).await?) } else { None };
    Ok(wire::move_world(endpoint, fleet, reporter))
}

/// The ports of a rollout, as the settings say. Commands of gates run in the folder that holds that of the cells.
pub async fn rollout_world(
    session: &Session,
    fleet: &Fleet,
    packager: Option<Arc<Packager>>,
) -> Result<RolloutWorld, OpError> {
    let reporter: Arc<dyn Reporter> = progress::reporter(&session.printer);
    let endpoint = if session.global.local { Some(local_endpoint(session).await?) } else { None };
    let packager = packager.unwrap_or_else(|| Arc::new(Packager::new(code_root(&session.global.templates))));
    let directory = code_root(&session.global.cells).to_path_buf();
    Ok(wire::rollout_world(endpoint, fleet, packager, reporter, directory))
}

/// The fleet and its world, for commands that need the control table.
pub async fn controlled(session: &Session) -> Result<(Fleet, World), OpError> {
    let fleet = fleet(session)?;
    let world = world(session, &fleet, None).await?;
    crate::ops::plan::require_control(&world, fleet.name.as_str()).await?;
    Ok((fleet, world))
}

async fn local_endpoint(session: &Session) -> Result<String, OpError> {
    let settings = local_settings(session)?;
    let status = local::status(&settings, &InstanceName::default()).await.map_err(|e| super::local::error(&e))?;
    match status {
        Status::Healthy { instance } => Ok(instance.endpoint),
        _ => {
            Err(OpError::new(ErrorKind::Failed, "the local endpoint does not run")
                .hint("start it with `cellctl local up`"))
        }
    }
}

/// Where local endpoints keep their things.
pub fn local_settings(session: &Session) -> Result<LocalSettings, OpError> {
    LocalSettings::new(session.environment.variables.clone()).map_err(|e| super::local::error(&e))
}

/// Who acts, as AWS and the machine know it.
pub async fn actor(session: &Session, fleet: &Fleet, world: &World) -> Result<Actor, OpError> {
    let identity = world.identities.identity(&fleet.control).await?.arn;
    let environment = &session.environment;
    Ok(Actor { identity, user: environment.user.clone(), ci_url: environment.ci_url.clone() })
}

/// Who wants the lock, and what for.
pub async fn claim(
    session: &Session,
    fleet: &Fleet,
    world: &World,
    purpose: impl Into<String>,
) -> Result<Claim, OpError> {
    Ok(Claim { actor: actor(session, fleet, world).await?, purpose: purpose.into() })
}

/// Asks before the fleet is changed; refuses where nobody can answer.
pub fn confirm(session: &Session, question: &str) -> Result<(), OpError> {
    if session.global.yes {
        return Ok(());
    }
    match session.printer.ask(question) {
        Some(true) => Ok(()),
        Some(false) => Err(OpError::new(ErrorKind::Refused, "not confirmed; nothing was done")),
        None => Err(OpError::new(
            ErrorKind::Refused,
            "this changes the fleet and there is no terminal to ask on; nothing was done",
        )
        .hint("add --yes once you have seen what it will do")),
    }
}
