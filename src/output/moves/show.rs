//! A move as it stands, as people read it: where it is, who holds it, what to do next.

use crate::domain::lock::Lease;
use crate::domain::moves::machine::{Move, Stage};
use crate::domain::moves::orders::Orders;
use crate::ops::event::Progress;
use crate::ops::moves::Shown;
use crate::output::Style;
use crate::output::table::width;
use crate::output::tenants::{time, visible};

use super::sheet::Sheet;
use super::timeline::timeline;
use super::units::{bytes, many, millis, rate, seconds};

/// Everything about one move, at `now_ms`.
pub fn show(shown: &Shown, now_ms: i64, style: Style) -> String {
    format!("{}\n{}\n", head(shown, now_ms, style), timeline(&shown.journal, &shown.state, style))
}

/// The same without the journal.
pub fn head(shown: &Shown, now_ms: i64, style: Style) -> String {
    head_on(shown, now_ms, width(), style)
}

/// The same on a terminal of that width.
pub(super) fn head_on(shown: &Shown, now_ms: i64, terminal: Option<u16>, style: Style) -> String {
    let (state, plan) = (&shown.state, &shown.state.plan);
    let mut sheet = Sheet::default();
    sheet.line("move", plan.id.to_string());
    sheet.line("cells", format!("{} → {}", plan.source.cell, plan.target.cell));
    sheet.line("began", time(plan.at_ms));
    sheet.line("stage", stage(state, style));
    sheet.line("epoch", epochs(state));
    sheet.line("so far", tally(state));
    if let Some(progress) = shown.progress.as_ref().filter(|_| !state.stage.is_over()) {
        sheet.line("now", self::progress(progress));
    }
    sheet.line(
        "fence",
        format!(
            "{}, writes stop for {} at the most",
            plan.options.fence.as_str(),
            millis(plan.options.write_gap_max_ms)
        ),
    );
    if !state.stage.is_over() {
        sheet.line("held by", holder(shown.holder(now_ms)));
        sheet.line("orders", orders(&shown.orders));
    }
    if let Some(trouble) = &state.trouble {
        sheet.line("stuck", format!("{}: {}", style.bad(&trouble.code), visible(&trouble.why)));
    }
    sheet.line("next", next(shown, now_ms));
    sheet.text(terminal, style)
}

fn stage(state: &Move, style: Style) -> String {
    let stage = state.stage.as_str();
    match (&state.trouble, state.paused, &state.abort) {
        (Some(_), ..) => format!("{stage}, {}", style.bad("stuck")),
        (None, true, _) => format!("{stage}, {}", style.warn("paused")),
        (None, false, Some(why)) => format!("{stage}: {}", visible(why)),
        (None, false, None) if state.stage == Stage::Completed => style.good(stage),
        (None, false, None) => stage.to_owned(),
    }
}

fn epochs(state: &Move) -> String {
    let (source, target) = (&state.plan.source.cell, &state.plan.target.cell);
    match state.stage {
        stage if stage.is_past_flip() => {
            format!("{} in {target}; it was {} in {source}", state.target_epoch(), state.epoch)
        }
        Stage::Aborting | Stage::Cleared | Stage::Aborted => format!("{} in {source}, or above", state.epoch),
        _ => format!("{} in {source}; {} in {target} once it is there", state.epoch, state.target_epoch()),
    }
}

fn tally(state: &Move) -> String {
    let tally = &state.tally;
    let copied = format!("{} ({}) copied", many(tally.items, "item"), bytes(tally.bytes));
    let counts = [
        (tally.keys, "key", " reconciled"),
        (tally.repaired, "key", " repaired"),
        (u64::from(tally.gaps), "gap", " in the streams"),
        (u64::from(tally.takeovers), "takeover", ""),
        (u64::from(tally.cutovers), "cutover", ""),
        (tally.messages, "message", " carried over"),
        (tally.cleaned, "item", " cleaned"),
    ];
    let more = counts.into_iter().filter(|(number, ..)| *number > 0);
    let more = more.map(|(number, word, done)| format!("{}{done}", many(number, word)));
    [copied].into_iter().chain(more).collect::<Vec<_>>().join(", ")
}

