//! A rollout as it stands, as people read it: where it is, who carries it on, what to do next.

use crate::domain::definition::Rollback;
use crate::domain::lock::Lease;
use crate::domain::rollout::machine::{Rollout, Stage, Step};
use crate::domain::rollout::orders::Orders;
use crate::ops::rollout::Shown;
use crate::output::Style;
use crate::output::moves::sheet::Sheet;
use crate::output::moves::units::many;
use crate::output::table::width;
use crate::output::tenants::{time, visible};

use super::timeline::timeline;
use super::{sections, terms};

/// Everything about one rollout, at `now_ms`.
pub fn show(shown: &Shown, now_ms: i64, style: Style) -> String {
    show_on(shown, now_ms, width(), style)
}

/// The same without the journal.
pub fn head(shown: &Shown, now_ms: i64, style: Style) -> String {
    head_on(shown, now_ms, width(), style)
}

/// Everything, on a terminal of that width.
pub(super) fn show_on(shown: &Shown, now_ms: i64, terminal: Option<u16>, style: Style) -> String {
    let journal = timeline(&shown.journal, &shown.state, terminal, style);
    format!("{}\n{journal}\n", head_on(shown, now_ms, terminal, style))
}

/// The same without the journal.
pub(super) fn head_on(shown: &Shown, now_ms: i64, terminal: Option<u16>, style: Style) -> String {
    let progress = shown.progress.as_ref();
    let mut text = facts(shown, now_ms, style).text(terminal, style);
    text.push_str(&format!("\n{}\n", sections::waves(&shown.state, progress, terminal, style)));
    if let Some(gates) = sections::gates(&shown.state, progress, terminal, style) {
        text.push_str(&format!("\n{gates}\n"));
    }
    let troubled = sections::troubled(&shown.state, terminal, style);
    if !troubled.is_empty() {
        text.push_str(&format!("\n{troubled}"));
    }
    text
}

fn facts(shown: &Shown, now_ms: i64, style: Style) -> Sheet {
    let (state, plan) = (&shown.state, &shown.state.plan);
    let is_over = state.stage.is_over();
    let mut sheet = Sheet::default();
    sheet.line("rollout", format!("{} of fleet {}, change {}", plan.id, visible(&plan.fleet), plan.change.short()));
    if let Some(commit) = &plan.commit {
        sheet.line("commit", visible(commit));
    }
    if let Some(selection) = &plan.selection {
        sheet.line("cells", format!("those of {}", visible(selection)));
    }
    sheet.line("began", time(plan.at_ms));
    sheet.line("stage", stage(state, style));
    sheet.line("so far", so_far(state));
    sheet.line("on failure", terms::rollback(plan.rollback));
    if plan.gate_dry_run {
        sheet.line("gates", style.warn("report only: none fails a wave"));
    }
    if !is_over {
        sheet.line("held by", holder(shown.holder(now_ms)));
        sheet.line("orders", orders(&shown.orders, state));
    }
    // What a process said that is gone is not news.
    let progress = shown.progress.as_ref().filter(|_| !is_over && shown.holder(now_ms).is_some());
    if let Some(waits_for) = progress.and_then(|progress| progress.waits_for.as_ref()) {
        sheet.line("waits for", visible(waits_for));
    }
    if let Some(under_way) = progress.filter(|now| !now.under_way.is_empty()) {
        sheet.line("under way", terms::names(&under_way.under_way));
    }
    if let Some(why) = state.why.as_ref().filter(|_| state.stage != Stage::Completed) {
        sheet.line("why", visible(why));
    }
    if !state.kept.is_empty() {
        let cells: Vec<_> = state.kept.iter().map(|one| &one.cell).collect();
        sheet.line("not as before", style.warn(&terms::names(&cells)));
    }
    sheet.line("next", next(shown, now_ms));
    sheet
}

