//! What the page shows, in the order in which it does, as the template takes it.

use serde::Serialize;

use crate::domain::ids::CellId;
use crate::domain::rollout::Wave;
use crate::domain::rollout::change::{CellChange, Content};
use crate::domain::rollout::event::{Changed, Event, Troubled};
use crate::domain::rollout::gate::{Look, Seen, Verdict};
use crate::domain::rollout::machine::Rollout;
use crate::ops::rollout::Shown;
use crate::output::moves::units::{between, many, millis};
use crate::output::rollout::words;
use crate::output::table::Tone;
use crate::output::tenants::time;

use super::chart::{Chart, chart};
use super::journal::{Journal, journal};

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    fleet: String,
    id: String,
    headline: String,
    tone: &'static str,
    why: Option<String>,
    hint: Option<String>,
    facts: Vec<(&'static str, String)>,
    tiles: Vec<(&'static str, String, String)>,
    chart: Chart,
    waves: Vec<WaveRow>,
    gates: Vec<GateRow>,
    troubled: Vec<TroubledRow>,
    /// Cells that are in trouble, and not named.
    troubled_more: usize,
    cells: Vec<WaveCells>,
    journal: Journal,
}

#[derive(Debug, Serialize)]
struct WaveRow {
    name: String,
    state: &'static str,
    tone: &'static str,
    cells: usize,
    ended: String,
    tenants: u64,
    share: String,
    /// With the waves before it.
    share_so_far: String,
    bake: String,
    approval: bool,
}

#[derive(Debug, Serialize)]
struct GateRow {
    wave: String,
    gate: String,
    check: String,
    verdict: &'static str,
    tone: &'static str,
    /// Whether that failed the wave.
    failed: bool,
    when: String,
    cells: usize,
    seen: Vec<SeenRow>,
}

#[derive(Debug, Serialize)]
struct SeenRow {
    cell: String,
    what: String,
    tone: &'static str,
}

#[derive(Debug, Serialize)]
struct TroubledRow {
    cell: String,
    wave: String,
    direction: &'static str,
    outcome: String,
    why: String,
}

#[derive(Debug, Serialize)]
struct WaveCells {
    wave: String,
    count: String,
    regions: Vec<(String, usize, Vec<CellRow>)>,
}

/// Name, tenants, and whether it is new.
#[derive(Debug, Serialize)]
struct CellRow(CellId, u64, bool);

pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
    }
}

/// A time in a table: the page says that all are UTC.
pub(super) fn moment(ms: i64) -> String {
    time(ms).trim_end_matches(" UTC").to_owned()
}

pub(super) fn page(shown: &Shown, content: &Content) -> Page {
    let state = &shown.state;
    let (headline, tone) = words::headline(state);
    let (troubled, troubled_more) = troubled(state);
    Page {
        fleet: state.plan.fleet.clone(),
        id: state.plan.id.to_string(),
        headline,
        tone: class(tone),
        why: state.why.clone(),
        hint: state.hint.clone(),
        facts: facts(state),
        tiles: tiles(state),
        chart: chart(shown),
        waves: (0..state.plan.waves.len()).filter_map(|number| wave_row(state, number)).collect(),
        gates: gates(shown),
        troubled,
        troubled_more,
        cells: cells(state, content),
        journal: journal(shown),
    }
}

fn facts(state: &Rollout) -> Vec<(&'static str, String)> {
    let plan = &state.plan;
    let mut facts = vec![("change", plan.change.short().to_owned())];
    facts.extend(plan.commit.clone().map(|commit| ("commit", commit)));
    facts.extend(plan.selection.clone().map(|selection| ("selected", selection)));
    facts.push(("planned", time(plan.at_ms)));
    facts.push(("last entry", time(state.at_ms)));
    if plan.gate_dry_run {
        facts.push(("gates", "report only".to_owned()));
    }
    facts
}

/// The figures on top: name, value, and what it is of.
fn tiles(state: &Rollout) -> Vec<(&'static str, String, String)> {
    let plan = &state.plan;
    let whole: usize = plan.waves.iter().map(|wave| wave.cells).sum();
    let changed: usize = state.waves.iter().filter_map(|wave| wave.changed.as_ref()).map(|ended| ended.done).sum();
    let back: usize = state.waves.iter().filter_map(|wave| wave.back.as_ref()).map(|ended| ended.done).sum();
    let passed = state.waves.iter().filter(|wave| wave.passed_at_ms.is_some()).count();
    let begun = plan.waves.iter().zip(&state.waves).filter(|(_, progress)| progress.started_at_ms.is_some());
    let (begun, reached) =
        begun.fold((0, 0), |(cells, tenants), (wave, _)| (cells + wave.cells, tenants + wave.tenants));
    vec![
        ("waves good", passed.to_string(), format!("of {}", plan.waves.len())),
        ("cells changed", changed.to_string(), format!("of {whole}")),
        ("cells taken back", back.to_string(), format!("of {begun} in waves begun")),
        ("tenants in waves begun", words::share(reached, plan.tenants), format!("{reached} of {}", plan.tenants)),
        ("from plan to last entry", between(plan.at_ms, state.at_ms), String::new()),
    ]
}