/// "45 %, 4 s left, 450 of about 1000 items, 12.0 MB, 1200/s, 3 dirty, writes would stop for 90 ms": what matters most
/// comes first, as a narrow terminal cuts it off. The tenant is in use, so that what there is in all is never certain.
pub(super) fn progress(progress: &Progress) -> String {
    let of = |all: Option<String>| all.map(|all| format!(" of about {all}")).unwrap_or_default();
    let items_of = of(progress.items_about.filter(|about| *about >= progress.items).map(|about| about.to_string()));
    let bytes_of = of(progress.bytes_about.filter(|about| *about >= progress.bytes).map(bytes));
    let mut parts: Vec<String> = progress.percent.map(|percent| format!("{percent} %")).into_iter().collect();
    parts.extend(progress.eta_s.map(|s| format!("{} left", seconds(s))));
    parts.extend([
        format!("{}{items_of} items", progress.items),
        format!("{}{bytes_of}", bytes(progress.bytes)),
        rate(progress.items_per_s),
        format!("{} dirty", progress.dirty),
    ]);
    parts.extend(progress.lag_ms.map(|ms| format!("streams {} behind", millis(ms))));
    parts.extend(progress.gap_ms.map(|ms| format!("writes would stop for {}", millis(ms))));
    parts.join(", ")
}

fn holder(lease: Option<&Lease>) -> String {
    match lease {
        Some(lease) => format!("{} since {}", visible(&lease.holder), time(lease.acquired_at_ms)),
        None => "nobody".to_owned(),
    }
}

/// What was ordered, in words.
pub fn orders(orders: &Orders) -> String {
    let rate = orders.rate.map(|rate| match rate {
        0 => "no bound on its rate".to_owned(),
        rate => format!("at most {rate} write units a second"),
    });
    let parts = [
        orders.pause.then(|| "pause".to_owned()),
        orders.cutover.then(|| "cut over".to_owned()),
        orders.abort.as_ref().map(|why| format!("abort ({})", visible(why))),
        orders.keep.as_ref().map(|why| format!("end, and keep the source's items ({})", visible(why))),
        rate,
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// What somebody who looks at it would do next.
pub fn next(shown: &Shown, now_ms: i64) -> String {
    let (state, id) = (&shown.state, &shown.state.plan.id);
    let plan = &state.plan;
    let waits_for_cutover = state.awaits_cutover() && !shown.orders.cutover;
    match (state.stage, &state.trouble) {
        (Stage::Completed, _) => format!("nothing; `cellctl move receipt {id}` shows the receipt"),
        (Stage::Aborted, _) => {
            format!("nothing; `cellctl tenant move {} --to {}` tries again", plan.tenant(), plan.target.cell)
        }
        // A mover that goes on finds it gone again.
        (_, Some(trouble)) if trouble.code == "stream-gone" => {
            format!("{}: `cellctl move abort {id}`", visible(&trouble.hint))
        }
        (stage, Some(trouble)) => {
            let undo = if stage.is_past_flip() { String::new() } else { format!(", or `cellctl move abort {id}`") };
            format!("{}; then `cellctl move resume {id}`{undo}", visible(&trouble.hint))
        }
        (_, None) if state.paused => format!("`cellctl move resume {id}` goes on"),
        (_, None) if shown.holder(now_ms).is_none() => format!("nobody carries it on: `cellctl move resume {id}`"),
        (_, None) if waits_for_cutover => format!("it waits: `cellctl move cutover {id}` lets it cut over"),
        (_, None) => format!("it is under way: `cellctl move watch {id}` follows it"),
    }
}
