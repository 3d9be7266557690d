//! `cellctl map`

use std::fs::File;
use std::io::{BufReader, ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use tokio::sync::watch;

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::fs::files::{self, Staged};
use crate::ops::map::diff::{self, Difference, Source};
use crate::ops::map::export::{ExportError, Exported, export};
use crate::ops::map::file::{Snapshot, unreadable};
use crate::ops::map::import::{self, Left, Options};
use crate::ops::map::stats;
use crate::ops::map::stream::Entries;
use crate::ops::tenants::Desk;
use crate::ops::{OpError, World};
use crate::output::Format;
use crate::output::map as show_map;

use super::context;
use super::map_verify::{self, VerifyArgs};
use super::plan::cannot_write;
use super::{Ran, Session};

/// Exit code where something in the map is not as in the snapshot.
const PARTLY: u8 = 9;
/// Exit code of `--detailed-exitcode` where something differs.
const DIFFERENT: u8 = 2;

/// Work with the tenant map as a whole.
#[derive(Debug, Args)]
pub struct MapArgs {
    #[command(subcommand)]
    command: MapCommand,
}

#[derive(Debug, Subcommand)]
enum MapCommand {
    /// Write a snapshot of the map: what routers load, and what a map is restored from.
    ///
    /// The form is the same with every --output; with -o FILE, what was written is printed on stdout.
    Export {
        /// Write it to this file instead of stdout. The file is whole, or is not there.
        #[arg(long, short = 'o', value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Restore the map from a snapshot: add the tenants that it lacks, with the cells and epochs that they had.
    ///
    /// The whole file is checked before anything is written. What is in the map already is left alone, and told where it
    /// differs: exit code 9. Run again, it adds what is still missing.
    Import(ImportArgs),
    /// Compare two snapshots, or a snapshot with the map as it is.
    Diff(DiffArgs),
    /// Look for entries without a cell, counters that have drifted, fences that differ from the map, and more.
    Verify(VerifyArgs),
    /// Show the map in numbers: tenants and weight by cell, type, Region and tier, and the heaviest tenants.
    Stats {
        /// How many of the heaviest tenants to show.
        #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
        top: u16,
    },
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The snapshot.
    file: PathBuf,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    shown: ShownArgs,
}

#[derive(Debug, Args)]
struct DiffArgs {
    /// The older snapshot.
    old: PathBuf,
    /// The newer snapshot; the map as it is when absent.
    new: Option<PathBuf>,
    /// End with code 2 when something differs.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    shown: ShownArgs,
}

#[derive(Debug, Clone, Copy, Args)]
struct ShownArgs {
    /// How many tenants to show at most; `--output ndjson` shows all of them, a line each.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    show: u16,
}

/// A snapshot in a file.
type FileSnapshot = Snapshot<BufReader<File>>;

/// Carries out the command.
pub async fn run(args: MapArgs, session: &Session) -> Ran {
    match args.command {
        MapCommand::Export { out } => write_snapshot(session, out.as_deref()).await,
        MapCommand::Import(args) => restore(session, &args).await,
        MapCommand::Diff(args) => compare(session, &args).await,
        MapCommand::Verify(args) => map_verify::run(&args, session).await,
        MapCommand::Stats { top } => count(session, usize::from(top)).await,
    }
}

async fn write_snapshot(session: &Session, out: Option<&Path>) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    let exported = match out {
        Some(path) => to_file(&world, &fleet, path).await?,
        None => match into(&world, &fleet, &mut show_map::Stdout(&session.printer)).await {
            Ok(exported) => exported,
            // The reader went away: there is nobody to tell.
            Err(ExportError::Sink(error)) if error.kind() == IoKind::BrokenPipe => return Ok(0),
            Err(error) => return Err(failed(Path::new("stdout"), error)),
        },
    };
    for cell in &exported.unknown_cells {
        let note =
            format!("the control table does not know cell {cell}, which tenants are in; look at it with map verify");
        session.printer.always(&note);
    }
    match out {
        Some(path) => {
            let text = show_map::exported(&exported, path);
            session.printer.result("cellctl.map-export/v1", &exported, |_| text);
        }
        None => session.printer.note(&show_map::exported(&exported, Path::new("stdout"))),
    }
    Ok(0)
}

async fn into(world: &World, fleet: &Fleet, sink: &mut (dyn Write + Send)) -> Result<Exported, ExportError> {
    export(&world.map, &fleet.name, world.clock.now_ms(), sink).await
}

async fn to_file(world: &World, fleet: &Fleet, path: &Path) -> Result<Exported, OpError> {
    let mut staged = Staged::new(path).map_err(|error| cannot_write(path, &error))?;
    let exported = into(world, fleet, &mut staged).await.map_err(|error| failed(path, error))?;
    staged.keep().map_err(|error| cannot_write(path, &error))?;
    Ok(exported)
}

fn failed(path: &Path, error: ExportError) -> OpError {
    match error {
        ExportError::Map(error) => error,
        ExportError::Sink(error) => cannot_write(path, &error),
    }
}

/// Opens a snapshot and checks all of it.
fn checked(path: &Path) -> Result<FileSnapshot, OpError> {
    let name = path.display().to_string();
    let file = files::open(path).map_err(|error| unreadable(&name, &error))?;
    Snapshot::checked(&name, file)
}

/// Keeps the first few of what is told, and prints each as a line where lines are wanted.
struct Told<'a, T> {
    session: &'a Session,
    schema: &'static str,
    most: usize,
    first: Vec<T>,
}

