//! Collects what is wrong with one template's text.

use crate::domain::doc::Position;
use crate::domain::finding::{Finding, Severity};

/// The findings about one text so far.
pub(super) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// About `text`, which the user knows as `file`.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, findings: Vec::new() }
    }

    /// Adds an error at a place of the text.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        at: Position,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.push(Finding::error(code, self.file, message).at(at, self.text).hint(hint));
    }

    /// Adds an error about a secret: its line is not shown.
    pub(super) fn secret(&mut self, code: &'static str, at: Position, message: &str, hint: &str) {
        let mut finding = Finding::error(code, self.file, message).hint(hint);
        (finding.line, finding.column) = (at.line, at.column);
        self.findings.push(finding);
    }

    /// The findings, in the order of their lines; as an error when one of them is an error.
    pub(super) fn into_result(mut self) -> Result<Vec<Finding>, Vec<Finding>> {
        self.findings.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
        self.findings.dedup();
        if self.findings.iter().any(|f| f.severity == Severity::Error) { Err(self.findings) } else { Ok(self.findings) }
    }
}
