//! Tables that fit the terminal, and plain columns without one.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use super::Style;

/// How a cell of a table looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Like the rest.
    Plain,
    /// Good.
    Good,
    /// Worth a look.
    Warn,
    /// Bad.
    Bad,
}

/// One field of a row.
pub type Field = (String, Tone);

/// A field like the rest.
pub fn plain(text: impl Into<String>) -> Field {
    (text.into(), Tone::Plain)
}

/// Columns that are never left out.
const COLUMNS_MIN: usize = 3;
/// Blanks between two columns.
pub const GAP: usize = 2;

/// A table with headings, the most important column first. It is as wide as the terminal at the most: columns that do
/// not fit are left out from the right, down to three; then long texts are wrapped. Machines get all with `--output`.
pub fn table(headings: &[&str], rows: Vec<Vec<Field>>, style: Style) -> String {
    table_with(COLUMNS_MIN, headings, rows, style)
}

/// A table that is never without its first `least` columns.
pub fn table_with(least: usize, headings: &[&str], rows: Vec<Vec<Field>>, style: Style) -> String {
    let columns = width().map_or(headings.len(), |width| fitting(least, headings, &rows, usize::from(width)));
    let (headings, gone) = headings.split_at(columns);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !style.is_colored() {
        table.force_no_tty();
        if let Some(width) = width() {
            table.set_width(width);
        }
    }
    table.set_header(headings.iter().map(|h| Cell::new(h.to_uppercase())));
    for row in rows {
        table.add_row(row.into_iter().take(columns).map(|(text, tone)| cell(&text, tone, style)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.chain(left_out(gone, style)).collect::<Vec<_>>().join("\n")
}

/// The line that says which columns did not fit; none where all are there.
pub fn left_out(headings: &[&str], style: Style) -> Option<String> {
    let line = || style.faint(&format!("(left out: {}; --output json has all)", headings.join(", ")));
    (!headings.is_empty()).then(line)
}

/// Number of columns that fit into `width` characters.
fn fitting(least: usize, headings: &[&str], rows: &[Vec<Field>], width: usize) -> usize {
    let widths = all_widths(headings, rows);
    let fits = |columns: &usize| widths[..*columns].iter().sum::<usize>() <= width;
    let least = least.min(headings.len());
    (least..=headings.len()).rev().find(fits).unwrap_or(least)
}

/// Widths of the columns that fit the terminal, each with its gap.
pub fn widths(headings: &[&str], rows: &[Vec<Field>], terminal: Option<u16>) -> Vec<usize> {
    let mut widths = all_widths(headings, rows);
    if let Some(width) = terminal {
        widths.truncate(fitting(COLUMNS_MIN, headings, rows, usize::from(width)));
    }
    widths
}

fn all_widths(headings: &[&str], rows: &[Vec<Field>]) -> Vec<usize> {
    let widest = |column: usize| {
        let fields = rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count());
        fields.chain([headings[column].chars().count()]).max().unwrap_or(0) + GAP
    };
    (0..headings.len()).map(widest).collect()
}

/// A field outside a table.
pub fn paint((text, tone): &Field, style: Style) -> String {
    match tone {
        Tone::Plain => text.clone(),
        Tone::Good => style.good(text),
        Tone::Warn => style.warn(text),
        Tone::Bad => style.bad(text),
    }
}

fn cell(text: &str, tone: Tone, style: Style) -> Cell {
    let cell = Cell::new(text);
    if !style.is_colored() {
        return cell;
    }
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Warn => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
    }
}

/// The width of the terminal on stdout; none where there is no terminal.
pub fn width() -> Option<u16> {
    use std::io::IsTerminal as _;
    std::io::stdout().is_terminal().then(|| comfy_table::Table::new().width()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_do_not_fit_are_left_out_from_the_right() {
        let headings = ["cell", "type", "state", "region"];
        let rows = vec![["cell-1", "shared", "active", "eu-central-1"].map(plain).to_vec()];
        // 8 + 8 + 8 + 14 characters with the gaps.
        for (width, columns) in [(38, 4), (37, 3), (24, 3), (5, 3)] {
            assert_eq!(fitting(COLUMNS_MIN, &headings, &rows, width), columns, "{width}");
        }
        assert_eq!(fitting(COLUMNS_MIN, &headings[..2], &rows, 5), 2);
        assert_eq!(fitting(4, &headings, &rows, 5), 4);
    }

    #[test]
    fn what_is_left_out_is_told() {
        let style = Style::new(false);
        let told = left_out(&["region", "applied"], style);
        assert_eq!(told.as_deref(), Some("(left out: region, applied; --output json has all)"));
        assert_eq!(left_out(&[], style), None);
    }
}
