//! What a rollout needs of AWS, behind the ports of `ports::rollout`.
//!
//! Owns: rollouts in the control table (`store`), their documents, the marks on cells; alarms, metrics and queues
//! (`signals`). Constraints kept: reads are consistent; a write whose answer was lost is found again, or said to be in
//! doubt.

mod documents;
mod marks;
mod pack;
mod signals;
mod store;

use std::sync::Arc;

use crate::domain::fleet::{Place, control_table};
use crate::domain::rollout::RolloutId;

use super::call::Caller;
use super::clients::Clients;
use super::dynamo::{Table, ten_digits};
use super::leased::{Leased, Writes};

pub use signals::AwsSignals;

/// The adapter over the control table.
pub struct RolloutTable {
    control: Table,
    writes: Writes,
}

impl RolloutTable {
    /// An adapter for the rollouts of a fleet, whose control state is at `control`.
    pub fn new(clients: Arc<Clients>, caller: Caller, control: Place, fleet: &str) -> Self {
        Self { control: Table::new(clients, caller, control, control_table(fleet)), writes: Writes::default() }
    }

    /// The part of the control table that a rollout has.
    fn of(&self, id: RolloutId) -> Leased<'_> {
        Leased { table: &self.control, pk: rollout_key(id), writes: &self.writes }
    }
}

/// Partition key of a rollout.
fn rollout_key(id: RolloutId) -> String {
    format!("ROLLOUT#{}", ten_digits(id.0))
}
