//! Named lines, one below the other, that fit the terminal.
//!
//! Constraint kept: no line is longer than the terminal is wide, as far as words can be kept whole; without a terminal
//! each is one line, for tools that read lines.

use std::borrow::Cow;

use crate::output::Style;

/// Below this width there is no room for names beside what they say, in characters.
const BESIDE_MIN: usize = 50;

/// Named lines.
#[derive(Debug, Default)]
pub(in crate::output) struct Sheet {
    lines: Vec<(Cow<'static, str>, String)>,
    indent: usize,
}

impl Sheet {
    /// A sheet that begins so many characters from the left.
    pub(in crate::output) fn indented(indent: usize) -> Self {
        Self { lines: Vec::new(), indent }
    }

    /// Adds a line.
    pub(in crate::output) fn line(&mut self, name: impl Into<Cow<'static, str>>, said: impl Into<String>) {
        self.lines.push((name.into(), said.into()));
    }

    /// The lines, on a terminal of that width; none where there is no terminal. Ends with a line end.
    pub(in crate::output) fn text(&self, terminal: Option<u16>, style: Style) -> String {
        let widest = self.lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
        let columns = terminal.map_or(usize::MAX, usize::from);
        let beside = columns >= BESIDE_MIN;
        let left = if beside { self.indent + widest } else { self.indent + 2 };
        let room = columns.saturating_sub(left).max(1);
        let mut text = String::new();
        for (name, said) in &self.lines {
            let (name, gap) = (format!("{name}:"), if beside { widest } else { 0 });
            text.push_str(&format!("{:indent$}{}", "", style.strong(&format!("{name:<gap$}")), indent = self.indent));
            let margin = format!("\n{:left$}", "");
            if !beside {
                text.push_str(&margin);
            }
            text.push_str(&folded(said, room).join(&margin));
            text.push('\n');
        }
        text
    }
}

/// Lines of at most so many characters; a longer word has a line of its own.
pub(in crate::output) fn folded(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = shown_length(word);
        if used > 0 && used + 1 + length > room {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
        }
        used += length;
    }
    lines
}

/// Characters of a word on the screen: those that only colour it take no room.
fn shown_length(word: &str) -> usize {
    let mut colour = false;
    let is_shown = |c: char| {
        let was = colour;
        colour = c == '\u{1b}' || (colour && c != 'm');
        !was && !colour
    };
    word.chars().map(is_shown).filter(|shown| *shown).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::indented(2);
        sheet.line("a", "one two three four five six seven eight nine ten");
        sheet.line("next", "acme:12");
        sheet
    }

    #[test]
    fn lines_fit_the_terminal() {
        let said = |width| sheet().text(width, Style::new(false));
        assert_eq!(said(None), "  a:    one two three four five six seven eight nine ten\n  next: acme:12\n");
        let wide = "  a:    one two three four five six seven eight\n        nine ten\n  next: acme:12\n";
        assert_eq!(said(Some(50)), wide);
        let narrow =
            "  a:\n    one two three\n    four five six\n    seven eight nine\n    ten\n  next:\n    acme:12\n";
        assert_eq!(said(Some(20)), narrow);
        assert!(said(Some(1)).contains("\n    seven\n"));
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!((shown_length("\u{1b}[1;31mstuck\u{1b}[0m"), shown_length("stuck"), shown_length("")), (5, 5, 0));
    }
}
