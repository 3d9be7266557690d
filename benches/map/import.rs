//! An import of 10,000 tenants beside the bare rate of the endpoint's transactions.
//!
//! Constraint kept: both in one run, on one endpoint, on tables that were empty before. The bare loop sends transactions of the same
//! items and sizes, made beforehand, with the batch size and concurrency that were best in a grid. The import
//! is the whole program: start, reading, looking up, deciding, writing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Instant;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use cellctl::domain::tenant::Attributes;
use cellctl::domain::tenant::change::{self, Change};
use cellctl::domain::tenant::load::{CellLoad, Limits};
use futures_util::{StreamExt, stream};

use crate::figure::{Figure, as_f64};
use crate::support::emulator::Shop;
use crate::support::samples;

const TENANTS: usize = 10_000;
/// Tenants of each bare measurement of the grid; the best is measured again with all.
const TENANTS_OF_A_TRIAL: usize = 2_000;
const CELLS: [&str; 4] = ["cell-1", "cell-2", "cell-3", "cell-4"];
/// Tenants in a transaction: 32 is the most that fits.
const BATCHES: [usize; 3] = [8, 16, 32];
const IN_FLIGHT: [usize; 4] = [1, 2, 4, 8];
/// Times that both are measured with all tenants, in turn; the medians count.
const ROUNDS: usize = 5;
/// Share of the bare rate that an import is to reach.
const SHARE_MIN: f64 = 0.8;

/// The share of the bare rate that an import reaches.
pub(crate) fn figures() -> Vec<Figure> {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure())
}

async fn measure() -> Vec<Figure> {
    let shop = fresh("grid").await;
    let mut best = (0.0_f64, 0, 0);
    for batch in BATCHES {
        for in_flight in IN_FLIGHT {
            let rate = bare(&shop, &format!("g{batch}x{in_flight}"), TENANTS_OF_A_TRIAL, batch, in_flight).await;
            println!("  bare, {batch:>2} tenants each, {in_flight} in flight: {rate:>7.0} tenants a second");
            if rate > best.0 {
                best = (rate, batch, in_flight);
            }
        }
    }
    let (mut bares, mut imports) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        bares.push(bare(&fresh(&format!("b{round}")).await, "all", TENANTS, best.1, best.2).await);
        imports.push(import(&fresh(&format!("i{round}")).await).await);
        println!("  bare {:>7.0}, import {:>7.0} tenants a second", bares[round], imports[round]);
    }
    let share = median(&mut imports) / median(&mut bares);
    vec![Figure::at_least("import of 10,000 tenants, share of the bare rate", share, SHARE_MIN, "")]
}

