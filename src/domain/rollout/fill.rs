//! What stands for a cell's names in a gate.
//!
//! Constraint kept: only `${cell}`, `${stack}` and `${region}` are replaced, and by names, which hold no `${`.

use std::collections::BTreeMap;

use crate::domain::plan::Desired;

use super::gate::Metric;
use super::{RolloutId, Wave};

/// A text with the cell's names put in.
pub fn fill(text: &str, cell: &Desired) -> String {
    text.replace("${cell}", cell.cell.as_str())
        .replace("${stack}", cell.stack.as_str())
        .replace("${region}", cell.place.region.as_str())
}

/// A metric with the cell's names put into its dimensions.
pub fn metric(metric: &Metric, cell: &Desired) -> Metric {
    let dimensions = metric.dimensions.iter().map(|(name, value)| (name.clone(), fill(value, cell))).collect();
    Metric { dimensions, ..metric.clone() }
}

/// The variables that a gate's command gets beside those of cellctl itself.
pub fn environment(cell: &Desired, rollout: RolloutId, wave: &Wave) -> BTreeMap<String, String> {
    let variables = [
        ("CELLCTL_CELL", cell.cell.to_string()),
        ("CELLCTL_STACK", cell.stack.to_string()),
        ("CELLCTL_REGION", cell.place.region.to_string()),
        ("CELLCTL_ROLLOUT", rollout.to_string()),
        ("CELLCTL_WAVE", wave.name.clone()),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
