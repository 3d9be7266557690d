//! Changing what is known of a tenant: its attributes and its pin. It stays in its cell.

use serde::Serialize;

use crate::domain::ids::TenantId;
use crate::domain::tenant::change::{self, Change};
use crate::domain::tenant::load::Limits;
use crate::domain::tenant::placement::Candidate;
use crate::domain::tenant::{Attributes, Entry};
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::tenants::Written;

use super::{Desk, Did};

/// How it went.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// What was done.
    pub did: Did,
    /// The entry as it was.
    pub before: Entry,
    /// The entry as it is.
    pub entry: Entry,
}

impl Desk<'_> {
    /// Gives a tenant the attributes that `wanted` makes of those it has.
    pub async fn set(&self, tenant: &TenantId, wanted: impl Fn(&Attributes) -> Attributes) -> Result<Changed, OpError> {
        let mut attempt = 0;
        loop {
            let before = self.present(tenant).await?;
            let attributes = wanted(&before.attributes);
            if attributes == before.attributes {
                return Ok(Changed { did: Did::Unchanged, entry: before.clone(), before });
            }
            let limits = self.fits(&before, &attributes).await?;
            let change = change::set(&before, attributes, limits, &self.stamp());
            if self.land(&change).await? == Written::Done {
                return Ok(Changed { did: Did::Changed, before, entry: change.after });
            }
            self.again(tenant, &mut attempt).await?;
        }
    }

    /// Whether a tenant may stay in its cell with other attributes; gives the cell's limits.
    async fn fits(&self, entry: &Entry, attributes: &Attributes) -> Result<Limits, OpError> {
        let (tenant, cell) = (&entry.tenant, &entry.cell);
        let Some(defined) = self.fleet.cell(cell) else {
            let message = format!("cell {cell}, which serves tenant {tenant}, has no definition");
            return Err(
                OpError::new(ErrorKind::Refused, message).hint("name the right --cells, or write its definition")
            );
        };
        let load = self.world.map.load(cell).await?;
        let candidate = Candidate::of(defined, load.as_ref());
        let wish = self.wish(tenant, attributes)?;
        if let Some(refusal) = candidate.misfit(&wish) {
            let message = format!("tenant {tenant} could not stay in cell {cell}: {refusal}");
            return Err(OpError::new(ErrorKind::Refused, message).hint(elsewhere(tenant)));
        }
        let grown = (candidate.weight + attributes.weight).saturating_sub(entry.attributes.weight);
        let over = candidate.limits.weight.filter(|limit| grown > *limit);
        if let Some(limit) = over.filter(|_| attributes.weight > entry.attributes.weight) {
            let message = format!(
                "cell {cell} has no room for weight {} of tenant {tenant}: {grown} of {limit}",
                attributes.weight
            );
            return Err(OpError::new(ErrorKind::Refused, message)
                .hint(format!("raise the cell's capacity in its definition; or {}", elsewhere(tenant))));
        }
        Ok(candidate.limits)
    }

    /// Pins a tenant to its cell.
    pub async fn pin(&self, tenant: &TenantId, reason: Option<String>) -> Result<Changed, OpError> {
        self.change_entry(tenant, |entry| {
            let same = entry.pin.as_ref().is_some_and(|pin| reason.is_none() || pin.reason == reason);
            (!same).then(|| change::pin(entry, reason.clone(), &self.stamp()))
        })
        .await
    }

    /// Takes the pin off.
    pub async fn unpin(&self, tenant: &TenantId) -> Result<Changed, OpError> {
        self.change_entry(tenant, |entry| entry.pin.is_some().then(|| change::unpin(entry, &self.stamp()))).await
    }

    /// Changes an entry alone; `change` gives none where nothing is left to do.
    async fn change_entry(
        &self,
        tenant: &TenantId,
        change: impl Fn(&Entry) -> Option<Change>,
    ) -> Result<Changed, OpError> {
        let mut attempt = 0;
        loop {
            let before = self.present(tenant).await?;
            let Some(change) = change(&before) else {
                return Ok(Changed { did: Did::Unchanged, entry: before.clone(), before });
            };
            if let Some(entry) = self.land_entry(change).await? {
                return Ok(Changed { did: Did::Changed, before, entry });
            }
            self.again(tenant, &mut attempt).await?;
        }
    }
}

/// How a tenant comes into another cell.
pub(super) fn elsewhere(tenant: &TenantId) -> String {
    format!("`cellctl tenant move {tenant} --to CELL` moves it into another cell")
}
