//! Operations on tenants.
//!
//! Owns: what every one of them does with a write whose outcome is not plain. Constraints kept: no lock on the fleet is
//! held, each write is one conditional transaction; a write in doubt is read back, never repeated blindly; whoever finds
//! a tenant half added or half removed can finish it.

pub mod add;
pub mod history;
pub mod import;
pub mod list;
pub mod place;
pub mod remnant;
pub mod remove;
pub mod set;
pub mod show;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::audit::{Actor, Stamp};
use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, TenantId};
use crate::domain::rate::full_jitter_ms;
use crate::domain::tenant::change::Change;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::placement::{Candidate, UnknownResidency, Wish, allowed_regions};
use crate::domain::tenant::{Attributes, Entry, EntryState, label};
use crate::ports::tenants::Written;
use crate::ports::{CallError, CallErrorKind, Called};

use super::World;
use super::error::{ErrorKind, OpError};

/// How often an operation looks again because somebody else was faster, before it gives up.
const ATTEMPTS_MAX: u32 = 40;
/// Base and bound of the waits between them, in milliseconds.
const BACKOFF_MS: (u64, u64) = (5, 500);

/// Who asks, of which fleet.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The ports.
    pub world: &'a World,
    /// The fleet, as its definitions say.
    pub fleet: &'a Fleet,
    /// Who.
    pub actor: &'a Actor,
}

/// What is done about a tenant, for a table or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Did {
    /// The map was changed.
    Changed,
    /// An operation that had been cut off was finished.
    Finished,
    /// The map already said so.
    Unchanged,
}

impl Desk<'_> {
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { at_ms: self.world.clock.now_ms(), actor: self.actor.clone() }
    }

    /// The entry of a tenant that is there, or was.
    async fn entry(&self, tenant: &TenantId) -> Result<Entry, OpError> {
        let entry = self.world.map.entry(tenant).await?;
        entry.ok_or_else(|| unknown_tenant(self.fleet, tenant))
    }

    /// The entry of a tenant that is there.
    async fn present(&self, tenant: &TenantId) -> Result<Entry, OpError> {
        let entry = self.entry(tenant).await?;
        match entry.state {
            EntryState::Removed => {
                let message = format!("tenant {tenant} was removed; it was in {}", entry.cell);
                Err(OpError::new(ErrorKind::Failed, message)
                    .hint(format!("`cellctl tenant add {tenant}` adds it again")))
            }
            EntryState::Opening => {
                let message = format!("tenant {tenant} has not been added to its end");
                Err(OpError::new(ErrorKind::Refused, message)
                    .hint(format!("finish it first: `cellctl tenant add {tenant}`, or `cellctl map verify --repair`")))
            }
            EntryState::Closing => Err(half_removed(tenant)),
            EntryState::Moving => Err(in_a_move(&entry)),
            EntryState::Active => Ok(entry),
        }
    }

    /// Waits a little before looking again. Errors once that has been done too often.
    pub(super) async fn again(&self, tenant: &TenantId, attempt: &mut u32) -> Result<(), OpError> {
        *attempt += 1;
        if *attempt >= ATTEMPTS_MAX {
            let message = format!("tenant {tenant} or its cell was changed by somebody else {attempt} times in a row");
            return Err(OpError::new(ErrorKind::Failed, message).hint("run the same command again"));
        }
        self.wait(*attempt).await;
        Ok(())
    }

    /// Waits a little, the longer the more often it was tried.
    async fn wait(&self, attempt: u32) {
        let wait_ms = full_jitter_ms(attempt, BACKOFF_MS.0, BACKOFF_MS.1, self.world.clock.random());
        self.world.clock.sleep(Duration::from_millis(wait_ms)).await;
    }

    /// All cells, as placement sees them.
    async fn candidates(&self) -> Called<Vec<Candidate>> {
        Ok(self.candidates_of(&self.world.map.loads().await?))
    }

    /// All cells with these loads.
    fn candidates_of(&self, loads: &[CellLoad]) -> Vec<Candidate> {
        self.fleet.cells.iter().map(|cell| Candidate::of(cell, load_of(loads, &cell.id))).collect()
    }

    /// What a tenant wishes for.
    pub(super) fn wish<'w>(&self, tenant: &'w TenantId, attributes: &'w Attributes) -> Result<Wish<'w>, OpError> {
        label::check_all(&attributes.labels).map_err(|error| {
            OpError::new(ErrorKind::InvalidInput, format!("tenant {tenant}: {error}")).hint("nothing was changed")
        })?;
        let regions = allowed_regions(self.fleet, attributes).map_err(|error| unknown_residency(self.fleet, &error))?;
        Ok(Wish { tenant, attributes, regions })
    }

    /// Writes a change. In doubt, or where the entry is not as it was seen, the entry tells whether the write was ours. If
    /// not, what the call ended with stands: it was tried for as long as a call may be, and more of that would add up to
    /// an hour.
    async fn land(&self, change: &Change) -> Called<Written> {
        let tenant = &change.after.tenant;
        let outcome = self.world.map.write(std::slice::from_ref(change)).await;
        match &outcome {
            Ok(Written::EntryChanged(_)) => {}
            Err(error) if must_read_back(error) => tracing::debug!(%error, %tenant, "reading back"),
            _ => return outcome,
        }
        let there = self.world.map.entry(tenant).await?;
        let ours = there.is_some_and(|e| e.version == change.after.version && e.head == change.after.head);
        if ours { Ok(Written::Done) } else { outcome }
    }

    /// Writes a change of an entry that needs nothing else; gives none where somebody else was faster.
    async fn land_entry(&self, change: Change) -> Result<Option<Entry>, OpError> {
        Ok((self.land(&change).await? == Written::Done).then_some(change.after))
    }
}

