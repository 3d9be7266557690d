//! The last line of an output, however long that is.
//!
//! Constraint kept: bounded memory, and nothing in the line that a terminal would take for a command.

/// Most characters of the line.
const CHARS_MAX: usize = 200;
/// Bytes of a line that are kept: enough for so many characters, each of four bytes at the most, with colours between.
const BYTES_MAX: usize = 4 * CHARS_MAX + 1_024;

/// What comes, line by line.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The line that is being written: its beginning.
    line: Vec<u8>,
    /// The last whole line that says something.
    last: String,
}

impl Tail {
    /// Takes what was written next.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let room = BYTES_MAX.saturating_sub(self.line.len()).min(line.len());
            self.line.extend_from_slice(&line[..room]);
            if matches!(line.last(), Some(b'\n' | b'\r')) {
                self.end_line();
            }
        }
    }

    /// The last line that says something; empty where none does.
    pub(super) fn finish(mut self) -> String {
        self.end_line();
        self.last
    }

    fn end_line(&mut self) {
        let text = plain(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        if !text.is_empty() {
            self.last = text;
        }
    }
}

/// A text without the sequences that colour it and without control characters, cut to what a line may have.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.next_if_eq(&'[').is_some() {
            // Parameters, then one letter (ECMA-48, control sequences).
            while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {}
        } else if c == '\t' {
            plain.push(' ');
        } else if !c.is_control() {
            plain.push(c);
        }
    }
    plain.trim().chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_of(parts: &[&[u8]]) -> String {
        let mut tail = Tail::default();
        for part in parts {
            tail.push(part);
        }
        tail.finish()
    }

    #[test]
    fn the_last_line_that_says_something_is_kept() {
        let cases: [(&[&[u8]], &str); 7] = [
            (&[], ""),
            (&[b"one\ntwo\n"], "two"),
            (&[b"one\ntw", b"o"], "two"),
            (&[b"one\n\n  \n\r\n"], "one"),
            (&[b"10 %\r50 %\r"], "50 %"),
            (&[b"\x1b[1;31mno\tgood\x1b[0m\x07\n"], "no good"),
            (&[b"a\xffb"], "a\u{fffd}b"),
        ];
        for (parts, expected) in cases {
            assert_eq!(last_of(parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_room() {
        let mut tail = Tail::default();
        for _ in 0..1_000 {
            tail.push(&[b'x'; 4_096]);
            assert!(tail.line.len() <= BYTES_MAX);
        }
        assert_eq!(tail.finish(), "x".repeat(CHARS_MAX));
    }
}
