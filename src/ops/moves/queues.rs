//! QUEUES: carrying the tenant's messages over.
//!
//! Owns: the source's queue of moved messages, which its consumers fill once the tenant is gone, and the dead letters.
//! Constraint kept: a message is sent before it is deleted, with the id of its origin, by which the target's consumer
//! knows it again; messages of others are given back unread.

use std::collections::BTreeSet;

use crate::domain::moves::QueuePlan;
use crate::ports::moves::{Message, QueueRef};

use super::context::{Context, Side};
use super::halt::Halt;

/// Attribute of a message in the queue of moved messages: the queue that it came from, as the definition calls it.
const QUEUE: &str = "cellctlQueue";
/// Attribute of a message that was carried over: the id that it had first.
const ORIGIN: &str = "cellctlOrigin";
/// Attribute of a message in the queue of moved messages: its group, where its queue keeps order.
const GROUP: &str = "cellctlGroup";
/// For how long a message is hidden while it is carried over, in seconds.
const HIDDEN_S: u32 = 60;
/// Reads that give nothing new before a queue counts as empty: a read asks a part of the servers only (SQS developer
/// guide, "Short polling").
const EMPTY_READS: u32 = 3;
/// Messages of others that one pass may meet before it gives up.
const FOREIGN_MAX: usize = 10_000;

/// Messages of one pass at the most. What keeps coming is carried over by the passes that follow.
const MESSAGES_MAX: usize = 100_000;
/// Attributes that a message may have (SQS developer guide, "Amazon SQS message metadata").
const ATTRIBUTES_MAX: usize = 10;

impl Context<'_> {
    /// Carries over what is there now; gives how many messages that were.
    pub(super) async fn move_messages(&self) -> Result<u64, Halt> {
        let mut carried = 0;
        if let Some(name) = &self.plan.source.moved_queue {
            let queue = self.queue(Side::Source, name);
            carried += self.pass(&queue, |message| self.destination(message)).await?;
        }
        if let Some(name) = self.plan.target.moved_queue.as_ref().filter(|_| self.plan.options.back_of.is_some()) {
            // The move that is undone may have left some there.
            let queue = self.queue(Side::Target, name);
            carried += self.pass(&queue, |message| self.destination(message)).await?;
        }
        for plan in &self.plan.queues {
            let Some((source, target)) = &plan.dead_letters else { continue };
            let (source, target) = (self.queue(Side::Source, source), self.queue(Side::Target, target));
            let is_ours = |message: &Message| self.is_ours(plan, message).then(|| target.clone());
            carried += self.pass(&source, is_ours).await?;
        }
        Ok(carried)
    }

    /// Reads a queue until nothing new comes; carries over what has a destination, and gives the rest back.
    async fn pass(&self, queue: &QueueRef, to: impl Fn(&Message) -> Option<QueueRef>) -> Result<u64, Halt> {
        let queues = &self.world.queues;
        let (mut carried, mut idle) = (0, 0);
        let (mut foreign, mut seen): (Vec<Message>, BTreeSet<String>) = (Vec::new(), BTreeSet::new());
        while idle < EMPTY_READS && foreign.len() < FOREIGN_MAX && seen.len() < MESSAGES_MAX {
            self.check()?;
            let before = seen.len();
            for message in queues.receive(queue, HIDDEN_S).await? {
                seen.insert(message.id.clone());
                match to(&message) {
                    Some(target) => {
                        let (origin, message) = carried_over(message);
                        queues.send(&target, &message, &origin).await?;
                        queues.delete(queue, &message).await?;
                        carried += 1;
                    }
                    None => foreign.push(message),
                }
            }
            idle = if seen.len() == before { idle + 1 } else { 0 };
        }
        for message in &foreign {
            queues.put_back(queue, message).await?;
        }
        Ok(carried)
    }

    /// Where a message of the queue of moved messages belongs; none where it is not this tenant's.
    fn destination(&self, message: &Message) -> Option<QueueRef> {
        let (_, name) = message.attributes.get(QUEUE)?;
        let plan = self.plan.queues.iter().find(|plan| [&plan.queue, &plan.source, &plan.target].contains(&name))?;
        self.is_ours(plan, message).then(|| self.queue(Side::Target, &plan.target))
    }

    fn is_ours(&self, plan: &QueuePlan, message: &Message) -> bool {
        message.attributes.get(&plan.attribute).is_some_and(|(_, tenant)| tenant == self.tenant().as_str())
    }

    fn queue(&self, side: Side, name: &str) -> QueueRef {
        QueueRef { place: self.end(side).place.clone(), name: name.to_owned() }
    }
}

/// A message as it is sent on, and the id that it had first.
fn carried_over(mut message: Message) -> (String, Message) {
    let origin = message.attributes.get(ORIGIN).map_or_else(|| message.id.clone(), |(_, origin)| origin.clone());
    message.attributes.remove(QUEUE);
    if let Some((_, group)) = message.attributes.remove(GROUP) {
        message.group = Some(group);
    }
    // A dead letter that has as many as it may goes without: nobody consumes it but by hand.
    if message.attributes.len() + message.binary.len() < ATTRIBUTES_MAX {
        message.attributes.insert(ORIGIN.to_owned(), ("String".to_owned(), origin.clone()));
    }
    (origin, message)
}
