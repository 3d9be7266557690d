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

/// A table with headings. It is as wide as the terminal at the most; long texts are wrapped.
pub fn table(headings: &[&str], rows: Vec<Vec<Field>>, style: Style) -> String {
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
        table.add_row(row.into_iter().map(|(text, tone)| cell(&text, tone, style)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
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
fn width() -> Option<u16> {
    use std::io::IsTerminal as _;
    std::io::stdout().is_terminal().then(|| comfy_table::Table::new().width()).flatten()
}
