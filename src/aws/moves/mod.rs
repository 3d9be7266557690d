//! What a move needs of AWS, behind the ports of `ports::data` and `ports::moves`.
//!
//! Owns: moves in the control table (`store`, `ledger`), fences with their notes, the application's tables (`shape`,
//! `pages`, `bulk`, `guarded`), their streams, and queues. Constraints kept: reads are consistent; a write whose answer
//! was lost is found again, or said to be in doubt; items leave here as they came.

mod bulk;
mod data;
mod fences;
mod guarded;
mod ledger;
mod list;
mod pages;
mod queues;
mod shape;
mod store;
mod streams;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::domain::fleet::{Place, control_table};
use crate::ports::data::TableRef;
use crate::ports::moves::QueueRef;

use super::call::Caller;
use super::clients::Clients;
use super::dynamo::Table;
use super::leased::Writes;

/// The adapter.
pub struct MoveAdapter {
    /// The control table; the tables of cells are reached by the same means.
    control: Table,
    clients: Arc<Clients>,
    caller: Caller,
    writes: Writes,
    /// Addresses of queues.
    queues: Mutex<HashMap<QueueRef, String>>,
}

impl MoveAdapter {
    /// An adapter for the moves of a fleet, whose control state is at `control`.
    pub fn new(clients: Arc<Clients>, caller: Caller, control: Place, fleet: &str) -> Self {
        let control = Table::new(Arc::clone(&clients), caller.clone(), control, control_table(fleet));
        Self { control, clients, caller, writes: Writes::default(), queues: Mutex::default() }
    }

    /// A table of a cell.
    fn table(&self, table: &TableRef) -> Table {
        self.control.other(&table.place, &table.name)
    }

    /// A token that no other write has.
    fn fresh_token(&self) -> String {
        self.writes.fresh_token(&self.control)
    }
}
