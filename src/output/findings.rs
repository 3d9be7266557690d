//! Findings as people read them: place, excerpt, a caret, what is wrong, what to do.

use crate::domain::finding::{Finding, Severity};

use super::Style;

/// All findings, one after the other, with a count at the end.
pub fn text(findings: &[Finding], style: Style) -> String {
    let mut text: String = findings.iter().map(|finding| one(finding, style)).collect();
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    if errors > 0 || warnings > 0 {
        text.push_str(&format!("{}\n", count(errors, warnings)));
    }
    text
}

/// "2 errors, 1 warning".
fn count(errors: usize, warnings: usize) -> String {
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, n) => plural(n, "warning"),
        (n, 0) => plural(n, "error"),
        (e, w) => format!("{}, {}", plural(e, "error"), plural(w, "warning")),
    }
}

fn one(finding: &Finding, style: Style) -> String {
    let severity = match finding.severity {
        Severity::Error => style.bad("error"),
        Severity::Warning => style.warn("warning"),
    };
    let place = place(finding);
    let mut text = format!("{} {severity}[{}]: {}\n", style.strong(&place), finding.code, finding.message);
    if let Some(excerpt) = &finding.excerpt {
        let number = finding.line.to_string();
        let margin = " ".repeat(number.len());
        text.push_str(&format!("  {} {excerpt}\n", style.faint(&format!("{number} |"))));
        if finding.column > 0 {
            let indent = indent(excerpt, finding.column);
            text.push_str(&format!("  {} {indent}{}\n", style.faint(&format!("{margin} |")), style.bad("^")));
        }
    }
    if let Some(hint) = &finding.hint {
        text.push_str(&format!("  {} {hint}\n", style.strong("hint:")));
    }
    text.push('\n');
    text
}

fn place(finding: &Finding) -> String {
    match (finding.line, finding.column) {
        (0, _) => format!("{}:", finding.file),
        (line, 0) => format!("{}:{line}:", finding.file),
        (line, column) => format!("{}:{line}:{column}:", finding.file),
    }
}

/// Blanks up to the column; tabs stay tabs so that the caret stands where it should.
fn indent(excerpt: &str, column: u32) -> String {
    let before = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    excerpt.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect()
}
