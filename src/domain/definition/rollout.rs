//! The types behind `spec.rollout` of `fleet.yaml`. Their doc comments are the descriptions in the JSON Schema.
//!
//! Constraint kept: shape only, as in `types`; what a gate of a kind needs, and which cells a wave gets, is for `check`
//! and `domain::rollout::waves`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Seconds, maps};

/// How changes are brought to the fleet: `cellctl rollout`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutSpec {
    /// The waves, in their order. When absent: canary cells, then one cell, 5 %, 20 %, the rest, dedicated cells, and
    /// cell zero by approval.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub waves: Vec<WaveSpec>,
    /// The gates that waves name. The status of every changed stack is always looked at.
    #[serde(default)]
    #[schemars(schema_with = "maps::gates")]
    pub gates: IndexMap<String, GateSpec>,
    /// What is taken back when a wave fails: `all` finished waves (the default), that `wave`, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// Cells of how many Regions a wave may change before the third wave: one when absent; `any` for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_regions: Option<FirstRegions>,
}

/// What is taken back when a wave fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Rollback {
    /// Every wave that was begun, the last one first.
    #[default]
    All,
    /// The wave that failed.
    Wave,
    /// Nothing: the rollout halts.
    None,
}

/// How many Regions the first two waves may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum FirstRegions {
    /// One and the same.
    #[default]
    One,
    /// Any.
    Any,
}

/// A wave: cells that are changed together.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaveSpec {
    /// Name of the wave.
    #[schemars(regex(pattern = r"^[a-z]([a-z0-9]|-[a-z0-9])*$"), length(max = 40))]
    pub name: String,
    /// Which cells, as `--select` takes it (`type=canary`); all cells when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub select: Option<String>,
    /// How many of these: a number of cells, or a share of all that match (`20%`, rounded up); what earlier waves took is left
    /// out. All that are left when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,5}|([1-9]|[1-9][0-9]|100)%)$"))]
    pub take: Option<String>,
    /// For how long the gates are looked at after the wave: 10m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Seconds>,
    /// The gates, by name; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Vec<String>>,
    /// Cells changed at a time; adaptive when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_in_flight: Option<u32>,
    /// Cells that may fail without the wave failing; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub max_failures: Option<u32>,
    /// Whether somebody has to approve the wave before it begins. Always so for cell zero.
    #[serde(default)]
    pub approval: bool,
}

/// What a gate looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum GateKind {
    /// No `CloudWatch` alarm of the cell's stack is in alarm.
    Alarms,
    /// A `CloudWatch` metric of the changed cells is not worse than that of cells with the old version at the same time.
    Metric,
    /// No queue of the cell holds more than `max` messages.
    Queues,
    /// No dead-letter queue of the cell has got more than `max` messages since the wave began.
    DeadLetters,
    /// A command of yours ends with exit code 0.
    Command,
    /// An address answers with `status`.
    Http,
}

/// In which direction a metric is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Worse {
    /// More is worse: errors, latency.
    #[default]
    Higher,
    /// Less is worse: throughput.
    Lower,
}

/// A gate: what must hold during the bake. `${cell}`, `${stack}` and `${region}` stand for the cell's in `dimensions`, `url`
/// and `run`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateSpec {
    /// What it looks at.
    pub kind: GateKind,
    /// With `kind: metric`: the namespace (`AWS/Lambda`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub namespace: Option<String>,
    /// With `kind: metric`: the metric (`Errors`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub metric: Option<String>,
    /// With `kind: metric`: `Sum`, `Average`, `Maximum`, `Minimum`, `SampleCount` or `p99`; `Average` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(Sum|Average|Maximum|Minimum|SampleCount|p[0-9]{1,2}(\.[0-9]{1,2})?)$"))]
    pub statistic: Option<String>,
    /// With `kind: metric`: the dimensions (`{ FunctionName: "${stack}-processor" }`).
    #[serde(default)]
    #[schemars(schema_with = "maps::dimensions")]
    pub dimensions: IndexMap<String, String>,
    /// With `kind: metric`: in which direction it is worse; `higher` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worse: Option<Worse>,
    /// With `kind: metric`: by how much it may be worse, as a share of what the other cells have (`25%`); 10% when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,4}%$"))]
    pub tolerance: Option<String>,
    /// With `kind: metric`: data points that each side must have; 5 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 1000))]
    pub min_points: Option<u32>,
    /// With `kind: metric`: length of a data point: 1m when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Seconds>,
    /// With `kind: queues` and `kind: deadLetters`: messages at the most; 1000, and 0, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub max: Option<u64>,
    /// With `kind: command`: the program and its arguments, run once for each cell of the wave, from the directory that
    /// holds the cells. No shell is involved.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub run: Vec<String>,
    /// With `kind: http`: the address, asked once for each cell of the wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2048))]
    pub url: Option<String>,
    /// With `kind: http`: the status that it must answer with; 200 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// With `kind: command` and `kind: http`: for how long is waited; 10s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Seconds>,
    /// Looks in a row that must fail; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub fail_after: Option<u32>,
}
