//! Writing what a snapshot has and the map lacks: batches in lanes that share no cell.
//!
//! Constraint kept: each write is a conditional transaction, and one in doubt is read back before anything else is done
//! about its tenants.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::ids::TenantId;
use crate::domain::tenant::change::{self, Change};
use crate::domain::tenant::{Entry, EntryState};
use crate::ops::error::{ErrorKind, OpError};
use crate::ops::tenants::{must_read_back, were_written};
use crate::ports::Called;
use crate::ports::tenants::Written;

use super::super::judge::{Cells, Judged, Left, Why, judge};
use super::batch::{Planned, lanes};
use super::{Importer, LANES, Tally, Work};

impl Importer<'_> {
    /// Writes what is missing, and opens the fences that are not open.
    pub(super) async fn carry_out(&self, work: Work, cells: &Cells<'_>) -> Result<Tally, OpError> {
        let finished = self.finish(work.unopened).await?;
        let lanes = stream::iter(lanes(work.missing)).map(|lane| self.lane(lane, cells)).buffer_unordered(LANES);
        let written = lanes.try_fold(Tally::default(), |all, one| std::future::ready(Ok(all.merge(one)))).await?;
        Ok(work.tally.merge(finished).merge(written))
    }

    /// Writes batches that share cells, one after the other.
    async fn lane(&self, lane: Vec<Vec<Planned>>, cells: &Cells<'_>) -> Result<Tally, OpError> {
        let mut tally = Tally::default();
        for batch in lane {
            tally = tally.merge(self.batch(batch, cells).await?);
        }
        Ok(tally)
    }

    /// Writes a batch. What the others in it are refused for must not keep any out: then it is halved, down to one.
    async fn batch(&self, batch: Vec<Planned>, cells: &Cells<'_>) -> Result<Tally, OpError> {
        let mut tally = Tally::default();
        let (mut todo, mut attempt) = (vec![batch], 0);
        while let Some(mut batch) = todo.pop() {
            let changes = self.changes(&batch, cells);
            match self.desk.world.map.write(&changes).await {
                Ok(Written::Done) => tally = tally.merge(self.landed(&batch, changes).await?),
                Ok(refusal @ (Written::CellRefused(_) | Written::CellChanging(_) | Written::FenceAhead(_))) => {
                    if let [alone] = batch.as_slice() {
                        let fence = matches!(refusal, Written::FenceAhead(_));
                        tally.leave(&alone.line, if fence { Why::FenceAhead } else { Why::CellChanged });
                    } else {
                        todo.push(batch.split_off(batch.len() / 2));
                        todo.push(batch);
                    }
                }
                Err(error) if !must_read_back(&error) => return Err(error.into()),
                unclear => {
                    if let Ok(Written::EntryChanged(tenant)) = &unclear {
                        self.desk.again(tenant, &mut attempt).await?;
                    }
                    let known = self.entries_of(&batch).await?;
                    if were_written(&changes, &known) {
                        tally = tally.merge(self.landed(&batch, changes).await?);
                    } else {
                        unclear?;
                        todo.extend(self.judge_anew(batch, known, cells, &mut tally).await?);
                    }
                }
            }
        }
        Ok(tally)
    }

    fn changes(&self, batch: &[Planned], cells: &Cells<'_>) -> Vec<Change> {
        let stamp = self.desk.stamp();
        let change = |planned: &Planned| {
            let target = cells.target(&planned.line.cell)?;
            let change = change::restore(&planned.line, &target, planned.before.as_ref(), &stamp);
            Some(match &planned.remnant {
                Some(remnant) => change.follow(remnant, planned.line.epoch, &stamp),
                None => change,
            })
        };
        batch.iter().filter_map(change).collect()
    }

    /// Changes that were written: opens the fences that were no part of the transaction.
    async fn landed(&self, batch: &[Planned], changes: Vec<Change>) -> Result<Tally, OpError> {
        let (opening, done): (Vec<Entry>, Vec<Entry>) =
            changes.into_iter().map(|change| change.after).partition(|entry| entry.state == EntryState::Opening);
        let tally = self.open_fences(opening).await?;
        let is_left = |planned: &Planned| tally.left.iter().any(|left| left.tenant == planned.line.tenant);
        let moving = batch.iter().filter(|planned| planned.line.moving.is_some() && !is_left(planned)).count() as u64;
        Ok(Tally { added: tally.added + done.len() as u64, moving, ..tally })
    }

    /// Opens the fences of tenants that are there.
    async fn finish(&self, unopened: Vec<Entry>) -> Result<Tally, OpError> {
        let tally = self.open_fences(unopened).await?;
        Ok(Tally { added: 0, opened: tally.added, ..tally })
    }

    async fn open_fences(&self, entries: Vec<Entry>) -> Result<Tally, OpError> {
        let opened = stream::iter(entries).map(|entry| async move {
            let left = Left { tenant: entry.tenant.clone(), cell: entry.cell.clone(), why: Why::FenceAhead };
            match self.desk.finish_opening(entry).await {
                Ok(_) => Ok(Tally { added: 1, ..Tally::default() }),
                Err(error) if error.kind == ErrorKind::Refused => Ok(Tally { left: vec![left], ..Tally::default() }),
                Err(error) => Err(error),
            }
        });
        let all = opened.buffer_unordered(LANES);
        all.try_fold(Tally::default(), |all, one| std::future::ready(Ok(all.merge(one)))).await
    }

    async fn entries_of(&self, batch: &[Planned]) -> Called<BTreeMap<TenantId, Entry>> {
        let names: Vec<TenantId> = batch.iter().map(|planned| planned.line.tenant.clone()).collect();
        self.desk.world.map.entries(&names).await
    }

    /// After a write that did not happen: counts what is there, and gives what is still to be written.
    async fn judge_anew(
        &self,
        batch: Vec<Planned>,
        mut known: BTreeMap<TenantId, Entry>,
        cells: &Cells<'_>,
        tally: &mut Tally,
    ) -> Result<Option<Vec<Planned>>, OpError> {
        let (mut rest, mut unopened) = (Vec::new(), Vec::new());
        for Planned { line, .. } in batch {
            let before = known.remove(&line.tenant);
            match judge(&line, before.as_ref()) {
                Judged::Equal => tally.equal += 1,
                Judged::Unopened(entry) => unopened.push(*entry),
                Judged::Left(why) => tally.leave(&line, why),
                Judged::Missing => {
                    let mut planned = Planned::new(line, before, cells);
                    if let Some(why) = self.remember(&mut planned).await? {
                        tally.leave(&planned.line, why);
                    } else {
                        rest.push(planned);
                    }
                }
            }
        }
        *tally = std::mem::take(tally).merge(self.finish(unopened).await?);
        Ok((!rest.is_empty()).then_some(rest))
    }

    /// Looks up what the audit log knows of a tenant whose entry is not there although its chain may be. Gives why it is
    /// left alone, where the log tells of a later time than the snapshot.
    async fn remember(&self, planned: &mut Planned) -> Result<Option<Why>, OpError> {
        if planned.before.is_none() {
            planned.remnant = self.desk.remnant(&planned.line.tenant).await?;
        }
        let later = planned.remnant.as_ref().filter(|remnant| {
            remnant.epoch > planned.line.epoch || (remnant.epoch == planned.line.epoch && !remnant.present)
        });
        Ok(later.map(|remnant| Why::Removed { epoch: remnant.epoch }))
    }
}
