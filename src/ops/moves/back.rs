//! `--rollback`: back to the cell that a tenant came from.
//!
//! Constraints kept: the move that is undone is over before the one back begins, and each step of this may be done again: a
//! crash in between leaves a tenant that is served, and a cell that it can still go back to.

use tokio::sync::watch;

use crate::domain::ids::{CellId, TenantId};
use crate::domain::moves::machine::{Move, Stage};
use crate::domain::moves::{MoveId, Options};
use crate::domain::tenant::Entry;
use crate::ops::error::{ErrorKind, OpError};
use crate::ports::moves::Summary;

use super::desk::LOOKED_BACK;
use super::driver::over;
use super::soak::has_changed;
use super::{Ended, Mover, Planned, Request, SchemaCheck};

/// Why the move that is undone ends without deleting anything.
const WHY: &str = "the tenant is to go back";

/// How the move that is undone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// It is to be ended; whether that leaves items where the tenant came from.
    UnderWay { keeps: bool },
    /// It is over; whether what the source held was kept.
    Over { kept: bool },
    /// This is a way back itself, and goes on.
    Back,
}

/// The way back of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack {
    /// The move that is undone; or the one that undoes it, where that is under way.
    pub id: MoveId,
    /// The cell that the tenant goes back to.
    pub to: CellId,
    /// How that move is, or was, carried out: its writers have not changed since.
    pub options: Options,
    stands: Stands,
}

impl WayBack {
    /// Whether a move is to be ended first.
    pub fn ends_a_move(&self) -> bool {
        matches!(self.stands, Stands::UnderWay { .. })
    }

    /// The move that this asks for.
    fn request(&self, options: &Options, schema: SchemaCheck) -> Request {
        let (warm, back_of) = match self.stands {
            Stands::UnderWay { keeps } => (keeps, Some(self.id.clone())),
            Stands::Over { kept } => (kept, Some(self.id.clone())),
            Stands::Back => (self.options.warm, self.options.back_of.clone()),
        };
        let options = Options { warm, back_of, ..options.clone() };
        Request { tenant: self.id.tenant.clone(), to: self.to.clone(), options, schema }
    }

    /// What people should know of it before.
    fn news(&self, warm: bool) -> Vec<String> {
        let (id, to) = (&self.id, &self.to);
        let first = match self.stands {
            Stands::UnderWay { keeps: true } => {
                Some(format!("move {id} is ended first, and what {to} still holds is kept"))
            }
            Stands::UnderWay { keeps: false } => Some(format!("move {id} is carried to its end first")),
            Stands::Over { .. } | Stands::Back => None,
        };
        let cold = !warm && self.stands != Stands::Back;
        let copied = cold.then(|| format!("the items were deleted in {to}: everything is copied again"));
        first.into_iter().chain(copied).collect()
    }
}

