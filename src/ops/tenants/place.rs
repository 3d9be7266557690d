//! Asking where a tenant would go. Nothing is written.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::ids::{CellId, TenantId};
use crate::domain::tenant::Attributes;
use crate::domain::tenant::placement::{Candidate, Refusal, Verdict, Wish, choose, explain};
use crate::ops::error::{ErrorKind, OpError};

use super::Desk;

/// Where a tenant would go, and why.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The tenant.
    pub tenant: TenantId,
    /// The cell that it would go to; none where no cell takes it.
    pub cell: Option<CellId>,
    /// The cell that serves it now, if it is in the map.
    pub current: Option<CellId>,
    /// What each cell says, the best first.
    pub verdicts: Vec<Verdict>,
}

impl Desk<'_> {
    /// Where a tenant with these attributes would go.
    pub async fn place(&self, tenant: &TenantId, attributes: &Attributes) -> Result<Placement, OpError> {
        let wish = self.wish(tenant, attributes)?;
        let candidates = self.candidates().await?;
        let current = self.world.map.entry(tenant).await?.filter(crate::domain::tenant::Entry::is_present);
        Ok(placement(&candidates, &wish, current.map(|entry| entry.cell)))
    }
}

/// What placement says, for people and machines.
pub(super) fn placement(candidates: &[Candidate], wish: &Wish<'_>, current: Option<CellId>) -> Placement {
    let cell = choose(candidates, wish).map(|index| candidates[index].cell.clone());
    Placement { tenant: wish.tenant.clone(), cell, current, verdicts: explain(candidates, wish) }
}

/// The error when no cell takes a tenant: why not, in numbers, and what can be done about it.
pub(super) fn no_cell(wish: &Wish<'_>, candidates: &[Candidate]) -> OpError {
    let refusals: Vec<(&Candidate, Refusal)> =
        candidates.iter().filter_map(|cell| Some((cell, cell.refusal(wish, false)?))).collect();
    let mut classes: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (_, refusal) in &refusals {
        *classes.entry(refusal.class()).or_default() += 1;
    }
    let counts: Vec<String> = classes.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let tenant = wish.tenant;
    let message = match candidates.len() {
        0 => format!("no cell takes tenant {tenant}: the fleet has no cells"),
        cells => format!("no cell takes tenant {tenant}; of {cells}: {}", counts.join(", ")),
    };
    OpError::new(ErrorKind::Refused, message).hint(way_out(&refusals, wish))
}

/// What to do next: the cells that would fit but for their room or state come first.
fn way_out(refusals: &[(&Candidate, Refusal)], wish: &Wish<'_>) -> String {
    let would_help =
        |class: &str, (cell, refusal): &&(&Candidate, Refusal)| refusal.class() == class && cell.suits(wish);
    let find = |class: &str| refusals.iter().find(|one| would_help(class, one)).map(|(cell, _)| &cell.cell);
    let explain = format!("`cellctl tenant place {} --explain` lists every cell", wish.tenant);
    if refusals.iter().all(|(_, refusal)| *refusal == Refusal::NotProvisioned) {
        return "no cell has a stack yet: `cellctl apply` makes them".to_owned();
    }
    if let Some(full) = find("full") {
        return format!(
            "make room: `cellctl cell create NEW --like {full}`, or raise the capacity in its definition; {explain}"
        );
    }
    if let Some(idle) = find("not active") {
        return format!("`cellctl cell uncordon {idle}` lets it take tenants again; {explain}");
    }
    if let Some(planned) = find("not provisioned") {
        return format!("`cellctl cell create {planned}` makes it; {explain}");
    }
    if wish.attributes.dedicated {
        return format!("define a cell with `type: dedicated` for it; {explain}");
    }
    explain
}
