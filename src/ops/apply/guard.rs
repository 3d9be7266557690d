//! What an apply refuses at the last moment, when it sees what a plan could not.
//!
//! Constraint kept: nothing that holds data is overwritten, replaced or removed unless the operator named it.

use crate::domain::plan::{Blocked, Step};
use crate::domain::template::{ResourceChange, atoms};
use crate::ops::event::Outcome;
use crate::ports::{Replacement, ServiceChange};

use super::execute::{Executor, Trouble};

impl Executor<'_> {
    /// Refuses tables that exist and are not among the stack's own: the service would fail, an emulator may wipe them.
    pub(super) async fn refuse_foreign_tables(&self, step: &Step, own: &[String]) -> Result<(), Trouble> {
        let mut foreign = Vec::new();
        for table in step.desired.tables.iter().filter(|t| !own.contains(t)) {
            if self.world.atoms.table_exists(&step.desired.place, table).await? {
                foreign.push(table.clone());
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        let blocked = Blocked::ForeignTables { tables: foreign };
        let (cell, stack) = (&step.desired.cell, &step.desired.stack);
        let (reason, hint) = (blocked.message(cell, stack), Some(blocked.hint(cell)));
        Err(Trouble { outcome: Outcome::Refused, status: None, reason, hint })
    }

    /// The same for an update, only where the template changes: it may add tables.
    pub(super) async fn refuse_new_foreign_tables(&self, step: &Step) -> Result<(), Trouble> {
        if step.diff.is_some() && !self.plan.changes_of(step).iter().any(ResourceChange::adds_table) {
            return Ok(());
        }
        let resources = self.world.stacks.resources(&step.desired.place, step.desired.stack.as_str()).await?;
        let own: Vec<String> = resources.into_iter().map(|r| r.physical_id).collect();
        self.refuse_foreign_tables(step, &own).await
    }
}

/// The service's own word on what would be replaced or removed; the plan's guard has only the templates to go by.
pub(super) fn endangered(step: &Step, changes: &[ServiceChange]) -> Option<Trouble> {
    let dangerous = |c: &&ServiceChange| {
        atoms::is_stateful(&c.resource_type) && (c.action == "Remove" || c.replacement != Replacement::No)
    };
    let names: Vec<String> = changes.iter().filter(dangerous).map(|c| c.logical_id.clone()).collect();
    let names: Vec<String> = names.into_iter().filter(|name| !step.allowed.contains(name)).collect();
    if names.is_empty() {
        return None;
    }
    let blocked = Blocked::Stateful { atoms: names };
    let (cell, stack) = (&step.desired.cell, &step.desired.stack);
    let (reason, hint) = (blocked.message(cell, stack), Some(blocked.hint(cell)));
    Some(Trouble {
        outcome: Outcome::Refused,
        status: step.basis.status.as_ref().map(ToString::to_string),
        reason,
        hint,
    })
}
