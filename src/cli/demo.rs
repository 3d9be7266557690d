//! `cellctl demo`: the main job on a local endpoint of its own.
//!
//! Constraint kept: it works on a copy of the example fleet, against an endpoint that it starts and stops, with
//! dummy credentials; nothing of the environment leads it to an account.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use include_dir::{Dir, include_dir};

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::fs::definitions;
use crate::local::{OwnedInstance, OwnedOptions};
use crate::ops::apply::{Concurrency, Options, apply};
use crate::ops::init::{bucket_prefix, init};
use crate::ops::plan::plan;
use crate::ops::{ErrorKind, OpError, World};
use crate::output::{self, report};
use crate::wire;

use super::context::{self, Loaded};
use super::demo_move::MoveScene;
use super::demo_rollout::RolloutScene;
use super::demo_tenants::Scene;
use super::plan::encode;
use super::{Ran, Session};

static CELLS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/cells");
static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static FUNCTIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/functions");

/// Show the main job on a local endpoint: create a fleet, change it, place tenants, move one, roll changes out.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Write the endpoint's log to this file and keep it.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// Carries out the command.
pub async fn run(args: DemoArgs, session: &Session) -> Ran {
    let dir = tempfile::Builder::new().prefix("cellctl-demo-").tempdir().map_err(|e| failed("make a folder", &e))?;
    for (name, content) in [("cells", &CELLS), ("templates", &TEMPLATES), ("functions", &FUNCTIONS)] {
        let target = dir.path().join(name);
        std::fs::create_dir_all(&target)
            .and_then(|()| content.extract(&target))
            .map_err(|e| failed("copy the example fleet", &e))?;
    }
    let printer = &session.printer;
    heading(session, "A local AWS endpoint (no account, no docker)");
    let settings = context::local_settings(session)?;
    let log = args.log.unwrap_or_else(|| dir.path().join("endpoint.log"));
    let options = OwnedOptions { region: "eu-central-1".to_owned(), log };
    let endpoint = OwnedInstance::start(&settings, &options, &mut |event| printer.note(&event.to_string()))
        .await
        .map_err(|e| super::local::error(&e))?;
    let demo = Demo { session, dir: dir.path(), endpoint: endpoint.endpoint() };
    demo.play().await
}

pub(super) fn failed(what: &str, error: &std::io::Error) -> OpError {
    OpError::new(ErrorKind::Failed, format!("the demo could not {what}: {error}"))
        .hint("check the space and the rights in the temporary folder")
}

pub(super) fn heading(session: &Session, text: &str) {
    let style = session.printer.style();
    let bar = style.faint("──");
    session.printer.data(&format!("\n{bar} {}", style.strong(text)));
}

fn fleet(dir: &Path) -> Result<Fleet, OpError> {
    let loaded = definitions::load(&dir.join("cells"));
    let mut fleet = loaded.map_err(|error| OpError::new(ErrorKind::Failed, error.to_string()))?.fleet;
    context::forget_accounts(&mut fleet);
    Ok(fleet)
}

/// What the definitions of the demo's copy say now.
pub(super) fn loaded(dir: &Path) -> Result<Loaded, OpError> {
    context::load_from(fleet(dir)?, &dir.join("templates"))
}

struct Demo<'a> {
    session: &'a Session,
    dir: &'a Path,
    endpoint: String,
}

