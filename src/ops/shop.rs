//! A made-up shop with one tenant, for the demo: it writes orders while its tenant is moved.
//!
//! Constraint kept: an order is counted once it was acknowledged, and one whose answer was lost is written again until it is.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;

use crate::domain::ids::{CellId, TenantId};
use crate::ports::shop::{Put, ShopCell, ShopWriter};
use crate::ports::{CallErrorKind, Clock};

use super::{ErrorKind, OpError};

/// Orders in flight while the shop is filled.
const AT_ONCE: usize = 4;
/// Time between two looks at a fence that lets nothing through.
const PAUSE: Duration = Duration::from_millis(5);
/// Time after which a writer that is let through nowhere gives up, in milliseconds.
const PATIENCE_MS: u64 = 60_000;

/// The shop.
pub struct Shop<'a> {
    /// Writes.
    pub writer: &'a dyn ShopWriter,
    /// Time.
    pub clock: &'a dyn Clock,
    /// The tenant.
    pub tenant: TenantId,
    /// The cells that it may be in.
    pub cells: BTreeMap<CellId, ShopCell>,
}

impl Shop<'_> {
    /// Writes so many orders into the cell that the tenant is in.
    pub async fn fill(&self, cell: &CellId, orders: usize) -> Result<(), OpError> {
        let one = async |number: usize| self.write(cell.clone(), &format!("before-{number:06}")).await.map(|_| ());
        stream::iter(0..orders).map(one).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Writes one order after the other until somebody says that it is enough; gives those that were acknowledged.
    pub async fn write_until(
        &self,
        mut cell: CellId,
        name: &str,
        enough: watch::Receiver<bool>,
    ) -> Result<Vec<String>, OpError> {
        let mut written = Vec::new();
        while !*enough.borrow() {
            let order = format!("{name}-{:06}", written.len());
            cell = self.write(cell, &order).await?;
            written.push(order);
        }
        Ok(written)
    }

    /// Writes an order into the cell that the tenant turns out to be in; gives that.
    async fn write(&self, mut cell: CellId, order: &str) -> Result<CellId, OpError> {
        let began_ms = self.clock.monotonic_ms();
        loop {
            match self.writer.put(self.cell(&cell)?, &self.tenant, order).await {
                Ok(Put::Written) => return Ok(cell),
                Ok(Put::Gone(to)) => cell = to,
                Ok(Put::NotNow) => self.clock.sleep(PAUSE).await,
                Err(error) if error.kind == CallErrorKind::InDoubt => self.clock.sleep(PAUSE).await,
                Err(error) => return Err(error.into()),
            }
            if self.clock.monotonic_ms().saturating_sub(began_ms) > PATIENCE_MS {
                let message = format!("no cell took order {order} of tenant {} for a minute", self.tenant);
                return Err(OpError::new(ErrorKind::Failed, message).hint("`cellctl tenant show` shows its fence"));
            }
        }
    }

    fn cell(&self, cell: &CellId) -> Result<&ShopCell, OpError> {
        self.cells.get(cell).ok_or_else(|| {
            let message = format!("tenant {} is said to be in cell {cell}, which the shop does not know", self.tenant);
            OpError::new(ErrorKind::Failed, message)
        })
    }
}
