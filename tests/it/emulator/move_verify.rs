//! `map verify` over fences of several shards, and beside a move whose mover was killed.
//!
//! Constraint kept: what is spoilt is spoilt past the program, through the service's own client.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use rustix::process::Signal;

use crate::support::emulator::Shop;

/// Shards of a fence.
const SHARDS: usize = 4;
/// Checks of the map until a seal must be past its deadline; each takes some seconds.
const CHECKS_MAX: u32 = 20;

/// Two cells whose fences have four shards, and a tenant in the first.
async fn sharded(test: &str) -> Shop {
    let shop = Shop::empty(test).await;
    for cell in ["cell-1", "cell-2"] {
        let spec = format!("type: shared\n  capacity: {{ tenants: 10 }}\n  fenceShards: {SHARDS}");
        let tables = "orders: { partitionKey: tenantId, sortKey: id, tenant: { by: partitionKey } }";
        let text = format!(
            "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: {cell} }}\nspec:\n  {spec}\n  tables:\n    {tables}\n"
        );
        shop.write(&format!("cells/{cell}.yaml"), &text);
    }
    let shop = shop.applied().await;
    shop.run(&["tenant", "add", "acme", "--to", "cell-1", "--yes"]).await.exits(0);
    shop
}

fn fences(shop: &Shop) -> String {
    format!("{}-fences", shop.stack("cell-1"))
}

async fn delete_shard(shop: &Shop, number: usize) {
    let request = shop.aws.dynamodb.delete_item().table_name(fences(shop));
    let request = request.key("tenant", AttributeValue::S("acme".to_owned()));
    request.key("shard", AttributeValue::N(number.to_string())).send().await.expect("deleted");
}

/// The modes of the shards that are there.
async fn modes(shop: &Shop) -> Vec<String> {
    let shards = shop.aws.items(&fences(shop)).await;
    shards.iter().filter_map(|shard| shard.get("mode")?.as_s().ok().cloned()).collect()
}

#[tokio::test]
async fn a_shard_that_is_missing_is_found_and_opened_again() {
    let shop = sharded("verify_shards").await;
    shop.run(&["map", "verify"]).await.exits(0).says("1 fences: nothing is wrong");
    for number in [2, 0] {
        delete_shard(&shop, number).await;
        let found = shop.run(&["map", "verify"]).await.exits(1);
        found.says("fence-shards: the fence of tenant acme in its cell cell-1").says(&format!("{number} missing"));
        assert_eq!(modes(&shop).await.len(), SHARDS - 1, "a look changes nothing");
        shop.run(&["map", "verify", "--repair", "--yes"]).await.exits(0).says("opened at epoch 1");
        assert_eq!(modes(&shop).await, vec!["OPEN"; SHARDS]);
    }
    shop.run(&["map", "verify"]).await.exits(0);
}

#[tokio::test]
async fn a_seal_whose_mover_was_killed_is_opened_and_its_move_can_be_resumed() {
    let shop = sharded("verify_seal").await;
    let line = ["tenant", "move", "acme", "--to", "cell-2", "--fence", "lease", "--max-write-gap", "2s", "--yes"];
    let times = ["--lease", "500ms", "--request-timeout", "2s"];
    let mut running = shop.start(&[&line[..], &times].concat(), |_| {});
    running.until_it_says(": cutover-started").await;
    while modes(&shop).await != vec!["SEALED"; SHARDS] {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.signal(Signal::KILL);
    drop(running);
    let list = shop.run(&["move", "list"]).await.exits(0);
    list.says("nobody").says("hint: `cellctl move resume acme:1` carries it on");
    let mut checks = 0;
    while modes(&shop).await != vec!["OPEN"; SHARDS] {
        checks += 1;
        assert!(checks <= CHECKS_MAX, "it is sealed still");
        let checked = shop.run(&["map", "verify", "--repair", "--yes"]).await.exits(1);
        checked.says("move-alone: nobody carries the move acme:1 on");
    }
    let resumed = shop.run(&["move", "resume", "acme", "--yes"]).await.exits(0);
    resumed.says("reopened: epoch 3").says("acme is in cell-2 now, at epoch 4");
    shop.run(&["map", "verify"]).await.exits(0);
}
