//! Queues behind the `Queues` port.
//!
//! Constraint kept: a message is sent as it was received: body, every attribute, group.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName};
use aws_smithy_types::Blob;

use crate::aws::call::Call;
use crate::aws::clients::PlaceClients;
use crate::aws::queue_depth;
use crate::ports::moves::{Message, QueueRef, Queues};
use crate::ports::{CallError, CallErrorKind, Called};

use super::MoveAdapter;

/// Most messages of one receive (SQS API reference, `ReceiveMessage`).
const RECEIVE_MAX: i32 = 10;
/// What the name of a queue that keeps order ends with (SQS API reference, `CreateQueue`).
const FIFO: &str = ".fifo";

fn call(operation: &'static str, queue: &QueueRef) -> Call {
    Call { operation, subject: queue_depth::subject(&queue.place, &queue.name), rate_of: None }
}

impl MoveAdapter {
    /// Clients that reach a queue, and its address.
    async fn queue(&self, queue: &QueueRef) -> Called<(Arc<PlaceClients>, String)> {
        let clients = self.clients.of(&queue.place).await;
        if let Some(url) = self.queues.lock().await.get(queue) {
            return Ok((clients, url.clone()));
        }
        let send = || clients.sqs.get_queue_url().queue_name(&queue.name).send();
        let answer = self.caller.call(call("sqs:GetQueueUrl", queue), send).await?;
        let url = answer.queue_url.unwrap_or_default();
        self.queues.lock().await.insert(queue.clone(), url.clone());
        Ok((clients, url))
    }
}

#[async_trait]
impl Queues for MoveAdapter {
    async fn exists(&self, queue: &QueueRef) -> Called<bool> {
        self.queues.lock().await.remove(queue);
        match self.queue(queue).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn receive(&self, queue: &QueueRef, hidden_s: u32) -> Called<Vec<Message>> {
        let (clients, url) = self.queue(queue).await?;
        let hidden_s = i32::try_from(hidden_s).unwrap_or(i32::MAX);
        let send = || {
            let request = clients.sqs.receive_message().queue_url(&url).max_number_of_messages(RECEIVE_MAX);
            let request = request.wait_time_seconds(0).visibility_timeout(hidden_s).message_attribute_names("All");
            request.message_system_attribute_names(MessageSystemAttributeName::MessageGroupId).send()
        };
        let answer = self.caller.call(call("sqs:ReceiveMessage", queue), send).await?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    async fn send(&self, queue: &QueueRef, message: &Message, dedup: &str) -> Called<()> {
        let (clients, url) = self.queue(queue).await?;
        let attributes = attributes(message).map_err(|error| invalid(queue, &error.to_string()))?;
        let in_order = queue.name.ends_with(FIFO);
        // A message without a group is in order with nothing but itself.
        let group = message.group.clone().or_else(|| in_order.then(|| dedup.to_owned()));
        let send = || {
            let request = clients.sqs.send_message().queue_url(&url).message_body(&message.body);
            let request = request.set_message_attributes(Some(attributes.clone())).set_message_group_id(group.clone());
            request.set_message_deduplication_id(in_order.then(|| dedup.to_owned())).send()
        };
        self.caller.call(call("sqs:SendMessage", queue), send).await.map(|_| ())
    }

    async fn delete(&self, queue: &QueueRef, message: &Message) -> Called<()> {
        let (clients, url) = self.queue(queue).await?;
        let send = || clients.sqs.delete_message().queue_url(&url).receipt_handle(&message.receipt).send();
        match self.caller.call(call("sqs:DeleteMessage", queue), send).await {
            // It is gone, or its time was up and it will be received again, with another handle.
            Err(error) if error.message.contains("ReceiptHandleIsInvalid") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn put_back(&self, queue: &QueueRef, message: &Message) -> Called<()> {
        let (clients, url) = self.queue(queue).await?;
        let send = || {
            let request = clients.sqs.change_message_visibility().queue_url(&url).receipt_handle(&message.receipt);
            request.visibility_timeout(0).send()
        };
        match self.caller.call(call("sqs:ChangeMessageVisibility", queue), send).await {
            // Its time was up: it is back already.
            Err(error) if error.message.contains("MessageNotInflight") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn depth(&self, queue: &QueueRef) -> Called<u64> {
        let (clients, url) = self.queue(queue).await?;
        queue_depth::depth(&self.caller, &clients.sqs, &url, queue_depth::subject(&queue.place, &queue.name)).await
    }
}

fn invalid(queue: &QueueRef, why: &str) -> CallError {
    let call = call("sqs:SendMessage", queue);
    let (operation, subject) = (call.operation, call.subject);
    CallError { kind: CallErrorKind::Invalid, operation, subject, message: why.to_owned() }
}

/// A message as it was received.
fn message(received: aws_sdk_sqs::types::Message) -> Message {
    let mut attributes = BTreeMap::new();
    let mut binary = BTreeMap::new();
    for (name, value) in received.message_attributes.unwrap_or_default() {
        match (value.string_value, value.binary_value) {
            (_, Some(bytes)) => drop(binary.insert(name, (value.data_type, bytes.into_inner()))),
            (text, None) => drop(attributes.insert(name, (value.data_type, text.unwrap_or_default()))),
        }
    }
    let group = received.attributes.and_then(|mut said| said.remove(&MessageSystemAttributeName::MessageGroupId));
    Message {
        id: received.message_id.unwrap_or_default(),
        receipt: received.receipt_handle.unwrap_or_default(),
        body: received.body.unwrap_or_default(),
        attributes,
        binary,
        group,
    }
}

/// The attributes of a message, as they are sent.
fn attributes(
    message: &Message,
) -> Result<HashMap<String, MessageAttributeValue>, aws_smithy_types::error::operation::BuildError> {
    let value = |kind: &str| MessageAttributeValue::builder().data_type(kind);
    let texts = message.attributes.iter().map(|(name, (kind, text))| (name, value(kind).string_value(text)));
    let binary = message.binary.iter();
    let binary = binary.map(|(name, (kind, bytes))| (name, value(kind).binary_value(Blob::new(bytes.clone()))));
    texts.chain(binary).map(|(name, value)| Ok((name.clone(), value.build()?))).collect()
}
