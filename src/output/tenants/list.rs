//! Tenants as a stream of rows.
//!
//! Constraint kept: memory does not grow with the list. The widths of the columns are those of the first page, and so is
//! the choice of columns that fit the terminal; a later row that is wider stands out and is never cut off.

use crate::domain::tenant::{Attributes, Entry};
use crate::output::Style;
use crate::output::table::{self, Field, Tone, plain, width};

/// Rows that are looked at for the widths of the columns.
pub const PAGE: usize = 500;
/// The columns, the most important first.
const HEADINGS: [&str; 9] = ["tenant", "cell", "state", "weight", "tier", "pinned", "residency", "epoch", "labels"];

/// Rows with equal columns, a text at a time.
pub struct Rows {
    style: Style,
    /// Rows of the first page, until it is full.
    waiting: Vec<Vec<Field>>,
    /// Width of each column that is shown; none during the first page.
    widths: Option<Vec<usize>>,
    terminal: Option<u16>,
}

impl Rows {
    /// No rows yet, for stdout as it is.
    pub fn new(style: Style) -> Self {
        Self::for_width(style, width())
    }

    fn for_width(style: Style, terminal: Option<u16>) -> Self {
        Self { style, waiting: Vec::new(), widths: None, terminal }
    }

    /// Takes an entry; gives what is to be printed now, if anything.
    pub fn push(&mut self, entry: &Entry) -> Option<String> {
        if let Some(widths) = &self.widths {
            return Some(line(row(entry), widths, self.style));
        }
        self.waiting.push(row(entry));
        (self.waiting.len() == PAGE).then(|| self.first_page())
    }

    /// What is left to be printed.
    pub fn end(mut self) -> Option<String> {
        match (&self.widths, self.waiting.is_empty()) {
            (Some(_), _) => self.left_out(),
            (None, true) => Some("There are no such tenants.\n".to_owned()),
            (None, false) => {
                let page = self.first_page();
                Some(page + &self.left_out().unwrap_or_default())
            }
        }
    }

    /// The line that names the columns that do not fit.
    fn left_out(&self) -> Option<String> {
        let shown = self.widths.as_ref().map_or(HEADINGS.len(), Vec::len);
        table::left_out(&HEADINGS[shown..], self.terminal, self.style).map(|line| line + "\n")
    }

    fn first_page(&mut self) -> String {
        let rows = std::mem::take(&mut self.waiting);
        let widths = table::widths(&HEADINGS, &rows, self.terminal);
        let headings = HEADINGS.map(|heading| plain(heading.to_uppercase())).to_vec();
        let lines = std::iter::once(headings).chain(rows).map(|row| line(row, &widths, self.style));
        let text = lines.collect();
        self.widths = Some(widths);
        text
    }
}

fn line(row: Vec<Field>, widths: &[usize], style: Style) -> String {
    let mut text = String::new();
    for ((field, tone), width) in row.into_iter().zip(widths) {
        let blanks = " ".repeat(width.saturating_sub(field.chars().count()).max(table::GAP));
        text.push_str(&table::paint(&(field, tone), style));
        text.push_str(&blanks);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn row(entry: &Entry) -> Vec<Field> {
    let attributes = &entry.attributes;
    let none = || plain("-");
    vec![
        plain(entry.tenant.as_str()),
        plain(entry.cell.as_str()),
        super::state(entry),
        plain(attributes.weight.to_string()),
        attributes.tier.as_ref().map_or_else(none, |tier| plain(tier.as_str())),
        if entry.pin.is_some() { ("pinned".to_owned(), Tone::Warn) } else { none() },
        plain(residency(attributes)),
        plain(entry.epoch.to_string()),
        plain(labels(attributes)),
    ]
}

/// "eu", "eu-west-1", "-".
fn residency(attributes: &Attributes) -> String {
    match &attributes.residency {
        Some(residency) => residency.to_string(),
        None if attributes.regions.is_empty() => "-".to_owned(),
        None => joined(attributes.regions.iter()),
    }
}

/// "team=payments, ring=a".
pub(super) fn labels(attributes: &Attributes) -> String {
    joined(attributes.labels.iter().map(|(key, value)| super::visible(&format!("{key}={value}"))))
}

/// The words of a list.
pub(super) fn joined<T: ToString>(words: impl Iterator<Item = T>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::domain::ids::Digest;
    use crate::domain::tenant::{ENTRY_FORMAT, EntryState};

    use super::*;

    fn entry(tenant: &str, weight: u64) -> Entry {
        Entry {
            format: ENTRY_FORMAT,
            tenant: tenant.parse().expect("a name"),
            cell: "cell-1".parse().expect("a name"),
            epoch: 1,
            state: EntryState::Active,
            attributes: Attributes { weight, ..Attributes::default() },
            pin: None,
            moving: None,
            added_at_ms: 0,
            changed_at_ms: 0,
            version: 1,
            head: Digest::of(b""),
        }
    }

    fn printed(entries: impl Iterator<Item = Entry>, terminal: Option<u16>) -> String {
        let mut rows = Rows::for_width(Style::new(false), terminal);
        let mut text = String::new();
        for entry in entries {
            text.extend(rows.push(&entry));
        }
        text.extend(rows.end());
        text
    }

    #[test]
    fn a_short_list_is_a_table() {
        let text = printed(["acme", "zeta-and-more"].map(|name| entry(name, 12)).into_iter(), None);
        let wanted = "\
TENANT         CELL    STATE   WEIGHT  TIER  PINNED  RESIDENCY  EPOCH  LABELS
acme           cell-1  active  12      -     -       -          1
zeta-and-more  cell-1  active  12      -     -       -          1
";
        assert_eq!(text, wanted);
        assert_eq!(printed(std::iter::empty(), None), "There are no such tenants.\n");
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out_from_the_right() {
        let text = printed(std::iter::once(entry("acme", 1)), Some(40));
        let left_out = "(left out: pinned, residency, epoch,\nlabels; --output json has all)";
        assert_eq!(
            text,
            format!("TENANT  CELL    STATE   WEIGHT  TIER\nacme    cell-1  active  1       -\n{left_out}\n")
        );
    }

    #[test]
    fn no_row_is_kept_after_the_first_page() {
        let mut rows = Rows::for_width(Style::new(false), Some(80));
        let (mut lines, mut largest) = (0, 0);
        for number in 0..100_000 {
            // The last ones are wider than any of the first page, and stand out.
            let name = format!("t{number}{}", if number > 99_990 { "-with-a-longer-name" } else { "" });
            let text = rows.push(&entry(&name, number)).unwrap_or_default();
            assert!(rows.waiting.len() < PAGE && rows.waiting.capacity() <= 2 * PAGE);
            assert!(number < PAGE as u64 || text.starts_with(&format!("{name}  ")), "{text:?}");
            lines += text.lines().count();
            largest = largest.max(text.len());
        }
        assert_eq!((lines, rows.end()), (100_001, None));
        assert!(largest < 100 * PAGE, "{largest} bytes at once");
    }
}
