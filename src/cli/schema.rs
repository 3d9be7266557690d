//! `cellctl schema`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::definition::{DefinitionKind, schema};
use crate::domain::snapshot;

use super::plan::write_document;
use super::{Ran, Session};

/// Print the JSON Schema of a kind of definition, for editors, or of snapshots of the tenant map.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which kind.
    #[arg(value_enum, default_value_t = KindArg::Cell)]
    kind: KindArg,
    /// Write it to this file instead of stdout.
    #[arg(long, short = 'o', value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A kind of definition, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// `cells/fleet.yaml`.
    Fleet,
    /// `cells/<name>.yaml`.
    Cell,
    /// A line of a snapshot of the tenant map, as `cellctl map export` writes it.
    MapSnapshot,
}

/// Carries out the command.
pub fn run(args: &SchemaArgs, session: &Session) -> Ran {
    let schema = match args.kind {
        KindArg::Fleet => schema(DefinitionKind::Fleet),
        KindArg::Cell => schema(DefinitionKind::Cell),
        KindArg::MapSnapshot => snapshot::schema(),
    };
    let text = format!("{schema:#}\n");
    write_document(session, args.out.as_deref(), &text)?;
    Ok(0)
}