impl<'a, T: serde::Serialize> Told<'a, T> {
    fn new(session: &'a Session, schema: &'static str, shown: ShownArgs) -> Self {
        Self { session, schema, most: usize::from(shown.show), first: Vec::new() }
    }

    fn take(&mut self, one: T) {
        if self.session.printer.options().format == Format::Ndjson {
            // A reader that went away gets no more; what was asked for is done all the same.
            self.session.printer.line(self.schema, &one);
        } else if self.first.len() < self.most {
            self.first.push(one);
        }
    }
}

async fn restore(session: &Session, args: &ImportArgs) -> Ran {
    let snapshot = checked(&args.file)?;
    let (fleet, world) = context::controlled(session).await?;
    let mut snapshot = snapshot.of_fleet(&fleet.name)?;
    let (actor, stop) = ready(session, args, &fleet, &world, &snapshot).await?;
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    let options = Options { dry_run: args.dry_run, stop };
    let mut told: Told<'_, Left> = Told::new(session, "cellctl.map-import-left/v1", args.shown);
    let imported = import::import(desk, &mut snapshot, &options, |left| told.take(left.clone())).await?;
    let data = show_map::ImportDocument { imported: &imported, left: &told.first };
    session.printer.result("cellctl.map-import/v1", &data, |style| show_map::imported(&data, style));
    Ok(if imported.is_complete() { 0 } else { PARTLY })
}

/// Asks before the map is changed. Gives who acts, and what tells that somebody wants to stop.
async fn ready(
    session: &Session,
    args: &ImportArgs,
    fleet: &Fleet,
    world: &World,
    snapshot: &FileSnapshot,
) -> Result<(Actor, watch::Receiver<bool>), OpError> {
    if args.dry_run {
        let environment = &session.environment;
        let actor = Actor { identity: String::new(), user: environment.user.clone(), ci_url: None };
        return Ok((actor, watch::channel(false).1));
    }
    let tenants = snapshot.trailer().map_or(0, |trailer| trailer.entries);
    let question = format!(
        "Add to the map of fleet {} what it lacks of the {tenants} tenants in {}?",
        fleet.name,
        args.file.display()
    );
    context::confirm(session, &question)?;
    let actor = context::actor(session, fleet, world).await?;
    Ok((actor, session.interrupt.graceful()))
}

async fn compare(session: &Session, args: &DiffArgs) -> Ran {
    let old = checked(&args.old)?;
    let (old, mut new) = if let Some(path) = &args.new {
        let new = checked(path)?.of_fleet(&old.header().fleet)?;
        (old, Source::File(Box::new(new)))
    } else {
        let (fleet, world) = context::controlled(session).await?;
        (old.of_fleet(&fleet.name)?, Source::Live(Entries::all(Arc::clone(&world.map))))
    };
    let mut old = Source::File(Box::new(old));
    let mut told: Told<'_, Difference> = Told::new(session, "cellctl.map-difference/v1", args.shown);
    let counts = diff::diff(&mut old, &mut new, |difference| told.take(difference)).await?;
    let data = show_map::DiffDocument { counts, differences: &told.first };
    session.printer.result("cellctl.map-diff/v1", &data, |style| show_map::diff(&data, style));
    Ok(if args.detailed_exitcode && counts.differing() > 0 { DIFFERENT } else { 0 })
}

async fn count(session: &Session, top: usize) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    let stats = stats::stats(&world, &fleet, top).await?;
    session.printer.result("cellctl.map-stats/v1", &stats, |style| show_map::stats(&stats, style));
    Ok(0)
}
