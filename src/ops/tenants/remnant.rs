//! What the audit log still knows of a tenant whose entry the map has lost.
//!
//! Constraint kept: a lost entry is no licence to begin anew. The epoch goes on from where the chain ends, and a tenant
//! that was being served when its entry was lost may have an open fence in that cell, so that it can go nowhere else.

use crate::domain::audit::{Head, Record, Subject};
use crate::domain::ids::TenantId;
use crate::domain::tenant::EntryState;
use crate::domain::tenant::change::Remnant;
use crate::ops::audit::page_after;
use crate::ops::error::{ErrorKind, OpError};

use super::Desk;

impl Desk<'_> {
    /// What the audit log knows of a tenant; none where it was never heard of.
    pub(in crate::ops) async fn remnant(&self, tenant: &TenantId) -> Result<Option<Remnant>, OpError> {
        let subject = Subject::Tenant(tenant.clone());
        let mut remnant: Option<Remnant> = None;
        loop {
            let page = page_after(self.world, &subject, remnant.as_ref().map(|remnant| &remnant.head)).await?;
            if page.is_empty() {
                return Ok(remnant);
            }
            for stored in page {
                let record: Record =
                    serde_json::from_str(&stored.text).map_err(|e| unreadable(&subject, &e.to_string()))?;
                let hash = stored.hash.clone().try_into().map_err(|_| unreadable(&subject, "its hash is none"))?;
                remnant = Some(after(remnant, &record, Head { seq: stored.seq, hash }));
            }
        }
    }
}

/// What is known after one more record.
fn after(before: Option<Remnant>, record: &Record, head: Head) -> Remnant {
    let text = |name: &str| record.to.get(name).and_then(serde_json::Value::as_str);
    let before = before.unwrap_or_else(|| Remnant { head: head.clone(), epoch: 0, cell: None, present: false });
    Remnant {
        head,
        epoch: record.to.get("epoch").and_then(serde_json::Value::as_u64).unwrap_or(0).max(before.epoch),
        cell: text("cell").and_then(|cell| cell.parse().ok()).or(before.cell),
        present: text("state").map_or(before.present, |state| state != EntryState::Removed.as_str()),
    }
}

fn unreadable(subject: &Subject, why: &str) -> OpError {
    let message = format!("the map has lost {subject}, and a record of its history cannot be read: {why}");
    OpError::new(ErrorKind::Failed, message).hint(format!("`cellctl audit verify {subject}` says more"))
}

/// The error where a tenant that was served somewhere would be placed anew.
pub(in crate::ops) fn lost(tenant: &TenantId, remnant: &Remnant) -> OpError {
    let cell = remnant.cell.as_ref().map_or("a cell that is not named", |cell| cell.as_str());
    let message = format!(
        "the map has lost tenant {tenant}: its history ends in {cell} at epoch {}, where its fence may be open",
        remnant.epoch
    );
    OpError::new(ErrorKind::Refused, message).hint(format!(
        "restore it from a snapshot with `cellctl map import FILE`, or put it back with `cellctl tenant add {tenant} --to {cell}`"
    ))
}
