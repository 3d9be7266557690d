//! Importing many tenants at once.
//!
//! Owns: the plan of an import and its course. Constraints kept: nothing is written before every row was looked at; a
//! row that is in the map as asked for is not written again, so that a second run finishes what a first one left; an
//! import moves nobody.

mod carry;
mod decide;
mod report;
mod write;

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::domain::ids::TenantId;
use crate::domain::tenant::row::{BadRow, Row};
use crate::ops::error::OpError;

use super::Desk;
use carry::Round;
use decide::{Decider, Todo, Verdict};
use report::Tally;

pub use report::{CellCount, ImportReport};

/// Cells that are written to at a time; each has one transaction in flight.
pub const CELLS_AT_ONCE: usize = 8;
/// Tenants whose entries are looked up at a time.
const LOOK_UP_MAX: usize = 4_000;
/// How often rows are decided anew because their tenant or cell was changed meanwhile.
const ROUNDS_MAX: u32 = 40;

/// How an import is carried out.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Cells that are written to at a time.
    pub cells_at_once: usize,
    /// Tells when somebody wants to stop: what is in flight is finished first.
    pub stop: watch::Receiver<bool>,
}

/// What an import will do.
pub struct ImportPlan<'a> {
    rows: Vec<Row>,
    bad: Vec<BadRow>,
    decider: Decider<'a>,
    todos: Vec<Todo>,
    tally: Tally,
}

impl ImportPlan<'_> {
    /// What is wrong with rows, in their order.
    pub fn bad(&self) -> &[BadRow] {
        &self.bad
    }

    /// Whether the file itself is not understood, so that not even the good rows may be written.
    pub fn is_unreadable(&self) -> bool {
        self.bad.iter().any(BadRow::is_about_file)
    }

    /// Rows that will be written.
    pub fn changes(&self) -> usize {
        self.todos.len()
    }

    /// The plan as a report of what would be done.
    pub fn report(&self) -> ImportReport {
        let mut tally = self.tally.clone();
        for todo in &self.todos {
            tally.mark(todo.row, todo.work.did(), &self.decider.candidate(todo.cell).cell);
        }
        ImportReport { planned: true, ..tally.report(self.bad.clone(), false) }
    }
}

impl<'a> Desk<'a> {
    /// Looks at every row, and writes nothing. `bad` are those that could not even be read.
    pub async fn plan_import(&self, rows: Vec<Row>, bad: Vec<BadRow>) -> Result<ImportPlan<'a>, OpError> {
        let mut tally = Tally::new(rows.len(), &bad);
        let mut plan = Decisions { bad, ..Decisions::default() };
        let mut decider = Decider::new(self.fleet, self.world.map.loads().await?);
        let numbers: Vec<usize> = (0..rows.len()).collect();
        self.decide(&rows, &numbers, &mut decider, &mut plan, &mut tally).await?;
        plan.bad.sort_by_key(|bad| bad.at.row);
        Ok(ImportPlan { rows, bad: plan.bad, decider, todos: plan.todos, tally })
    }

    /// Decides what to do about some rows, by consistent reads of their entries.
    async fn decide(
        &self,
        rows: &[Row],
        numbers: &[usize],
        decider: &mut Decider<'_>,
        plan: &mut Decisions,
        tally: &mut Tally,
    ) -> Result<(), OpError> {
        for chunk in numbers.chunks(LOOK_UP_MAX) {
            let tenants: Vec<TenantId> = chunk.iter().map(|number| rows[*number].tenant.clone()).collect();
            let mut entries = self.world.map.entries(&tenants).await?;
            for &number in chunk {
                let row = &rows[number];
                match decider.decide(number, row, entries.remove(&row.tenant)) {
                    Verdict::Unchanged => tally.unchanged(number),
                    Verdict::Write(todo) => plan.todos.push(todo),
                    Verdict::Bad(bad) => plan.bad.push(bad),
                }
            }
        }
        Ok(())
    }

    /// Carries out a plan. Rows whose tenant or cell has changed meanwhile are decided anew.
    ///
    /// An error says how far it came; the same import again goes on from there.
    pub async fn import(&self, plan: ImportPlan<'a>, options: &ImportOptions) -> Result<ImportReport, OpError> {
        let ImportPlan { rows, mut bad, mut decider, mut todos, mut tally } = plan;
        tally.begin(todos.len(), self.world);
        let mut attempt = 0;
        while !todos.is_empty() && !*options.stop.borrow() {
            let round = Round { desk: self, rows: &rows, decider: &decider, options, again: attempt > 0 };
            let ended = round.run(std::mem::take(&mut todos), &mut tally).await;
            bad.extend(ended.bad);
            if let Some(error) = ended.error {
                return Err(tally.broken_off(error));
            }
            if ended.again.is_empty() {
                break;
            }
            attempt += 1;
            if attempt == ROUNDS_MAX {
                bad.extend(ended.again.iter().map(|number| kept_changing(&rows[*number])));
                break;
            }
            self.wait(attempt).await;
            let mut next = Decisions::default();
            let decided = async {
                decider = Decider::new(self.fleet, self.world.map.loads().await?);
                self.decide(&rows, &ended.again, &mut decider, &mut next, &mut tally).await
            };
            decided.await.map_err(|error| tally.broken_off(error))?;
            bad.extend(next.bad);
            todos = next.todos;
        }
        bad.sort_by_key(|bad| bad.at.row);
        Ok(tally.report(bad, *options.stop.borrow()))
    }
}

/// What was decided about some rows.
#[derive(Default)]
struct Decisions {
    todos: Vec<Todo>,
    bad: Vec<BadRow>,
}

fn kept_changing(row: &Row) -> BadRow {
    let message = format!("tenant {} or its cell was changed by somebody else {ROUNDS_MAX} times in a row", row.tenant);
    BadRow::new(row.at, "kept-changing", message).tenant(row.tenant.as_str()).hint("run the same import again")
}

/// The number of different rows that complaints are about.
fn distinct_rows(bad: &[BadRow]) -> usize {
    bad.iter().filter(|bad| !bad.is_about_file()).map(|bad| bad.at.row).collect::<BTreeSet<u64>>().len()
}
