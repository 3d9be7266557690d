//! `cellctl init`

use clap::Args;

use crate::ops::init::{InitAction, InitStack, init};

use super::context;
use super::{Ran, Session};

/// Make the control stack of the fleet, and its artifact buckets.
#[derive(Debug, Args)]
pub struct InitArgs {}

/// Carries out the command.
pub async fn run(_: &InitArgs, session: &Session) -> Ran {
    let fleet = context::fleet(session)?;
    let world = context::world(session, &fleet, None).await?;
    let identity = world.identities.identity(&fleet.control).await?;
    let wrong = fleet.control.account.as_ref().filter(|wanted| wanted.as_str() != identity.account);
    if let Some(wanted) = wrong {
        let message = format!("the credentials are of account {}; the fleet names {wanted}", identity.account);
        return Err(
            crate::ops::OpError::new(crate::ops::ErrorKind::Refused, message).hint("choose the right AWS_PROFILE")
        );
    }
    let question = format!(
        "Make or update the control state of fleet {} in account {}, {}?",
        fleet.name, identity.account, fleet.control.region
    );
    context::confirm(session, &question)?;
    session.interrupt.graceful();
    let stacks = init(&world, &fleet).await?;
    session.printer.result("cellctl.init/v1", &stacks, |style| {
        let lines: Vec<String> = stacks.iter().map(|stack| line(stack, style)).collect();
        lines.join("\n")
    });
    Ok(0)
}

fn line(stack: &InitStack, style: crate::output::Style) -> String {
    let word = match stack.action {
        InitAction::Created => style.good("created"),
        InitAction::Updated => style.warn("updated"),
        InitAction::Unchanged => style.faint("unchanged"),
    };
    let bucket = stack.outputs.get("ArtifactBucket").map(|b| format!(", bucket {b}")).unwrap_or_default();
    format!("{word} {} in {}{bucket}", stack.stack, stack.region)
}
