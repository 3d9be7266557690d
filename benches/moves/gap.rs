//! For how long writes stop, under live writers, beside a single write of the same endpoint at the same time.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use tokio::sync::watch;

use crate::figure::{Figure, as_f64};
use crate::stand::{Layout, Stand};

const SMALL: usize = 1_000;
const LARGE: usize = 100_000;
/// Moves of the small tenant, and of the large one; the medians count.
const MOVES: [usize; 2] = [9, 3];
/// Writers beside a move.
const WRITERS: usize = 2;
/// Pause of a writer between two writes.
const PAUSE: Duration = Duration::from_millis(10);
/// Single writes at the most.
const WRITES_MAX: f64 = 20.0;
/// How much longer the gap of the large tenant may be: what is left is noise.
const RATIO_MAX: f64 = 1.25;

pub(crate) fn figures() -> Vec<Figure> {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure())
}

async fn measure() -> Vec<Figure> {
    let (small, small_write) = gaps("small", SMALL, MOVES[0]).await;
    let (large, large_write) = gaps("large", LARGE, MOVES[1]).await;
    vec![
        Figure::new("write gap, 1,000 items, in single writes", small / small_write, WRITES_MAX, ""),
        Figure::new("write gap, 100,000 items, in single writes", large / large_write, WRITES_MAX, ""),
        Figure::new("write gap, 100,000 items, times that of 1,000", large / small, RATIO_MAX, ""),
    ]
}

/// The median gap of some moves, and the median single write while they ran, in milliseconds.
async fn gaps(name: &str, items: usize, moves: usize) -> (f64, f64) {
    let stand = Stand::make(&format!("movesgap{name}"), Layout::ManyKeys).await;
    stand.tenant("acme", items).await;
    let (stop, stopped) = watch::channel(false);
    let (mut gaps, mut writes) = (Vec::new(), Vec::new());
    let work = async {
        for n in 0..moves {
            let moved = stand.move_to("acme", ["cell-2", "cell-1"][n % 2]).await;
            let us = moved.receipt["gap"]["lengthUs"].as_u64().expect("a gap");
            gaps.push(as_f64(usize::try_from(us).expect("short")) / 1000.0);
        }
        stop.send_replace(true);
    };
    let writers = futures_util::future::join_all((0..WRITERS).map(|n| write(&stand, n, stopped.clone())));
    let ((), all) = tokio::join!(work, writers);
    for mut one in all {
        writes.append(&mut one);
    }
    let (gap, write) = (median(&mut gaps), median(&mut writes));
    println!("  {items} items: gaps {gaps:.1?} ms, median single write {write:.2} ms of {}", writes.len());
    (gap, write)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A writer at level `strict`, wherever the tenant is; gives how long its plain writes took, in milliseconds, which it makes
/// between the others to an item of its own.
async fn write(stand: &Stand, writer: usize, stop: watch::Receiver<bool>) -> Vec<f64> {
    let (mut took, mut n) = (Vec::new(), 0);
    let client = &stand.shop.aws.dynamodb;
    while !*stop.borrow() {
        n += 1;
        for cell in 1..=2 {
            let _ = strict(stand, cell, writer, n).await;
        }
        let began = Instant::now();
        let request = client
            .put_item()
            .table_name(stand.table(1))
            .set_item(Some(stand.layout.item(&format!("own-{writer}"), n % 10)));
        request.send().await.expect("written");
        took.push(began.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(PAUSE).await;
    }
    took
}

/// One strict write in a cell; none where its fence does not let it through.
async fn strict(stand: &Stand, cell: usize, writer: usize, n: usize) -> Option<()> {
    let client = &stand.shop.aws.dynamodb;
    let fences = format!("{}-fences", stand.shop.stack(&format!("cell-{cell}")));
    let key = [("tenant", AttributeValue::S("acme".to_owned())), ("shard", AttributeValue::N("0".to_owned()))];
    let key = key.map(|(name, value)| (name.to_owned(), value));
    let read = client.get_item().table_name(&fences).set_key(Some(key.clone().into())).consistent_read(true);
    let fence = read.send().await.ok()?.item?;
    let mode = fence.get("mode")?.as_s().ok()?.clone();
    if mode != "OPEN" && mode != "GUARDED" {
        return None;
    }
    let check = ConditionCheck::builder().table_name(&fences).set_key(Some(key.into()));
    let check = check.condition_expression("#mode = :mode AND epoch = :epoch");
    let check = check.expression_attribute_names("#mode", "mode");
    let check = check.expression_attribute_values(":mode", AttributeValue::S(mode.clone()));
    let check = check.expression_attribute_values(":epoch", fence.get("epoch")?.clone()).build().ok()?;
    let number = writer * 100 + n % 50;
    let written = stand.layout.item("acme", number);
    let put = Put::builder().table_name(stand.table(cell)).set_item(Some(written)).build().ok()?;
    let request = client.transact_write_items();
    let request = request.transact_items(TransactWriteItem::builder().condition_check(check).build());
    let request = request.transact_items(TransactWriteItem::builder().put(put).build());
    let noted = TransactWriteItem::builder().put(note(stand, cell, &fences, number)?).build();
    let request = if mode == "GUARDED" { request.transact_items(noted) } else { request };
    request.send().await.ok().map(|_| ())
}

/// The note that a writer leaves while the fence is guarded.
fn note(stand: &Stand, cell: usize, fences: &str, written: usize) -> Option<Put> {
    let key = stand.layout.key("acme", written);
    let named = [("table", AttributeValue::S(stand.table(cell))), ("key", AttributeValue::M(key))];
    let named = AttributeValue::M(named.map(|(name, value)| (name.to_owned(), value)).into());
    let number = fastrand::u64((1 << 20)..(1 << 53));
    Put::builder()
        .table_name(fences)
        .item("tenant", AttributeValue::S("acme".to_owned()))
        .item("shard", AttributeValue::N(number.to_string()))
        .item("keys", AttributeValue::L(vec![named]))
        .build()
        .ok()
}
