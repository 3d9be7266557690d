//! `cellctl render`

use std::path::PathBuf;

use clap::Args;

use crate::domain::ids::CellId;

use super::context;
use super::plan::write_document;
use super::{Ran, Session};

/// Print the CloudFormation template of a cell.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The cell.
    cell: CellId,
    /// Write it to this file instead of stdout.
    #[arg(long, short = 'o', value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Carries out the command.
pub fn run(args: &RenderArgs, session: &Session) -> Ran {
    let loaded = context::load(session)?;
    let cell = context::one(&loaded.fleet, &args.cell)?;
    let stacks = loaded.render(&[cell])?;
    let Some(stack) = stacks.first() else { return Ok(0) };
    let style = session.printer.style_err();
    for added in &stack.template.injected {
        session.printer.note(&style.faint(&format!("guard: added {} to {}", added.path, added.logical_id)));
    }
    let data = serde_json::json!({
        "cell": stack.cell,
        "stack": stack.stack,
        "region": stack.place.region,
        "digest": stack.digest,
        "parameters": stack.parameters,
        "tags": stack.tags,
        "capabilities": stack.template.capabilities,
        "template": stack.template.body,
    });
    if args.out.is_some() || session.printer.options().format == crate::output::Format::Text {
        write_document(session, args.out.as_deref(), &stack.template.body)?;
    } else {
        session.printer.result("cellctl.render/v1", &data, |_| String::new());
    }
    Ok(0)
}
