//! What happened to a tenant: its audit chain, from its end.

use crate::domain::audit::Subject;
use crate::domain::ids::TenantId;
use crate::ops::audit::{self, History};
use crate::ops::error::OpError;

use super::Desk;

impl Desk<'_> {
    /// The last `limit` records of a tenant that is there, or was, with numbers below `before`; newest first.
    pub async fn history(&self, tenant: &TenantId, before: Option<u64>, limit: u32) -> Result<History, OpError> {
        self.entry(tenant).await?;
        audit::history(self.world, &Subject::Tenant(tenant.clone()), before, limit).await
    }
}
