//! Queues in memory: at least once, in no order.
//!
//! Constraint kept: a message that was received is hidden for a while, comes back unless it is deleted, and may come
//! twice all the same (SQS developer guide, "At-least-once delivery").

use async_trait::async_trait;
use cellctl::ports::Called;
use cellctl::ports::moves::{Message, QueueRef, Queues};

use super::gate::{Seat, read, write};
use super::state::State;

/// A queue: messages, each with the time until when it is hidden.
pub(crate) type Queue = Vec<(i64, Message)>;

/// Most messages in one answer.
const RECEIVED_MAX: usize = 10;

impl State {
    /// Receives from a queue.
    pub(crate) fn receive(&mut self, queue: &str, hidden_ms: i64) -> Vec<Message> {
        let now_ms = self.now_ms;
        let most = self.rng.usize(0..=RECEIVED_MAX);
        let twice = self.rng.u8(..10) == 0;
        let Some(queue) = self.queues.get_mut(queue) else { return Vec::new() };
        self.rng.shuffle(queue);
        let visible = queue.iter_mut().filter(|(hidden_until_ms, _)| *hidden_until_ms <= now_ms);
        let take = |(until_ms, message): &mut (i64, Message)| {
            if !twice {
                *until_ms = now_ms + hidden_ms;
            }
            message.clone()
        };
        visible.take(most).map(take).collect()
    }

    /// Sends to a queue: the message gets an id of its own, which is given.
    pub(crate) fn send(&mut self, queue: &str, message: &Message) -> String {
        let id = format!("m-{:016x}", self.rng.u64(..));
        let (now_ms, receipt) = (self.now_ms, format!("receipt of {id}"));
        if !self.queues.contains_key(queue) {
            self.violate(format!("a message for {queue}, which is not there"));
        }
        self.queues
            .entry(queue.to_owned())
            .or_default()
            .push((now_ms, Message { id: id.clone(), receipt, ..message.clone() }));
        id
    }

    /// Deletes a message.
    pub(crate) fn delete_message(&mut self, queue: &str, receipt: &str) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.retain(|(_, message)| message.receipt != receipt);
        }
    }

    /// Gives a message back.
    pub(crate) fn put_back(&mut self, queue: &str, receipt: &str) {
        let now_ms = self.now_ms;
        let messages = self.queues.get_mut(queue).into_iter().flatten();
        messages.filter(|(_, message)| message.receipt == receipt).for_each(|(until_ms, _)| *until_ms = now_ms);
    }
}

#[async_trait]
impl Queues for Seat {
    async fn exists(&self, queue: &QueueRef) -> Called<bool> {
        let name = queue.name.clone();
        self.call(read("sqs:GetQueueUrl"), move |state| Ok(state.queues.contains_key(&name))).await
    }

    async fn receive(&self, queue: &QueueRef, hidden_s: u32) -> Called<Vec<Message>> {
        let name = queue.name.clone();
        self.call(read("sqs:ReceiveMessage"), move |state| Ok(state.receive(&name, i64::from(hidden_s) * 1000))).await
    }

    async fn send(&self, queue: &QueueRef, message: &Message, _: &str) -> Called<()> {
        let (name, message) = (queue.name.clone(), message.clone());
        self.call(write("sqs:SendMessage"), move |state| {
            state.send(&name, &message);
            Ok(())
        })
        .await
    }

    async fn delete(&self, queue: &QueueRef, message: &Message) -> Called<()> {
        let (name, receipt) = (queue.name.clone(), message.receipt.clone());
        self.call(write("sqs:DeleteMessage"), move |state| {
            state.delete_message(&name, &receipt);
            Ok(())
        })
        .await
    }

    async fn put_back(&self, queue: &QueueRef, message: &Message) -> Called<()> {
        let (name, receipt) = (queue.name.clone(), message.receipt.clone());
        self.call(write("sqs:ChangeMessageVisibility"), move |state| {
            state.put_back(&name, &receipt);
            Ok(())
        })
        .await
    }

    async fn depth(&self, queue: &QueueRef) -> Called<u64> {
        let name = queue.name.clone();
        self.call(read("sqs:GetQueueAttributes"), move |state| {
            Ok(state.queues.get(&name).map_or(0, |queue| queue.len() as u64))
        })
        .await
    }
}
