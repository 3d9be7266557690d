//! The tenant map as a whole, as people read it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::domain::record::CellState;
use crate::domain::snapshot::EntryLine;
use crate::ops::map::diff::{Counts, Difference, Kind};
use crate::ops::map::export::Exported;
use crate::ops::map::import::{Imported, Left, Why};
use crate::ops::map::stats::{CellStats, Group, Stats};

use super::table::{Field, Tone, plain, table, width};
use super::{Printer, Style, bar};

/// Stdout, for a snapshot. Takes whole lines.
pub struct Stdout<'a>(pub &'a Printer);

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        if self.0.part(text) { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was exported.
pub fn exported(exported: &Exported, to: &Path) -> String {
    format!(
        "wrote {}: {} in {}, map version {}, sha256 {}",
        to.display(),
        many(exported.entries, "tenant"),
        many(exported.cells as u64, "cell"),
        exported.version,
        exported.sha256.short()
    )
}

/// How an import went, for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportDocument<'a> {
    /// The numbers.
    #[serde(flatten)]
    pub imported: &'a Imported,
    /// The first tenants that are not as in the snapshot.
    pub left: &'a [Left],
}

/// How an import went.
pub fn imported(document: &ImportDocument<'_>, style: Style) -> String {
    let done = document.imported;
    let mut text = String::new();
    if !document.left.is_empty() {
        let row = |left: &Left| vec![plain(left.tenant.as_str()), plain(left.cell.as_str()), plain(why(&left.why))];
        let rows = document.left.iter().map(row).collect();
        let _ = writeln!(text, "{}", table(&["tenant", "in the snapshot", "why it was left"], rows, style));
        more(&mut text, done.differing + done.refused, document.left.len());
    }
    let added = if done.dry_run { "would be added" } else { "added" };
    let mut parts = vec![format!("{} {added}", many(done.added, "tenant"))];
    let others = [
        (done.moving, "in a move that is over now"),
        (done.opened, "finished"),
        (done.equal, "there already"),
        (done.differing, "differing and left alone"),
        (done.refused, "not added"),
    ];
    parts.extend(others.iter().filter(|(number, _)| *number > 0).map(|(number, words)| format!("{number} {words}")));
    let head =
        if done.is_complete() { style.good("The map has it all:") } else { style.bad("Not all as in the file:") };
    let head = if done.dry_run { style.strong("Nothing was written:") } else { head };
    let _ = writeln!(text, "{head} {}.", parts.join(", "));
    text
}

fn why(why: &Why) -> String {
    match why {
        Why::Differs { fields, cell, epoch } => {
            format!("it is in {cell} with epoch {epoch} and differs in {}", fields.join(", "))
        }
        Why::Removed { epoch } => format!("it was removed since: the map has epoch {epoch}"),
        Why::NotDefined => "no definition names the cell".to_owned(),
        Why::UnknownResidency { residency } => format!("fleet.yaml does not list residency {residency}"),
        Why::Refused { refusal } => format!("the cell does not take it: {refusal}"),
        Why::CellChanged => "the cell was filled or cordoned meanwhile".to_owned(),
        Why::FenceAhead => "its fence in the cell is ahead of the snapshot".to_owned(),
    }
}

/// What differs, for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffDocument<'a> {
    /// The numbers.
    #[serde(flatten)]
    pub counts: Counts,
    /// The first tenants that differ.
    pub differences: &'a [Difference],
}

/// What differs.
pub fn diff(document: &DiffDocument<'_>, style: Style) -> String {
    let counts = &document.counts;
    let mut text = String::new();
    if !document.differences.is_empty() {
        let rows = document.differences.iter().map(difference).collect();
        let _ = writeln!(text, "{}", table(&["tenant", "change", "from", "to", "differs in"], rows, style));
        more(&mut text, counts.differing(), document.differences.len());
    }
    if counts.differing() == 0 {
        let _ = writeln!(text, "{} {} in both.", style.good("No difference:"), many(counts.equal, "tenant"));
    } else {
        let Counts { added, removed, moved, changed, equal } = counts;
        let _ = writeln!(text, "{added} added, {removed} removed, {moved} moved, {changed} changed; {equal} the same.");
    }
    text
}

