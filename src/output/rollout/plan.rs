//! The plan of a rollout, as people and machines read it.

use serde::Serialize;

use crate::domain::definition::Rollback;
use crate::domain::ids::{CellId, Digest};
use crate::domain::rollout::change::CellChange;
use crate::domain::rollout::gate::Gate;
use crate::domain::rollout::{RolloutId, Wave};
use crate::ops::rollout::Planned;
use crate::output::Style;
use crate::output::moves::sheet::Sheet;
use crate::output::moves::units::many;
use crate::output::plan::{PlanSummary, text as changes, with_summary};
use crate::output::table::{Field, Tone, plain, table_on, width};
use crate::output::tenants::visible;
use crate::ports::rollout::Summary;

use super::terms;

/// The wave, its cells and the share at risk are always shown.
const COLUMNS_MIN: usize = 4;

/// A plan for machines.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanDocument<'a> {
    fleet: &'a str,
    change: &'a Digest,
    commit: Option<&'a str>,
    selection: Option<&'a str>,
    has_changes: bool,
    resumes: Option<RolloutId>,
    open: Option<&'a Summary>,
    rollback: Rollback,
    gate_dry_run: bool,
    about_ms: u64,
    tenants: u64,
    waves: Vec<WaveDocument<'a>>,
    changes: &'a PlanSummary<'a>,
}

/// A wave for machines.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaveDocument<'a> {
    name: &'a str,
    cells: Vec<&'a CellId>,
    tenants: u64,
    share: f64,
    share_so_far: f64,
    bake_ms: u64,
    gates: &'a [Gate],
    max_in_flight: Option<usize>,
    max_failures: usize,
    approval: bool,
}

/// Hands the document of a plan to `use_it`; it borrows from the plan.
pub fn with_document<R>(planned: &Planned, use_it: impl FnOnce(&PlanDocument<'_>) -> R) -> R {
    let plan = &planned.plan;
    with_summary(&planned.changes, plan.change.as_str(), |summary| {
        let document = PlanDocument {
            fleet: &plan.fleet,
            change: &plan.change,
            commit: plan.commit.as_deref(),
            selection: plan.selection.as_deref(),
            has_changes: planned.has_changes(),
            resumes: planned.resumes(),
            open: planned.open.as_ref(),
            rollback: plan.rollback,
            gate_dry_run: plan.gate_dry_run,
            about_ms: planned.about_ms,
            tenants: plan.tenants,
            waves: documents(planned),
            changes: summary,
        };
        use_it(&document)
    })
}

fn documents(planned: &Planned) -> Vec<WaveDocument<'_>> {
    let all = planned.plan.tenants;
    let mut so_far = 0;
    let mut documents = Vec::with_capacity(planned.plan.waves.len());
    for (wave, cells) in planned.plan.waves.iter().zip(&planned.content.waves) {
        so_far += wave.tenants;
        documents.push(WaveDocument {
            name: &wave.name,
            cells: cells.iter().map(|cell| &cell.desired.cell).collect(),
            tenants: wave.tenants,
            share: terms::part(wave.tenants, all),
            share_so_far: terms::part(so_far, all),
            bake_ms: wave.bake_ms,
            gates: &wave.gates,
            max_in_flight: wave.max_in_flight,
            max_failures: wave.max_failures,
            approval: wave.approval,
        });
    }
    documents
}

/// Waves with what they put at risk, then what differs.
pub fn text(planned: &Planned, style: Style) -> String {
    text_on(planned, width(), style)
}

/// The same on a terminal of that width.
pub(super) fn text_on(planned: &Planned, terminal: Option<u16>, style: Style) -> String {
    let differs = changes(&planned.changes, style);
    if !planned.has_changes() {
        return format!("{} Nothing to roll out.\n{differs}", style.good("No changes."));
    }
    let mut rules = Sheet::default();
    rules.line("change", change(planned));
    rules.line("takes", format!("about {}, without what has to be waited for", terms::span(planned.about_ms)));
    rules.line("a wave fails", terms::rollback(planned.plan.rollback));
    if planned.plan.gate_dry_run {
        rules.line("gates", style.warn("report only: none fails a wave"));
    }
    let mut cells = Sheet::default();
    for (wave, changed) in planned.plan.waves.iter().zip(&planned.content.waves) {
        cells.line(visible(&wave.name), who_and_how(wave, changed));
    }
    let (rules, cells) = (rules.text(terminal, style), cells.text(terminal, style));
    format!("{}\n{rules}\n{}\n\n{cells}\n{differs}", heading(planned, style), waves(planned, terminal, style))
}

fn heading(planned: &Planned, style: Style) -> String {
    let plan = &planned.plan;
    let cells: usize = plan.waves.iter().map(|wave| wave.cells).sum();
    let waves = many(plan.waves.len() as u64, "wave");
    format!("{} {} of fleet {} in {waves}", style.strong("Rollout:"), many(cells as u64, "cell"), visible(&plan.fleet))
}

fn change(planned: &Planned) -> String {
    let plan = &planned.plan;
    let commit = plan.commit.as_deref().map(|commit| format!(", commit {}", visible(commit))).unwrap_or_default();
    format!("{}{commit}", plan.change.short())
}

fn waves(planned: &Planned, terminal: Option<u16>, style: Style) -> String {
    let all = planned.plan.tenants;
    let mut so_far = 0;
    let rows = planned.plan.waves.iter().map(|wave| {
        so_far += wave.tenants;
        row(wave, so_far, all)
    });
    let headings = ["wave", "cells", "at risk", "in all", "bake", "begins", "tenants", "at a time", "may fail"];
    table_on(terminal, COLUMNS_MIN, &headings, rows.collect(), style)
}

fn row(wave: &Wave, so_far: u64, all: u64) -> Vec<Field> {
    let begins = if wave.approval { ("when approved".to_owned(), Tone::Warn) } else { plain("by itself") };
    vec![
        plain(visible(&wave.name)),
        plain(wave.cells.to_string()),
        plain(terms::share(wave.tenants, all)),
        plain(terms::share(so_far, all)),
        plain(if wave.bake_ms == 0 { "-".to_owned() } else { terms::span(wave.bake_ms) }),
        begins,
        plain(wave.tenants.to_string()),
        plain(wave.max_in_flight.map_or_else(|| "auto".to_owned(), |number| number.to_string())),
        plain(wave.max_failures.to_string()),
    ]
}

/// "cell-1, cell-2; gates stack, alarms".
fn who_and_how(wave: &Wave, changed: &[CellChange]) -> String {
    let cells: Vec<&CellId> = changed.iter().map(|cell| &cell.desired.cell).collect();
    let gates: Vec<&str> = wave.gates.iter().map(|gate| gate.name.as_str()).collect();
    let gates = if gates.is_empty() { "no gates".to_owned() } else { format!("gates {}", visible(&gates.join(", "))) };
    format!("{}; {gates}", terms::names(&cells))
}
