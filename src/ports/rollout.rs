//! What a rollout needs of the control table, and of whatever tells whether a cell is well.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::fleet::Place;
use crate::domain::ids::{CellId, Digest};
use crate::domain::lock::Lease;
use crate::domain::rollout::event::Entry;
use crate::domain::rollout::gate::Metric;
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::domain::rollout::orders::Orders;
use crate::domain::rollout::{RolloutId, Wave};

use super::Called;
use super::moves::Appended;

/// A rollout in the list of all: how it stood after its last entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The rollout.
    pub id: RolloutId,
    /// Digest of its change.
    pub change: Digest,
    /// The commit that it comes from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How far it has come.
    pub stage: Stage,
    /// The wave, from 0.
    pub wave: usize,
    /// Number of waves.
    pub waves: usize,
    /// Name of the wave; none behind the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave_name: Option<String>,
    /// Cells to be changed, in all waves.
    pub cells: usize,
    /// Whether it is paused.
    pub paused: bool,
    /// Why it failed, halted, was taken back or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it was planned, in milliseconds since 1970.
    pub planned_at_ms: i64,
    /// When its last entry was written, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Summary {
    /// Of a rollout.
    pub fn of(state: &Rollout) -> Self {
        Self {
            id: state.plan.id,
            change: state.plan.change.clone(),
            commit: state.plan.commit.clone(),
            stage: state.stage,
            wave: state.wave,
            waves: state.plan.waves.len(),
            wave_name: state.current().map(|wave: &Wave| wave.name.clone()),
            cells: state.plan.waves.iter().map(|wave| wave.cells).sum(),
            paused: state.paused,
            why: state.why.clone(),
            planned_at_ms: state.plan.at_ms,
            at_ms: state.at_ms,
        }
    }
}

/// Rollouts in the control table. All reads are consistent.
#[async_trait]
pub trait Rollouts: Send + Sync {
    /// The lease of a rollout.
    async fn lease(&self, id: RolloutId) -> Called<Option<Lease>>;
    /// Writes the lease if it still is as `seen` says; `Conflict` otherwise.
    async fn swap_lease(&self, id: RolloutId, seen: Option<&Lease>, next: &Lease) -> Called<()>;
    /// The journal, in order; empty where there is no such rollout. `Invalid` where it was written by a newer cellctl.
    async fn journal(&self, id: RolloutId) -> Called<Vec<Entry>>;
    /// Appends an entry under the lease; in the same transaction `summary` takes its place in the list. While its stage
    /// is not over, the rollout is the open one: an entry that would make it so while another one is open is `Taken`.
    async fn append(&self, id: RolloutId, entry: &Entry, summary: &Summary, lease: &Lease) -> Called<Appended>;
    /// The rollout that is open.
    async fn open(&self) -> Called<Option<Summary>>;
    /// Up to `limit` rollouts, the latest first.
    async fn list(&self, limit: u32) -> Called<Vec<Summary>>;
    /// What people have ordered.
    async fn orders(&self, id: RolloutId) -> Called<Orders>;
    /// Writes orders if the stored ones have version `orders.version - 1`; false otherwise.
    async fn put_orders(&self, id: RolloutId, orders: &Orders) -> Called<bool>;
    /// Writes a document of a rollout, of any size up to 256 MiB. One of that name and digest is left as it is; one of
    /// that name and another digest is a `Conflict`. It is there as a whole or not at all.
    async fn put_document(&self, id: RolloutId, name: &str, text: &str) -> Called<()>;
    /// A document; none where it is not there as a whole.
    async fn document(&self, id: RolloutId, name: &str) -> Called<Option<String>>;
    /// Writes a document that changes: where a rollout stands from moment to moment. At most 300 KiB.
    async fn put_progress(&self, id: RolloutId, text: &str, lease: &Lease) -> Called<bool>;
    /// That document.
    async fn progress(&self, id: RolloutId) -> Called<Option<String>>;
    /// Marks cells as being changed by a rollout, so that no move reserves room in or leaves them; under its lease,
    /// and while it is the open one. A mark of another rollout is one that a crash has left.
    async fn mark(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool>;
    /// Takes the marks of a rollout away, under its lease; those of others stay.
    async fn unmark(&self, id: RolloutId, cells: &[CellId], lease: &Lease) -> Called<bool>;
    /// The marks, by cell.
    async fn marks(&self) -> Called<BTreeMap<CellId, RolloutId>>;
}

/// State of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// Why, where the service says.
    pub reason: Option<String>,
}

/// A metric of one cell, with the cell's names put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The cell.
    pub cell: CellId,
    /// The metric; its dimensions are the cell's.
    pub metric: Metric,
}

/// Messages of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Those that wait, are delayed, or are being worked on.
    pub messages: u64,
}

/// What tells whether cells are well.
#[async_trait]
pub trait Signals: Send + Sync {
    /// Alarms by their names; one that does not exist is absent.
    async fn alarms(&self, place: &Place, names: &[String]) -> Called<Vec<Alarm>>;
    /// Data points from `from_ms` to `to_ms`, by the order of `series`; a metric that does not exist has none.
    async fn points(&self, place: &Place, series: &[Series], from_ms: i64, to_ms: i64) -> Called<Vec<Vec<f64>>>;
    /// The depth of a queue; none where there is no such queue.
    async fn depth(&self, place: &Place, queue: &str) -> Called<Option<Depth>>;
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// The last line that it wrote, at most 200 characters.
    pub last_line: String,
}

/// Why a probe has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// It took too long, and was ended.
    TimedOut,
    /// It could not be begun, or broke off: why.
    Failed(String),
}

/// Probes: what a user lets cellctl ask.
#[async_trait]
pub trait Probes: Send + Sync {
    /// Runs a program in the directory that holds the cells; without a shell. What outlives the time is killed, with all
    /// that it has started.
    async fn run(
        &self,
        program: &[String],
        environment: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<Ran, NoAnswer>;
    /// The status that an address answers with. Redirects are not followed.
    async fn get(&self, url: &str, timeout: Duration) -> Result<u16, NoAnswer>;
}
