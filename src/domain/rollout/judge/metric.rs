//! Judging a metric: the changed cells against cells of the old version, over the same time.
//!
//! Constraint kept: a metric fails only where it is worse in the stated direction, beyond the tolerance, and surely so; it
//! passes only where there were enough data points to find that out.

use crate::domain::definition::Worse;
use crate::domain::rollout::compare::{LEVEL, can_tell, chance_of_larger, mean, median, shift};
use crate::domain::rollout::gate::{Metric, Seen, Verdict};

use super::{counted, seen_of_all};

/// Data points of one side, of all its cells together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Side {
    /// Cells that were asked.
    pub cells: usize,
    /// Their data points.
    pub points: Vec<f64>,
}

impl Side {
    /// Points that are no number tell nothing.
    fn new(side: &Self) -> Self {
        let points = side.points.iter().copied().filter(|point| point.is_finite()).collect();
        Self { cells: side.cells, points }
    }

    fn is_zero(&self) -> bool {
        self.points.iter().all(|point| *point == 0.0)
    }
}

/// Compares the changed cells with the controls.
pub fn compare(metric: &Metric, changed: &Side, controls: &Side) -> Seen {
    let (changed, controls) = (Side::new(changed), Side::new(controls));
    if let Some(lack) = lack(metric, &changed, &controls) {
        return seen_of_all(Verdict::Missing, lack);
    }
    if controls.is_zero() {
        return against_zero(metric, &changed, &controls);
    }
    let Sides { base, worse_by } = effect(metric, &changed, &controls);
    let chance = match metric.worse {
        Worse::Higher => chance_of_larger(&changed.points, &controls.points),
        Worse::Lower => chance_of_larger(&controls.points, &changed.points),
    };
    let allowed = base.abs() * f64::from(metric.tolerance_percent) / 100.0;
    let is_worse = worse_by > allowed && chance <= LEVEL;
    let direction = if metric.worse == Worse::Higher { "more" } else { "less" };
    let by = if worse_by > 0.0 { format!("{} {direction}", number(worse_by)) } else { "not worse".to_owned() };
    let what = format!(
        "{}: {by}; allowed are {} ({} %), p = {}",
        sides(metric, &changed, &controls),
        number(allowed),
        metric.tolerance_percent,
        number(chance),
    );
    seen_of_all(if is_worse { Verdict::Fail } else { Verdict::Pass }, what)
}

/// What is typical of the controls, and by how much the changed cells are worse.
struct Sides {
    base: f64,
    worse_by: f64,
}

/// The shift against the controls' median. Where that is 0, as with errors that are rare, a shift of medians shows nothing:
/// there the means are compared.
fn effect(metric: &Metric, changed: &Side, controls: &Side) -> Sides {
    let middle = median(&controls.points);
    let (base, more) = if middle == 0.0 {
        let usual = mean(&controls.points);
        (usual, mean(&changed.points) - usual)
    } else {
        (middle, shift(&changed.points, &controls.points))
    };
    Sides { base, worse_by: if metric.worse == Worse::Higher { more } else { -more } }
}

/// Why the two cannot be compared, where they cannot.
fn lack(metric: &Metric, changed: &Side, controls: &Side) -> Option<String> {
    let (name, least) = (&metric.name, usize::try_from(metric.points_min).unwrap_or(usize::MAX));
    if controls.cells == 0 {
        return Some(format!(
            "no cell with the old version is left to compare {name} with; leave the gate out of this wave"
        ));
    }
    let (new, old) = (changed.points.len(), controls.points.len());
    if new == 0 && old == 0 {
        return Some(format!("metric {name} of namespace {} has no data points: does it exist?", metric.namespace));
    }
    let found = format!("metric {name} has {} in changed cells and {old} in others", counted(new, "data point"));
    if new.min(old) < least {
        return Some(format!("{found}; each side needs {least}"));
    }
    let zero = controls.is_zero();
    if zero && metric.worse == Worse::Lower && changed.is_zero() {
        return Some(format!("metric {name} is 0 everywhere: nothing can be less"));
    }
    (!zero && !can_tell(new, old)).then(|| format!("{found}: too few to tell any difference from chance"))
}

/// Where the controls have nothing but 0, no share of it is a tolerance: any value on the worse side counts.
fn against_zero(metric: &Metric, changed: &Side, controls: &Side) -> Seen {
    let is_worse = |point: &f64| if metric.worse == Worse::Higher { *point > 0.0 } else { *point < 0.0 };
    let worse = changed.points.iter().filter(|point| is_worse(point)).count();
    let all = sides(metric, changed, controls);
    if worse == 0 {
        return seen_of_all(Verdict::Pass, format!("{all}: not worse"));
    }
    let what = format!("{all}: {} of {} are worse than 0", worse, counted(changed.points.len(), "data point"));
    seen_of_all(Verdict::Fail, what)
}

/// Both sides in a few words. Means where the medians are 0: they would say nothing.
fn sides(metric: &Metric, changed: &Side, controls: &Side) -> String {
    let middle = median(&controls.points);
    let (word, new, old) = if middle == 0.0 {
        ("mean", mean(&changed.points), mean(&controls.points))
    } else {
        ("median", median(&changed.points), middle)
    };
    format!(
        "{} {}: {word} {} in {} changed, {} in {} of the old version",
        metric.statistic,
        metric.name,
        number(new),
        counted(changed.cells, "cell"),
        number(old),
        counted(controls.cells, "cell"),
    )
}

/// A number with three digits that count.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && size < 0.001 {
        return format!("{value:.1e}");
    }
    let digits = if size >= 100.0 {
        0
    } else if size >= 1.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}
