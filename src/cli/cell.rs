//! `cellctl cell`

use clap::{Args, Subcommand};

use crate::domain::ids::CellId;
use crate::domain::record::CellState;
use crate::ops::cells::recover::{Choices, Remedy};
use crate::ops::cells::{delete, drift, recover, state, view};
use crate::output::cells as show_cells;

use super::apply::{HowArgs, converge};
use super::cell_new;
use super::context;
use super::plan::AllowArgs;
use super::{Ran, Session};

/// Work with single cells.
#[derive(Debug, Args)]
pub struct CellArgs {
    #[command(subcommand)]
    command: CellCommand,
}

#[derive(Debug, Subcommand)]
enum CellCommand {
    /// List the cells with their state.
    List,
    /// Show everything about one cell.
    Show {
        /// The cell.
        cell: CellId,
    },
    /// Create the stack of a cell, or bring it up to date: an apply for one cell.
    Create(CreateArgs),
    /// Place no new tenants in a cell; those in it stay. A delete needs this first.
    Cordon {
        /// The cell.
        cell: CellId,
    },
    /// Place new tenants in a cell again.
    Uncordon {
        /// The cell.
        cell: CellId,
    },
    /// Delete a cordoned cell without tenants. What holds data (tables, queues) stays behind.
    Delete(DeleteArgs),
    /// Get a stuck stack going again; says first what it will do.
    Recover(RecoverArgs),
    /// Look for what was changed outside CloudFormation. Nothing is reverted. Takes minutes on AWS.
    Drift {
        /// The cell; all selected ones when absent.
        cell: Option<CellId>,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The cell.
    cell: CellId,
    /// First write its definition, as a copy of that of this cell with the new name.
    #[arg(long, value_name = "MODEL")]
    like: Option<CellId>,
    /// Only write the definition, to change it before anything is made (with --like).
    #[arg(long, requires = "like")]
    definition_only: bool,
    #[command(flatten)]
    allow: AllowArgs,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// The cell.
    cell: CellId,
    /// Allow it for a cell of type zero.
    #[arg(long)]
    cell_zero: bool,
}

#[derive(Debug, Args)]
struct RecoverArgs {
    /// The cell.
    cell: CellId,
    /// Resources to leave as they are when a failed rollback is continued; separate by commas.
    #[arg(long, value_name = "ATOM", value_delimiter = ',')]
    skip: Vec<String>,
    /// Resources to leave behind, contents and all, when a delete is tried again; separate by commas.
    #[arg(long, value_name = "ATOM", value_delimiter = ',')]
    retain: Vec<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Carries out the command.
pub async fn run(args: CellArgs, session: &Session) -> Ran {
    match args.command {
        CellCommand::List => list(session).await,
        CellCommand::Show { cell } => show(session, &cell).await,
        CellCommand::Create(args) => create(session, args).await,
        CellCommand::Cordon { cell } => set_state(session, &cell, CellState::Cordoned).await,
        CellCommand::Uncordon { cell } => set_state(session, &cell, CellState::Active).await,
        CellCommand::Delete(args) => remove(session, &args).await,
        CellCommand::Recover(args) => repair(session, args).await,
        CellCommand::Drift { cell } => find_drift(session, cell).await,
    }
}

async fn list(session: &Session) -> Ran {
    let fleet = context::fleet(session)?;
    let chosen: Option<Vec<CellId>> = match &session.global.select {
        Some(_) => Some(context::select(&fleet, session)?.into_iter().map(|c| c.id.clone()).collect()),
        None => None,
    };
    let world = context::world(session, &fleet, None).await?;
    crate::ops::plan::require_control(&world, fleet.name.as_str()).await?;
    let mut rows = view::list(&world, &fleet).await?;
    rows.retain(|row| chosen.as_ref().is_none_or(|cells| cells.contains(&row.cell)));
    session.printer.result("cellctl.cell-list/v1", &rows, |style| show_cells::list(&rows, style));
    Ok(0)
}

async fn show(session: &Session, cell: &CellId) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    let found = view::show(&world, &fleet, cell).await?;
    session.printer.result("cellctl.cell/v1", &found, |style| show_cells::show(&found, style));
    Ok(0)
}

async fn create(session: &Session, args: CreateArgs) -> Ran {
    if let Some(model) = &args.like {
        let path = cell_new::write(session, &args.cell, model)?;
        session.printer.note(&format!("wrote {}; look at it and change what should differ", path.display()));
        if args.definition_only {
            return Ok(0);
        }
    }
    let loaded = context::load(session)?;
    context::one(&loaded.fleet, &args.cell)?;
    let resume = format!("cellctl cell create {}", args.cell);
    converge(session, &loaded, &[args.cell], args.allow.atoms(), &args.how, &resume).await
}

async fn set_state(session: &Session, cell: &CellId, wanted: CellState) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    context::confirm(session, &format!("Make cell {cell} {}?", wanted.as_str()))?;
    let claim = context::claim(session, &fleet, &world, format!("making cell {cell} {}", wanted.as_str())).await?;
    let before = state::set(&world, &fleet, cell, wanted, &claim).await?;
    let data = serde_json::json!({ "cell": cell, "from": before, "to": wanted });
    session.printer.result("cellctl.cell-state/v1", &data, |_| {
        if before == wanted {
            format!("cell {cell} is {} already", wanted.as_str())
        } else {
            format!("cell {cell} is {} now, it was {}", wanted.as_str(), before.as_str())
        }
    });
    Ok(0)
}

