//! Tables and queues of cells behind the `Atoms` port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::domain::fleet::Place;
use crate::ports::{Atoms, CallError, CallErrorKind, Called, Clock, Content};

use super::call::{Call, Caller, absent_is_fine};
use super::clients::Clients;

const TABLE: &str = "AWS::DynamoDB::Table";
const QUEUE: &str = "AWS::SQS::Queue";

/// Tries at deleting a table that is still being changed, and the wait between two.
const DELETE_TRIES: (u32, Duration) = (60, Duration::from_secs(2));

/// The adapter.
pub struct AwsAtoms {
    clients: Arc<Clients>,
    caller: Caller,
    clock: Arc<dyn Clock>,
}

impl AwsAtoms {
    /// An adapter over these clients.
    pub fn new(clients: Arc<Clients>, caller: Caller, clock: Arc<dyn Clock>) -> Self {
        Self { clients, caller, clock }
    }

    /// One item, by a consistent read, tells whether a table is empty.
    async fn table_content(&self, place: &Place, name: &str) -> Called<Content> {
        let clients = self.clients.of(place).await;
        let send = || clients.dynamodb.scan().table_name(name).limit(1).consistent_read(true).send();
        match self.caller.call(call("dynamodb:Scan", place, name), send).await {
            Ok(answer) if answer.items().is_empty() && answer.last_evaluated_key().is_none() => Ok(Content::Empty),
            Ok(_) => Ok(Content::Perhaps),
            Err(error) => gone(error),
        }
    }

    async fn queue_content(&self, place: &Place, url: &str) -> Called<Content> {
        let clients = self.clients.of(place).await;
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let send = || {
            let request = clients.sqs.get_queue_attributes().queue_url(url);
            request.set_attribute_names(Some(counts.to_vec())).send()
        };
        match self.caller.call(call("sqs:GetQueueAttributes", place, url), send).await {
            Ok(answer) => {
                let values = answer.attributes().into_iter().flat_map(std::collections::HashMap::values);
                let empty = values.clone().count() == counts.len() && values.into_iter().all(|value| value == "0");
                Ok(if empty { Content::Empty } else { Content::Perhaps })
            }
            Err(error) => gone(error),
        }
    }

    /// Takes a table's deletion protection off and deletes it. The service refuses while it changes the table.
    async fn delete_table(&self, place: &Place, name: &str) -> Called<()> {
        let clients = self.clients.of(place).await;
        let open = || clients.dynamodb.update_table().table_name(name).deletion_protection_enabled(false).send();
        absent_is_fine(self.caller.call(call("dynamodb:UpdateTable", place, name), open).await.map(|_| ()))?;
        let mut tries = 0;
        loop {
            let send = || clients.dynamodb.delete_table().table_name(name).send();
            let outcome = self.caller.call(call("dynamodb:DeleteTable", place, name), send).await.map(|_| ());
            tries += 1;
            match absent_is_fine(outcome) {
                Err(error) if error.kind == CallErrorKind::AlreadyExists && tries < DELETE_TRIES.0 => {
                    self.clock.sleep(DELETE_TRIES.1).await;
                }
                other => return other,
            }
        }
    }

    async fn delete_queue(&self, place: &Place, url: &str) -> Called<()> {
        let clients = self.clients.of(place).await;
        let send = || clients.sqs.delete_queue().queue_url(url).send();
        absent_is_fine(self.caller.call(call("sqs:DeleteQueue", place, url), send).await.map(|_| ()))
    }
}

fn call(operation: &'static str, place: &Place, name: &str) -> Call {
    Call { operation, subject: format!("{name} in {}", place.region), rate_of: None }
}

fn gone(error: CallError) -> Called<Content> {
    if error.kind == CallErrorKind::NotFound { Ok(Content::Gone) } else { Err(error) }
}

#[async_trait]
impl Atoms for AwsAtoms {
    async fn table_exists(&self, place: &Place, name: &str) -> Called<bool> {
        let clients = self.clients.of(place).await;
        let send = || clients.dynamodb.describe_table().table_name(name).send();
        match self.caller.call(call("dynamodb:DescribeTable", place, name), send).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn content(&self, place: &Place, resource_type: &str, physical_id: &str) -> Called<Content> {
        match resource_type {
            TABLE => self.table_content(place, physical_id).await,
            QUEUE => self.queue_content(place, physical_id).await,
            _ => Ok(Content::Perhaps),
        }
    }

    async fn delete_leftover(&self, place: &Place, resource_type: &str, physical_id: &str) -> Called<()> {
        match resource_type {
            TABLE => self.delete_table(place, physical_id).await,
            QUEUE => self.delete_queue(place, physical_id).await,
            _ => Err(CallError {
                kind: CallErrorKind::Invalid,
                operation: "cloudformation:DeleteStack",
                subject: physical_id.to_owned(),
                message: format!("a leftover of type {resource_type} is deleted by hand only"),
            }),
        }
    }
}
