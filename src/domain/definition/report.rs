//! One definition file while it is checked, and the findings about it.
//!
//! Owns: the way from a path in a document to a line and column. Constraint kept: findings of a file are bounded, and
//! no excerpt shows a line that holds a secret.

use crate::domain::doc::{Node, Position};
use crate::domain::finding::{Finding, Severity};
use crate::domain::secrets::line_holds_secret;

/// Findings kept of one file; more help nobody, and a broken file may have one for every line.
pub(super) const FINDINGS_MAX: usize = 100;

/// Name of the fleet's file, without its extension.
pub(super) const FLEET_STEM: &str = "fleet";

/// A definition file as it was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The file, as the user would name it.
    pub path: String,
    /// Its text, for excerpts.
    pub text: String,
    /// Its document, or where and why it is not one.
    pub parsed: Result<Node, (Position, String)>,
}

impl SourceFile {
    /// The name of the file without folder and extension.
    pub(super) fn stem(&self) -> &str {
        stem_of(&self.path)
    }

    /// Whether the file is the fleet's, by its name.
    pub(super) fn is_fleet(&self) -> bool {
        self.stem() == FLEET_STEM
    }
}

/// The name of a file without folder and extension.
pub(super) fn stem_of(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// What is written about a place: a stable code, what is wrong, and what to do.
pub(super) struct Complaint {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
    severity: Severity,
    /// Whether the line must not be shown, as it holds a secret that its text alone does not give away.
    is_hidden: bool,
}

impl Complaint {
    /// The same as a warning.
    pub(super) fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// The same without an excerpt.
    pub(super) fn hidden(self) -> Self {
        Self { is_hidden: true, ..self }
    }
}

/// Shortens the making of a complaint.
pub(super) fn complaint(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Complaint {
    Complaint { code, message: message.into(), hint: hint.into(), severity: Severity::Error, is_hidden: false }
}

/// Collects the findings about one file.
pub(super) struct Report<'a> {
    file: &'a SourceFile,
    root: &'a Node,
    findings: Vec<Finding>,
    /// Whether there was more to say than is kept.
    dropped: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a SourceFile, root: &'a Node) -> Self {
        Self { file, root, findings: Vec::new(), dropped: false }
    }

    /// Complains about the value at a path; about its nearest ancestor where there is none.
    pub(super) fn value(&mut self, path: &[&str], complaint: Complaint) {
        let (node, used) = self.root.follow(path);
        let at = if used == path.len() { node.at } else { self.key_position(&path[..used]) };
        self.add(at, complaint);
    }

    /// Complains about the key at the end of a path; about its nearest ancestor where there is none.
    pub(super) fn key(&mut self, path: &[&str], complaint: Complaint) {
        let used = self.root.follow(path).1;
        let at = self.key_position(&path[..used]);
        self.add(at, complaint);
    }

    /// Complains about a position.
    pub(super) fn add(&mut self, at: Position, complaint: Complaint) {
        if self.findings.len() >= FINDINGS_MAX {
            self.dropped = true;
            return;
        }
        let Complaint { code, message, hint, severity, is_hidden } = complaint;
        let mut finding = Finding::error(code, &*self.file.path, message).hint(hint);
        finding.severity = severity;
        let mut finding = located(finding, at, &self.file.text);
        finding.excerpt = finding.excerpt.filter(|_| !is_hidden);
        self.findings.push(finding);
    }

    /// The findings; of several about the form of one value, the first.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let mut kept: Vec<Finding> = Vec::new();
        for finding in self.findings {
            let same = |k: &Finding| (k.line, k.column, k.code) == (finding.line, finding.column, finding.code);
            if finding.code != "bad-value" || !kept.iter().any(same) {
                kept.push(finding);
            }
        }
        if self.dropped {
            let message = format!("more than {FINDINGS_MAX} findings; the rest is left out");
            kept.push(Finding::error("too-many-findings", &*self.file.path, message).hint("mend these first"));
        }
        kept
    }

    /// Where the key that a path ends in stands; the item itself in a list.
    pub(super) fn key_position(&self, path: &[&str]) -> Position {
        let Some((last, parents)) = path.split_last() else { return self.root.at };
        let (parent, _) = self.root.follow(parents);
        parent.key(last).map_or_else(|| self.root.follow(path).0.at, |key| key.at)
    }
}

/// Gives a finding its place and excerpt, unless the excerpt would show a secret.
pub(super) fn located(finding: Finding, at: Position, text: &str) -> Finding {
    let mut finding = finding.at(at, text);
    finding.excerpt = finding.excerpt.filter(|line| !line_holds_secret(line));
    finding
}
