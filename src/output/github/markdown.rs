//! Job summaries: parts of Markdown that fit the limit as a whole, and text that stays text in it.

use crate::output::rollout::words::legible;

/// Characters of a text from outside.
const TEXT_CHARS_MAX: usize = 600;
/// Bytes that the line takes which says what was left out.
const LEFT_OUT_BYTES: usize = 120;

/// A job summary: a head that is always there, and parts of which rows may be left out from the end.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    head: String,
    parts: Vec<Part>,
}

/// What stands together: it is there with its end, or not at all.
#[derive(Debug, Clone)]
struct Part {
    before: String,
    rows: Vec<String>,
    after: String,
}

impl Summary {
    /// A summary with this head.
    pub fn new(head: impl Into<String>) -> Self {
        Self { head: head.into(), parts: Vec::new() }
    }

    /// With one more part; one without rows is left out.
    #[must_use]
    pub fn part(mut self, before: impl Into<String>, rows: Vec<String>, after: impl Into<String>) -> Self {
        if !rows.is_empty() {
            self.parts.push(Part { before: before.into(), rows, after: after.into() });
        }
        self
    }

    /// With a table: headings, and rows of fields that are Markdown already.
    #[must_use]
    pub fn table(self, title: &str, headings: &[&str], rows: Vec<Vec<String>>) -> Self {
        let heading = if title.is_empty() { String::new() } else { format!("#### {title}\n\n") };
        let rule = headings.iter().map(|_| "---").collect::<Vec<_>>().join(" | ");
        let before = format!("{heading}| {} |\n| {rule} |\n", headings.join(" | "));
        let rows = rows.into_iter().map(|fields| format!("| {} |", fields.join(" | "))).collect();
        self.part(before, rows, "\n")
    }

    /// The Markdown, of at most so many bytes; nothing where not even the head has room.
    pub fn text(&self, bytes_max: usize) -> String {
        if self.head.len() + 1 + LEFT_OUT_BYTES > bytes_max {
            return String::new();
        }
        let mut text = format!("{}\n", self.head);
        let mut left_out = 0;
        for part in &self.parts {
            left_out += add(&mut text, part, bytes_max - LEFT_OUT_BYTES);
        }
        if left_out > 0 {
            text.push_str(&format!("\n_{left_out} rows are left out: GitHub shows 1 MiB of a step._\n"));
        }
        text
    }
}

/// Adds as many rows of a part as there is room for; gives the number of the others.
fn add(text: &mut String, part: &Part, bytes_max: usize) -> usize {
    let frame = part.before.len() + part.after.len();
    let mut room = bytes_max.saturating_sub(text.len() + frame);
    let fits = |row: &&String| {
        let fits = row.len() < room;
        room = room.saturating_sub(if fits { row.len() + 1 } else { room });
        fits
    };
    let rows: Vec<&String> = part.rows.iter().take_while(fits).collect();
    if rows.is_empty() {
        return part.rows.len();
    }
    text.push_str(&part.before);
    for row in &rows {
        text.push_str(row);
        text.push('\n');
    }
    text.push_str(&part.after);
    part.rows.len() - rows.len()
}

/// A text from outside, as text: each punctuation mark is escaped, which Markdown takes for all of them (GFM, 6.1 "Backslash
/// escapes"), so that none begins a link, a tag, a table's next field or anything else.
pub fn text(outside: &str) -> String {
    let legible = legible(outside);
    let mut shown = String::with_capacity(legible.len());
    for c in legible.chars().take(TEXT_CHARS_MAX) {
        if c.is_ascii_punctuation() {
            shown.push('\\');
        }
        shown.push(c);
    }
    if legible.chars().nth(TEXT_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A command that somebody may type, or a name that has been checked: letters, digits and what a shell takes.
pub fn code(plain: &str) -> String {
    format!("`{}`", plain.replace('`', "'").replace('|', "\\|").replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_is_nothing_but_text() {
        let hostile = "a|b\n# c\r\n<img src=x> [l](https://e.example) `x` @all 1. \u{202e}\u{7}";
        let shown = text(hostile);
        assert_eq!(
            shown,
            "a\\|b \\# c \\<img src\\=x\\> \\[l\\]\\(https\\:\\/\\/e\\.example\\) \\`x\\` \\@all 1\\. \u{fffd}\u{fffd}"
        );
        assert!(text(&"x".repeat(5000)).chars().count() == TEXT_CHARS_MAX + 1);
        assert_eq!(code("a`b|c\nd"), "`a'b\\|c d`");
    }

    #[test]
    fn what_has_no_room_is_counted_and_the_rest_is_whole() {
        let rows = |name: &str| (0..10).map(|n| format!("{name} {n}")).collect::<Vec<_>>();
        let summary =
            Summary::new("# Head\n").part("<details>\n", rows("first"), "</details>\n").part("x", rows("b"), "");
        let all = summary.text(10_000);
        assert!(all.contains("first 9\n</details>") && all.contains("b 9") && !all.contains("left out"));
        let some = summary.text(LEFT_OUT_BYTES + 90);
        assert!(some.len() <= LEFT_OUT_BYTES + 90, "{} bytes", some.len());
        assert!(some.contains("first 0\n") && some.contains("</details>\n") && !some.contains("first 9"), "{some}");
        assert!(some.ends_with("rows are left out: GitHub shows 1 MiB of a step._\n"), "{some}");
        assert_eq!(summary.text(10), "");
    }
}
