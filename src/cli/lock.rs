//! `cellctl lock`

use clap::{Args, Subcommand};

use crate::domain::lock::Lease;
use crate::ops::{ErrorKind, OpError, World};

use super::context;
use super::{Ran, Session};

/// Show or break the lock on the fleet.
#[derive(Debug, Args)]
pub struct LockArgs {
    #[command(subcommand)]
    command: LockCommand,
}

#[derive(Debug, Subcommand)]
enum LockCommand {
    /// Show who holds the lock, and since when.
    Show,
    /// End the lease of whoever holds the lock. What that run has under way in CloudFormation goes on.
    Break,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    held: bool,
    lease: Option<Lease>,
}

/// Carries out the command.
pub async fn run(args: &LockArgs, session: &Session) -> Ran {
    let (_, world) = context::controlled(session).await?;
    let lease = world.control.lease().await?;
    let lease = match args.command {
        LockCommand::Show => lease,
        LockCommand::Break => broken(&world, session, lease).await?,
    };
    let now_ms = world.clock.now_ms();
    let report = Report { held: lease.as_ref().is_some_and(|l| l.is_held(now_ms)), lease };
    session.printer.result("cellctl.lock/v1", &report, |_| text(&report, now_ms));
    Ok(0)
}

fn text(report: &Report, now_ms: i64) -> String {
    let Some(lease) = report.lease.as_ref().filter(|_| report.held) else { return "The lock is free.".to_owned() };
    let ci = lease.ci_url.as_deref().map(|url| format!("\nCI run:  {url}")).unwrap_or_default();
    format!(
        "Held by: {}\nFor:     {}{ci}\nSince:   {} s\nLease:   ends in {} s unless it is renewed\nToken:   {}",
        lease.holder,
        lease.purpose,
        (now_ms - lease.acquired_at_ms) / 1000,
        (lease.expires_at_ms - now_ms) / 1000,
        lease.token
    )
}

/// Ends the lease. The token grows, so that the holder can write nothing any more.
async fn broken(world: &World, session: &Session, lease: Option<Lease>) -> Result<Option<Lease>, OpError> {
    let Some(held) = lease.filter(|l| l.is_held(world.clock.now_ms())) else {
        return Err(OpError::new(ErrorKind::Failed, "nobody holds the lock: there is nothing to break"));
    };
    context::confirm(session, &format!("Break the lock of {} ({})?", held.holder, held.purpose))?;
    let next = Lease {
        token: held.token + 1,
        expires_at_ms: 0,
        purpose: format!("broken by {}", session.environment.user),
        ..held.clone()
    };
    world.control.swap_lease(Some(&held), &next).await?;
    Ok(Some(next))
}
