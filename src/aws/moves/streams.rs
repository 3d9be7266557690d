//! The streams of tables behind the `ChangeStreams` port.
//!
//! Constraints kept: a record of the tenant is never passed over: one of which it cannot be told whose it is, is an
//! error; what the stream no longer keeps is said to be trimmed, and never skipped.

use async_trait::async_trait;
use aws_sdk_dynamodbstreams::types::{Record, ShardIteratorType, StreamDescription, StreamRecord, StreamStatus};

use crate::aws::call::Call;
use crate::domain::data::Item;
use crate::ports::data::{Change, ChangeStreams, From, ShardRead, Share, StreamShard, TableRef};
use crate::ports::{CallError, CallErrorKind, Called};

use super::MoveAdapter;
use super::values::{Unknown, streamed_item_of};

fn call(operation: &'static str, table: &TableRef, shard: &str) -> Call {
    let subject = format!("{shard} of the stream of table {} in {}", table.name, table.place.region);
    Call { operation, subject, rate_of: None }
}

/// The error for a record that is not as a stream has them.
fn unreadable(share: &Share, shard: &str, why: impl std::fmt::Display) -> CallError {
    let call = call("dynamodb:GetRecords", &share.table, shard);
    let message = format!("a record cannot be read: {why}");
    CallError { kind: CallErrorKind::Invalid, operation: call.operation, subject: call.subject, message }
}

/// The shards in a description.
fn shards(described: StreamDescription) -> impl Iterator<Item = StreamShard> {
    described.shards.into_iter().flatten().filter_map(|shard| {
        let ends = shard.sequence_number_range.and_then(|range| range.ending_sequence_number);
        Some(StreamShard { id: shard.shard_id?, parent: shard.parent_shard_id, closed: ends.is_some() })
    })
}

/// Refuses a stream that was turned off: it can be read for 24 hours more (developer guide, "Change data capture for
/// DynamoDB Streams"), and says nothing of what changes since.
fn refuse_off(described: &StreamDescription, table: &TableRef) -> Called<()> {
    let off = [StreamStatus::Disabled, StreamStatus::Disabling];
    if !described.stream_status.as_ref().is_some_and(|status| off.contains(status)) {
        return Ok(());
    }
    let Call { operation, subject, .. } = call("dynamodb:DescribeStream", table, "the shards");
    Err(CallError { kind: CallErrorKind::NotFound, operation, subject, message: "it was turned off".to_owned() })
}

/// Reads a record.
fn change(share: &Share, shard: &str, record: Record) -> Called<Change> {
    let wrong = |why: &str| unreadable(share, shard, why);
    let unknown = |unknown: Unknown| unreadable(share, shard, unknown);
    let mut record: StreamRecord = record.dynamodb.ok_or_else(|| wrong("it says nothing of an item"))?;
    let keys = record.keys.take().ok_or_else(|| wrong("it has no key"))?;
    let keys = streamed_item_of(keys).map_err(unknown)?;
    let key = share.key.key_of(&keys).ok_or_else(|| wrong("its key is not that of the table"))?;
    let is_ours = if share.find.needs_only_key() {
        share.find.is_of(&share.tenant, &share.key, &keys)
    } else {
        let images = images(&mut record, |image| streamed_item_of(image).map_err(unknown))?;
        let none = "it has no image of the item, which tells whose it is: the stream must have both";
        let images = images.ok_or_else(|| wrong(none))?;
        images.iter().any(|image| share.find.is_of(&share.tenant, &share.key, image))
    };
    let at_ms = record.approximate_creation_date_time.and_then(|at| at.to_millis().ok());
    let at_ms = at_ms.ok_or_else(|| wrong("it has no time"))?;
    let seq = record.sequence_number.ok_or_else(|| wrong("it has no number"))?;
    Ok(Change { seq, at_ms, key: is_ours.then_some(key) })
}

/// The item as it was and as it is; none where the record has neither.
fn images(
    record: &mut StreamRecord,
    read: impl Fn(std::collections::HashMap<String, aws_sdk_dynamodbstreams::types::AttributeValue>) -> Called<Item>,
) -> Called<Option<Vec<Item>>> {
    let images = [record.old_image.take(), record.new_image.take()];
    let images = images.into_iter().flatten().map(read).collect::<Called<Vec<_>>>()?;
    Ok((!images.is_empty()).then_some(images))
}

/// What a failed read means. The error carries the service's code at its end.
fn ended(error: CallError) -> Called<ShardRead> {
    let is = |code: &str| error.message.contains(code);
    if is("TrimmedDataAccessException") {
        return Ok(ShardRead::Trimmed);
    }
    if is("ExpiredIteratorException") {
        return Ok(ShardRead::Expired);
    }
    Err(error)
}

impl MoveAdapter {
    async fn iterator(&self, share: &Share, stream: &str, shard: &str, from: &From) -> Called<Option<String>> {
        let (kind, after) = match from {
            From::Iterator(iterator) => return Ok(Some(iterator.clone())),
            From::Oldest => (ShardIteratorType::TrimHorizon, None),
            From::Latest => (ShardIteratorType::Latest, None),
            From::After(seq) => (ShardIteratorType::AfterSequenceNumber, Some(seq.clone())),
        };
        let clients = self.clients.of(&share.table.place).await;
        let send = || {
            let request = clients.streams.get_shard_iterator().stream_arn(stream).shard_id(shard);
            request.shard_iterator_type(kind.clone()).set_sequence_number(after.clone()).send()
        };
        let answer = self.caller.call(call("dynamodb:GetShardIterator", &share.table, shard), send).await?;
        Ok(answer.shard_iterator)
    }

    async fn records(&self, share: &Share, shard: &str, iterator: &str) -> Called<ShardRead> {
        let clients = self.clients.of(&share.table.place).await;
        let send = || clients.streams.get_records().shard_iterator(iterator).send();
        let answer = self.caller.call(call("dynamodb:GetRecords", &share.table, shard), send).await?;
        let records = answer.records.unwrap_or_default().into_iter();
        let changes = records.map(|record| change(share, shard, record)).collect::<Called<_>>()?;
        Ok(ShardRead::Page { changes, next: answer.next_shard_iterator })
    }
}

#[async_trait]
impl ChangeStreams for MoveAdapter {
    async fn shards(&self, table: &TableRef, stream: &str) -> Called<Vec<StreamShard>> {
        let clients = self.clients.of(&table.place).await;
        let mut found = Vec::new();
        let mut start: Option<String> = None;
        loop {
            let send = || {
                let request = clients.streams.describe_stream().stream_arn(stream);
                request.set_exclusive_start_shard_id(start.clone()).send()
            };
            let answer = self.caller.call(call("dynamodb:DescribeStream", table, "the shards"), send).await?;
            let described = answer.stream_description;
            described.as_ref().map_or(Ok(()), |described| refuse_off(described, table))?;
            start = described.as_ref().and_then(|described| described.last_evaluated_shard_id.clone());
            found.extend(described.into_iter().flat_map(shards));
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    async fn read(&self, share: &Share, stream: &str, shard: &str, from: &From) -> Called<ShardRead> {
        let iterator = match self.iterator(share, stream, shard, from).await {
            Ok(Some(iterator)) => iterator,
            Ok(None) => return Ok(ShardRead::Page { changes: Vec::new(), next: None }),
            Err(error) => return ended(error),
        };
        self.records(share, shard, &iterator).await.or_else(ended)
    }
}
