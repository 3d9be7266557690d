//! Tenants, as people read them.

pub mod explain;
pub mod history;
pub mod list;

use std::fmt::Write as _;

use crate::domain::fleet::Fleet;
use crate::domain::record::CellState;
use crate::domain::tenant::fence::FenceMode;
use crate::domain::tenant::{Attributes, Entry, EntryState};
use crate::ops::tenants::Did;
use crate::ops::tenants::add::{AddPlan, Added};
use crate::ops::tenants::remove::Removed;
use crate::ops::tenants::set::Changed;
use crate::ops::tenants::show::TenantView;

use super::Style;
use super::table::{Field, Tone, paint, plain};

/// Where a tenant was added, and why there.
pub fn added(added: &Added, by_hand: bool, fleet: &Fleet, style: Style) -> String {
    let entry = &added.entry;
    let there = format!("{} is in {} (epoch {})", style.strong(entry.tenant.as_str()), entry.cell, entry.epoch);
    match (added.did, &added.placement) {
        (Did::Changed, Some(placement)) => {
            format!("{there}: {}", explain::why(placement, &entry.cell, by_hand, fleet))
        }
        (Did::Finished, _) => format!("{there}: its add had been cut off, and is finished now"),
        (Did::Unchanged, _) => format!("{there} already; nothing was changed"),
        (Did::Changed, None) => there,
    }
}

/// What an add would do.
pub fn plan(plan: &AddPlan, fleet: &Fleet, style: Style) -> String {
    let tenant = style.strong(plan.tenant.as_str());
    if plan.already {
        return format!("{tenant} is in {} already (epoch {}); an add would change nothing", plan.cell, plan.epoch);
    }
    let why = explain::why(&plan.placement, &plan.cell, plan.by_hand, fleet);
    format!("{tenant} would go to {} (epoch {}): {why}", plan.cell, plan.epoch)
}

/// What a change did. `already` says why it did nothing, where that is so: "is not pinned".
pub fn changed(changed: &Changed, already: &str, style: Style) -> String {
    let (before, entry) = (&changed.before, &changed.entry);
    let tenant = style.strong(entry.tenant.as_str());
    if changed.did == Did::Unchanged {
        return format!("{tenant} {already}; nothing was changed");
    }
    match (&before.pin, &entry.pin) {
        (_, Some(pin)) if before.pin != entry.pin => {
            let why = pin.reason.as_deref().map(|reason| format!(": {}", visible(reason))).unwrap_or_default();
            format!("{tenant} is pinned to {}{why}", entry.cell)
        }
        (Some(_), None) => format!("{tenant} is not pinned to {} any more", entry.cell),
        _ => format!("{tenant} in {}: {}", entry.cell, differences(&before.attributes, &entry.attributes)),
    }
}

/// "weight 1 → 5, tier gold".
pub fn differences(before: &Attributes, after: &Attributes) -> String {
    let json = |attributes: &Attributes| serde_json::to_value(attributes).unwrap_or_default();
    history::difference(&json(before), &json(after))
}

/// What a removal did.
pub fn removed(removed: &Removed, style: Style) -> String {
    let entry = &removed.entry;
    let tenant = style.strong(entry.tenant.as_str());
    match removed.did {
        Did::Unchanged => format!("{tenant} was removed before; it was in {} last", entry.cell),
        Did::Finished => format!("{tenant} is removed from {}: its removal had been cut off", entry.cell),
        Did::Changed => {
            format!("{tenant} is removed from {} (epoch {}); its data stays there", entry.cell, entry.epoch)
        }
    }
}