fn difference(difference: &Difference) -> Vec<Field> {
    let kind = match difference.kind {
        Kind::Added => ("added".to_owned(), Tone::Good),
        Kind::Removed => ("removed".to_owned(), Tone::Bad),
        Kind::Moved => ("moved".to_owned(), Tone::Warn),
        Kind::Changed => plain("changed"),
    };
    let place = |line: &Option<EntryLine>| match line {
        Some(line) => plain(format!("{} (epoch {})", line.cell, line.epoch)),
        None => plain("-"),
    };
    let fields = plain(difference.fields.join(", "));
    vec![plain(difference.tenant.as_str()), kind, place(&difference.from), place(&difference.to), fields]
}

/// Says that there are more than those shown.
fn more(text: &mut String, all: u64, shown: usize) {
    let hidden = all.saturating_sub(shown as u64);
    if hidden > 0 {
        let _ = writeln!(text, "and {hidden} more: --output ndjson shows all of them");
    }
}

/// The map in numbers.
pub fn stats(stats: &Stats, style: Style) -> String {
    let mut text = String::new();
    let rows: Vec<Vec<Field>> = stats.cells.iter().map(cell).collect();
    if !rows.is_empty() {
        let headings = ["cell", "full", "tenants", "weight", "type", "region", "state"];
        let _ = writeln!(text, "{}\n", table(&headings, rows, style));
    }
    for (heading, groups) in [("type", &stats.types), ("region", &stats.regions), ("tier", &stats.tiers)] {
        if !groups.is_empty() {
            let _ = writeln!(
                text,
                "{}\n",
                table(&[heading, "tenants", "weight"], groups.iter().map(group).collect(), style)
            );
        }
    }
    if !stats.heaviest.is_empty() {
        let heavy = stats.heaviest.iter();
        let rows = heavy.map(|h| vec![plain(h.tenant.0.as_str()), plain(h.weight.to_string()), plain(h.cell.as_str())]);
        let _ = writeln!(text, "{}\n", table(&["heaviest", "weight", "cell"], rows.collect(), style));
    }
    summary(&mut text, stats, style);
    text
}

fn cell(cell: &CellStats) -> Vec<Field> {
    let of = |used: u64, most: Option<u64>| most.map_or_else(|| used.to_string(), |most| format!("{used}/{most}"));
    let state = match cell.state {
        None => ("not provisioned".to_owned(), Tone::Warn),
        Some(CellState::Active) => plain("active"),
        Some(other) => (other.as_str().to_owned(), Tone::Warn),
    };
    vec![
        plain(cell.cell.as_str()),
        cell.fill.map_or_else(|| plain("-"), |fill| bar::field(fill, width())),
        plain(of(cell.tenants, cell.tenants_max)),
        plain(of(cell.weight, cell.weight_max)),
        plain(cell.cell_type.as_deref().unwrap_or("-")),
        plain(cell.region.as_ref().map_or("-", |region| region.as_str())),
        state,
    ]
}

fn group(group: &Group) -> Vec<Field> {
    vec![plain(group.name.as_str()), plain(group.tenants.to_string()), plain(group.weight.to_string())]
}

fn summary(text: &mut String, stats: &Stats, style: Style) {
    let head = style.strong(&format!("{}, weight {}", many(stats.tenants, "tenant"), stats.weight));
    let _ = writeln!(text, "{head}; active cells take {} more. Map version {}.", stats.headroom, stats.version);
    let parts = [
        (stats.opening, "being added"),
        (stats.moving, "being moved"),
        (stats.closing, "being removed"),
        (stats.pinned, "pinned"),
        (stats.removed, "removed"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}")).collect();
    if !parts.is_empty() {
        let _ = writeln!(text, "{}.", parts.join(", "));
    }
    if let Some(skew) = stats.skew {
        let _ = writeln!(text, "The fullest cell is {skew:.2} times as full as the cells are on average.");
    }
}

/// "1 tenant", "2 tenants".
fn many(number: u64, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}
