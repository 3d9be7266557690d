//! A DynamoDB table of cellctl: its calls, and the form of its items.
//!
//! Owns: keys, typed attributes, and how a read or a conditional write is put together. Constraints kept: reads are
//! consistent unless they go through an index, which has no such reads; a read of many items is bounded in what it has
//! in flight, and what the service leaves of a batch is asked for again within the time of a throttled call.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem, Update};
use aws_smithy_types::error::operation::BuildError;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::fleet::Place;
use crate::domain::ids::Digest;
use crate::ports::{CallError, CallErrorKind, Called};

use super::call::{Call, Caller};
use super::clients::Clients;

/// Most items in one `BatchGetItem` (DynamoDB API reference).
const BATCH_MAX: usize = 100;
/// Batches in flight at a time: 800 items, each of some hundred bytes.
const BATCHES_IN_FLIGHT: usize = 8;

/// An item, or the key of one.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A table at a place.
#[derive(Clone)]
pub(super) struct Table {
    /// Makes the calls.
    pub(super) caller: Caller,
    /// Where it is.
    pub(super) place: Place,
    /// Its name.
    pub(super) name: String,
    clients: Arc<Clients>,
}

impl Table {
    /// The table of that name.
    pub(super) fn new(clients: Arc<Clients>, caller: Caller, place: Place, name: String) -> Self {
        Self { caller, place, name, clients }
    }

    /// Another table, by the same means.
    pub(super) fn other(&self, place: &Place, name: &str) -> Self {
        Self::new(Arc::clone(&self.clients), self.caller.clone(), place.clone(), name.to_owned())
    }

    /// The client that reaches it.
    pub(super) async fn client(&self) -> aws_sdk_dynamodb::Client {
        self.clients.of(&self.place).await.dynamodb.clone()
    }

    /// A call about an item.
    pub(super) fn call(&self, operation: &'static str, item: &str) -> Call {
        let subject = format!("{item} of table {} in {}", self.name, self.place.region);
        Call { operation, subject, rate_of: None }
    }

    /// An error about an item.
    pub(super) fn error(
        &self,
        kind: CallErrorKind,
        operation: &'static str,
        item: &str,
        message: impl Into<String>,
    ) -> CallError {
        CallError { kind, operation, subject: self.call(operation, item).subject, message: message.into() }
    }

    /// The error for an item that is not as this version writes it.
    pub(super) fn unreadable(&self, item: &str, why: impl std::fmt::Display) -> CallError {
        let why = format!("the item cannot be read: {why}; was it written by a newer cellctl?");
        self.error(CallErrorKind::Invalid, "dynamodb:GetItem", item, why)
    }

    /// Refuses an item of a newer format.
    pub(super) fn check_format(&self, item: &str, format: u32, newest: u32) -> Called<()> {
        if format <= newest {
            return Ok(());
        }
        let why = format!(
            "it has format {format} and was written by a newer cellctl; this one knows formats up to {newest}: upgrade cellctl"
        );
        Err(self.error(CallErrorKind::Invalid, "dynamodb:GetItem", item, why))
    }

    /// One item, by a consistent read.
    pub(super) async fn get(&self, pk: &str, sk: &str) -> Called<Option<Item>> {
        let client = self.client().await;
        let send = || client.get_item().table_name(&self.name).set_key(Some(key(pk, sk))).consistent_read(true).send();
        let answer = self.caller.call(self.call("dynamodb:GetItem", &format!("{pk}/{sk}")), send).await?;
        Ok(answer.item)
    }

    /// All items of a partition, in order, by a consistent read.
    pub(super) async fn query(&self, pk: &str) -> Called<Vec<Item>> {
        self.query_from(pk, "", usize::MAX).await
    }

