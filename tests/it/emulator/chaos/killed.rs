//! The program's own moves under live writers, killed at moments drawn from a seed, and carried on until they are done.
//!
//! Constraint kept: the seed, the kills and what was found are printed, so that a run can be had again, but for what the
//! machine's pace decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::chaos::{Cells, LEASE, Level, REQUEST, Stopped, TENANT, Verdict, Writers};
use crate::support::emulator::Output;

/// Writes that are waited for before a move, and after it.
const WRITES: u64 = 30;
/// How long the first run of a move is taken to last.
const RUN: Duration = Duration::from_secs(3);
/// Of ten runs of the program, those that are killed.
const KILLED_OF_TEN: u8 = 8;
/// Runs of one move at the most: with as many, something hinders it.
const RUNS_MAX: u32 = 100;

/// What a series of moves has come to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    moves: u32,
    kills: u64,
    acknowledged: u64,
    in_doubt: u64,
    gap_max: Duration,
}

/// Moves of one tenant to and fro.
pub(super) struct Series {
    cells: Arc<Cells>,
    level: Level,
    random: fastrand::Rng,
    /// How long a run lasts that nobody kills.
    run: Duration,
    tally: Tally,
}

impl Series {
    /// Two cells with a tenant in one of them.
    pub(super) async fn new(level: Level, shards: u64, seed: u64) -> Self {
        let cells = Arc::new(Cells::make(&format!("chaos_{}", level.as_str()), shards).await);
        Self { cells, level, random: fastrand::Rng::with_seed(seed), run: RUN, tally: Tally::default() }
    }

    /// Moves the tenant until so many runs were killed, and looks at every write after each move.
    pub(super) async fn until_killed(mut self, kills: u64) -> Tally {
        let mut histories = Vec::new();
        while self.tally.kills < kills {
            let at = self.cells.serving().await;
            let mut writers = Writers::start(&self.cells, self.level, self.random.u64(..), at, histories);
            writers.until_acknowledged(WRITES).await;
            self.one(1 - at, kills).await;
            writers.until_acknowledged(WRITES).await;
            let stopped = writers.stop().await;
            assert_eq!(self.cells.serving().await, 1 - at);
            Verdict::of(&self.cells, &stopped.histories).await.is_clean();
            self.count(&stopped);
            histories = stopped.histories;
        }
        self.tally
    }

    /// One move, in as many runs as it takes.
    async fn one(&mut self, target: usize, kills: u64) {
        let to = self.cells.cells[target].name.clone();
        for _ in 0..RUNS_MAX {
            let arguments = self.next(&to).await;
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let begun = Instant::now();
            let kill = self.tally.kills < kills && self.random.u8(..10) < KILLED_OF_TEN;
            let ended = if kill { self.killed(&arguments).await } else { self.cells.shop.run(&arguments).await };
            match ended.code {
                None => self.tally.kills += 1,
                Some(0) => {
                    self.run = begun.elapsed();
                    return;
                }
                Some(_) => panic!("{arguments:?} did not end well\n{ended}"),
            }
        }
        panic!("{RUNS_MAX} runs did not end the move");
    }

    /// The command that begins the move, or goes on with it.
    async fn next(&self, to: &str) -> Vec<String> {
        let list = self.cells.shop.run(&["move", "list", "--output", "json"]).await.exits(0).json();
        let under_way = list["data"].as_array().is_some_and(|moves| !moves.is_empty());
        let (lease, request) = (format!("{}ms", LEASE.as_millis()), format!("{}ms", REQUEST.as_millis()));
        let begin = ["tenant", "move", TENANT, "--to", to, "--fence", self.level.as_str(), "--lease", &lease];
        let begin = begin.into_iter().chain(["--request-timeout", &request, "--yes"]);
        let resume = ["move", "resume", TENANT, "--yes"];
        let words: Vec<&str> = if under_way { resume.into() } else { begin.collect() };
        words.into_iter().map(str::to_owned).collect()
    }

    /// Runs the program and kills it at a random moment. It may have ended by then.
    async fn killed(&mut self, arguments: &[&str]) -> Output {
        let running = self.cells.shop.start(arguments, |_| {});
        tokio::time::sleep(self.run.mul_f64(self.random.f64())).await;
        running.signal(Signal::KILL);
        running.end().await
    }

    fn count(&mut self, stopped: &Stopped) {
        assert_eq!(stopped.forked, Vec::<u64>::new(), "epochs under which two cells took writes");
        self.tally.moves += 1;
        self.tally.acknowledged = stopped.histories.iter().map(|history| history.acknowledged).sum();
        self.tally.in_doubt = stopped.histories.iter().map(|history| history.in_doubt).sum();
        self.tally.gap_max = self.tally.gap_max.max(stopped.gap_max);
    }
}
