//! What happened to a tenant: its audit chain, from its end.

use crate::domain::audit::{Record, Subject};
use crate::domain::ids::TenantId;
use crate::ops::error::{ErrorKind, OpError};

use super::Desk;

impl Desk<'_> {
    /// The last `limit` records of a tenant, newest first.
    pub async fn history(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Record>, OpError> {
        let entry = self.entry(tenant).await?;
        let from_seq = entry.version.saturating_sub(u64::from(limit)) + 1;
        let subject = Subject::Tenant(tenant.clone());
        let stored = self.world.audit.chain(&subject, from_seq, limit).await?;
        let read = |text: &str| {
            serde_json::from_str::<Record>(text).map_err(|error| {
                let message = format!("a record of {subject} cannot be read: {error}");
                OpError::new(ErrorKind::Failed, message).hint(format!("`cellctl audit verify {subject}` says more"))
            })
        };
        stored.iter().rev().map(|record| read(&record.text)).collect()
    }
}
