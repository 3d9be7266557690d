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
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::domain::fleet::{Place, control_table};
use crate::ports::data::TableRef;
use crate::ports::moves::QueueRef;

use super::call::Caller;
use super::clients::Clients;
use super::dynamo::{Table, token};

/// The adapter.
pub struct MoveAdapter {
    /// The control table; the tables of cells are reached by the same means.
    control: Table,
    clients: Arc<Clients>,
    caller: Caller,
    /// One write under the lease at a time: all of them check the lease's item, and transactions on one item collide.
    writing: Mutex<()>,
    /// Addresses of queues.
    queues: Mutex<HashMap<QueueRef, String>>,
    /// Writes so far that got a token of their own.
    tokens: AtomicU64,
}

impl MoveAdapter {
    /// An adapter for the moves of a fleet, whose control state is at `control`.
    pub fn new(clients: Arc<Clients>, caller: Caller, control: Place, fleet: &str) -> Self {
        let control = Table::new(Arc::clone(&clients), caller.clone(), control, control_table(fleet));
        Self {
            control,
            clients,
            caller,
            writing: Mutex::default(),
            queues: Mutex::default(),
            tokens: AtomicU64::new(0),
        }
    }

    /// A table of a cell.
    fn table(&self, table: &TableRef) -> Table {
        self.control.other(&table.place, &table.name)
    }

    /// A token that no other write has. One made of the content would make a write that brings back what stood there a
    /// few minutes ago look like a repeat, which the service answers without doing anything.
    fn fresh_token(&self) -> String {
        let count = self.tokens.fetch_add(1, Ordering::Relaxed);
        let chance = self.caller.random().to_bits();
        token(&[&self.control.name, &self.caller.now_ms().to_string(), &chance.to_string(), &count.to_string()])
    }
}
