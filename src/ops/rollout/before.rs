//! BEFORE: what the cells of a wave are, written down right before the wave begins.
//!
//! Constraint kept: what CloudFormation says counts, not what a record remembers; the document is written once, before any
//! cell of the wave is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::ids::Digest;
use crate::domain::rollout::change::{Before, CellChange, Earlier};
use crate::domain::rollout::event::Event;
use crate::domain::rollout::gate::Check;
use crate::domain::stack::Phase;
use crate::ports::Called;

use super::driver::Driver;
use super::halt::Halt;
use super::{look, office};

/// Stacks looked at at a time.
const LOOKUPS: usize = 16;
/// What CloudFormation gives instead of the value of a parameter that is marked `NoEcho`.
const HIDDEN: &str = "****";

/// A cell as it was, and the body of its template.
type Found = (Earlier, Arc<str>);

impl Driver<'_> {
    /// Marks the cells of the wave, waits for moves, and writes down what the cells are.
    pub(super) async fn start_wave(&self) -> Result<Event, Halt> {
        let wave = self.state.wave;
        let (id, cells) = (self.state.plan.id, self.cells(wave)?);
        let names: Vec<_> = cells.iter().map(|cell| cell.desired.cell.clone()).collect();
        self.unmark_but(&names).await?;
        self.clear_the_way(&names).await?;
        let rollouts = &self.pilot.world.rollouts;
        let name = office::before(wave);
        if rollouts.document(id, &name).await?.is_none() {
            let before = self.look_before(cells).await?;
            let text = serde_json::to_string(&before).map_err(|error| office::unwritable(&name, &error))?;
            rollouts.put_document(id, &name, &text).await?;
        }
        Ok(Event::WaveStarted { wave })
    }

    async fn look_before(&self, cells: &[CellChange]) -> Result<Before, Halt> {
        let records = self.pilot.world.world.control.records().await?;
        let applied: BTreeMap<_, _> = records
            .into_iter()
            .filter_map(|record| Some((record.cell, record.applied?)))
            .map(|(cell, applied)| (cell, (applied.digest, applied.template)))
            .collect();
        // Equal cells have equal templates: one of each is fetched.
        let mut bodies: BTreeMap<Digest, Arc<str>> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| !cell.is_new) {
            if let Some((_, template)) = applied.get(&cell.desired.cell)
                && !bodies.contains_key(template)
            {
                bodies.insert(template.clone(), self.template(cell).await?);
            }
        }
        let looks = stream::iter(cells.iter().filter(|cell| !cell.is_new)).map(|cell| {
            let applied = applied.get(&cell.desired.cell).cloned();
            let body = applied.as_ref().and_then(|(_, template)| bodies.get(template)).cloned();
            self.earlier(cell, applied.map(|(digest, _)| digest), body)
        });
        let found: Vec<Option<Found>> = looks.buffered(LOOKUPS).try_collect().await?;
        let mut before = Before::default();
        for (earlier, body) in found.into_iter().flatten() {
            before.templates.insert(earlier.template.clone(), body);
            before.cells.push(earlier);
        }
        Ok(before)
    }

    async fn template(&self, cell: &CellChange) -> Called<Arc<str>> {
        let stacks = &self.pilot.world.world.stacks;
        Ok(stacks.template(&cell.desired.place, cell.desired.stack.as_str()).await?.into())
    }

    /// A cell as it is; none where it has no stack.
    async fn earlier(
        &self,
        cell: &CellChange,
        applied: Option<Digest>,
        body: Option<Arc<str>>,
    ) -> Called<Option<Found>> {
        let (place, stack) = (&cell.desired.place, &cell.desired.stack);
        let detail = self.pilot.world.world.stacks.describe(place, stack.as_str()).await?;
        let Some(detail) = detail.filter(|detail| detail.summary.status.phase() != Phase::Gone) else {
            return Ok(None);
        };
        let body = match body {
            Some(body) => body,
            None => self.template(cell).await?,
        };
        let dead_letters = self.dead_letters(cell).await?;
        let (hidden, parameters) = detail.parameters.into_iter().partition::<BTreeMap<_, _>, _>(|(_, v)| v == HIDDEN);
        let earlier = Earlier {
            cell: cell.desired.cell.clone(),
            stack: stack.clone(),
            stack_id: detail.summary.id,
            applied,
            template: Digest::of(body.as_bytes()),
            parameters,
            hidden: hidden.into_keys().collect(),
            tags: detail.tags,
            dead_letters,
        };
        Ok(Some((earlier, body)))
    }

    /// What the dead-letter queues of a cell hold, where a gate of the wave counts what comes on top of it.
    async fn dead_letters(&self, cell: &CellChange) -> Called<BTreeMap<String, u64>> {
        let gates = self.state.current().map_or(&[][..], |wave| &wave.gates);
        if !gates.iter().any(|gate| matches!(gate.check, Check::DeadLetters { .. })) {
            return Ok(BTreeMap::new());
        }
        look::dead_letters(&*self.pilot.world.signals, cell).await
    }
}
