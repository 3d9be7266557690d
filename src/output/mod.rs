//! Output: data on stdout, everything else on stderr.
//!
//! Owns: every byte that cellctl prints. Constraint kept: nothing else in the program writes to the standard streams;
//! machine formats carry a versioned schema name; a reader that goes away ends the output quietly.

pub mod audit;
pub mod bar;
pub mod cells;
pub mod findings;
pub mod github;
mod import_progress;
pub mod map;
pub mod map_verify;
pub mod moves;
pub mod plan;
pub mod progress;
pub mod report;
pub mod rollout;
pub mod style;
pub mod table;
pub mod tenant_import;
pub mod tenants;

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::ops::{ErrorKind, OpError};

pub use github::GitHub;
pub use style::Style;

/// In which form data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a line, events included.
    Ndjson,
}

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The form of the data.
    pub format: Format,
    /// Whether stdout may carry colours.
    pub color_out: bool,
    /// Whether stderr may carry colours.
    pub color_err: bool,
    /// Whether everything but data and errors is left out.
    pub quiet: bool,
}

/// Prints.
pub struct Printer {
    options: Options,
    /// Where a run on GitHub Actions is shown.
    github: Option<GitHub>,
    /// Keeps lines whole when several tasks print. Holds the first failure of stdout that is not a reader's going away.
    turn: Mutex<Option<String>>,
}

/// A document for machines: the name of its schema, and the data.
#[derive(Serialize)]
struct Document<'a, T: Serialize> {
    schema: &'a str,
    data: &'a T,
}

impl Printer {
    /// A printer with these options.
    pub fn new(options: Options) -> Self {
        Self { options, github: None, turn: Mutex::default() }
    }

    /// The same for a run on GitHub Actions: what is told there, and what the runner would take for a command is none.
    #[must_use]
    pub fn on_github(self, github: Option<GitHub>) -> Self {
        Self { github, ..self }
    }

    /// Tells GitHub of a result, where this is a run there: its job summary, and its annotations on stderr.
    pub fn to_github(&self, show: impl FnOnce() -> github::Shown) {
        let Some(github) = &self.github else { return };
        let shown = show();
        for command in github::commands(&shown.annotations) {
            self.raw(&command);
        }
        if let Err(error) = github.append(&shown.summary) {
            self.note(&format!("warning: the job summary cannot be written: {error}"));
        }
    }

    /// A text for people, and for the runner nothing but text.
    fn harmless<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.github.is_some() { github::harmless(text).into() } else { text.into() }
    }

    /// A line of JSON, and for the runner nothing but text.
    fn harmless_json<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.github.is_some() { github::harmless_json(text).into() } else { text.into() }
    }

    /// The options.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Colours for text on stdout.
    pub fn style(&self) -> Style {
        Style::new(self.options.color_out)
    }

    /// Colours for text on stderr.
    pub fn style_err(&self) -> Style {
        Style::new(self.options.color_err)
    }

    /// Prints a result: the text for people, the document for machines.
    pub fn result<T: Serialize>(&self, schema: &str, data: &T, text: impl FnOnce(Style) -> String) {
        match self.options.format {
            Format::Text => self.data(&self.harmless(&text(self.style()))),
            Format::Json => self.document(schema, data, true),
            Format::Ndjson => self.document(schema, data, false),
        }
    }

    /// Prints a document for machines.
    pub fn document<T: Serialize>(&self, schema: &str, data: &T, pretty: bool) {
        let document = Document { schema, data };
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
        match text {
            Ok(text) => self.data(&self.harmless_json(&text)),
            Err(error) => self.note(&format!("error: the result cannot be written as JSON: {error}")),
        }
    }

    /// Prints data as it is, with a line end where it lacks one.
    pub fn data(&self, text: &str) {
        self.part(text);
    }

    /// Prints a part of a long text on stdout. False: the reader is gone, and wants no more.
    pub fn part(&self, text: &str) -> bool {
        let mut failure = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let written = write_to(&mut std::io::stdout().lock(), text);
        if let Err(error) = &written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            failure.get_or_insert_with(|| error.to_string());
        }
        written.is_ok()
    }

    /// Why data could not be written, if it could not: a full disk, not a reader who has seen enough.
    pub fn failure(&self) -> Option<OpError> {
        let failure = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let message = format!("cannot write to stdout: {}", failure.as_ref()?);
        Some(OpError::new(ErrorKind::Failed, message).hint("what was printed is not whole; run the command again"))
    }

    /// Prints one of many documents as a line. False: the reader is gone, and wants no more.
    pub fn line<T: Serialize>(&self, schema: &str, data: &T) -> bool {
        serde_json::to_string(&Document { schema, data }).is_ok_and(|text| self.part(&self.harmless_json(&text)))
    }

    /// Tells people something on stderr, unless they want quiet.
    pub fn note(&self, text: &str) {
        if !self.options.quiet {
            self.always(text);
        }
    }

    /// Tells people something on stderr that they must not miss.
    pub fn always(&self, text: &str) {
        self.raw(&self.harmless(text));
    }

    fn raw(&self, text: &str) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can be told that nobody can be told.
        let _ = write_to(&mut std::io::stderr().lock(), text);
    }

    /// Prints an error.
    pub fn error(&self, error: &OpError) {
        self.to_github(|| {
            let hint = error.hint.as_deref().map(|hint| format!("\n{hint}")).unwrap_or_default();
            let annotations = vec![github::Annotation::error("cellctl", format!("{}{hint}", error.message))];
            github::Shown { annotations, ..github::Shown::default() }
        });
        if self.options.format != Format::Text {
            let data = serde_json::json!({
                "kind": error.kind,
                "message": error.message,
                "hint": error.hint,
                "findings": error.findings,
                "exitCode": error.exit_code(),
            });
            let document = Document { schema: "cellctl.error/v1", data: &data };
            self.always(&serde_json::to_string(&document).unwrap_or_default());
            return;
        }
        let style = self.style_err();
        if !error.findings.is_empty() {
            self.always(findings::text(&error.findings, style).trim_end());
        }
        self.always(&error_text(error, style));
    }

    /// Asks a question on a terminal. `None` where nobody can answer.
    pub fn ask(&self, question: &str) -> Option<bool> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let mut stderr = std::io::stderr().lock();
            // A terminal that cannot be written to cannot be answered either.
            let written = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
            if written.is_err() {
                return None;
            }
        }
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// An error for people. What it quotes may come from a table, a file or a service.
fn error_text(error: &OpError, style: Style) -> String {
    let message = format!("{} {}", style.bad("error:"), visible_lines(&error.message));
    match &error.hint {
        Some(hint) => format!("{message}\n{} {}", style.strong("hint:"), visible_lines(hint)),
        None => message,
    }
}

/// A text of several lines without what would steer the terminal.
fn visible_lines(text: &str) -> String {
    text.split('\n').map(tenants::visible).collect::<Vec<_>>().join("\n")
}

/// Writes a whole text.
fn write_to(stream: &mut impl Write, text: &str) -> std::io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(end.as_bytes())).and_then(|()| stream.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_steers_no_terminal_and_keeps_its_lines() {
        let error = OpError::new(ErrorKind::Refused, "pinned: \u{1b}[31mred\r\nsecond").hint("one\ntwo\u{7}");
        let text = error_text(&error, Style::new(false));
        assert_eq!(text, "error: pinned: \u{fffd}[31mred\u{fffd}\nsecond\nhint: one\ntwo\u{fffd}");
    }
}
