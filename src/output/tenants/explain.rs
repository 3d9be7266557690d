//! Why a tenant goes where it goes: one sentence, or a line for each cell.

use crate::domain::definition::CellType;
use crate::domain::fleet::Fleet;
use crate::domain::ids::CellId;
use crate::domain::tenant::placement::Verdict;
use crate::ops::tenants::place::Placement;
use crate::output::Style;
use crate::output::bar;
use crate::output::table::{Field, Tone, plain, table, width};

/// Where a tenant would go.
pub fn place(placement: &Placement, fleet: &Fleet, style: Style) -> String {
    let tenant = style.strong(placement.tenant.as_str());
    let now = placement.current.as_ref().map(|cell| format!(" (it is in {cell} now)")).unwrap_or_default();
    match &placement.cell {
        Some(cell) => format!("{tenant} would go to {cell}: {}{now}", why(placement, cell, false, fleet)),
        None => format!("{} {tenant}{now}", style.bad("no cell takes")),
    }
}

/// "the emptiest of 3 cells that take it, 12 % full".
pub fn why(placement: &Placement, cell: &CellId, by_hand: bool, fleet: &Fleet) -> String {
    let takers = placement.verdicts.iter().filter(|verdict| verdict.refusal.is_none()).count();
    let canary = fleet.cell(cell).is_some_and(|cell| cell.spec.cell_type == CellType::Canary);
    let verdict = placement.verdicts.iter().find(|verdict| verdict.cell == *cell);
    let full = verdict.map(|v| format!(", {} full with it", bar::percent(v.fill))).unwrap_or_default();
    let reason = match takers {
        _ if by_hand => "as you said".to_owned(),
        _ if canary => "a canary cell, for which it is willing".to_owned(),
        0 | 1 => "the only cell that takes it".to_owned(),
        _ => format!("the emptiest of {takers} cells that take it"),
    };
    format!("{reason}{full}")
}

/// Every cell, the best first, with how full it would be or why it refuses.
pub fn verdicts(verdicts: &[Verdict], style: Style) -> String {
    if verdicts.is_empty() {
        return "There are no cells.".to_owned();
    }
    let rows = verdicts.iter().map(row).collect();
    table(&["cell", "rank", "filled with it, or why not"], rows, style)
}

fn row(verdict: &Verdict) -> Vec<Field> {
    let rank = verdict.rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string());
    let says = match &verdict.refusal {
        Some(refusal) => (refusal.to_string(), Tone::Warn),
        // A cell that the tenant fills is not bad: it takes it.
        None => (bar::field(verdict.fill, width()).0, Tone::Good),
    };
    vec![plain(verdict.cell.as_str()), plain(rank), says]
}
