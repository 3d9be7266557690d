//! Tables and queues of cells behind the `Atoms` port: looked at, never changed.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::fleet::Place;
use crate::ports::{Atoms, CallErrorKind, Called, TableState};

use super::call::{Call, Caller};
use super::clients::Clients;

/// The adapter.
pub struct AwsAtoms {
    clients: Arc<Clients>,
    caller: Caller,
}

impl AwsAtoms {
    /// An adapter over these clients.
    pub fn new(clients: Arc<Clients>, caller: Caller) -> Self {
        Self { clients, caller }
    }
}

fn call(operation: &'static str, place: &Place, name: &str) -> Call {
    Call { operation, subject: format!("{name} in {}", place.region), rate_of: None }
}

#[async_trait]
impl Atoms for AwsAtoms {
    async fn table(&self, place: &Place, name: &str) -> Called<Option<TableState>> {
        let clients = self.clients.of(place).await;
        let send = || clients.dynamodb.describe_table().table_name(name).send();
        match self.caller.call(call("dynamodb:DescribeTable", place, name), send).await {
            Ok(answer) => Ok(answer.table().map(|table| TableState {
                items: u64::try_from(table.item_count().unwrap_or(0)).unwrap_or(0),
                protected: table.deletion_protection_enabled().unwrap_or(false),
            })),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn queue_exists(&self, place: &Place, name: &str) -> Called<bool> {
        let clients = self.clients.of(place).await;
        let send = || clients.sqs.get_queue_url().queue_name(name).send();
        match self.caller.call(call("sqs:GetQueueUrl", place, name), send).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