    /// Up to `limit` items of a partition from a sort key on, in order, by a consistent read.
    pub(super) async fn query_from(&self, pk: &str, from: &str, limit: usize) -> Called<Vec<Item>> {
        let client = self.client().await;
        let condition = if from.is_empty() { "pk = :pk" } else { "pk = :pk AND sk >= :from" };
        let mut found = Vec::new();
        let mut start: Option<Item> = None;
        while found.len() < limit {
            let page_max = i32::try_from(limit - found.len()).ok();
            let send = || {
                let request = client.query().table_name(&self.name).key_condition_expression(condition);
                let request = request.expression_attribute_values(":pk", text(pk)).consistent_read(true);
                let from = (!from.is_empty()).then(|| text(from));
                let request = from.into_iter().fold(request, |r, from| r.expression_attribute_values(":from", from));
                request.set_limit(page_max).set_exclusive_start_key(start.clone()).send()
            };
            let page = self.caller.call(self.call("dynamodb:Query", pk), send).await?;
            found.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// The items of a partition whose sort keys begin like this, in order, by consistent reads. With `last`, so many from
    /// the end of the order, the last first.
    pub(super) async fn query_prefix(&self, pk: &str, prefix: &str, last: Option<u32>) -> Called<Vec<Item>> {
        let client = self.client().await;
        let limit = last.map_or(usize::MAX, |last| usize::try_from(last).unwrap_or(usize::MAX));
        let mut found = Vec::new();
        let mut start: Option<Item> = None;
        while found.len() < limit {
            let send = || {
                let request = client.query().table_name(&self.name).consistent_read(true);
                let request = request.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
                let request = request.expression_attribute_values(":pk", text(pk));
                let request = request.expression_attribute_values(":prefix", text(prefix));
                let request = request.scan_index_forward(last.is_none());
                let request = request.set_limit(i32::try_from(limit - found.len()).ok());
                request.set_exclusive_start_key(start.clone()).send()
            };
            let page = self.caller.call(self.call("dynamodb:Query", pk), send).await?;
            found.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// The items with these keys, in no order, by consistent reads. No key occurs twice.
    pub(super) async fn batch_get(&self, keys: Vec<Item>) -> Called<Vec<Item>> {
        let chunks: Vec<Vec<Item>> = keys.chunks(BATCH_MAX).map(<[Item]>::to_vec).collect();
        let batches = stream::iter(chunks).map(|chunk| self.get_chunk(chunk)).buffer_unordered(BATCHES_IN_FLIGHT);
        batches.try_concat().await
    }

    async fn get_chunk(&self, keys: Vec<Item>) -> Called<Vec<Item>> {
        let client = self.client().await;
        let mut asked = built(KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build())?;
        let mut found = Vec::new();
        let mut leftovers = self.caller.leftovers();
        loop {
            let subject = format!("{} items", asked.keys().len());
            let send = || client.batch_get_item().request_items(&self.name, asked.clone()).send();
            let answer = self.caller.call(self.call("dynamodb:BatchGetItem", &subject), send).await?;
            found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            let left = answer.unprocessed_keys.into_iter().flatten().map(|(_, left)| left).next();
            match left.filter(|left| !left.keys().is_empty()) {
                None => return Ok(found),
                Some(left) => asked = left,
            }
            if !self.caller.may_ask_again(&mut leftovers).await {
                let why = format!("the service left out {} of them for too long", asked.keys().len());
                return Err(self.error(CallErrorKind::Throttled, "dynamodb:BatchGetItem", &subject, why));
            }
        }
    }

    /// Puts an item if `condition` holds; its values are `values`.
    pub(super) async fn put_if(&self, item: Item, condition: &str, values: &Item, subject: &str) -> Called<()> {
        let client = self.client().await;
        let send = || {
            let request = client.put_item().table_name(&self.name).set_item(Some(item.clone()));
            let values = (!values.is_empty()).then(|| values.clone());
            let request = request.condition_expression(condition).set_expression_attribute_values(values);
            request.set_expression_attribute_names(names_in(condition)).send()
        };
        self.caller.call(self.call("dynamodb:PutItem", subject), send).await.map(|_| ())
    }

    /// Sends a transaction. The token makes a repeat after a lost answer the same transaction.
    pub(super) async fn transact(&self, subject: &str, items: &[TransactWriteItem], token: &str) -> Called<()> {
        let client = self.client().await;
        let send = || {
            let request = client.transact_write_items().client_request_token(token);
            request.set_transact_items(Some(items.to_vec())).send()
        };
        self.caller.call(self.call("dynamodb:TransactWriteItems", subject), send).await.map(|_| ())
    }

    /// The part of a transaction that puts an item under a condition.
    pub(super) fn put(&self, item: Item, condition: &str, values: Item) -> Called<TransactWriteItem> {
        let put = Put::builder().table_name(&self.name).set_item(Some(item)).condition_expression(condition);
        let put = put.set_expression_attribute_values((!values.is_empty()).then_some(values));
        let put = put.set_expression_attribute_names(names_in(condition));
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// Reads the content of an item.
    pub(super) fn decode<T: DeserializeOwned>(&self, item: &Item) -> Called<T> {
        let body = text_of(item, "body").unwrap_or_default();
        serde_json::from_str(body).map_err(|error| self.unreadable(&name_of(item), error))
    }

    /// An item with this content.
    pub(super) fn encode<T: Serialize>(&self, pk: &str, sk: &str, content: &T) -> Called<Item> {
        let body = serde_json::to_string(content)
            .map_err(|error| self.error(CallErrorKind::Invalid, "dynamodb:PutItem", pk, error.to_string()))?;
        let mut item = key(pk, sk);
        item.insert("body".to_owned(), AttributeValue::S(body));
        Ok(item)
    }
}

/// An update of one item as a part of a transaction.
#[derive(Debug, Default)]
pub(super) struct Edit {
    sets: Vec<String>,
    removes: Vec<String>,
    adds: Vec<String>,
    conditions: Vec<String>,
    names: HashMap<String, String>,
    values: Item,
}

impl Edit {
    /// Sets an attribute, or takes it away.
    pub(super) fn set(mut self, attribute: &str, value: Option<AttributeValue>) -> Self {
        let name = self.name(attribute);
        match value {
            Some(value) => {
                let value = self.value(value);
                self.sets.push(format!("{name} = {value}"));
            }
            None => self.removes.push(name),
        }
        self
    }

    /// Sets an attribute unless it is there.
    pub(super) fn start(mut self, attribute: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.sets.push(format!("{name} = if_not_exists({name}, {value})"));
        self
    }

    /// Adds to a number.
    pub(super) fn add(mut self, attribute: &str, difference: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(difference));
        self.adds.push(format!("{name} {value}"));
        self
    }

    /// Only if an attribute compares like this.
    pub(super) fn require(mut self, attribute: &str, operator: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.conditions.push(format!("{name} {operator} {value}"));
        self
    }

    /// The same, or if the attribute is not there.
    pub(super) fn require_if_there(mut self, attribute: &str, operator: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(attribute), self.value(value));
        self.conditions.push(format!("(attribute_not_exists({name}) OR {name} {operator} {value})"));
        self
    }

    /// Only if an attribute is not there.
    pub(super) fn require_absent(mut self, attribute: &str) -> Self {
        let name = self.name(attribute);
        self.conditions.push(format!("attribute_not_exists({name})"));
        self
    }

    /// The part of a transaction that does this.
    pub(super) fn of(self, table: &Table, key: Item) -> Called<TransactWriteItem> {
        let clauses = [("SET", self.sets), ("REMOVE", self.removes), ("ADD", self.adds)];
        let used = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        let expression: Vec<String> = used.map(|(word, parts)| format!("{word} {}", parts.join(", "))).collect();
        let update = Update::builder()
            .table_name(&table.name)
            .set_key(Some(key))
            .update_expression(expression.join(" "))
            .condition_expression(self.conditions.join(" AND "))
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values));
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    fn name(&mut self, attribute: &str) -> String {
        let name = format!("#{attribute}");
        self.names.insert(name.clone(), attribute.to_owned());
        name
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let name = format!(":v{}", self.values.len());
        self.values.insert(name.clone(), value);
        name
    }
}

/// The positions of the items of a cancelled transaction whose conditions did not hold. The reasons stand in the text
/// in the order of the items: `[None, ConditionalCheckFailed]`.
pub(super) fn failed_conditions(error: &CallError) -> Vec<usize> {
    let list = error.message.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let reasons = list.map_or("", |(reasons, _)| reasons).split(',').map(str::trim);
    reasons.enumerate().filter(|(_, reason)| *reason == "ConditionalCheckFailed").map(|(index, _)| index).collect()
}

/// The names of an expression: `#mode` stands for the attribute `mode`, whose own name DynamoDB reserves.
fn names_in(expression: &str) -> Option<HashMap<String, String>> {
    let words = expression.split('#').skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
    let names: HashMap<String, String> = words.map(|word| (format!("#{word}"), word.to_owned())).collect();
    (!names.is_empty()).then_some(names)
}

/// What a builder made. It fails only where a required field was forgotten.
pub(super) fn built<T>(made: Result<T, BuildError>) -> Called<T> {
    made.map_err(|error| CallError {
        kind: CallErrorKind::Invalid,
        operation: "dynamodb:TransactWriteItems",
        subject: "a request".to_owned(),
        message: error.to_string(),
    })
}

/// The key of an item.
pub(super) fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Values of an expression.
pub(super) fn values<const N: usize>(pairs: [(&str, AttributeValue); N]) -> Item {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A number as a sort key: ten digits keep the order.
pub(super) fn ten_digits(seq: u64) -> String {
    format!("{seq:010}")
}

/// A text attribute.
pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A number attribute.
pub(super) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A text attribute of an item.
pub(super) fn text_of<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.as_s().ok().map(String::as_str)
}

/// A number attribute of an item.
pub(super) fn number_of<T: FromStr>(item: &Item, attribute: &str) -> Option<T> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}

/// What an item is called in an error.
pub(super) fn name_of(item: &Item) -> String {
    let part = |name| text_of(item, name).unwrap_or("?");
    format!("{}/{}", part("pk"), part("sk"))
}

/// A client request token: at most 36 characters. The service keeps tokens by account, not by table, so that the table
/// is one of the parts.
pub(super) fn token(parts: &[&str]) -> String {
    Digest::of_parts(parts.iter().map(|p| p.as_bytes())).as_str()[..36].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancelled(message: &str) -> CallError {
        let subject = "x".to_owned();
        CallError {
            kind: CallErrorKind::Conflict,
            operation: "dynamodb:TransactWriteItems",
            subject,
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_reasons_of_a_cancelled_transaction_name_its_items() {
        let cases = [
            ("Transaction cancelled, see reasons [ConditionalCheckFailed, None]", vec![0]),
            ("Transaction cancelled [None,ConditionalCheckFailed, ConditionalCheckFailed] (Code)", vec![1, 2]),
            ("Transaction cancelled [TransactionConflict, ConditionalCheckFailed]", vec![1]),
            ("Transaction cancelled [TransactionConflict, None]", vec![]),
            ("ConditionalCheckFailedException", vec![]),
            ("", vec![]),
        ];
        for (message, expected) in cases {
            assert_eq!(failed_conditions(&cancelled(message)), expected, "{message}");
        }
    }

    #[test]
    fn names_of_an_expression_stand_for_themselves() {
        let names = names_in("a < :a OR (b = :b AND #mode = :mode) OR #mode = :x AND #at>:y").expect("some");
        let expected = [("#mode", "mode"), ("#at", "at")].map(|(name, word)| (name.to_owned(), word.to_owned()));
        assert_eq!(names, HashMap::from(expected));
        assert_eq!(names_in("version = :seen"), None);
    }

    #[test]
    fn tokens_differ_with_each_part() {
        assert_eq!(token(&["a", "b"]), token(&["a", "b"]));
        assert_ne!(token(&["a", "b"]), token(&["ab"]));
        assert_eq!(token(&["a"]).len(), 36);
    }
}
