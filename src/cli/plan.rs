//! `cellctl plan`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::domain::ids::Digest;
use crate::domain::plan::{Observation, Plan, file};
use crate::fs::files;
use crate::ops::plan::{plan, plan_offline};
use crate::ops::{ErrorKind, OpError};
use crate::output;

use super::context;
use super::{Ran, Session};

/// Show what an apply would do, and store it as a plan.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Write the plan to this file, for `cellctl apply FILE`.
    #[arg(long, short = 'o', value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not look at AWS: plan as if nothing were there. Such a plan cannot be applied.
    #[arg(long)]
    offline: bool,
    /// Exit with 2 when there are changes.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    allow: AllowArgs,
}

/// What the operator allows although it endangers data.
#[derive(Debug, Clone, Args)]
pub struct AllowArgs {
    /// Allow this atom, which holds data, to be replaced or removed; may be given more than once.
    #[arg(long = "allow-replace", value_name = "CELL/ATOM", value_parser = cell_atom)]
    atoms: Vec<String>,
}

fn cell_atom(text: &str) -> Result<String, String> {
    let valid = text.split_once('/').is_some_and(|(cell, atom)| {
        cell.parse::<crate::domain::ids::CellId>().is_ok()
            && !atom.is_empty()
            && atom.chars().all(char::is_alphanumeric)
    });
    if valid { Ok(text.to_owned()) } else { Err("write CELL/ATOM, such as cell-3/OrdersTable".to_owned()) }
}

impl AllowArgs {
    /// The atoms, as `cell/atom`.
    pub fn atoms(&self) -> BTreeSet<String> {
        self.atoms.iter().cloned().collect()
    }
}

/// Carries out the command.
pub async fn run(args: PlanArgs, session: &Session) -> Ran {
    let loaded = context::load(session)?;
    let cells = loaded.selected(session)?;
    let request = loaded.request(session, &cells, args.allow.atoms())?;
    let world = if args.offline {
        crate::wire::world(None, &loaded.fleet, loaded.packager.clone(), output::progress::reporter(&session.printer))
    } else {
        context::world(session, &loaded.fleet, Some(loaded.packager.clone())).await?
    };
    let plan = if args.offline {
        plan_offline(&world, request, &Observation::default())
    } else {
        plan(&world, request).await?
    };
    let (text, digest) = encode(&plan)?;
    if let Some(path) = &args.out {
        files::write_atomically(path, &text).map_err(|error| cannot_write(path, &error))?;
    }
    show(session, &plan, &digest);
    session.printer.to_github(|| output::github::changes::plan(&plan));
    if let Some(path) = &args.out {
        session.printer.note(&format!(
            "plan {} is in {}; carry it out with `cellctl apply {}`",
            digest.short(),
            path.display(),
            path.display()
        ));
    }
    let blocked = plan.blocked().next().is_some();
    Ok(match (plan.has_changes() || blocked, args.detailed_exitcode) {
        (true, true) => 2,
        _ => 0,
    })
}

/// The text of a plan file and the plan's digest.
pub fn encode(plan: &Plan) -> Result<(String, Digest), OpError> {
    file::write(plan).map_err(|error| OpError::new(ErrorKind::Failed, format!("the plan cannot be written: {error}")))
}

/// Prints a plan.
pub fn show(session: &Session, plan: &Plan, digest: &Digest) {
    output::plan::with_summary(plan, digest.as_str(), |summary| {
        session.printer.result("cellctl.plan-summary/v1", summary, |style| output::plan::text(plan, style));
    });
}

/// Writes a document to a file or to stdout.
pub fn write_document(session: &Session, out: Option<&Path>, text: &str) -> Result<(), OpError> {
    match out {
        None => session.printer.data(text),
        Some(path) => files::write_atomically(path, text).map_err(|error| cannot_write(path, &error))?,
    }
    Ok(())
}

/// The error for a file that cannot be written; the old one, if any, is still there.
pub fn cannot_write(path: &Path, error: &std::io::Error) -> OpError {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "free some space, or name a file on another disk"
        }
        std::io::ErrorKind::NotFound => "make the folder first",
        _ => "name another file, or mend its permissions",
    };
    OpError::new(ErrorKind::Failed, format!("cannot write {}: {error}; nothing was written", path.display())).hint(hint)
}
