//! What GitHub shows of a rollout: its plan on a pull request, and how far it has come after a run.

use crate::domain::plan::groups;
use crate::domain::rollout::Wave;
use crate::domain::rollout::event::Troubled;
use crate::domain::rollout::gate::{Look, Verdict};
use crate::domain::rollout::machine::{Rollout, Stage};
use crate::ops::rollout::{Ended, Planned};
use crate::output::github::changes::with_groups;
use crate::output::github::markdown::{Summary, code, text};
use crate::output::github::{Annotation, Shown as OnGitHub};
use crate::output::moves::units::{many, millis};
use crate::output::table::Tone;

use super::words;

/// Cells of a wave that are named in a plan.
const NAMES_MAX: usize = 5;

/// A plan: its waves with the tenants at risk, then what differs.
pub fn plan(planned: &Planned) -> OnGitHub {
    let plan = &planned.plan;
    let rows = (0..plan.waves.len()).map(|number| plan_row(planned, number)).collect();
    let headings = ["Wave", "Cells", "Tenants", "Share", "So far", "Bake", "Gates", "Approval"];
    let summary = Summary::new(plan_head(planned)).table("Waves", &headings, rows);
    OnGitHub {
        summary: with_groups(summary, &planned.changes, &groups(&planned.changes)),
        annotations: other_open(planned).into_iter().collect(),
    }
}

fn plan_head(planned: &Planned) -> String {
    let plan = &planned.plan;
    if !planned.has_changes() {
        return "### cellctl rollout plan: nothing to roll out\n\nAll cells are as they should be.\n".to_owned();
    }
    let cells: u64 = plan.waves.iter().map(|wave| wave.cells as u64).sum();
    let goes_on = planned.resumes().map(|id| format!(" `cellctl rollout start` goes on with rollout {id}."));
    format!(
        "### cellctl rollout plan: {} of fleet {} in {}\n\nTakes about {} at least. Change {}.{}\n",
        many(cells, "cell"),
        text(&plan.fleet),
        many(plan.waves.len() as u64, "wave"),
        millis(planned.about_ms),
        code(plan.change.short()),
        goes_on.unwrap_or_default()
    )
}

