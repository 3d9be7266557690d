//! One writer's way to the cells: what it knows of fences, and how it writes at each level.
//!
//! Constraint kept: what was not answered is in doubt, never refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

use super::cells::Cells;
use super::items::{Change, Key, number, number_of, text, text_of};
use super::requests::{NOTES, check, fence_key, note, part, plain};
use super::{LEASE, Level, REQUEST};

/// A shard of a fence, as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    /// The word.
    pub(crate) mode: String,
    /// The epoch.
    pub(crate) epoch: u64,
    deadline_ms: Option<u64>,
    to: Option<String>,
    asked_at: Instant,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was done, under this epoch.
    Done(u64),
    /// It was not done: not now.
    NotNow,
    /// It was not done: the tenant is in the cell of this name.
    Moved(String),
    /// No answer came.
    InDoubt,
}

/// What a writer writes with.
pub(crate) struct Client {
    cells: Arc<Cells>,
    level: Level,
    random: fastrand::Rng,
    kept: HashMap<(usize, u64), Fence>,
}

impl Client {
    /// A writer that has read nothing yet.
    pub(crate) fn new(cells: Arc<Cells>, level: Level, seed: u64) -> Self {
        Self { cells, level, random: fastrand::Rng::with_seed(seed), kept: HashMap::new() }
    }

    /// Makes one change of each of these keys, all or none, in one cell.
    pub(crate) async fn write(&mut self, cell: usize, keys: &[Key], change: Change) -> Answer {
        let shard = keys[0].name.bytes().map(u64::from).sum::<u64>() % self.cells.shards;
        let fence = match self.fence(cell, shard).await {
            Ok(fence) => fence,
            Err(answer) => return answer,
        };
        let is_plain = match self.level {
            Level::Strict => false,
            Level::Guarded => fence.mode == "OPEN",
            Level::Lease => true,
        };
        let sent = async {
            if is_plain {
                self.plainly(cell, keys, change, &fence).await
            } else {
                self.transaction(cell, shard, keys, change, &fence).await
            }
        };
        tokio::time::timeout(REQUEST, sent).await.unwrap_or(Answer::InDoubt)
    }

    async fn plainly(&self, cell: usize, keys: &[Key], change: Change, fence: &Fence) -> Answer {
        let [key] = keys else { unreachable!("plain writes are of one key") };
        let done = plain(&self.cells.dynamodb, &self.cells.pair[cell], key, change).await;
        if done { Answer::Done(fence.epoch) } else { Answer::InDoubt }
    }

    async fn transaction(&mut self, at: usize, shard: u64, keys: &[Key], change: Change, fence: &Fence) -> Answer {
        let cell = &self.cells.pair[at];
        let request = self.cells.dynamodb.transact_write_items().transact_items(check(cell, shard, fence));
        let noted = (fence.mode == "GUARDED").then(|| note(cell, self.random.u64(NOTES), keys, now_ms()));
        let parts = noted.into_iter().chain(keys.iter().map(|key| part(cell, key, change)));
        let mut request = request;
        for part in parts {
            request = request.transact_items(part);
        }
        match request.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Answer::Done(fence.epoch),
            Err(TransactWriteItemsError::TransactionCanceledException(_)) => {
                self.kept.remove(&(at, shard));
                Answer::NotNow
            }
            Err(_) => Answer::InDoubt,
        }
    }

    /// The fence, if it lets writes through, as it was asked for no longer than a lease ago.
    async fn fence(&mut self, cell: usize, shard: u64) -> Result<Fence, Answer> {
        if let Some(fence) = self.kept.get(&(cell, shard)).filter(|fence| fence.asked_at.elapsed() < LEASE) {
            return Ok(fence.clone());
        }
        let fence = self.read(cell, shard).await.ok_or(Answer::NotNow)?;
        match fence.mode.as_str() {
            "OPEN" | "GUARDED" => {
                self.kept.insert((cell, shard), fence.clone());
                Ok(fence)
            }
            "OUT" => Err(Answer::Moved(fence.to.expect("where it went"))),
            "SEALED" if fence.deadline_ms.expect("a deadline") < now_ms() => {
                self.reopen(cell, shard, &fence).await;
                Err(Answer::NotNow)
            }
            _ => Err(Answer::NotNow),
        }
    }

    async fn read(&self, cell: usize, shard: u64) -> Option<Fence> {
        let asked_at = Instant::now();
        let request = self.cells.dynamodb.get_item().table_name(&self.cells.pair[cell].fences);
        let item = request.set_key(Some(fence_key(shard))).consistent_read(true).send().await.ok()?.item?;
        Some(Fence {
            mode: text_of(&item, "mode")?.to_owned(),
            epoch: number_of(&item, "epoch")?,
            deadline_ms: number_of(&item, "deadline"),
            to: text_of(&item, "to").map(str::to_owned),
            asked_at,
        })
    }

    /// Opens a shard past its deadline. Whoever else was faster has changed it.
    async fn reopen(&self, cell: usize, shard: u64, fence: &Fence) {
        let request = self.cells.dynamodb.update_item().table_name(&self.cells.pair[cell].fences);
        let request = request.set_key(Some(fence_key(shard)));
        let request = request
            .update_expression("SET #mode = :open, #epoch = :next REMOVE #move, #token, #deadline")
            .condition_expression("#mode = :sealed AND #epoch = :epoch AND #deadline = :deadline");
        let names = ["mode", "epoch", "move", "token", "deadline"];
        let request = names.iter().fold(request, |r, name| r.expression_attribute_names(format!("#{name}"), *name));
        let request = request.expression_attribute_values(":open", text("OPEN"));
        let request = request.expression_attribute_values(":sealed", text("SEALED"));
        let request = request.expression_attribute_values(":epoch", number(fence.epoch));
        let request = request.expression_attribute_values(":next", number(fence.epoch + 2));
        let request = request.expression_attribute_values(":deadline", number(fence.deadline_ms.unwrap_or_default()));
        let _ = request.send().await;
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).expect("fits"))
}
