//! `cellctl doctor`

use clap::Args;

use crate::ops::doctor::{Health, doctor};
use crate::output::cells;

use super::context;
use super::{Ran, Session};

/// Check credentials, permissions, quotas, endpoint and clock.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// Carries out the command.
pub async fn run(_: &DoctorArgs, session: &Session) -> Ran {
    let fleet = context::fleet(session)?;
    let world = context::world(session, &fleet, None).await?;
    let checks = doctor(&world, &fleet).await;
    session.printer.result("cellctl.doctor/v1", &checks, |style| cells::checks(&checks, style));
    Ok(u8::from(checks.iter().any(|c| c.health == Health::Fail)))
}