fn plan_row(planned: &Planned, number: usize) -> Vec<String> {
    let plan = &planned.plan;
    let Some(wave) = plan.waves.get(number) else { return Vec::new() };
    let so_far: u64 = plan.waves.iter().take(number + 1).map(|wave| wave.tenants).sum();
    vec![
        text(&wave.name),
        format!("{}: {}", wave.cells, names(planned, number)),
        wave.tenants.to_string(),
        words::share(wave.tenants, plan.tenants),
        words::share(so_far, plan.tenants),
        millis(wave.bake_ms),
        text(&wave.gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ")),
        if wave.approval { "needed" } else { "" }.to_owned(),
    ]
}

fn names(planned: &Planned, number: usize) -> String {
    let cells = planned.content.waves.get(number).map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<String> = cells.iter().take(NAMES_MAX).map(|cell| code(cell.desired.cell.as_str())).collect();
    if cells.len() > NAMES_MAX {
        names.push("…".to_owned());
    }
    names.join(" ")
}

/// A rollout of another change that is open: this one cannot be started.
fn other_open(planned: &Planned) -> Option<Annotation> {
    let open = planned.open.as_ref().filter(|open| open.change != planned.plan.change)?;
    let commit = open.commit.as_deref().map(|commit| format!(" of commit {commit}")).unwrap_or_default();
    let message = format!(
        "rollout {}{commit} is open ({}); this change cannot be started before it is over",
        open.id,
        open.stage.as_str()
    );
    Some(Annotation::warning("Another rollout is open", message))
}

/// How a run ended: where the rollout stands, and how to go on with one that was let go of.
pub fn ended(ended: &Ended, state: &Rollout) -> OnGitHub {
    let resume = code(&format!("cellctl rollout resume {}", state.plan.id));
    let next = match ended {
        Ended::Stopped | Ended::Paused => Some(format!("{resume}, or run this job again")),
        _ => next(state),
    };
    shown(state, next)
}

/// Where a rollout stands.
pub fn status(state: &Rollout) -> OnGitHub {
    shown(state, next(state))
}

/// What is wrong first.
fn shown(state: &Rollout, next: Option<String>) -> OnGitHub {
    let summary = Summary::new(head(state, next))
        .table("Cells in trouble", &["Cell", "Wave", "Outcome", "Why"], troubled_rows(state))
        .table("Gates", &["Gate", "Verdict", "What was seen"], gate_rows(&state.gates))
        .table("Waves", &["Wave", "State", "Cells", "How they ended", "Tenants", "Share"], wave_rows(state));
    OnGitHub { summary, annotations: annotations(state) }
}

fn head(state: &Rollout, next: Option<String>) -> String {
    let (headline, _) = words::headline(state);
    let mut head = format!("### Rollout {} of fleet {}: {}\n", state.plan.id, text(&state.plan.fleet), text(&headline));
    if let Some(why) = &state.why {
        head.push_str(&format!("\n{}\n", text(why)));
    }
    if let Some(next) = next {
        head.push_str(&format!("\n**What to do:** {next}\n"));
    }
    head
}

/// What somebody has to do, as Markdown.
fn next(state: &Rollout) -> Option<String> {
    let id = state.plan.id;
    if let Some(hint) = &state.hint {
        return Some(text(hint));
    }
    let (_, tone) = words::headline(state);
    let waits = state.stage == Stage::Ready && !state.paused && tone == Tone::Warn;
    let name = state.current().filter(|_| waits).map(|wave| wave.name.as_str())?;
    let approve = code(&format!("cellctl rollout approve {id} --wave {name}"));
    Some(format!("{approve}, then {}", code(&format!("cellctl rollout resume {id}"))))
}

fn troubled_rows(state: &Rollout) -> Vec<Vec<String>> {
    let row =
        |one: &Troubled, wave: &str| vec![code(one.cell.as_str()), text(wave), text(&one.outcome), text(&one.why)];
    troubled(state).into_iter().map(|(wave, one)| row(one, wave)).collect()
}

/// Cells in trouble with their waves: those that could not be taken back first.
fn troubled(state: &Rollout) -> Vec<(&str, &Troubled)> {
    let waves = || state.plan.waves.iter().zip(&state.waves);
    let back = waves().filter_map(|(wave, progress)| Some((wave, progress.back.as_ref()?)));
    let forward = waves().filter_map(|(wave, progress)| Some((wave, progress.changed.as_ref()?)));
    let of_waves = back.chain(forward);
    let mut all: Vec<(&str, &Troubled)> =
        of_waves.flat_map(|(wave, ended)| ended.troubled.iter().map(|one| (wave.name.as_str(), one))).collect();
    all.extend(state.kept.iter().map(|one| ("", one)));
    all
}

fn gate_rows(looks: &[Look]) -> Vec<Vec<String>> {
    let mut worst: Vec<&Look> = looks.iter().collect();
    worst.sort_by_key(|look| std::cmp::Reverse((look.failed, look.verdict)));
    let row = |look: &&Look| {
        let (verdict, tone) = words::verdict(look.verdict);
        let verdict = if tone == Tone::Good { verdict.to_owned() } else { format!("**{verdict}**") };
        vec![text(&look.gate), verdict, seen(look).map(|seen| text(&seen)).unwrap_or_default()]
    };
    worst.iter().map(row).collect()
}

/// The worst that was seen.
fn seen(look: &Look) -> Option<String> {
    let seen = look.seen.first()?;
    Some(seen.cell.as_ref().map_or_else(|| seen.what.clone(), |cell| format!("{cell}: {}", seen.what)))
}

fn wave_rows(state: &Rollout) -> Vec<Vec<String>> {
    let row = |(number, wave): (usize, &Wave)| {
        let progress = state.waves.get(number);
        let forward = progress.and_then(|progress| progress.changed.as_ref()).map(words::changed);
        let back =
            progress.and_then(|progress| progress.back.as_ref()).map(|back| format!("back: {}", words::changed(back)));
        let (stands, tone) = words::wave_state(state, number);
        vec![
            text(&wave.name),
            if tone == Tone::Bad { format!("**{stands}**") } else { stands.to_owned() },
            wave.cells.to_string(),
            forward.into_iter().chain(back).collect::<Vec<_>>().join("; "),
            wave.tenants.to_string(),
            words::share(wave.tenants, state.plan.tenants),
        ]
    };
    state.plan.waves.iter().enumerate().map(row).collect()
}

/// The outcome, failed gates, cells that failed: errors where the rollout went wrong, and not where somebody ended a good one.
fn annotations(state: &Rollout) -> Vec<Annotation> {
    let (headline, tone) = words::headline(state);
    let ended_by_hand = matches!(state.stage, Stage::RolledBack | Stage::Aborted)
        && troubled(state).is_empty()
        && !state.gates.iter().any(|look| look.failed);
    let tone = if ended_by_hand { Tone::Warn } else { tone };
    let title = format!("Rollout {}: {headline}", state.plan.id);
    let said: Vec<&str> = [&state.why, &state.hint].into_iter().filter_map(Option::as_deref).collect();
    let mut all = match tone {
        Tone::Bad => vec![Annotation::error(title, said.join("\n"))],
        Tone::Warn => vec![Annotation::warning(title, said.join("\n"))],
        Tone::Plain | Tone::Good => Vec::new(),
    };
    let failed = state.gates.iter().filter(|look| look.verdict != Verdict::Pass);
    all.extend(failed.map(|look| {
        let title = format!("Gate {} {}", look.gate, words::verdict(look.verdict).0);
        let message = seen(look).unwrap_or_default();
        if look.failed { Annotation::error(title, message) } else { Annotation::warning(title, message) }
    }));
    all.extend(troubled(state).into_iter().map(|(_, one)| {
        let title = format!("{} {}", one.cell, one.outcome);
        if tone == Tone::Good { Annotation::warning(title, &one.why) } else { Annotation::error(title, &one.why) }
    }));
    all
}
