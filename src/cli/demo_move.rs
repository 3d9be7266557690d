//! The demo's part on moves: a tenant is moved while its orders keep coming.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, TenantId};
use crate::domain::moves::{End, Options, Plan};
use crate::domain::tenant::fence::FenceTable;
use crate::ops::moves::many::{Limits, Run, exit_code};
use crate::ops::moves::{MoveWorld, Mover, Planned, Request, SchemaCheck};
use crate::ops::shop::Shop;
use crate::ops::{ErrorKind, OpError};
use crate::output::moves::{ended, plan as show_plan};
use crate::ports::data::TableRef;
use crate::ports::shop::{ShopCell, ShopWriter};

use super::demo::heading;
use super::{Ran, Session};

/// Who is moved, and where to.
const TENANT: &str = "acme";
const TO: &str = "cell-3";
/// Orders that are there before, and writers that write more meanwhile.
const ORDERS: usize = 1000;
const WRITERS: usize = 2;

/// The fleet of the demo, who plays it, and the application.
pub(super) struct MoveScene<'a> {
    /// Where to print.
    pub(super) session: &'a Session,
    /// The ports of a move.
    pub(super) world: &'a MoveWorld,
    /// The fleet.
    pub(super) fleet: &'a Fleet,
    /// Who.
    pub(super) actor: &'a Actor,
    /// The application.
    pub(super) writer: &'a dyn ShopWriter,
}

impl MoveScene<'_> {
    /// Fills the tenant's table, moves it under live writes, and counts.
    pub(super) async fn play(&self) -> Ran {
        heading(self.session, &format!("cellctl tenant move {TENANT} --to {TO}: while {WRITERS} writers keep writing"));
        let planned = self.mover().plan(&request()?).await?;
        let shop = self.shop(&planned.plan)?;
        let source = planned.plan.source.cell.clone();
        shop.fill(&source, ORDERS).await?;
        // The plan counts what is there: it is made again.
        let planned = self.mover().plan(&request()?).await?;
        let plans = show_plan::Plans { plans: vec![&planned], refused: Vec::new() };
        let printer = &self.session.printer;
        printer.result("cellctl.move-plan/v1", &plans, |style| show_plan::plans(&plans, style));
        let target = planned.plan.target.cell.clone();
        let (runs, written) = self.move_and_write(&shop, planned, &source).await?;
        printer.result("cellctl.move-ended/v1", &runs, |style| ended::runs(&runs, style));
        if exit_code(&runs) != 0 {
            return Ok(exit_code(&runs));
        }
        self.count(&shop, &source, &target, &written).await
    }

    fn mover(&self) -> Mover<'_> {
        Mover { world: self.world, fleet: self.fleet, actor: self.actor }
    }

    fn shop(&self, plan: &Plan) -> Result<Shop<'_>, OpError> {
        let table = plan.tables.iter().find(|table| table.table == "orders");
        let table = table.ok_or_else(|| wrong("the example fleet has no table orders"))?;
        let ends = [(&plan.source, &table.source), (&plan.target, &table.target)];
        let cells: BTreeMap<CellId, ShopCell> =
            ends.into_iter().map(|(end, name)| (end.cell.clone(), shop_cell(end, name))).collect();
        Ok(Shop { writer: self.writer, clock: self.world.clock.as_ref(), tenant: plan.tenant().clone(), cells })
    }

    /// Moves, and writes until the move is over.
    async fn move_and_write(
        &self,
        shop: &Shop<'_>,
        planned: Planned,
        source: &CellId,
    ) -> Result<(Vec<Run>, Vec<String>), OpError> {
        let (over, enough) = watch::channel(false);
        let stop = self.session.interrupt.graceful();
        let moving = async {
            let runs = self.mover().run_all(vec![planned], Limits::default(), stop).await;
            over.send_replace(true);
            runs
        };
        let writers = (0..WRITERS).map(|n| {
            let (enough, name) = (enough.clone(), format!("during-{n}"));
            async move { shop.write_until(source.clone(), &name, enough).await }
        });
        let (runs, written) = tokio::join!(moving, futures_util::future::try_join_all(writers));
        Ok((runs?, written?.concat()))
    }

    /// Holds every acknowledged order against what the new cell serves.
    async fn count(&self, shop: &Shop<'_>, source: &CellId, target: &CellId, written: &[String]) -> Ran {
        let (there, left) = (self.orders(shop, target).await?, self.orders(shop, source).await?);
        let found = written.iter().filter(|order| there.contains(*order)).count();
        let lost = written.len() - found + ORDERS.saturating_sub(there.len() - found);
        let printer = &self.session.printer;
        printer.data(&format!(
            "{} orders written during the move, {found} found in {target}, {lost} lost; {} left in {source}",
            written.len(),
            left.len()
        ));
        if lost == 0 && left.is_empty() {
            return Ok(0);
        }
        Err(wrong("orders were lost, or left behind").hint("this is a fault of cellctl; report it"))
    }

    async fn orders(&self, shop: &Shop<'_>, cell: &CellId) -> Result<std::collections::BTreeSet<String>, OpError> {
        let place = shop.cells.get(cell).ok_or_else(|| wrong("the shop does not know its own cells"))?;
        Ok(self.writer.orders(place, &shop.tenant).await?)
    }
}

fn request() -> Result<Request, OpError> {
    let tenant: TenantId = TENANT.parse().map_err(|_| wrong("its tenant has no valid name"))?;
    let to: CellId = TO.parse().map_err(|_| wrong("its cell has no valid name"))?;
    Ok(Request { tenant, to, options: Options::default(), schema: SchemaCheck::Exact })
}

fn shop_cell(end: &End, orders: &str) -> ShopCell {
    ShopCell {
        fences: FenceTable { place: end.place.clone(), name: end.fence_table.clone() },
        orders: TableRef { place: end.place.clone(), name: orders.to_owned() },
    }
}

fn wrong(what: &str) -> OpError {
    OpError::new(ErrorKind::Failed, format!("the demo did not go as it should: {what}"))
}