async fn remove(session: &Session, args: &DeleteArgs) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    delete::check(&world, &fleet, &args.cell, args.cell_zero).await?;
    let question = format!("Delete cell {} of fleet {}? Its tables and queues stay behind.", args.cell, fleet.name);
    context::confirm(session, &question)?;
    let claim = context::claim(session, &fleet, &world, format!("delete of cell {}", args.cell)).await?;
    // It is one step: the first Ctrl-C lets it come to its end.
    session.interrupt.graceful();
    let deleted = delete::delete(&world, &fleet, &args.cell, args.cell_zero, &claim).await?;
    session.printer.result("cellctl.cell-deleted/v1", &deleted, |style| {
        let mut text = format!("cell {} is deleted", deleted.cell);
        for left in &deleted.left_behind {
            text.push_str(&format!("\n{} {} ({}) stays behind", style.warn("!"), left.physical_id, left.resource_type));
        }
        text
    });
    if let Some(cell) = fleet.cell(&args.cell) {
        session.printer.note(&format!(
            "its definition is still in {}: remove it, or the next apply makes the cell again",
            cell.file
        ));
    }
    Ok(0)
}

async fn repair(session: &Session, args: RecoverArgs) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    let choices = Choices { skip: args.skip, retain: args.retain };
    let found = recover::look(&world, &fleet, &args.cell, &choices).await?;
    let sentence = sentence(&found.remedy);
    session.printer.note(&format!("stack {} is in {}: {}", found.stack, found.status, found.meaning));
    session.printer.note(&format!("this will be done: {sentence}"));
    if args.dry_run || found.remedy == Remedy::Nothing {
        session.printer.result("cellctl.cell-recovery/v1", &found, |_| sentence.clone());
        return Ok(0);
    }
    if !matches!(found.remedy, Remedy::Manual { .. } | Remedy::Wait) {
        context::confirm(session, &format!("Recover cell {} like this?", args.cell))?;
    }
    let claim = context::claim(session, &fleet, &world, format!("recovery of cell {}", args.cell)).await?;
    session.interrupt.graceful();
    let status = recover::carry_out(&world, &found, &claim).await?;
    let data =
        serde_json::json!({ "cell": args.cell, "before": found.status, "after": status, "remedy": found.remedy });
    session.printer.result("cellctl.cell-recovered/v1", &data, |_| {
        format!("stack {} is in {status} now; `cellctl apply` brings the cell up to date", found.stack)
    });
    Ok(0)
}

fn sentence(remedy: &Remedy) -> String {
    let list = |names: &[String]| {
        if names.is_empty() { String::new() } else { format!(", leaving {} as it is", names.join(", ")) }
    };
    match remedy {
        Remedy::Nothing => "nothing: the stack is not stuck".to_owned(),
        Remedy::Wait => "the operation under way is waited for".to_owned(),
        Remedy::DeleteShell { leftovers } => {
            let left = match leftovers.as_slice() {
                [] => String::new(),
                names => format!(", together with what it left behind empty ({}),", names.join(", ")),
            };
            format!("the stack of the failed create is deleted{left} so that the cell can be created again")
        }
        Remedy::ContinueRollback { skip } => format!("the failed rollback is continued{}", list(skip)),
        Remedy::Rollback => "the failed update is rolled back".to_owned(),
        Remedy::DeleteAgain { retain } => format!("the delete is tried again{}", list(retain)),
        Remedy::Manual { instructions } => format!("nothing by itself; {instructions}"),
    }
}

async fn find_drift(session: &Session, cell: Option<CellId>) -> Ran {
    let fleet = context::fleet(session)?;
    let cells = match &cell {
        Some(cell) => vec![context::one(&fleet, cell)?],
        None => context::select(&fleet, session)?,
    };
    let world = context::world(session, &fleet, None).await?;
    let found = drift::detect(&world, &fleet, &cells).await?;
    session.printer.result("cellctl.drift/v1", &found, |style| show_cells::drift(&found, style));
    Ok(if found.iter().any(|c| c.status == "DRIFTED") { 2 } else { 0 })
}
