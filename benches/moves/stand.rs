//! Two cells with one table each, tenants in them, and the program that moves these.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::figure::peak_so_far_mib;
use crate::support::emulator::Shop;

/// Bytes of an item's body.
pub(crate) const BODY_BYTES: usize = 300;
/// Items in a batch (DynamoDB API reference, `BatchWriteItem`).
pub(crate) const BATCH: usize = 25;
/// Batches under way while a table is filled.
const FILLING: usize = 8;
/// The longest that a move may take.
const MOVE_MAX: Duration = Duration::from_hours(1);

/// A move that was done.
pub(crate) struct Moved {
    /// From the start of the program to its end.
    pub(crate) took: Duration,
    /// What it printed: the receipt.
    pub(crate) receipt: Value,
    /// The most memory that it took, in MiB.
    pub(crate) peak_mib: f64,
}

/// How the items of a tenant lie in a table. The local endpoints look at a whole partition for each page of it (MiniStack), or
/// for each item (DynamoDB Local), which AWS does not: a large tenant is measured with a partition for each item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// In one partition.
    OneKey,
    /// Each in its own.
    ManyKeys,
}

impl Layout {
    /// The table, as a definition has it.
    fn table(self) -> &'static str {
        match self {
            Self::OneKey => "{ partitionKey: tenantId, sortKey: id, tenant: { by: partitionKey } }",
            Self::ManyKeys => "{ partitionKey: key, tenant: { by: prefix } }",
        }
    }

    /// The key of an item, by attribute.
    pub(crate) fn key_texts(self, tenant: &str, n: usize) -> Vec<(&'static str, String)> {
        let id = format!("order-{n:08}");
        match self {
            Self::OneKey => vec![("tenantId", tenant.to_owned()), ("id", id)],
            Self::ManyKeys => vec![("key", format!("{tenant}#{id}"))],
        }
    }

    /// An item of a tenant, by attribute. Its number says everything of it.
    pub(crate) fn texts(self, tenant: &str, n: usize) -> Vec<(&'static str, String)> {
        let mut texts = self.key_texts(tenant, n);
        texts.push(("body", format!("{n:x>BODY_BYTES$}")));
        texts
    }

    /// The key of an item.
    pub(crate) fn key(self, tenant: &str, n: usize) -> HashMap<String, AttributeValue> {
        stored(self.key_texts(tenant, n))
    }

    /// An item of a tenant.
    pub(crate) fn item(self, tenant: &str, n: usize) -> HashMap<String, AttributeValue> {
        stored(self.texts(tenant, n))
    }
}

fn stored(texts: Vec<(&'static str, String)>) -> HashMap<String, AttributeValue> {
    texts.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).collect()
}

/// Two cells.
pub(crate) struct Stand {
    pub(crate) shop: Shop,
    pub(crate) layout: Layout,
}

impl Stand {
    /// Makes them. `name` is unique in a run.
    pub(crate) async fn make(name: &str, layout: Layout) -> Self {
        let shop = Shop::empty(name).await;
        for cell in ["cell-1", "cell-2"] {
            let text = format!(
                "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: {cell} }}\nspec:\n  type: shared\n  \
                 capacity: {{ tenants: 1000 }}\n  tables:\n    orders: {}\n",
                layout.table()
            );
            shop.write(&format!("cells/{cell}.yaml"), &text);
        }
        Self { shop: shop.applied().await, layout }
    }

    /// The table of a cell, 1 or 2.
    pub(crate) fn table(&self, cell: usize) -> String {
        format!("{}-orders", self.shop.stack(&format!("cell-{cell}")))
    }

    /// A tenant in the first cell with so many items.
    pub(crate) async fn tenant(&self, tenant: &str, items: usize) {
        self.shop.run(&["tenant", "add", tenant, "--to", "cell-1", "--yes"]).await.exits(0);
        let batches = (0..items.div_ceil(BATCH)).map(|n| n * BATCH..((n + 1) * BATCH).min(items));
        let table = self.table(1);
        let fill = |batch: std::ops::Range<usize>| {
            let writes = batch.map(|n| put(self.layout.item(tenant, n))).collect();
            self.put_all(&table, writes)
        };
        stream::iter(batches).map(fill).buffer_unordered(FILLING).collect::<Vec<()>>().await;
    }

    /// Puts a batch, until nothing of it is left.
    pub(crate) async fn put_all(&self, table: &str, mut writes: Vec<WriteRequest>) {
        while !writes.is_empty() {
            let request = self.shop.aws.dynamodb.batch_write_item().request_items(table, writes);
            let answer = request.send().await.expect("written");
            writes = answer.unprocessed_items.unwrap_or_default().remove(table).unwrap_or_default();
        }
    }

    /// Moves a tenant with the program.
    pub(crate) async fn move_to(&self, tenant: &str, cell: &str) -> Moved {
        self.move_through(tenant, cell, &self.shop.endpoint).await
    }

    /// The same through another endpoint.
    pub(crate) async fn move_through(&self, tenant: &str, cell: &str, endpoint: &str) -> Moved {
        let began = Instant::now();
        let arguments = ["tenant", "move", tenant, "--to", cell, "--yes", "--output", "json"];
        let running = self.shop.start(&arguments, |command| _ = command.env("AWS_ENDPOINT_URL", endpoint));
        let pid = running.pid();
        let mut ended = std::pin::pin!(running.end_within(MOVE_MAX));
        let mut peak_mib = 0.0_f64;
        let ended = loop {
            tokio::select! {
                ended = &mut ended => break ended,
                () = tokio::time::sleep(Duration::from_millis(20)) => peak_mib = peak_mib.max(peak_so_far_mib(&pid)),
            }
        };
        let took = began.elapsed();
        let answer = ended.exits(0).json();
        Moved { took, receipt: answer["data"][0]["outcome"]["receipt"].clone(), peak_mib }
    }

    /// When an event was written into the journal of a tenant's last move, in milliseconds since 1970.
    pub(crate) async fn journal(&self, tenant: &str) -> Vec<(String, i64)> {
        let shown = self.shop.run(&["move", "show", tenant, "--output", "json"]).await.exits(0).json();
        let entries = shown["data"]["journal"].as_array().cloned().unwrap_or_default();
        let entry = |entry: &Value| {
            let name = entry["event"]["event"].as_str().unwrap_or_default().to_owned();
            (name, entry["atMs"].as_i64().unwrap_or_default())
        };
        entries.iter().map(entry).collect()
    }
}

/// A put of a batch.
pub(crate) fn put(item: HashMap<String, AttributeValue>) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build().expect("an item");
    WriteRequest::builder().put_request(put).build()
}
