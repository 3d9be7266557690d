//! Looking at stacks and at their alarms.

use std::collections::BTreeMap;

use crate::domain::fleet::Place;
use crate::domain::ids::CellId;
use crate::domain::rollout::change::CellChange;
use crate::domain::rollout::gate::{Seen, Verdict};
use crate::domain::rollout::judge::{self, AlarmState, seen, seen_of_all};
use crate::domain::stack::{Phase, StackSummary};
use crate::ports::rollout::Alarm;

use super::ask::each;
use super::{Round, lock};

/// Up to so many stacks are asked for one by one; beyond, a listing of their Region takes fewer calls.
const DESCRIBED_MAX: usize = 20;
/// Names that the service takes in one `DescribeAlarms`.
const ALARMS_A_CALL: usize = 100;

/// A resource type.
const ALARM: &str = "AWS::CloudWatch::Alarm";

impl Round<'_> {
    /// The stack of each cell.
    pub(super) async fn stacks(&self) -> Vec<Seen> {
        if self.watched.cells.len() <= DESCRIBED_MAX {
            return each(&self.watched.cells, |cell| self.described(cell)).await;
        }
        each(by_place(&self.watched.cells), |(place, cells)| self.listed(place, cells)).await.concat()
    }

    async fn described(&self, cell: &CellChange) -> Seen {
        let (place, name) = (&cell.desired.place, cell.desired.stack.as_str());
        match self.ask.call(self.ports.stacks.describe(place, name)).await {
            Ok(detail) => self.stack(cell, detail.map(|detail| detail.summary).as_ref()),
            Err(why) => {
                seen(&cell.desired.cell, Verdict::Missing, format!("stack {name} could not be looked at: {why}"))
            }
        }
    }

    async fn listed(&self, place: &Place, cells: Vec<&CellChange>) -> Vec<Seen> {
        match self.ask.call(self.ports.stacks.list(place)).await {
            Ok(all) => {
                let all: BTreeMap<_, _> = all.into_iter().map(|stack| (stack.name.clone(), stack)).collect();
                cells.into_iter().map(|cell| self.stack(cell, all.get(&cell.desired.stack))).collect()
            }
            Err(why) => {
                let what = format!("the stacks of {} could not be listed: {why}", place.region);
                vec![seen_of_all(Verdict::Missing, what)]
            }
        }
    }

    fn stack(&self, cell: &CellChange, found: Option<&StackSummary>) -> Seen {
        let (cell, name) = (&cell.desired.cell, cell.desired.stack.as_str());
        let mut left = lock(&self.known.left);
        let judged = judge::stack(cell, name, found, left.get(cell));
        if let Some(found) = found.filter(|found| found.status.phase() == Phase::Complete) {
            left.entry(cell.clone()).or_insert_with(|| (found.id.clone(), found.changed_at_ms));
        }
        judged
    }

    /// The alarms of each cell's stack.
    pub(super) async fn alarms(&self) -> Vec<Seen> {
        each(by_place(&self.watched.cells), |(place, cells)| self.alarms_in(place, cells)).await.concat()
    }

    async fn alarms_in(&self, place: &Place, cells: Vec<&CellChange>) -> Vec<Seen> {
        let named = each(cells, async |cell| (&cell.desired.cell, self.alarm_names(cell).await)).await;
        let names: Vec<String> = named.iter().filter_map(|(_, names)| names.as_ref().ok()).flatten().cloned().collect();
        let chunks =
            each(names.chunks(ALARMS_A_CALL), |chunk| self.ask.call(self.ports.signals.alarms(place, chunk))).await;
        let mut known = BTreeMap::new();
        let mut unknown = None;
        for chunk in chunks {
            match chunk {
                Ok(alarms) => known.extend(alarms.into_iter().map(state)),
                Err(why) => unknown = Some(why),
            }
        }
        named.into_iter().flat_map(|(cell, names)| alarms_of(cell, names, &known, unknown.as_deref())).collect()
    }

    /// Names of the alarms of a cell's stack: asked for once.
    async fn alarm_names(&self, cell: &CellChange) -> Result<Vec<String>, String> {
        let known = lock(&self.known.alarms).get(&cell.desired.cell).cloned();
        if let Some(names) = known {
            return Ok(names);
        }
        let resources = self.ports.stacks.resources(&cell.desired.place, cell.desired.stack.as_str());
        let resources = self.ask.call(resources).await?;
        let alarms = resources.into_iter().filter(|one| one.resource_type == ALARM && !one.physical_id.is_empty());
        let names: Vec<String> = alarms.map(|alarm| alarm.physical_id).collect();
        lock(&self.known.alarms).insert(cell.desired.cell.clone(), names.clone());
        Ok(names)
    }
}

/// The alarms of a cell. Where some could not be asked for, one that is not known may be any of them.
fn alarms_of(
    cell: &CellId,
    names: Result<Vec<String>, String>,
    known: &BTreeMap<String, AlarmState>,
    unknown: Option<&str>,
) -> Vec<Seen> {
    let names = match names {
        Ok(names) => names,
        Err(why) => {
            return vec![seen(cell, Verdict::Missing, format!("alarms of {cell} could not be found out: {why}"))];
        }
    };
    let Some(why) = unknown.filter(|_| names.iter().any(|name| !known.contains_key(name))) else {
        return judge::alarms(cell, &names, known);
    };
    let (answered, open): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| known.contains_key(name));
    let mut all = vec![seen(cell, Verdict::Missing, format!("{} alarms could not be asked for: {why}", open.len()))];
    if !answered.is_empty() {
        all.extend(judge::alarms(cell, &answered, known));
    }
    all
}

fn state(alarm: Alarm) -> (String, AlarmState) {
    (alarm.name, (alarm.state, alarm.reason))
}

/// Cells by where they are.
fn by_place(cells: &[CellChange]) -> BTreeMap<&Place, Vec<&CellChange>> {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for cell in cells {
        places.entry(&cell.desired.place).or_default().push(cell);
    }
    places
}
