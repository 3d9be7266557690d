//! `cellctl map verify`

use clap::Args;

use crate::ops::map::verify::verify;
use crate::output::map_verify as show;

use super::context;
use super::{Ran, Session};

/// Which check of the map.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Repair what is safe: finish adds and removals that were cut off, open missing fences and shards, close outdated
    /// ones, reopen what a dead mover has sealed past its deadline, set counters. The rest is told with what to do about it.
    #[arg(long)]
    repair: bool,
}

/// Carries out the command.
pub async fn run(args: &VerifyArgs, session: &Session) -> Ran {
    let (fleet, world) = context::controlled(session).await?;
    let mut actor = None;
    if args.repair {
        context::confirm(session, &format!("Check the tenant map of fleet {} and repair what is safe?", fleet.name))?;
        actor = Some(context::actor(session, &fleet, &world).await?);
    }
    let moves = context::move_world(session, &fleet, world.reporter.clone()).await?;
    let report = verify(&world, &moves, &fleet, actor.as_ref()).await?;
    session.printer.result("cellctl.map-verify/v1", &report, |style| show::text(&report, style));
    Ok(report.exit_code())
}