/// "baking, wave first (2 of 4)".
fn stage(state: &Rollout, style: Style) -> String {
    let word = state.stage.as_str();
    let word = match state.stage {
        Stage::Completed => style.good(word),
        Stage::Failed | Stage::Halted | Stage::BackFailed => style.bad(word),
        Stage::TakingBack | Stage::TakenBack | Stage::RolledBack | Stage::Aborted => style.warn(word),
        Stage::Ready | Stage::Changing | Stage::Baking => word.to_owned(),
    };
    let paused = if state.paused { format!(", {}", style.warn("paused")) } else { String::new() };
    match state.current().filter(|_| !state.stage.is_over()) {
        Some(wave) => {
            let number = format!("{} of {}", state.wave + 1, state.plan.waves.len());
            format!("{word}, wave {} ({number}){paused}", visible(&wave.name))
        }
        None => format!("{word}{paused}"),
    }
}

/// What has the new version, or may have it: that of the waves that were begun and are not back.
fn so_far(state: &Rollout) -> String {
    let plan = &state.plan;
    let cells: usize = plan.waves.iter().map(|wave| wave.cells).sum();
    let begun = plan.waves.iter().zip(&state.waves);
    let begun = begun.filter(|(_, wave)| wave.started_at_ms.is_some() && wave.back.is_none());
    let (reached, tenants) = begun.fold((0, 0), |sum, (wave, _)| (sum.0 + wave.cells, sum.1 + wave.tenants));
    let share = terms::share(tenants, plan.tenants);
    let (cells, tenants) = (many(cells as u64, "cell"), many(tenants, "tenant"));
    format!("begun in {reached} of {cells}, with {tenants} ({share} of all)")
}

fn holder(lease: Option<&Lease>) -> String {
    match lease {
        Some(lease) => format!("{} since {}", visible(&lease.holder), time(lease.acquired_at_ms)),
        None => "nobody".to_owned(),
    }
}

/// What was ordered, in words.
pub fn orders(orders: &Orders, state: &Rollout) -> String {
    let name = |wave: usize| state.plan.waves.get(wave).map_or("?", |wave| wave.name.as_str());
    let parts = [
        orders.pause.then(|| "pause".to_owned()),
        orders.promote.as_ref().map(|word| format!("promote {}, says {}", name(word.wave), word.by)),
        orders.approve.as_ref().map(|word| format!("approve {}, says {}", name(word.wave), word.by)),
        orders.rollback.map(|scope| {
            let what = if scope == Rollback::Wave { "the last wave" } else { "all waves" };
            format!("take {what} back, says {}", orders.rollback_by.as_deref().unwrap_or("somebody"))
        }),
        orders.abort.as_ref().map(|why| format!("abort ({why})")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().map(|part| visible(&part)).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// What somebody who looks at it would do next.
pub fn next(shown: &Shown, now_ms: i64) -> String {
    let (state, id) = (&shown.state, shown.state.plan.id);
    let hint = || state.hint.as_deref().map(visible).unwrap_or_default();
    match (state.stage, state.next()) {
        (Stage::Completed, _) => {
            format!("nothing; `cellctl rollout rollback {id}` still takes it back, while no other one is open")
        }
        (Stage::RolledBack, _) if state.last_begun().is_some() => {
            format!(
                "mend the change, then `cellctl rollout start`; `cellctl rollout rollback {id}` takes back the waves before, too"
            )
        }
        (Stage::RolledBack, _) => "mend the change, then `cellctl rollout start`".to_owned(),
        (Stage::Aborted, _) if state.last_begun().is_some() => {
            format!("every cell is left as it is; `cellctl rollout rollback {id}` takes back what was begun")
        }
        (Stage::Aborted, _) => "nothing was begun; `cellctl rollout start` begins another one".to_owned(),
        _ if shown.holder(now_ms).is_some() => format!("it is under way: `cellctl rollout watch {id}` follows it"),
        (Stage::Halted | Stage::BackFailed, _) if !hint().is_empty() => hint(),
        (_, Step::AwaitApproval) if shown.orders.approve.as_ref().is_none_or(|word| word.wave < state.wave) => {
            let wave = state.current().map(|wave| visible(&wave.name)).unwrap_or_default();
            format!("`cellctl rollout approve {id} --wave {wave}`, then `cellctl rollout resume {id}`")
        }
        (_, Step::Wait) => format!("`cellctl rollout resume {id}` goes on"),
        _ => format!("nobody carries it on: `cellctl rollout resume {id}`"),
    }
}
