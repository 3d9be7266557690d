//! Going back with the program: from a soak without a copy, after the cleaning with one, and not over a write that came
//! through.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};

use crate::support::chaos::{Cells, History, Key, Level, TENANT, Verdict, Writers};
use crate::support::emulator::Shop;

/// Items that nobody changes while the tenant is away.
const STILL: u64 = 1_000;
/// Writes that are waited for.
const WRITES: u64 = 30;
/// Items of a bulk put at most (API reference, `BatchWriteItem`).
const BULK: usize = 25;

/// Puts the items that nobody changes, and gives what must be found of them.
async fn still(cells: &Cells) -> History {
    let mut history = History::default();
    let keys: Vec<Key> = (0..STILL).map(|n| Key { table: 0, name: format!("still-{n:04}") }).collect();
    for keys in keys.chunks(BULK) {
        let put = |key: &Key| {
            let value = cells.next_value();
            history.done(std::slice::from_ref(key), Some(value));
            let put = PutRequest::builder().set_item(Some(key.item(value))).build().expect("complete");
            WriteRequest::builder().put_request(put).build()
        };
        let puts: Vec<WriteRequest> = keys.iter().map(put).collect();
        let request = cells.dynamodb.batch_write_item().request_items(&cells.pair[0].tables[0], puts);
        request.send().await.expect("written");
    }
    history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_back_from_a_soak_without_a_copy_under_strict_writers() {
    let cells = Arc::new(Cells::make("back_soak", 1).await);
    let history = still(&cells).await;
    let mut writers = Writers::start(&cells, Level::Strict, 11, 0, vec![history]);
    writers.until_acknowledged(WRITES).await;
    let shop = &cells.shop;
    let mut soaking = shop.start(&["tenant", "move", TENANT, "--to", "cell-2", "--soak", "1h", "--yes"], |_| {});
    soaking.until_it_says(": queues-moved").await;
    writers.until_acknowledged(WRITES).await;
    let rollback = ["tenant", "move", TENANT, "--rollback"];
    let dry = shop.run(&[&rollback[..], &["--dry-run"]].concat()).await.exits(0);
    dry.says("back from cell-2 to cell-1")
        .says("is ended first, and what cell-1 still holds is kept")
        .says("nothing: cell-1");
    let back = shop.run(&[&rollback[..], &["--yes", "--output", "json"]].concat()).await.exits(0).json();
    let receipt = &back["data"][0]["outcome"]["receipt"];
    writers.until_acknowledged(WRITES).await;
    let stopped = writers.stop().await;
    let ended = soaking.end().await.exits(0);
    ended.says("what cell-1 still held: the tenant is to go back");
    assert_eq!(stopped.forked, Vec::<u64>::new());
    assert_eq!(cells.serving().await, 0);
    let (copied, keys) = (&receipt["itemsCopied"], receipt["keysReconciled"].as_u64().expect("a number"));
    println!("{STILL} items and more: {copied} copied, {keys} keys reconciled");
    assert!(*copied == 0 && keys < STILL, "{receipt}");
    Verdict::of(&cells, &stopped.histories).await.is_clean();
    shop.run(&[&rollback[..], &["--yes"]].concat()).await.exits(7).says("was a way back already");
}

/// A tenant with items in the first of two cells.
async fn one(test: &str) -> Shop {
    let shop = Shop::small(test, &["cell-1", "cell-2"]).await.applied().await;
    shop.run(&["tenant", "add", "acme", "--to", "cell-1", "--yes"]).await.exits(0);
    shop
}

#[tokio::test]
async fn where_the_source_was_cleaned_everything_is_copied_again() {
    let shop = one("back_cleaned").await;
    let rollback = ["tenant", "move", "acme", "--rollback"];
    shop.run(&[&rollback[..], &["--yes"]].concat()).await.exits(7).says("there is no way back");
    shop.run(&[&rollback[..], &["--to", "cell-2"]].concat()).await.exits(64);
    shop.run(&["tenant", "move", "acme", "--to", "cell-2", "--yes"]).await.exits(0);
    let back = shop.run(&[&rollback[..], &["--yes"]].concat()).await.exits(0);
    back.says("everything is copied again").says("acme is in cell-1 now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_came_through_is_not_overwritten_by_a_way_back() {
    let cells = Cells::make("back_written", 1).await;
    let (shop, history) = (&cells.shop, still(&cells).await);
    let mut soaking = shop.start(&["tenant", "move", TENANT, "--to", "cell-2", "--soak", "3s", "--yes"], |_| {});
    soaking.until_it_says(": queues-moved").await;
    let key = Key { table: 0, name: "came-through".to_owned() };
    let put = cells.dynamodb.put_item().table_name(&cells.pair[0].tables[0]).set_item(Some(key.item(1)));
    put.send().await.expect("written");
    soaking.end().await.exits(10).says("write-after-cutover");
    let rollback = ["tenant", "move", TENANT, "--rollback", "--yes"];
    shop.run(&rollback).await.exits(7).says("have changed after the flip").says("carry it over by hand");
    // Whoever resumes it has seen to that.
    shop.run(&["move", "resume", TENANT, "--yes"]).await.exits(0).says("is in cell-2 now");
    assert_eq!(cells.serving().await, 1);
    Verdict::of(&cells, &[history]).await.is_clean();
}
