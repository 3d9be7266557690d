//! Queues: the ranges that SQS allows, and their time-outs against those of the functions that consume them.
//!
//! Source of the ranges: SQS API reference, `SetQueueAttributes`.

use super::super::report::{Report, complaint};
use super::super::{CellSpec, Queue, Seconds};
use super::functions::TIMEOUT_DEFAULT;

/// Visibility time-out of a queue that names none.
const VISIBILITY_DEFAULT: Seconds = Seconds(30);
/// Lambda's advice: visibility of at least six times the function's time-out (Lambda guide, "Configuring a queue").
const VISIBILITY_FACTOR: u32 = 6;
const VISIBILITY_MAX: Seconds = Seconds(43_200);
const RETENTION_MIN: Seconds = Seconds(60);
const RETENTION_MAX: Seconds = Seconds(1_209_600);
const DELAY_MAX: Seconds = Seconds(900);

/// Checks all queues of a cell.
pub(super) fn check(spec: &CellSpec, report: &mut Report<'_>) {
    for (name, queue) in &spec.queues {
        let at = |field| ["spec", "queues", name.as_str(), field];
        within(&at("visibilityTimeout"), queue.visibility_timeout, Seconds(0), VISIBILITY_MAX, report);
        within(&at("retention"), queue.retention, RETENTION_MIN, RETENTION_MAX, report);
        within(&at("delay"), queue.delay, Seconds(0), DELAY_MAX, report);
        check_consumers(spec, name, queue, report);
    }
}

/// Complains about a duration out of its bounds, which are both allowed.
pub(super) fn within(path: &[&str], found: Option<Seconds>, least: Seconds, most: Seconds, report: &mut Report<'_>) {
    let Some(found) = found.filter(|found| !(least..=most).contains(found)) else { return };
    let field = path.last().copied().unwrap_or_default();
    let message = format!("`{field}` is {found}, which is out of range");
    report.value(path, complaint("bad-value", message, format!("use {least} to {most}")));
}

/// AWS refuses a queue whose messages reappear before its consumer has ended, and advises six times as long.
fn check_consumers(spec: &CellSpec, name: &str, queue: &Queue, report: &mut Report<'_>) {
    let consumers = spec.functions.iter().filter(|(_, function)| function.consumes.iter().any(|q| q == name));
    let slowest = consumers.max_by_key(|(_, function)| function.timeout.unwrap_or(TIMEOUT_DEFAULT));
    let Some((consumer, function)) = slowest else { return };
    let timeout = function.timeout.unwrap_or(TIMEOUT_DEFAULT);
    let visibility = queue.visibility_timeout.unwrap_or(VISIBILITY_DEFAULT);
    let advised = Seconds(timeout.0.saturating_mul(VISIBILITY_FACTOR).min(VISIBILITY_MAX.0));
    if visibility >= advised {
        return;
    }
    let message = format!(
        "messages of `{name}` reappear after {visibility}, and its consumer `{consumer}` may take {timeout}: {}",
        if visibility < timeout { "AWS refuses that" } else { "a slow batch is handled twice" }
    );
    let hint = format!("set `visibilityTimeout: {advised}` (six times the function's time-out), or shorten the latter");
    let found = complaint("visibility-timeout", message, hint);
    let found = if visibility < timeout { found } else { found.warning() };
    if queue.visibility_timeout.is_some() {
        report.value(&["spec", "queues", name, "visibilityTimeout"], found);
    } else {
        report.key(&["spec", "queues", name], found);
    }
}
