//! What tells whether cells are well, and moves: there are none.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::CellId;
use cellctl::domain::lock::Lease;
use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::event::Entry;
use cellctl::domain::moves::orders::Orders;
use cellctl::ports::moves::{Appended, LedgerWrite, Moves, Summary};
use cellctl::ports::rollout::{Alarm, Depth, NoAnswer, Probes, Ran, Series, Signals};
use cellctl::ports::{CallErrorKind, Called};

use super::gate::{Kind, Seat, error};

fn none<T>() -> Called<T> {
    Err(error(CallErrorKind::NotFound, "dynamodb:GetItem", "there are no moves"))
}

#[async_trait]
impl Signals for Seat {
    async fn alarms(&self, _: &Place, _: &[String]) -> Called<Vec<Alarm>> {
        Ok(Vec::new())
    }

    async fn points(&self, _: &Place, series: &[Series], _: i64, _: i64) -> Called<Vec<Vec<f64>>> {
        Ok(vec![Vec::new(); series.len()])
    }

    async fn depth(&self, _: &Place, _: &str) -> Called<Option<Depth>> {
        Ok(None)
    }
}

#[async_trait]
impl Probes for Seat {
    async fn run(&self, _: &[String], _: &BTreeMap<String, String>, _: Duration) -> Result<Ran, NoAnswer> {
        Err(NoAnswer::Failed("there are no programs".to_owned()))
    }

    /// A cell answers with 200 while it is well.
    async fn get(&self, url: &str, _: Duration) -> Result<u16, NoAnswer> {
        let stack = url.trim_start_matches("http://").to_owned();
        let asked = self.call(Kind::Read, "GET", move |state| Ok(state.is_well(&stack))).await;
        match asked {
            Ok(true) => Ok(200),
            Ok(false) => Ok(500),
            Err(error) if error.kind == CallErrorKind::Throttled => Err(NoAnswer::TimedOut),
            Err(error) => Err(NoAnswer::Failed(error.message)),
        }
    }
}

#[async_trait]
impl Moves for Seat {
    async fn lease(&self, _: &MoveId) -> Called<Option<Lease>> {
        none()
    }

    async fn swap_lease(&self, _: &MoveId, _: Option<&Lease>, _: &Lease) -> Called<()> {
        none()
    }

    async fn journal(&self, _: &MoveId) -> Called<Vec<Entry>> {
        none()
    }

    async fn append(&self, _: &MoveId, _: &Entry, _: &Summary, _: &Lease) -> Called<Appended> {
        none()
    }

    async fn open(&self) -> Called<Vec<Summary>> {
        self.call(Kind::Read, "dynamodb:Query", |_| Ok(Vec::new())).await
    }

    async fn over(&self, _: u32) -> Called<Vec<Summary>> {
        none()
    }

    async fn orders(&self, _: &MoveId) -> Called<Orders> {
        none()
    }

    async fn put_orders(&self, _: &MoveId, _: &Orders) -> Called<bool> {
        none()
    }

    async fn put_ledger(&self, _: &MoveId, _: &[LedgerWrite], _: &Lease) -> Called<bool> {
        none()
    }

    async fn outputs(&self, _: &CellId) -> Called<BTreeMap<String, String>> {
        none()
    }

    async fn ledger(&self, _: &MoveId, _: &str) -> Called<BTreeMap<String, String>> {
        none()
    }
}
