//! Several people adding tenants at once: one entry a tenant, and no cell over its limit.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::support::emulator::{Running, Shop};

#[tokio::test]
async fn two_people_adding_one_tenant_make_one_entry() {
    let shop = Shop::small("tenant_twice", &["cell-1", "cell-2"]).await.applied().await;
    let add = ["tenant", "add", "acme", "--yes", "--output", "json"];
    let runs = [shop.start(&add, |_| {}), shop.start(&add, |_| {})];
    let ended = join_all(runs.map(Running::end)).await;
    let mut did = Vec::new();
    for output in ended {
        let document = output.exits(0).json();
        assert_eq!(
            (&document["data"]["entry"]["epoch"], &document["data"]["entry"]["version"]),
            (&1.into(), &1.into())
        );
        did.push(document["data"]["did"].as_str().expect("a word").to_owned());
    }
    did.sort();
    assert_eq!(did, ["changed", "unchanged"]);
    assert_eq!(shop.aws.items(&shop.tenants_table()).await.len(), 1);

    let lines =
        [["tenant", "add", "both", "--yes", "--to", "cell-1"], ["tenant", "add", "both", "--yes", "--to", "cell-2"]];
    let ended = join_all(lines.map(|line| shop.start(&line, |_| {}).end())).await;
    let mut codes: Vec<Option<i32>> = ended.iter().map(|output| output.code).collect();
    codes.sort();
    assert_eq!(codes, [Some(0), Some(7)], "{}\n{}", ended[0], ended[1]);
    let counted: i64 = counters(&shop).await.values().sum();
    assert_eq!(counted, 2);
}

/// Tenants that each cell counts.
async fn counters(shop: &Shop) -> BTreeMap<String, i64> {
    let cells = shop.run(&["cell", "list", "--output", "json"]).await.exits(0).json();
    let cells = cells["data"].as_array().expect("cells").iter();
    cells
        .map(|cell| (cell["cell"].as_str().expect("a name").to_owned(), cell["tenants"].as_i64().expect("a number")))
        .collect()
}

#[tokio::test]
async fn many_people_never_overfill_a_cell() {
    let shop = Shop::small("tenant_crowd", &["cell-1", "cell-2"]).await;
    shop.edit("cells/cell-1.yaml", "tenants: 10", "tenants: 4");
    shop.edit("cells/cell-2.yaml", "tenants: 10", "tenants: 3");
    let shop = shop.applied().await;
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    let runs = names.iter().map(|name| shop.start(&["tenant", "add", name, "--yes"], |_| {}).end());
    let ended = join_all(runs).await;
    let with = |code: i32| ended.iter().filter(|output| output.code == Some(code)).count();
    assert_eq!((with(0), with(7)), (7, 3), "{}", ended.iter().map(ToString::to_string).collect::<String>());
    assert_eq!(counters(&shop).await, BTreeMap::from([("cell-1".to_owned(), 4), ("cell-2".to_owned(), 3)]));
    let listed = shop.run(&["tenant", "list", "--output", "json"]).await.exits(0).json();
    assert_eq!(listed["data"]["tenants"].as_array().map(Vec::len), Some(7));
}
