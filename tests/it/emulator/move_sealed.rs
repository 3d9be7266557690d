//! A source that is sealed when nothing of AWS answers its mover any more: its writers open it again by themselves.
//!
//! Constraint kept: writers and mover reach the same endpoint by ways of their own.

use std::sync::Arc;
use std::time::Duration;

use crate::support::chaos::{Cells, Level, TENANT, Verdict, Writers};
use crate::support::emulator::Running;

/// Writes that are waited for.
const WRITES: u64 = 30;

/// Waits until the source's fence is in this mode. The mover is not to end before.
async fn until(cells: &Cells, running: &mut Running, mode: &str) {
    running.until_it_says(": cutover-started").await;
    let is_in_mode = async || {
        let fences = cells.shop.aws.items(&cells.pair[0].fences).await;
        fences.iter().any(|shard| shard.get("mode").is_some_and(|there| there.as_s().is_ok_and(|there| there == mode)))
    };
    while !is_in_mode().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_whose_mover_is_cut_off_while_it_is_sealed_is_opened_by_its_writers() {
    let cells = Arc::new(Cells::make("sealed", 1).await);
    let mut writers = Writers::start(&cells, Level::Lease, 5, 0, Vec::new());
    writers.until_acknowledged(WRITES).await;
    let proxy = cells.shop.proxy().await;
    let begin = ["tenant", "move", TENANT, "--to", "cell-2", "--fence", "lease", "--max-write-gap", "2s", "--yes"];
    let times = ["--lease", "500ms", "--request-timeout", "2s"];
    let mut running = cells.shop.start_through(&proxy, &[&begin[..], &times].concat());
    until(&cells, &mut running, "SEALED").await;
    proxy.refuse(|_| Some((503, "{}".into())));
    writers.until_acknowledged(WRITES).await;
    assert_eq!(cells.serving().await, 0);
    let ended = running.end().await.exits(1);
    ended.says(&format!("cellctl move resume {TENANT}:")).says("go on with");

    cells.shop.run(&["move", "show", TENANT]).await.exits(0).says("cutting-over");
    let resumed = cells.shop.run(&["move", "resume", TENANT, "--yes"]).await.exits(0);
    resumed.says("reopened: epoch 3").says(&format!("{TENANT} is in cell-2 now, at epoch "));
    writers.until_acknowledged(WRITES).await;
    let stopped = writers.stop().await;
    assert_eq!(stopped.forked, Vec::<u64>::new());
    Verdict::of(&cells, &stopped.histories).await.is_clean();
}