impl Mover<'_> {
    /// Where a tenant goes back to: where its last move, which must be past its flip, has brought it from.
    pub async fn way_back(&self, tenant: &TenantId) -> Result<WayBack, OpError> {
        let entry = self.world.map.entry(tenant).await?.filter(Entry::is_present);
        let entry = entry.ok_or_else(|| {
            OpError::new(ErrorKind::Failed, format!("fleet {} has no tenant {tenant}", self.fleet.name))
                .hint("`cellctl tenant list` shows the tenants")
        })?;
        let of_tenant = |one: &Summary| one.id.tenant == *tenant;
        let moving = entry.moving.as_ref().map(|moving| moving.id.clone());
        let open = match moving {
            Some(id) => Some(id),
            // Its entry is written, its journal is not.
            None => self.world.moves.open().await?.into_iter().find(of_tenant).map(|one| one.id),
        };
        if let Some(id) = open {
            return under_way(&self.show(&id).await?.state);
        }
        let last = self.world.moves.over(LOOKED_BACK).await?.into_iter();
        let last = last.filter(of_tenant).find(|one| one.stage == Stage::Completed);
        let last = last.ok_or_else(|| {
            refused(
                format!("tenant {tenant} was not moved: there is no way back"),
                "`cellctl tenant move TENANT --to CELL`",
            )
        })?;
        is_over(&self.show(&last.id).await?.state, &entry)
    }

    /// Plans a way back. Changes nothing, so that a move that is to be ended before is taken as if it were.
    pub async fn plan_back(&self, back: &WayBack, options: &Options, schema: SchemaCheck) -> Result<Planned, OpError> {
        let request = back.request(options, schema);
        if back.stands == Stands::Back {
            // Also where the entry does not say so yet, or any more.
            return self.under_way(&request, &back.id).await;
        }
        let mut planned = self.plan(&request).await?;
        planned.warnings.splice(0..0, back.news(planned.plan.options.warm));
        Ok(planned)
    }

    /// Brings the move that is undone to its end, by whoever carries it on, or else here.
    pub async fn end_for_back(&self, back: &WayBack, stop: watch::Receiver<bool>) -> Result<Ended, OpError> {
        let id = &back.id;
        let shown = self.show(id).await?;
        if shown.state.stage.is_over() {
            return Ok(over(&shown.state));
        }
        self.keep(id).await?;
        let now_ms = || self.world.clock.now_ms();
        let rests = |shown: &super::Shown| {
            *stop.borrow() || shown.state.stage.is_over() || shown.waits() || shown.holder(now_ms()).is_none()
        };
        let shown = self.follow(id, rests).await?;
        if *stop.borrow() {
            return Ok(Ended::Stopped);
        }
        if shown.state.stage.is_over() { Ok(over(&shown.state)) } else { self.carry_on(id, stop).await }
    }

    /// Orders a move to end without deleting anything more. One that is over meanwhile needs no order.
    async fn keep(&self, id: &MoveId) -> Result<(), OpError> {
        let given = self.order(id, |orders| (orders.keep, orders.pause) = (Some(WHY.to_owned()), false)).await;
        match given {
            Err(_) if self.show(id).await?.state.stage.is_over() => Ok(()),
            given => given.map(|_| ()),
        }
    }
}

fn under_way(state: &Move) -> Result<WayBack, OpError> {
    let (id, plan) = (&state.plan.id, &state.plan);
    let stands =
        |stands, to: &CellId| Ok(WayBack { id: id.clone(), to: to.clone(), options: plan.options.clone(), stands });
    if plan.options.back_of.is_some() {
        return stands(Stands::Back, &plan.target.cell);
    }
    match state.stage {
        stage if !stage.is_past_flip() => Err(refused(
            format!("tenant {} is in the move {id}, and {} still serves it", plan.tenant(), plan.source.cell),
            &format!("`cellctl move abort {id}` gives it up"),
        )),
        Stage::Flipped => Err(refused(
            format!("the move {id} has flipped, and {} does not serve the tenant yet", plan.target.cell),
            &format!("`cellctl move resume {id}` where nobody carries it on; then run this again"),
        )),
        _ if has_changed(state) => Err(refused(
            format!("items of tenant {} in cell {} have changed after the flip", plan.tenant(), plan.source.cell),
            &format!(
                "going back would undo that: carry it over by hand, `cellctl move resume {id}`, then run this again"
            ),
        )),
        Stage::Cleaned => stands(Stands::UnderWay { keeps: state.tally.kept.is_some() }, &plan.source.cell),
        _ => stands(Stands::UnderWay { keeps: true }, &plan.source.cell),
    }
}

fn is_over(state: &Move, entry: &Entry) -> Result<WayBack, OpError> {
    let (id, plan) = (&state.plan.id, &state.plan);
    let tenant = plan.tenant();
    if plan.options.back_of.is_some() || plan.target.cell != entry.cell {
        let what = if plan.target.cell == entry.cell { "was a way back already" } else { "did not bring it there" };
        return Err(refused(
            format!("tenant {tenant} is in cell {}, and its last move {id} {what}", entry.cell),
            &format!("`cellctl tenant move {tenant} --to CELL` moves it to any cell"),
        ));
    }
    let kept = state.tally.receipt.as_ref().is_some_and(|receipt| receipt.kept.is_some());
    let (to, options) = (plan.source.cell.clone(), plan.options.clone());
    Ok(WayBack { id: id.clone(), to, options, stands: Stands::Over { kept } })
}

fn refused(message: impl Into<String>, hint: &str) -> OpError {
    OpError::new(ErrorKind::Refused, message).hint(hint)
}
