//! `cellctl schema`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::definition::{DefinitionKind, schema};

use super::plan::write_document;
use super::{Ran, Session};

/// Print the JSON Schema of a kind of definition, for editors.
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
}

/// Carries out the command.
pub fn run(args: &SchemaArgs, session: &Session) -> Ran {
    let kind = match args.kind {
        KindArg::Fleet => DefinitionKind::Fleet,
        KindArg::Cell => DefinitionKind::Cell,
    };
    let text = format!("{:#}\n", schema(kind));
    write_document(session, args.out.as_deref(), &text)?;
    Ok(0)
}