/// Everything about one tenant.
pub fn show(view: &TenantView, style: Style) -> String {
    let entry = &view.entry;
    let mut text = String::new();
    let mut line = |name: &str, field: &Field| {
        let _ = writeln!(text, "{} {}", style.strong(&format!("{:<11}", format!("{name}:"))), paint(field, style));
    };
    line("tenant", &plain(entry.tenant.as_str()));
    line("cell", &cell(view));
    line("state", &state(entry));
    if let Some(moving) = &entry.moving {
        line("move", &plain(format!("{}, with {}", moving.id, moving.other)));
    }
    line("epoch", &plain(entry.epoch.to_string()));
    line("fence", &fence(view));
    for (name, value) in attributes(&entry.attributes) {
        line(name, &plain(value));
    }
    if let Some(pin) = &entry.pin {
        let since = format!("since {}", time(pin.at_ms));
        let why = pin.reason.as_deref().filter(|reason| !reason.is_empty());
        line("pinned", &plain(why.map_or(since.clone(), |why| format!("{} ({since})", visible(why)))));
    }
    line("added", &plain(time(entry.added_at_ms)));
    line("changed", &plain(changes(entry)));
    if let Some(misfit) = &view.misfit {
        line("misfit", &(format!("cell {}: {misfit}", entry.cell), Tone::Bad));
    }
    text
}

/// When a tenant was changed last, and how often. Its first record is that of its add.
fn changes(entry: &Entry) -> String {
    match entry.version.saturating_sub(1) {
        _ if entry.changed_at_ms == entry.added_at_ms => "never changed since".to_owned(),
        0 => "never changed since".to_owned(),
        1 => format!("{}, once", time(entry.changed_at_ms)),
        times => format!("{}, {times} times", time(entry.changed_at_ms)),
    }
}

fn cell(view: &TenantView) -> Field {
    let place = view.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
    let name = format!("{}{place}", view.entry.cell);
    match view.cell_state {
        _ if !view.entry.is_present() => plain(format!("{} was its last", view.entry.cell)),
        Some(CellState::Active) => plain(name),
        Some(state) => (format!("{name}, {}", state.as_str()), Tone::Warn),
        None => (format!("{name}, which is gone"), Tone::Bad),
    }
}

/// How an entry's state looks.
pub fn state(entry: &Entry) -> Field {
    let tone = match entry.state {
        EntryState::Active => Tone::Plain,
        EntryState::Opening | EntryState::Moving | EntryState::Closing => Tone::Warn,
        EntryState::Removed => Tone::Bad,
    };
    (entry.state.as_str().to_owned(), tone)
}

/// The fence, beside what the entry asks for.
fn fence(view: &TenantView) -> Field {
    let entry = &view.entry;
    let Some(fence) = &view.fence else {
        return match (view.fenced, entry.state) {
            (false, _) => plain("its cell has no fences"),
            (true, EntryState::Active | EntryState::Moving) => {
                ("none: the cell takes no writes for it".to_owned(), Tone::Bad)
            }
            (true, _) => plain("none"),
        };
    };
    let words = format!("{} at epoch {}", fence.mode.as_str(), fence.epoch);
    let is_open = fence.mode == FenceMode::Open;
    let as_it_should = match entry.state {
        EntryState::Active => is_open && fence.epoch == entry.epoch,
        // One that was reopened is ahead; one that is sealed takes no writes for a moment.
        EntryState::Moving => (is_open || fence.mode == FenceMode::Guarded) && fence.epoch >= entry.epoch,
        EntryState::Opening | EntryState::Closing | EntryState::Removed => !is_open,
    };
    (words, if as_it_should { Tone::Plain } else { Tone::Warn })
}

fn attributes(attributes: &Attributes) -> Vec<(&'static str, String)> {
    let mut lines = vec![("weight", attributes.weight.to_string())];
    let mut add = |name, value: String| {
        if !value.is_empty() {
            lines.push((name, value));
        }
    };
    add("tier", attributes.tier.as_ref().map(ToString::to_string).unwrap_or_default());
    add("residency", attributes.residency.as_ref().map(ToString::to_string).unwrap_or_default());
    add("regions", list::joined(attributes.regions.iter()));
    add("dedicated", yes(attributes.dedicated));
    add("canary", yes(attributes.canary));
    add("labels", list::labels(attributes));
    lines
}

fn yes(flag: bool) -> String {
    if flag { "yes".to_owned() } else { String::new() }
}

/// A time for people.
pub fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).ok();
    time.map_or_else(|| ms.to_string(), |t| t.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A text that somebody typed, or that was read from a table, without what would steer the terminal.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
