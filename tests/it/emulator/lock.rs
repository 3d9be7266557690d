//! The lock on the fleet: one operator at a time, and a way out when one of them died.

use std::time::SystemTime;

use cellctl::domain::lock::Lease;
use serde_json::json;

use crate::support::emulator::{Shop, When};

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("fits")
}

/// Writes the lock as another holder of it would, with a lease that ends after so many milliseconds.
async fn hold(shop: &Shop, ends_in_ms: i64) {
    let now_ms = i64::try_from(now_ms()).expect("fits");
    let lease = Lease {
        holder: "ann@laptop".to_owned(),
        purpose: "apply of plan 3f2a".to_owned(),
        ci_url: Some("https://ci.example/run/7".to_owned()),
        nonce: 7,
        token: 41,
        acquired_at_ms: now_ms - 5_000,
        expires_at_ms: now_ms + ends_in_ms,
        unsettled_until_ms: 0,
        process: None,
    };
    let body = serde_json::to_string(&lease).expect("written");
    shop.aws.put_lock(&shop.control_table(), &body, lease.token).await;
}

#[tokio::test]
async fn a_held_lock_names_its_holder_and_can_be_broken() {
    let shop = Shop::small("lock_held", &["cell-1"]).await.ready().await;
    shop.run(&["lock", "show"]).await.exits(0).says("The lock is free.");
    hold(&shop, 600_000).await;
    let refused = shop.run(&["apply", "--yes"]).await.exits(6).says("ann@laptop").says("apply of plan 3f2a");
    let _ = refused.says("https://ci.example/run/7").says("cellctl lock break");
    assert_eq!(shop.aws.status(&shop.stack("cell-1")).await, None);
    shop.run(&["lock", "show"]).await.exits(0).says("ann@laptop").says("41");
    shop.run(&["lock", "break"]).await.exits(7).says("--yes");
    shop.run(&["lock", "break", "--yes"]).await.exits(0).says("The lock is free.");
    shop.run(&["lock", "break", "--yes"]).await.exits(1).says("nobody holds the lock");
    shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
}

#[tokio::test]
async fn a_lease_that_ran_out_is_taken_over() {
    let shop = Shop::small("lock_old", &["cell-1"]).await.ready().await;
    hold(&shop, -400_000).await;
    shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
    let shown = shop.run(&["lock", "show", "--output", "json"]).await.exits(0).json();
    assert_eq!((&shown["data"]["held"], &shown["data"]["lease"]["token"]), (&json!(false), &json!(42)));
}

#[tokio::test]
async fn of_two_applies_at_once_one_waits_its_turn() {
    let shop = Shop::small("lock_two", &["cell-1", "cell-2"]).await.ready().await;
    let proxy = shop.proxy().await;
    proxy.hold(1, When::Before, |seen| seen.action == "CreateStack");
    let first = shop.start_through(&proxy, &["apply", "--yes"]);
    proxy.held().await;
    shop.run(&["apply", "--yes"]).await.exits(6).says("tester@bench").says("apply of plan");
    proxy.release();
    first.end().await.exits(0).says("2 done");
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
    shop.made_once(&["cell-1", "cell-2"]).await;
}

#[tokio::test]
async fn applies_that_race_do_no_damage() {
    let cells = ["cell-1", "cell-2", "cell-3"];
    let shop = Shop::small("lock_race", &cells).await.ready().await;
    let racers: Vec<_> = (0..3).map(|_| shop.start(&["apply", "--yes"], |_| {})).collect();
    let mut codes = Vec::new();
    for racer in racers {
        codes.push(racer.end().await.code);
    }
    assert!(codes.contains(&Some(0)), "{codes:?}");
    // Done, locked, or overtaken between looking and locking: never anything else.
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 6 | 8))), "{codes:?}");
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
    shop.made_once(&cells).await;
}

#[tokio::test]
async fn whoever_lost_the_lock_writes_nothing_more() {
    let shop = Shop::small("lock_lost", &["cell-1", "cell-2"]).await.ready().await;
    let proxy = shop.proxy().await;
    proxy.hold(1, When::After, |seen| seen.action == "CreateStack");
    let first = shop.start_through(&proxy, &["apply", "--yes", "--concurrency", "1"]);
    proxy.held().await;
    shop.run(&["lock", "break", "--yes"]).await.exits(0);
    proxy.release();
    let ended = first.end().await.says("lock");
    assert_ne!(ended.code, Some(0), "{ended}");
    assert_eq!(shop.aws.status(&shop.stack("cell-2")).await, None, "nothing new was begun\n{ended}");
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
    shop.made_once(&["cell-1", "cell-2"]).await;
}
