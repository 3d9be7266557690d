//! An endpoint before the local one that answers for two large tables itself.
//!
//! The local endpoints look at a whole table or partition for each page of it: a million items would take hours. Here
//! a table is a bit for each number, and an item is made of its number when it is read.
//!
//! Constraint kept: what names neither table is passed on unchanged; a request that this does not know, and an item that is
//! not what its number gives, are refused, which ends the program with an error.

use std::net::Ipv4Addr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::numbers::Numbers;
use crate::requests::{BatchGet, BatchPart, BatchWrite, Named, Part, Query, Texts};
use crate::stand::{Layout, Stand};
use crate::support::emulator::proxy::{Answer, Failure, forward, read, serve};

/// Bytes of a page (DynamoDB API reference, `Query`).
const PAGE_BYTES: usize = 1 << 20;

/// The running endpoint.
pub(crate) struct Endless {
    url: String,
    tables: Arc<Tables>,
    server: JoinHandle<()>,
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Endless {
    /// Starts one: the tenant has so many items in the first cell, and none in the second. Of the bulk puts there, one
    /// item of each `lost_each` is acknowledged, and lost.
    pub(crate) async fn start(stand: &Stand, tenant: &str, items: usize, lost_each: usize) -> Self {
        let tables = Arc::new(Tables {
            upstream: stand.shop.endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned(),
            layout: stand.layout,
            tenant: tenant.to_owned(),
            items,
            lost_each,
            held: [(stand.table(1), Numbers::all(items)), (stand.table(2), Numbers::none(items))],
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answering = Arc::clone(&tables);
        let server = tokio::spawn(serve(listener, move |request| answer(Arc::clone(&answering), request)));
        Self { url, tables, server }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many items each of the two tables holds.
    pub(crate) fn held(&self) -> [u64; 2] {
        [0, 1].map(|at| self.tables.held[at].1.count())
    }
}

/// Two tables of one tenant.
struct Tables {
    upstream: String,
    layout: Layout,
    tenant: String,
    items: usize,
    lost_each: usize,
    /// Name and numbers of each.
    held: [(String, Numbers); 2],
}

/// What is to become of an item.
struct Change<'t> {
    table: &'t Numbers,
    n: usize,
    there: bool,
}

async fn answer(tables: Arc<Tables>, request: hyper::Request<Incoming>) -> Result<Answer, Failure> {
    let (seen, request, body) = read(request).await?;
    let is_data = seen.service == "dynamodb" && !seen.action.starts_with("Describe");
    if !is_data || !tables.are_named(&body) {
        return forward(&tables.upstream, request).await;
    }
    let answered = match seen.action.as_str() {
        "Query" => tables.query(&body),
        "BatchGetItem" => tables.batch_get(&body),
        "BatchWriteItem" => tables.batch_write(&body),
        "TransactWriteItems" => match tables.transact(&body) {
            Ok((rest, changes)) => return pass_on(&tables, request, rest, changes).await,
            Err(why) => Err(why),
        },
        other => Err(format!("{other} is not known here").into()),
    };
    let (status, body) = answered.map_or_else(|why| (400, refusal(why.as_ref())), |body| (200, body));
    Ok(Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/x-amz-json-1.0")
        .body(Full::new(body.into()))?)
}

/// The rest of a transaction is one of its own: it checks the fence. Nothing else changes that one between its end and
/// what is done here, as one program moves one tenant.
async fn pass_on(
    tables: &Tables,
    mut request: hyper::Request<Full<Bytes>>,
    rest: Vec<u8>,
    changes: Vec<Change<'_>>,
) -> Result<Answer, Failure> {
    request.headers_mut().remove(CONTENT_LENGTH);
    *request.body_mut() = Full::new(rest.into());
    let answer = forward(&tables.upstream, request).await?;
    if answer.status().is_success() {
        for change in changes {
            change.table.put(change.n, change.there);
        }
    }
    Ok(answer)
}

fn refusal(why: &dyn std::error::Error) -> String {
    let message = format!("the benchmark's endpoint: {why}");
    json!({ "__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": message }).to_string()
}

impl Tables {
    fn are_named(&self, body: &[u8]) -> bool {
        let named = serde_json::from_slice::<Named<'_>>(body);
        named.is_ok_and(|named| named.tables().any(|name| self.table(name).is_ok()))
    }

    fn table(&self, name: &str) -> Result<&Numbers, Failure> {
        let held = self.held.iter().find(|(known, _)| known == name);
        held.map(|(_, numbers)| numbers).ok_or_else(|| format!("{name} is none of the large tables").into())
    }

    /// The number of a key, which is nothing but a key.
    fn number(&self, key: &Texts) -> Result<usize, Failure> {
        let n = Self::number_in(key)?;
        self.same(key, &self.layout.key_texts(&self.tenant, n), n)
    }

    /// The number of an item, which is as that number has it.
    fn number_of(&self, item: &Texts) -> Result<usize, Failure> {
        let n = Self::number_in(item)?;
        self.same(item, &self.layout.texts(&self.tenant, n), n)
    }

    fn number_in(key: &Texts) -> Result<usize, Failure> {
        let id = key.get("id").and_then(|id| id.text.strip_prefix("order-"));
        Ok(id.ok_or("an item without a number")?.parse()?)
    }

    fn same(&self, given: &Texts, wanted: &[(&'static str, String)], n: usize) -> Result<usize, Failure> {
        let is_there = |(name, text): &(&str, String)| given.get(*name).is_some_and(|given| given.text == *text);
        if n < self.items && given.len() == wanted.len() && wanted.iter().all(is_there) {
            return Ok(n);
        }
        Err(format!("item {n} of {} is not as it was made", self.items).into())
    }

    fn query(&self, body: &[u8]) -> Result<String, Failure> {
        let query: Query = serde_json::from_slice(body)?;
        let names = query.expression_attribute_names.iter().map(|(name, of)| (name.as_str(), of.as_str()));
        let values = query.expression_attribute_values.iter().map(|(name, of)| (name.as_str(), of.text.as_str()));
        let is_known = query.key_condition_expression == "#key = :tenant"
            && names.eq([("#key", "tenantId")])
            && values.eq([(":tenant", self.tenant.as_str())]);
        if !is_known || !query.consistent_read {
            return Err("a query that is not for all of the tenant's items, consistently".into());
        }
        let start = query.exclusive_start_key.map(|key| self.number(&key)).transpose()?;
        let max = PAGE_BYTES / self.item_bytes();
        let found = self.table(&query.table_name)?.from(start.map_or(0, |n| n + 1), max);
        let items = self.items(found.iter().copied());
        // A page that is full may be the last one all the same, as on AWS.
        let last = found.last().filter(|_| found.len() == max);
        let last =
            last.map(|n| format!(r#","LastEvaluatedKey":{}"#, json_of(&self.layout.key_texts(&self.tenant, *n))));
        Ok(format!(r#"{{"Count":{1},"ScannedCount":{1},"Items":[{items}]{0}}}"#, last.unwrap_or_default(), found.len()))
    }

    fn batch_get(&self, body: &[u8]) -> Result<String, Failure> {
        let request: BatchGet = serde_json::from_slice(body)?;
        let mut answers = Vec::new();
        for (name, asked) in &request.request_items {
            let table = self.table(name)?;
            if !asked.consistent_read {
                return Err("a read that is not consistent".into());
            }
            let numbers = asked.keys.iter().map(|key| self.number(key)).collect::<Result<Vec<_>, _>>()?;
            let items = self.items(numbers.into_iter().filter(|n| table.has(*n)));
            answers.push(format!(r#""{name}":[{items}]"#));
        }
        Ok(format!(r#"{{"Responses":{{{}}},"UnprocessedKeys":{{}}}}"#, answers.join(",")))
    }

    fn batch_write(&self, body: &[u8]) -> Result<String, Failure> {
        let request: BatchWrite = serde_json::from_slice(body)?;
        for (name, parts) in &request.request_items {
            let table = self.table(name)?;
            for part in parts {
                match part {
                    BatchPart::PutRequest { item } => {
                        let n = self.number_of(item)?;
                        table.put(n, n % self.lost_each != self.lost_each - 1);
                    }
                    BatchPart::DeleteRequest { key } => table.put(self.number(key)?, false),
                }
            }
        }
        Ok(r#"{"UnprocessedItems":{}}"#.to_owned())
    }

    /// What is left of a transaction for others, and what it changes here.
    fn transact(&self, body: &[u8]) -> Result<(Vec<u8>, Vec<Change<'_>>), Failure> {
        let mut request: Value = serde_json::from_slice(body)?;
        let parts = request["TransactItems"].as_array_mut().ok_or("no transaction")?;
        let (mut rest, mut changes) = (Vec::new(), Vec::new());
        for part in parts.drain(..) {
            let name = part.as_object().and_then(|part| part.values().next()?["TableName"].as_str());
            if name.is_some_and(|name| self.table(name).is_ok()) {
                changes.push(self.change(serde_json::from_value(part)?)?);
            } else if changes.is_empty() {
                rest.push(part);
            } else {
                return Err("the reasons of a refusal would stand in another order".into());
            }
        }
        *parts = rest;
        Ok((serde_json::to_vec(&request)?, changes))
    }

    fn change(&self, part: Part) -> Result<Change<'_>, Failure> {
        Ok(match part {
            Part::Put { table_name, item } => {
                Change { table: self.table(&table_name)?, n: self.number_of(&item)?, there: true }
            }
            Part::Delete { table_name, key } => {
                Change { table: self.table(&table_name)?, n: self.number(&key)?, there: false }
            }
        })
    }

    fn items(&self, numbers: impl Iterator<Item = usize>) -> String {
        let items: Vec<String> = numbers.map(|n| json_of(&self.layout.texts(&self.tenant, n))).collect();
        items.join(",")
    }

    /// Bytes of an item as DynamoDB counts them: names and values (developer guide, "DynamoDB item sizes").
    fn item_bytes(&self) -> usize {
        self.layout.texts(&self.tenant, 0).iter().map(|(name, text)| name.len() + text.len()).sum()
    }
}

/// An item of texts that need no escapes.
fn json_of(texts: &[(&'static str, String)]) -> String {
    let parts: Vec<String> = texts.iter().map(|(name, text)| format!(r#""{name}":{{"S":"{text}"}}"#)).collect();
    format!("{{{}}}", parts.join(","))
}
