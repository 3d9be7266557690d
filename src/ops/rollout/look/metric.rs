//! Looking at a metric of changed cells and of cells with the old version.
//!
//! Constraint kept: both sides are asked for the same time: the whole periods since the wave was changed.

use std::collections::BTreeMap;

use crate::domain::fleet::Place;
use crate::domain::rollout::change::CellChange;
use crate::domain::rollout::fill;
use crate::domain::rollout::gate::{Metric, Seen, Verdict};
use crate::domain::rollout::judge::metric::{Side, compare};
use crate::domain::rollout::judge::seen_of_all;
use crate::ports::rollout::Series;

use super::Round;
use super::ask::each;

impl Round<'_> {
    /// A metric, compared.
    pub(super) async fn metric(&self, metric: &Metric) -> Seen {
        let now_ms = self.ports.clock.now_ms();
        let Some(span) = whole_periods(self.watched.since_ms, now_ms, metric.period_s) else {
            let what = format!("metric {}: no whole period of {} s is over yet", metric.name, metric.period_s);
            return seen_of_all(Verdict::Missing, what);
        };
        let (changed, controls) = (&self.sampled.changed, &self.sampled.controls);
        let sides = futures_util::future::join(self.side(metric, changed, span), self.side(metric, controls, span));
        match sides.await {
            (Ok(changed), Ok(controls)) => compare(metric, &changed, &controls),
            (Err(why), _) | (_, Err(why)) => {
                seen_of_all(Verdict::Missing, format!("metric {} could not be asked for: {why}", metric.name))
            }
        }
    }

    async fn side(&self, metric: &Metric, cells: &[CellChange], (from_ms, to_ms): (i64, i64)) -> Result<Side, String> {
        let mut places: BTreeMap<&Place, Vec<Series>> = BTreeMap::new();
        for CellChange { desired, .. } in cells {
            let series = Series { cell: desired.cell.clone(), metric: fill::metric(metric, desired) };
            places.entry(&desired.place).or_default().push(series);
        }
        let asked = each(places, async |(place, series)| {
            self.ask.call(self.ports.signals.points(place, &series, from_ms, to_ms)).await
        });
        let mut points = Vec::new();
        for answer in asked.await {
            points.extend(answer?.into_iter().flatten());
        }
        Ok(Side { cells: cells.len(), points })
    }
}

/// The whole periods in a time, as the service cuts them; none where there is none.
pub(super) fn whole_periods(since_ms: i64, now_ms: i64, period_s: u32) -> Option<(i64, i64)> {
    let period_ms = i64::from(period_s).saturating_mul(1_000).max(1_000);
    let begun = since_ms.rem_euclid(period_ms);
    let from_ms = if begun == 0 { since_ms } else { since_ms.saturating_add(period_ms - begun) };
    let to_ms = now_ms.saturating_sub(now_ms.rem_euclid(period_ms));
    (from_ms < to_ms).then_some((from_ms, to_ms))
}