fn wave_row(state: &Rollout, number: usize) -> Option<WaveRow> {
    let (wave, progress) = (state.plan.waves.get(number)?, state.waves.get(number)?);
    let (word, tone) = words::wave_state(state, number);
    let so_far: u64 = state.plan.waves.iter().take(number + 1).map(|wave| wave.tenants).sum();
    let bakes = state.wave == number && progress.passed_at_ms.is_none() && state.baked_ms > 0;
    let forward = progress.changed.as_ref().map(words::changed);
    let back = progress.back.as_ref().map(|back| format!("back: {}", words::changed(back)));
    Some(WaveRow {
        name: wave.name.clone(),
        state: word,
        tone: class(tone),
        cells: wave.cells,
        ended: forward.into_iter().chain(back).collect::<Vec<_>>().join("; "),
        tenants: wave.tenants,
        share: words::share(wave.tenants, state.plan.tenants),
        share_so_far: words::share(so_far, state.plan.tenants),
        bake: if bakes { words::baked(state.baked_ms, wave.bake_ms) } else { millis(wave.bake_ms) },
        approval: wave.approval,
    })
}

/// The last look at each gate of each wave, those that failed first.
fn gates(shown: &Shown) -> Vec<GateRow> {
    let waves = &shown.state.plan.waves;
    let mut rows: Vec<(bool, Verdict, GateRow)> = Vec::new();
    for (number, wave) in waves.iter().enumerate() {
        let Some((at_ms, looks)) = last_looks(shown, number) else { continue };
        rows.extend(looks.iter().map(|look| (look.failed, look.verdict, gate_row(wave, look, at_ms))));
    }
    // The sort is stable: waves stay in their order.
    rows.sort_by_key(|(failed, verdict, _)| std::cmp::Reverse((*failed, *verdict)));
    rows.into_iter().map(|(_, _, row)| row).collect()
}

fn last_looks(shown: &Shown, number: usize) -> Option<(i64, &[Look])> {
    shown.journal.iter().rev().find_map(|entry| match &entry.event {
        Event::Baked { wave, gates, .. }
        | Event::GatesFailed { wave, gates, .. }
        | Event::WavePassed { wave, gates, .. }
            if *wave == number && !gates.is_empty() =>
        {
            Some((entry.at_ms, gates.as_slice()))
        }
        _ => None,
    })
}

fn gate_row(wave: &Wave, look: &Look, at_ms: i64) -> GateRow {
    let (verdict, tone) = words::verdict(look.verdict);
    let check = wave.gates.iter().find(|gate| gate.name == look.gate).map(|gate| words::check(&gate.check));
    GateRow {
        wave: wave.name.clone(),
        gate: look.gate.clone(),
        check: check.unwrap_or_default(),
        verdict,
        tone: class(tone),
        failed: look.failed,
        when: moment(at_ms),
        cells: look.cells,
        seen: look.seen.iter().map(seen_row).collect(),
    }
}

fn seen_row(seen: &Seen) -> SeenRow {
    SeenRow {
        cell: seen.cell.as_ref().map(ToString::to_string).unwrap_or_default(),
        what: seen.what.clone(),
        tone: class(words::verdict(seen.verdict).1),
    }
}

/// Cells that did not come to what they were to be, and how many are not named.
fn troubled(state: &Rollout) -> (Vec<TroubledRow>, usize) {
    let (mut rows, mut more) = (Vec::new(), 0);
    for (wave, progress) in state.plan.waves.iter().zip(&state.waves) {
        let ways = [("back", progress.back.as_ref()), ("forward", progress.changed.as_ref())];
        for (direction, ended) in ways.into_iter().filter_map(|(direction, ended)| Some((direction, ended?))) {
            rows.extend(ended.troubled.iter().map(|one| row(one, &wave.name, direction)));
            more += unnamed(ended);
        }
    }
    rows.extend(state.kept.iter().map(|one| row(one, "", "kept")));
    (rows, more)
}

fn unnamed(ended: &Changed) -> usize {
    (ended.failed + ended.left_out).saturating_sub(ended.troubled.len())
}

fn row(one: &Troubled, wave: &str, direction: &'static str) -> TroubledRow {
    TroubledRow {
        cell: one.cell.to_string(),
        wave: wave.to_owned(),
        direction,
        outcome: one.outcome.clone(),
        why: one.why.clone(),
    }
}

fn cells(state: &Rollout, content: &Content) -> Vec<WaveCells> {
    let of_wave = |(wave, cells): (&Wave, &Vec<CellChange>)| WaveCells {
        wave: wave.name.clone(),
        count: many(cells.len() as u64, "cell"),
        regions: by_region(cells),
    };
    state.plan.waves.iter().zip(&content.waves).map(of_wave).collect()
}

fn by_region(cells: &[CellChange]) -> Vec<(String, usize, Vec<CellRow>)> {
    let mut regions: std::collections::BTreeMap<String, Vec<CellRow>> = std::collections::BTreeMap::new();
    for cell in cells {
        let row = CellRow(cell.desired.cell.clone(), cell.tenants, cell.is_new);
        regions.entry(cell.desired.place.region.to_string()).or_default().push(row);
    }
    regions.into_iter().map(|(region, cells)| (region, cells.len(), cells)).collect()
}
