//! The tables and queues of a cell, and the program's adapter of moves over them.
//!
//! Constraint kept: names are new for each test and run; tables are made by the services' own clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType,
};
use cellctl::aws::call::Caller;
use cellctl::aws::clients::{Clients, Target};
use cellctl::aws::moves::MoveAdapter;
use cellctl::domain::data::find::Find;
use cellctl::domain::data::shape::{KeyAttribute, KeySchema};
use cellctl::domain::data::{Item, ItemKey, Value};
use cellctl::domain::moves::fence::{Guard, Hold, Shard, Shift};
use cellctl::domain::tenant::fence::{FenceMode, FenceTable};
use cellctl::ports::data::{Permit, Share, TableRef};
use cellctl::ports::moves::MoveFences;
use cellctl::wire::SystemClock;

use super::aws::Aws;
use super::proxy::Proxy;
use super::tables::{LOCAL_KEY, Tables};

/// The index of the tables that are made here: by the attribute `owner`.
pub(crate) const INDEX: &str = "byOwner";

/// A fleet whose tenants can be moved.
pub(crate) struct Movable {
    /// Its control state.
    pub(crate) tables: Tables,
    /// Past the adapters.
    pub(crate) aws: Aws,
    /// The adapter.
    pub(crate) adapter: MoveAdapter,
}

/// A permit that a test gives and takes; it counts how often it was asked.
#[derive(Default)]
pub(crate) struct Given {
    /// Whether it holds.
    pub(crate) valid: AtomicBool,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl Permit for Given {
    fn is_valid(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.valid.load(Ordering::SeqCst)
    }
}

/// A permit that holds, or does not.
pub(crate) fn permit(valid: bool) -> (Arc<Given>, Arc<dyn Permit>) {
    let given = Arc::new(Given { valid: AtomicBool::new(valid), asked: AtomicUsize::new(0) });
    (Arc::clone(&given), given)
}

impl Movable {
    /// Makes the control stack of a fleet. `test` is unique in the suite.
    pub(crate) async fn make(test: &str) -> Self {
        let tables = Tables::make(test).await;
        let aws = Aws::new(&tables.url, LOCAL_KEY);
        let adapter = adapter(&tables, &tables.url);
        Self { tables, aws, adapter }
    }

    /// Another adapter, as another machine has it.
    pub(crate) fn again(&self) -> MoveAdapter {
        adapter(&self.tables, &self.tables.url)
    }

    /// An adapter through a proxy.
    pub(crate) fn through(&self, proxy: &Proxy) -> MoveAdapter {
        adapter(&self.tables, &proxy.url())
    }

    /// A token of a transaction: the service keeps tokens by account, and all runs share one.
    pub(crate) fn token(&self, name: &str) -> String {
        let (_, run) = self.tables.fleet.rsplit_once('-').expect("a name and a number");
        format!("{name}-{run}")
    }

    /// Makes a table with keys `pk` and `sk`, an index by `owner`, and a stream of both images.
    pub(crate) async fn make_table(&self, name: &str) -> TableRef {
        let name = format!("{}-{name}", self.tables.fleet);
        let mut request = self.aws.dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        for attribute in ["pk", "sk", "owner"] {
            let attribute = AttributeDefinition::builder().attribute_name(attribute);
            let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
            request = request.attribute_definitions(attribute.expect("complete"));
        }
        let projection = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let index = GlobalSecondaryIndex::builder().index_name(INDEX).projection(projection);
        let index = index.key_schema(role("owner", KeyType::Hash)).key_schema(role("sk", KeyType::Range));
        let stream = StreamSpecification::builder().stream_enabled(true);
        let stream = stream.stream_view_type(StreamViewType::NewAndOldImages).build().expect("complete");
        let request = request.key_schema(role("pk", KeyType::Hash)).key_schema(role("sk", KeyType::Range));
        let request = request.global_secondary_indexes(index.build().expect("complete")).stream_specification(stream);
        request.send().await.expect("made");
        TableRef { place: Tables::place(), name }
    }

    /// Makes the fence table of a cell with an INCOMING fence of `acme`, and gives the guard that it meets.
    pub(crate) async fn guarded(&self, cell: &str) -> Guard {
        let table = self.tables.make_fences(cell).await;
        let guard = guard(&table);
        let to = Shard::held(guard.epoch, guard.mode, guard.hold.clone());
        let shift = Shift { table, tenant: guard.tenant.clone(), from: vec![(0, None)], to };
        assert!(self.adapter.shift(&shift).await.expect("written"), "nothing was there");
        guard
    }

    /// Makes a queue, and gives its name.
    pub(crate) async fn make_queue(&self, name: &str) -> String {
        let name = format!("{}-{name}", self.tables.fleet);
        let fifo = aws_sdk_sqs::types::QueueAttributeName::FifoQueue;
        let request = self.aws.sqs.create_queue().queue_name(&name);
        let request = if std::path::Path::new(&name).extension().is_some_and(|end| end == "fifo") {
            request.attributes(fifo, "true")
        } else {
            request
        };
        request.send().await.expect("made");
        name
    }
}

fn adapter(tables: &Tables, url: &str) -> MoveAdapter {
    let clients = Arc::new(Clients::new(Target::Local { endpoint: url.to_owned() }));
    MoveAdapter::new(clients, Caller::new(Arc::new(SystemClock::default())), Tables::place(), &tables.fleet)
}

fn role(name: &str, role: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(role).build().expect("complete")
}

/// INCOMING at epoch 4, held by the move `acme:7`.
pub(crate) fn guard(table: &FenceTable) -> Guard {
    let hold = Hold { id: "acme:7".parse().expect("valid"), token: 3 << 20 };
    let tenant = "acme".parse().expect("valid");
    Guard { table: table.clone(), tenant, shard: 0, epoch: 4, mode: FenceMode::Incoming, hold }
}

/// The key of the tables that are made here.
pub(crate) fn schema() -> KeySchema {
    let text = |name: &str| KeyAttribute { name: name.to_owned(), key_type: cellctl::domain::definition::KeyType::S };
    KeySchema { partition: text("pk"), sort: Some(text("sk")) }
}

/// The share of `acme` of a table.
pub(crate) fn share(table: &TableRef, find: Find) -> Share {
    Share { table: table.clone(), key: schema(), find, tenant: "acme".parse().expect("valid") }
}

/// A text.
pub(crate) fn text(value: &str) -> Value {
    Value::S(value.to_owned())
}

/// An item with this key and `owner`, and `more`.
pub(crate) fn item(pk: &str, sk: &str, owner: &str, more: impl IntoIterator<Item = (&'static str, Value)>) -> Item {
    let mut values = BTreeMap::from([("pk", text(pk)), ("sk", text(sk)), ("owner", text(owner))]);
    values.extend(more);
    Item(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The key of an item.
pub(crate) fn key(pk: &str, sk: &str) -> ItemKey {
    ItemKey { partition: text(pk), sort: Some(text(sk)) }
}