impl Demo<'_> {
    async fn play(&self) -> Ran {
        let fleet = fleet(self.dir)?;
        let world = self.world(&loaded(self.dir)?);
        heading(self.session, "cellctl init: the control stack");
        for stack in init(&world, &fleet).await? {
            self.session.printer.data(&format!("created {} in {}", stack.stack, stack.region));
        }
        heading(self.session, &format!("cellctl apply: the {} cells of a small shop", fleet.cells.len()));
        self.apply("").await?;
        heading(self.session, "cellctl apply, again: nothing is left to do");
        self.apply("").await?;
        heading(self.session, "One definition changes: cell-2 keeps a message from other readers for longer");
        self.change()?;
        self.apply("cell-2").await?;
        let actor = context::actor(self.session, &fleet, &world).await?;
        Scene { session: self.session, world: &world, fleet: &fleet, actor: &actor }.play().await?;
        self.move_one(&fleet, &world, &actor).await?;
        let (dir, endpoint) = (self.dir, self.endpoint.as_str());
        RolloutScene { session: self.session, dir, endpoint, actor: &actor }.play().await?;
        heading(self.session, "Done: the endpoint is stopped and nothing is left running");
        self.session.printer.data("Next: README.md shows how to do this with your own cells.");
        Ok(0)
    }

    fn world(&self, loaded: &Loaded) -> World {
        let reporter = output::progress::reporter(&self.session.printer);
        wire::world(Some(self.endpoint.clone()), &loaded.fleet, Arc::clone(&loaded.packager), reporter)
    }

    async fn move_one(&self, fleet: &Fleet, world: &World, actor: &Actor) -> Result<(), OpError> {
        let ports = wire::move_world(Some(self.endpoint.clone()), fleet, Arc::clone(&world.reporter));
        let writer = wire::shop_writer(self.endpoint.clone(), fleet);
        let scene = MoveScene { session: self.session, world: &ports, fleet, actor, writer: writer.as_ref() };
        match scene.play().await? {
            0 => Ok(()),
            _ => Err(OpError::new(ErrorKind::Stopped, "the demo's move did not end; the demo ends here")),
        }
    }

    /// Plans and applies; `expected` names the one cell that may change, where only one may.
    async fn apply(&self, expected: &str) -> Result<(), OpError> {
        let loaded = loaded(self.dir)?;
        let world = self.world(&loaded);
        let chosen: Vec<_> = loaded.fleet.cells.iter().collect();
        let plan = plan(&world, loaded.request(self.session, &chosen, std::collections::BTreeSet::new())?).await?;
        let (_, digest) = encode(&plan)?;
        let printer = &self.session.printer;
        if plan.has_changes() {
            printer.data(&output::plan::text(&plan, printer.style()));
        }
        let options = Options {
            concurrency: Concurrency::Auto,
            failures_max: 0,
            bucket_prefix: bucket_prefix(loaded.fleet.name.as_str()),
            claim: context::claim(self.session, &loaded.fleet, &world, "the demo").await?,
            stop: self.session.interrupt.graceful(),
            during_rollout: false,
        };
        let outcome = apply(&world, &plan, &digest, &options).await?;
        printer.result("cellctl.apply/v1", &outcome, |style| report::text(&outcome, style));
        let as_told = expected.is_empty() || outcome.cells.iter().all(|c| c.cell.as_str() == expected);
        if outcome.exit_code() == 0 && as_told {
            return Ok(());
        }
        Err(OpError::new(ErrorKind::Failed, "the demo did not go as it should; this is a fault of cellctl")
            .hint("run it again with -v and --log FILE, and report it"))
    }

    /// What a person would do with an editor.
    fn change(&self) -> Result<(), OpError> {
        let path = self.dir.join("cells/cell-2.yaml");
        let text = std::fs::read_to_string(&path).map_err(|e| failed("read cell-2", &e))?;
        let changed = text.replacen("visibilityTimeout: 5m", "visibilityTimeout: 10m", 1);
        if changed == text {
            return Err(OpError::new(ErrorKind::Failed, "cell-2 has no visibilityTimeout of 5m to change"));
        }
        let style = self.session.printer.style();
        self.session.printer.data(&format!(
            "cells/cell-2.yaml: {} → {}",
            style.bad("visibilityTimeout: 5m"),
            style.good("visibilityTimeout: 10m")
        ));
        std::fs::write(&path, changed).map_err(|e| failed("change cell-2", &e))
    }
}
