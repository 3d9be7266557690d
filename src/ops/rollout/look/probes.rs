//! Running the commands and asking the addresses that a user has named, once for each cell.

use std::time::Duration;

use crate::domain::ids::CellId;
use crate::domain::rollout::fill::{environment, fill};
use crate::domain::rollout::gate::{Seen, Verdict};
use crate::domain::rollout::judge::{self, seen};

use super::Round;
use super::ask::each;

impl Round<'_> {
    /// A command.
    pub(super) async fn commands(&self, run: &[String], timeout_ms: u64) -> Vec<Seen> {
        each(&self.watched.cells, async |cell| {
            let cell = &cell.desired;
            let program: Vec<String> = run.iter().map(|word| fill(word, cell)).collect();
            let variables = environment(cell, self.watched.rollout, self.wave);
            let ran = self.ports.probes.run(&program, &variables, Duration::from_millis(timeout_ms));
            let name = program.first().map_or("", String::as_str);
            let answer = self.ask.probe(timeout_ms, async { ran.await.map(|ran| (ran.code, ran.last_line)) }).await;
            answer.map_or_else(|| not_reached(&cell.cell, name), |answer| judge::command(&cell.cell, name, &answer))
        })
        .await
    }

    /// An address.
    pub(super) async fn addresses(&self, url: &str, status: u16, timeout_ms: u64) -> Vec<Seen> {
        each(&self.watched.cells, async |cell| {
            let (cell, url) = (&cell.desired.cell, fill(url, &cell.desired));
            let got = self.ports.probes.get(&url, Duration::from_millis(timeout_ms));
            let answer = self.ask.probe(timeout_ms, got).await;
            answer.map_or_else(|| not_reached(cell, &url), |answer| judge::http(cell, &url, status, &answer))
        })
        .await
    }
}

fn not_reached(cell: &CellId, what: &str) -> Seen {
    let shown = what.split(['?', '#']).next().unwrap_or_default();
    seen(cell, Verdict::Missing, format!("{shown}: the look was over before it was this cell's turn to be asked"))
}
