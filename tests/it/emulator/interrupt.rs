//! Ctrl-C: the first finishes what is under way and says how to go on, the second leaves at once.

use rustix::process::Signal;

use crate::support::emulator::{Shop, When};

const CELLS: [&str; 3] = ["cell-1", "cell-2", "cell-3"];

#[tokio::test]
async fn the_first_finishes_what_is_under_way() {
    for (index, signal) in [Signal::INT, Signal::TERM].into_iter().enumerate() {
        let shop = Shop::small(&format!("int{index}_first"), &CELLS).await.ready().await;
        let proxy = shop.proxy().await;
        proxy.hold(1, When::Before, |seen| seen.action == "CreateStack");
        let mut running = shop.start_through(&proxy, &["apply", "--yes", "--concurrency", "1"]);
        proxy.held().await;
        running.signal(signal);
        running.until_it_says("stopping:").await;
        proxy.release();
        let stopped = running.end().await.exits(10).says("1 done, 2 not begun");
        let _ = stopped.says("go on with `cellctl apply`");
        assert_eq!(shop.aws.status(&shop.stack("cell-1")).await.as_deref(), Some("CREATE_COMPLETE"));
        assert_eq!(shop.aws.status(&shop.stack("cell-2")).await, None);
        shop.run(&["lock", "show"]).await.exits(0).says("The lock is free.");
        shop.run(&["apply", "--yes"]).await.exits(0).says("2 done, 1 unchanged");
        shop.made_once(&CELLS).await;
    }
}

#[tokio::test]
async fn a_stopped_plan_is_resumed_by_the_command_that_is_printed() {
    let shop = Shop::small("int_plan", &CELLS).await.ready().await;
    shop.run(&["plan", "-o", "plan.json"]).await.exits(0);
    let proxy = shop.proxy().await;
    proxy.hold(1, When::Before, |seen| seen.action == "CreateStack");
    let mut running = shop.start_through(&proxy, &["apply", "plan.json", "--yes", "--concurrency", "2"]);
    proxy.held().await;
    running.signal(Signal::INT);
    running.until_it_says("stopping:").await;
    proxy.release();
    running.end().await.exits(10).says("go on with `cellctl apply plan.json`");
    shop.run(&["apply", "plan.json", "--yes"]).await.exits(0);
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
    shop.made_once(&CELLS).await;
}

#[tokio::test]
async fn the_second_leaves_at_once() {
    let shop = Shop::small("int_second", &CELLS).await.ready().await;
    let proxy = shop.proxy().await;
    proxy.hold(1, When::After, |seen| seen.action == "CreateStack");
    let mut running = shop.start_through(&proxy, &["apply", "--yes", "--concurrency", "1"]);
    proxy.held().await;
    running.signal(Signal::INT);
    running.until_it_says("stopping:").await;
    running.signal(Signal::INT);
    running.end().await.exits(130);
    shop.run(&["apply", "--yes"]).await.exits(6).says("tester@bench");
    shop.run(&["lock", "break", "--yes"]).await.exits(0);
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.made_once(&CELLS).await;
}

#[tokio::test]
async fn a_command_with_nothing_to_finish_ends_at_the_first() {
    let shop = Shop::small("int_plain", &CELLS).await.ready().await;
    let proxy = shop.proxy().await;
    proxy.hold(1, When::Before, |seen| seen.action == "ListStacks");
    let running = shop.start_through(&proxy, &["plan"]);
    proxy.held().await;
    running.signal(Signal::INT);
    running.end().await.exits(130);
}
