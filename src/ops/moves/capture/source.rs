//! The streams of the source's tables: their shards, and what comes next of each.

use crate::domain::moves::TablePlan;
use crate::ports::data::{From, ShardRead, StreamShard};
use crate::ports::{CallErrorKind, Called};

use super::super::context::{Context, Side};
use super::super::halt::Halt;
use super::super::pace::patiently;
use super::super::shards::ShardId;

/// Reads what comes next of a shard.
pub(super) async fn read_shard(context: &Context<'_>, (table, shard): &ShardId, from: &From) -> Called<ShardRead> {
    let Some(plan) = context.plan.tables.get(*table) else { return Ok(ShardRead::Expired) };
    let stream = plan.shape.stream.as_ref().map(|stream| stream.arn.as_str()).unwrap_or_default();
    context.world.streams.read(&context.share(Side::Source, plan), stream, shard, from).await
}

/// The shards of a table's stream. One that is gone needs people.
pub(super) async fn list(context: &Context<'_>, table: &TablePlan) -> Result<Vec<StreamShard>, Halt> {
    let gone = |why: &str| {
        let why = format!("the stream of table {} in cell {} is gone: {why}", table.source, context.plan.source.cell);
        let hint = "writes since then are not seen: abort the move, turn the stream on, and move the tenant again";
        Halt::stuck("stream-gone", why, hint)
    };
    let Some(stream) = &table.shape.stream else { return Err(gone("it was off when the move was planned")) };
    let source = context.table(Side::Source, table);
    let listing = || async {
        match context.world.streams.shards(&source, &stream.arn).await {
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(Err(error.message)),
            other => other.map(Ok),
        }
    };
    patiently(context, listing).await?.map_err(|why| gone(&why))
}
