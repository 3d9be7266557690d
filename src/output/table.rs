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
    table_on(width(), least, headings, rows, style)
}

/// The same on a terminal of that width; none where there is no terminal.
pub fn table_on(terminal: Option<u16>, least: usize, headings: &[&str], rows: Vec<Vec<Field>>, style: Style) -> String {
    let columns = terminal.map_or(headings.len(), |width| fitting(least, headings, &rows, usize::from(width)));
    let (headings, gone) = headings.split_at(columns);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !style.is_colored() {
        table.force_no_tty();
    }
    if let Some(width) = terminal {
        table.set_width(width);
    }
    table.set_header(headings.iter().map(|h| Cell::new(h.to_uppercase())));
    for row in rows {
        table.add_row(row.into_iter().take(columns).map(|(text, tone)| cell(&text, tone, style)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.chain(left_out(gone, terminal, style)).collect::<Vec<_>>().join("\n")
}

/// Says which columns did not fit a terminal of this width; none where all are there.
pub fn left_out(headings: &[&str], terminal: Option<u16>, style: Style) -> Option<String> {
    if headings.is_empty() {
        return None;
    }
    let sentence = format!("(left out: {}; --output json has all)", headings.join(", "));
    Some(style.faint(&folded(&sentence, terminal.map_or(usize::MAX, usize::from))))
}

/// A sentence in lines of at most so many characters; a longer word has a line of its own.
fn folded(sentence: &str, width: usize) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for word in sentence.split(' ') {
        let length = word.chars().count();
        let fits = used + 1 + length <= width;
        if used > 0 {
            text.push(if fits { ' ' } else { '\n' });
        }
        used = if used > 0 && fits { used + 1 + length } else { length };
        text.push_str(word);
    }
    text
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
        let told = left_out(&["region", "applied"], Some(80), style);
        assert_eq!(told.as_deref(), Some("(left out: region, applied; --output json has all)"));
        assert_eq!(left_out(&[], Some(80), style), None);
        let folded = left_out(&["region", "applied"], Some(20), style);
        assert_eq!(folded.as_deref(), Some("(left out: region,\napplied; --output\njson has all)"));
    }
}