/// Whether a write that ended so may have happened.
pub(in crate::ops) fn must_read_back(error: &CallError) -> bool {
    matches!(error.kind, CallErrorKind::InDoubt | CallErrorKind::Conflict)
}

/// Whether the changes of one transaction were written, as the entries tell: all of them were if one was, and somebody
/// else may have changed others since.
pub(super) fn were_written(changes: &[Change], there: &BTreeMap<TenantId, Entry>) -> bool {
    let ours = |entry: &Entry, wanted: &Entry| entry.version == wanted.version && entry.head == wanted.head;
    changes.iter().any(|change| there.get(&change.after.tenant).is_some_and(|entry| ours(entry, &change.after)))
}

/// The load of a cell, among loads by name.
fn load_of<'l>(loads: &'l [CellLoad], cell: &CellId) -> Option<&'l CellLoad> {
    loads.binary_search_by(|load| load.cell.cmp(cell)).ok().map(|index| &loads[index])
}

fn unknown_tenant(fleet: &Fleet, tenant: &TenantId) -> OpError {
    OpError::new(ErrorKind::Failed, format!("fleet {} has no tenant {tenant}", fleet.name))
        .hint(format!("`cellctl tenant list` shows the tenants; `cellctl tenant add {tenant}` adds it"))
}

fn unknown_residency(fleet: &Fleet, error: &UnknownResidency) -> OpError {
    let names: Vec<&str> = fleet.residency.keys().map(crate::domain::ids::Residency::as_str).collect();
    let hint = match crate::domain::finding::did_you_mean(error.0.as_str(), names.iter().copied()) {
        Some(close) => format!("did you mean {close}?"),
        None if names.is_empty() => "list it under spec.residency in fleet.yaml".to_owned(),
        None => format!("fleet.yaml lists {}", names.join(", ")),
    };
    OpError::new(ErrorKind::Failed, error.to_string()).hint(hint)
}

/// The refusal of what cannot be done to a tenant while it is moved.
fn in_a_move(entry: &Entry) -> OpError {
    let (tenant, id) = (&entry.tenant, entry.moving.as_ref().map(|moving| moving.id.to_string()).unwrap_or_default());
    OpError::new(ErrorKind::Refused, format!("tenant {tenant} is in the move {id}"))
        .hint(format!("let it end, or `cellctl move abort {id}`; `cellctl move show {id}` says where it stands"))
}

fn half_removed(tenant: &TenantId) -> OpError {
    OpError::new(ErrorKind::Refused, format!("tenant {tenant} is being removed"))
        .hint(format!("finish it first: `cellctl tenant remove {tenant}`"))
}