/// A fleet with empty tables: what an emulator's query costs grows with the table, unlike DynamoDB's.
async fn fresh(name: &str) -> Shop {
    let shop = Shop::small(&format!("importbench{name}"), &CELLS).await;
    for cell in CELLS {
        shop.edit(&format!("cells/{cell}.yaml"), "tenants: 10 ", "tenants: 1000000 ");
    }
    shop.applied().await
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Tenants a second of the whole program.
async fn import(shop: &Shop) -> f64 {
    let mut rows = "tenant,weight\n".to_owned();
    (0..TENANTS).for_each(|number| writeln!(rows, "tenant-{number:06},1").expect("memory"));
    shop.write("tenants.csv", &rows);
    let began = Instant::now();
    shop.run(&["tenant", "import", "tenants.csv", "--yes", "--quiet"]).await.exits(0);
    as_f64(TENANTS) / began.elapsed().as_secs_f64()
}

/// Tenants a second of the transactions alone, which are ready when the clock starts.
async fn bare(shop: &Shop, name: &str, tenants: usize, batch: usize, in_flight: usize) -> f64 {
    let changes: Vec<(usize, Change)> = (0..tenants).map(|number| added(name, number, batch)).collect();
    let transactions: Vec<Vec<TransactWriteItem>> =
        changes.chunks(batch).map(|changes| transaction(shop, changes)).collect();
    let client = &shop.aws.dynamodb;
    let began = Instant::now();
    let send = |items: Vec<TransactWriteItem>| async move {
        client.transact_write_items().set_transact_items(Some(items)).send().await.expect("written");
    };
    stream::iter(transactions).map(send).buffer_unordered(in_flight).collect::<Vec<()>>().await;
    as_f64(tenants) / began.elapsed().as_secs_f64()
}

/// What an add writes, with the number of its cell.
fn added(name: &str, number: usize, batch: usize) -> (usize, Change) {
    let index = number / batch % CELLS.len();
    let empty = samples::empty(CELLS[index].parse().expect("valid"), samples::place("eu-central-1"));
    let load = CellLoad { fence_table: Some("fences".to_owned()), ..empty };
    let target = samples::chosen(load, Limits { tenants: 1_000_000, weight: None });
    let tenant = format!("{name}-{number:06}").parse().expect("valid");
    let stamp = samples::stamp(1_700_000_000_000);
    (index, change::add(&tenant, Attributes::default(), &target, None, 0, &stamp))
}

type Item = HashMap<String, AttributeValue>;

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item<const N: usize>(fields: [(&str, AttributeValue); N]) -> Item {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The counters of a cell, then an entry, a record and a fence for each tenant.
fn transaction(shop: &Shop, changes: &[(usize, Change)]) -> Vec<TransactWriteItem> {
    let cell = CELLS[changes[0].0];
    let mut items = vec![counters(shop, cell, changes.len())];
    for (_, change) in changes {
        let (entry, record) = (&change.after, &change.record);
        let tenant = entry.tenant.as_str();
        let body = serde_json::to_string(entry).expect("an entry");
        let map = item([
            ("pk", text(format!("MAP#{:02}", entry.tenant.bucket()))),
            ("sk", text(tenant)),
            ("body", text(body)),
            ("cell", text(cell)),
            ("epoch", number(entry.epoch)),
            ("state", text(entry.state.as_str())),
            ("version", number(entry.version)),
            ("format", number(entry.format)),
        ]);
        items.push(put(format!("cellctl-{}-tenants", shop.fleet), map, "attribute_not_exists(pk)"));
        let audit = item([
            ("pk", text(format!("AUDIT#tenant/{tenant}"))),
            ("sk", text("0000000001")),
            ("body", text(&record.text)),
            ("hash", text(record.hash.as_str())),
            ("day", text("AUDIT#2023-11-14#0")),
            ("at", text(format!("001700000000000#tenant/{tenant}#0000000001"))),
        ]);
        items.push(put(shop.control_table(), audit, "attribute_not_exists(pk)"));
        let fence = item([
            ("tenant", text(tenant)),
            ("shard", number(0)),
            ("epoch", number(entry.epoch)),
            ("mode", text("OPEN")),
        ]);
        items.push(put(format!("{}-{cell}-fences", shop.fleet), fence, "attribute_not_exists(tenant)"));
    }
    items
}

fn put(table: String, item: Item, condition: &str) -> TransactWriteItem {
    let put = Put::builder().table_name(table).set_item(Some(item)).condition_expression(condition);
    TransactWriteItem::builder().put(put.build().expect("complete")).build()
}

fn counters(shop: &Shop, cell: &str, tenants: usize) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(shop.control_table())
        .set_key(Some(item([("pk", text("LOAD")), ("sk", text(cell))])))
        .update_expression("ADD #tenants :tenants, #weight :tenants, #writes :writes")
        .condition_expression("#state = :active AND #tenants <= :room")
        .set_expression_attribute_names(Some(
            ["tenants", "weight", "writes", "state"].map(|name| (format!("#{name}"), name.to_owned())).into(),
        ))
        .set_expression_attribute_values(Some(item([
            (":tenants", number(tenants)),
            (":writes", number(tenants)),
            (":active", text("active")),
            (":room", number(1_000_000 - tenants)),
        ])));
    TransactWriteItem::builder().update(update.build().expect("complete")).build()
}
