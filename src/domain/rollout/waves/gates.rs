//! Gates by name, with what is left out filled in.
//!
//! Owns: the defaults that `definition::rollout` describes. Constraint kept: the status of the stacks is looked at first, in
//! every wave.

use crate::domain::definition::{GateKind, GateSpec, RolloutSpec, Seconds};
use crate::domain::rollout::gate::{Check, Gate, Metric};

/// Name of the gate that every wave has.
pub const STACK_GATE: &str = "stack";

/// Data points of each side, and their length, where nothing is written.
const POINTS: u32 = 5;
const PERIOD: Seconds = Seconds(60);
const TOLERANCE_PERCENT: u32 = 10;
const QUEUE_MAX: u64 = 1000;
const STATUS: u16 = 200;
const TIMEOUT: Seconds = Seconds(10);

/// The gates of a wave: that of the stacks, and those named; all where none are.
pub(super) fn of_wave(spec: &RolloutSpec, names: Option<&[String]>) -> Result<Vec<Gate>, String> {
    let stack = Gate { name: STACK_GATE.to_owned(), fail_after: 1, check: Check::Stack };
    let mut gates = vec![stack];
    let names: Vec<&String> = names.map_or_else(|| spec.gates.keys().collect(), |names| names.iter().collect());
    for name in names {
        let gate = spec.gates.get(name).ok_or_else(|| format!("there is no gate `{name}`"))?;
        gates.push(resolve(name, gate).map_err(|field| format!("the gate `{name}` needs `{field}`"))?);
    }
    Ok(gates)
}

/// A gate with its defaults. The error is the field that it lacks, or that cannot be read.
pub fn resolve(name: &str, spec: &GateSpec) -> Result<Gate, &'static str> {
    let timeout_ms = u64::from(spec.timeout.unwrap_or(TIMEOUT).0) * 1000;
    let check = match spec.kind {
        GateKind::Alarms => Check::Alarms,
        GateKind::Metric => Check::Metric(metric(spec)?),
        GateKind::Queues => Check::Queues { max: spec.max.unwrap_or(QUEUE_MAX) },
        GateKind::DeadLetters => Check::DeadLetters { max: spec.max.unwrap_or(0) },
        GateKind::Command if spec.run.is_empty() => return Err("run"),
        GateKind::Command => Check::Command { run: spec.run.clone(), timeout_ms },
        GateKind::Http => {
            let url = spec.url.clone().ok_or("url")?;
            Check::Http { url, status: spec.status.unwrap_or(STATUS), timeout_ms }
        }
    };
    Ok(Gate { name: name.to_owned(), fail_after: spec.fail_after.unwrap_or(1), check })
}

fn metric(spec: &GateSpec) -> Result<Metric, &'static str> {
    let percent = |text: &String| text.strip_suffix('%').and_then(|number| number.parse().ok()).ok_or("tolerance");
    Ok(Metric {
        namespace: spec.namespace.clone().ok_or("namespace")?,
        name: spec.metric.clone().ok_or("metric")?,
        statistic: spec.statistic.clone().unwrap_or_else(|| "Average".to_owned()),
        dimensions: spec.dimensions.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        worse: spec.worse.unwrap_or_default(),
        tolerance_percent: spec.tolerance.as_ref().map_or(Ok(TOLERANCE_PERCENT), percent)?,
        points_min: spec.min_points.unwrap_or(POINTS),
        period_s: spec.period.unwrap_or(PERIOD).0,
    })
}
