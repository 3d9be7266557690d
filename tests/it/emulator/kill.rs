//! SIGKILL in the middle of an apply, at points drawn from a seed: running it again finishes it, each stack made once.

use futures_util::future::join_all;
use rustix::process::Signal;

use crate::support::emulator::{Shop, When};

const CELLS: [&str; 5] = ["cell-1", "cell-2", "cell-3", "cell-4", "cell-5"];

/// The requests of an apply of these cells that a run is killed at: the first takes the lock, and the last comes while
/// cells are recorded.
const REQUESTS: std::ops::Range<usize> = 17..60;

/// Points from a seed, so that a failure can be had again: the request to die at, and on which side of the endpoint.
fn points(seed: u64, count: usize) -> Vec<(usize, When)> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| (random.usize(REQUESTS), if random.bool() { When::Before } else { When::After })).collect()
}

/// Runs an apply and kills it while its `nth` request is held.
async fn kill_at(shop: &Shop, arguments: &[&str], nth: usize, when: When) {
    let proxy = shop.proxy().await;
    proxy.hold(nth, when, |_| true);
    let running = shop.start_through(&proxy, arguments);
    proxy.held().await;
    running.signal(Signal::KILL);
    assert_eq!(running.end().await.code, None);
    break_lock(shop).await;
}

/// Ends the dead run's lease, if it had one by then.
async fn break_lock(shop: &Shop) {
    let lock = shop.run(&["lock", "show", "--output", "json"]).await.exits(0).json();
    if lock["data"]["held"] == true {
        shop.run(&["lock", "break", "--yes"]).await.exits(0);
    }
}

async fn all_there(shop: &Shop) {
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
    shop.made_once(&CELLS).await;
    let list = shop.run(&["cell", "list", "--output", "json"]).await.exits(0).json();
    for cell in list["data"].as_array().expect("a list") {
        assert_eq!(cell["status"], "CREATE_COMPLETE", "{cell}");
        assert_eq!(cell["state"], "active", "{cell}");
    }
}

#[tokio::test]
async fn a_killed_apply_is_finished_by_another() {
    join_all(points(1, 4).into_iter().enumerate().map(async |(index, (nth, when))| {
        println!("killed at request {nth}, {when:?} the endpoint sees it");
        let shop = Shop::small(&format!("kill{index}_apply"), &CELLS).await.ready().await;
        kill_at(&shop, &["apply", "--yes"], nth, when).await;
        shop.run(&["apply", "--yes"]).await.exits(0);
        all_there(&shop).await;
    }))
    .await;
}

#[tokio::test]
async fn a_stored_plan_goes_on_after_a_kill() {
    join_all(points(2, 4).into_iter().enumerate().map(async |(index, (nth, when))| {
        println!("killed at request {nth}, {when:?} the endpoint sees it");
        let shop = Shop::small(&format!("kill{index}_plan"), &CELLS).await.ready().await;
        shop.run(&["plan", "-o", "plan.json"]).await.exits(0).says("5 to create");
        kill_at(&shop, &["apply", "plan.json", "--yes"], nth, when).await;
        shop.run(&["apply", "plan.json", "--yes"]).await.exits(0);
        shop.run(&["apply", "plan.json", "--yes"]).await.exits(0).says("5 done before");
        all_there(&shop).await;
    }))
    .await;
}

#[tokio::test]
async fn an_apply_that_is_killed_again_and_again_gets_there() {
    let shop = Shop::small("kill_often", &CELLS).await.ready().await;
    for action in ["CreateStack", "CreateStack", "TransactWriteItems"] {
        let proxy = shop.proxy().await;
        proxy.hold(2, When::After, move |seen| seen.action == action);
        let running = shop.start_through(&proxy, &["apply", "--yes", "--concurrency", "1"]);
        proxy.held().await;
        running.signal(Signal::KILL);
        assert_eq!(running.end().await.code, None);
        break_lock(&shop).await;
    }
    shop.run(&["apply", "--yes"]).await.exits(0);
    all_there(&shop).await;
}

#[tokio::test]
async fn a_killed_update_is_finished_by_another() {
    let shop = Shop::small("kill_update", &["cell-1", "cell-2"]).await.applied().await;
    for cell in ["cell-1", "cell-2"] {
        shop.edit(&format!("cells/{cell}.yaml"), "30s", "45s");
    }
    for (action, when) in
        [("CreateChangeSet", When::After), ("ExecuteChangeSet", When::Before), ("ExecuteChangeSet", When::After)]
    {
        let proxy = shop.proxy().await;
        proxy.hold(1, when, move |seen| seen.action == action);
        let running = shop.start_through(&proxy, &["apply", "--yes", "--concurrency", "1"]);
        proxy.held().await;
        running.signal(Signal::KILL);
        assert_eq!(running.end().await.code, None);
        break_lock(&shop).await;
    }
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
    for cell in ["cell-1", "cell-2"] {
        let name = format!("{}-orders", shop.stack(cell));
        let timeout = shop.aws.queue(&name, aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout).await;
        assert_eq!(timeout.as_deref(), Some("45"));
    }
}
