//! `cellctl validate`

use clap::Args;

use crate::domain::finding::Finding;
use crate::domain::fleet::Fleet;
use crate::fs::definitions::{self, LoadError};
use crate::output::findings;

use super::context;
use super::{Ran, Session};

/// Check the definitions and templates; all findings at once.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Check the definitions only, not what they render to.
    #[arg(long)]
    definitions_only: bool,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    valid: bool,
    cells: usize,
    findings: Vec<Finding>,
}

/// Carries out the command.
pub fn run(args: &ValidateArgs, session: &Session) -> Ran {
    let report = match definitions::load(&session.global.cells) {
        Err(LoadError::Findings(findings)) => Report { valid: false, cells: 0, findings },
        Err(LoadError::Io { .. }) => return context::fleet(session).map(|_| 0),
        Ok(loaded) => {
            let mut report = Report { valid: true, cells: loaded.fleet.cells.len(), findings: loaded.warnings };
            if !args.definitions_only
                && let Err(error) = rendered(loaded.fleet, session)
            {
                if error.findings.is_empty() {
                    return Err(error);
                }
                report.valid = false;
                report.findings.extend(error.findings);
            }
            report
        }
    };
    session.printer.result("cellctl.validate/v1", &report, |style| {
        if report.valid {
            let words = format!("{} {} cells are valid.", style.good("ok"), report.cells);
            return if report.findings.is_empty() { words } else { findings::text(&report.findings, style) + &words };
        }
        findings::text(&report.findings, style)
    });
    Ok(u8::from(!report.valid))
}

/// Renders every cell.
fn rendered(mut fleet: Fleet, session: &Session) -> Result<(), crate::ops::OpError> {
    if session.global.local {
        context::forget_accounts(&mut fleet);
    }
    let loaded = context::load_from(fleet, &session.global.templates)?;
    let cells: Vec<_> = loaded.fleet.cells.iter().collect();
    loaded.render(&cells).map(|_| ())
}
