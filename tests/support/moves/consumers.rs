//! Those who send messages of the tenant, and those who take them, in both cells.
//!
//! Constraint kept: a message takes effect in a transaction with a check of the fence and a note of its origin; a consumer
//! that meets OUT sends it to its own cell's queue of moved messages, as `docs/move-protocol.md` has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cellctl::domain::moves::fence::Shard;
use cellctl::domain::tenant::fence::FenceMode;
use cellctl::ports::moves::Message;

use super::actors::Wanted;
use super::gate::pause;
use super::scene::{NAME, item_of, key_of};
use super::state::{Sim, State};

/// Attribute: the queue that a moved message came from.
const QUEUE: &str = "cellctlQueue";
/// Attribute: the id that a moved message had first.
const ORIGIN: &str = "cellctlOrigin";
/// For how long a message is hidden from others once it was received, in milliseconds.
const HIDDEN_MS: i64 = 30_000;
/// Once the move is over, for how long consumers wait for messages that do not come, in milliseconds.
const PATIENCE_MS: i64 = 600_000;

fn queue(cell: usize, kind: &str) -> String {
    format!("shop-cell-{}-{kind}", cell + 1)
}

/// Sends messages to the cell that serves, or did a moment ago.
pub(crate) async fn producer(sim: Arc<Sim>) {
    let mut cell = 0;
    for _ in 0..sim.with(|state| state.drawn.messages) {
        let wait_ms = sim.with(|state| state.rng.u64(0..state.drawn.rest_ms.min(10_000) * 2));
        pause(wait_ms).await;
        sim.with(|state| {
            let text = |value: &str| ("String".to_owned(), value.to_owned());
            let message = Message {
                id: String::new(),
                receipt: String::new(),
                body: "a job".to_owned(),
                attributes: BTreeMap::from([("tenant".to_owned(), text(NAME))]),
                binary: BTreeMap::new(),
                group: None,
            };
            let id = state.send(&queue(cell, "jobs"), &message);
            state.truth.messages.insert(id, 0);
            cell = state.serving();
        });
    }
    sim.with(|state| state.busy -= 1);
}

/// Takes messages in a cell, until all have taken effect and the move is over.
pub(crate) async fn consumer(sim: Arc<Sim>, cell: usize) {
    let (mut over_ms, mut idle) = (None, 0);
    loop {
        let wait_ms = sim.with(|state| state.rng.u64(200..2_000)) * if idle > 100 { 30 } else { 1 };
        pause(wait_ms).await;
        let (done, over) = sim.with(|state| (state.is_served(), state.wish.over));
        if over {
            let since_ms: i64 = *over_ms.get_or_insert(sim.now_ms());
            if done || sim.now_ms() > since_ms + PATIENCE_MS {
                break;
            }
        }
        let messages = sim.with(|state| state.receive(&queue(cell, "jobs"), HIDDEN_MS));
        idle = if messages.is_empty() { idle + 1 } else { 0 };
        for message in messages {
            handle(&sim, cell, &message).await;
        }
    }
    sim.with(|state| state.busy -= 1);
}

async fn handle(sim: &Arc<Sim>, cell: usize, message: &Message) {
    let origin = message.attributes.get(ORIGIN).map_or_else(|| message.id.clone(), |(_, origin)| origin.clone());
    let (number, shard) = sim.with(|state| state.read_fence(cell, 0));
    let wait_ms = sim.with(|state| state.rng.u64(0..50));
    pause(wait_ms).await;
    let Some(shard) = shard else { return };
    let handled = sim.with(|state| match shard.mode {
        FenceMode::Open | FenceMode::Guarded => state.take(cell, number, &shard, &origin),
        FenceMode::Out => state.pass_on(cell, message, &origin),
        FenceMode::Sealed => {
            state.reopen(cell, number, &shard, 0);
            state.put_back(&queue(cell, "jobs"), &message.receipt);
            false
        }
        FenceMode::Incoming | FenceMode::Closed => false,
    });
    let forgets = sim.with(|state| state.rng.u8(..8) == 0);
    if handled && !forgets {
        sim.with(|state| state.delete_message(&queue(cell, "jobs"), &message.receipt));
    }
}

impl State {
    fn is_served(&self) -> bool {
        self.truth.messages.len() >= self.drawn.messages && self.truth.messages.values().all(|times| *times > 0)
    }

    /// A message takes effect, if the fence is as it was read; whether it is done with.
    fn take(&mut self, cell: usize, number: u8, seen: &Shard, origin: &str) -> bool {
        let there = self.fences[cell].shards.get(&number);
        if there.is_none_or(|there| (there.mode, there.epoch) != (seen.mode, seen.epoch)) {
            return false;
        }
        if !self.fences[cell].origins.insert(origin.to_owned()) {
            return true;
        }
        *self.truth.messages.entry(origin.to_owned()).or_default() += 1;
        self.counts.deed("messages taken");
        let key = key_of(&self.tables[cell][0], NAME, origin);
        let item = Some(item_of(&self.tables[cell][0], &key, NAME, 1, None));
        self.carry_wanted(cell, &Wanted { table: 0, key, item }, seen.mode == FenceMode::Guarded);
        true
    }

    /// The tenant has gone: its message goes to the queue of moved messages, unless it has taken effect here.
    fn pass_on(&mut self, cell: usize, message: &Message, origin: &str) -> bool {
        if self.fences[cell].origins.contains(origin) {
            return true;
        }
        let text = |value: &str| ("String".to_owned(), value.to_owned());
        let mut message = message.clone();
        message.attributes.insert(QUEUE.to_owned(), text("jobs"));
        message.attributes.insert(ORIGIN.to_owned(), text(origin));
        self.send(&queue(cell, "moved"), &message);
        self.counts.deed("messages passed on");
        true
    }
}
