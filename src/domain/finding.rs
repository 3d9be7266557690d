//! What is wrong with a file that a user wrote, with the place, the excerpt and what to do about it.
//!
//! Owns: the shape of every complaint about definitions and templates. Constraint kept: checks collect findings,
//! all of them at once, and never stop at the first.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is refused.
    Warning,
    /// The input is refused.
    Error,
}

/// One complaint about one place in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code for machines and for searching the documentation, such as `unknown-field`.
    pub code: &'static str,
    /// The file, as the user would name it.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1; 0 where the whole line or file is meant.
    pub column: u32,
    /// What is wrong, with the offending value in it.
    pub message: String,
    /// The line of the file, where it could be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// What to do about it ("did you mean `sortKey`?").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// An error about a whole file; `at` and the others narrow it down.
    pub fn error(code: &'static str, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            excerpt: None,
            hint: None,
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Narrows the finding to a position, with the line of `source` as excerpt.
    #[must_use]
    pub fn at(mut self, position: crate::domain::doc::Position, source: &str) -> Self {
        self.line = position.line;
        self.column = position.column;
        let index = (position.line as usize).checked_sub(1);
        self.excerpt = index.and_then(|i| source.lines().nth(i)).map(shorten);
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Cuts an excerpt to a length that fits a terminal; definitions have no longer lines, generated templates may.
fn shorten(line: &str) -> String {
    const CHARS_MAX: usize = 160;
    if line.chars().count() <= CHARS_MAX {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(CHARS_MAX).collect();
    cut.push('…');
    cut
}

/// The candidate that `word` was most likely meant to be: Jaro-Winkler similarity of at least 0.8, as clap does.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILARITY_MIN: f64 = 0.8;
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&word.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(score, _)| *score >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}
