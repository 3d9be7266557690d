//! What GitHub Actions shows of a run: a job summary in Markdown, and annotations.
//!
//! Owns: how both are written, and their limits. Constraints kept: what comes from outside is text in both, never Markdown or
//! a command of the runner; the worst comes first, so that a limit cuts off what matters least; what is cut is counted.
//!
//! Annotations go to stderr: the runner reads commands from both streams (`ScriptHandler` in actions/runner hands either to
//! the same `OutputManager`), and stdout stays data.

pub mod changes;
pub mod markdown;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use markdown::Summary;

/// Bytes of a summary: a step's may have 1 MiB, or it is not shown at all (GitHub, "Workflow commands", step isolation and
/// limits). What the step's other commands write needs some room too.
const SUMMARY_BYTES_MAX: u64 = 1024 * 1024 - 16 * 1024;
/// Annotations of a kind: GitHub shows ten errors and ten warnings of a step (REST API, "Check runs").
pub const ANNOTATIONS_MAX: usize = 10;
/// Characters of an annotation's text.
const MESSAGE_CHARS_MAX: usize = 1000;
/// Characters of an annotation's title.
const TITLE_CHARS_MAX: usize = 100;

/// Where a run on GitHub Actions is shown.
#[derive(Debug, Clone, Default)]
pub struct GitHub {
    /// The file that the step's summary is appended to.
    pub summary: Option<PathBuf>,
}

/// What is shown of a command.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The job summary.
    pub summary: Summary,
    /// Annotations, the worst first.
    pub annotations: Vec<Annotation>,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something to look at.
    Warning,
}

/// A line at the top of the run's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// How bad it is.
    pub level: Level,
    /// What it is about.
    pub title: String,
    /// What happened.
    pub message: String,
}

impl Annotation {
    /// An error.
    pub fn error(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Error, title: title.into(), message: message.into() }
    }

    /// A warning.
    pub fn warning(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, title: title.into(), message: message.into() }
    }

    /// The runner's command for it.
    fn command(&self) -> String {
        let word = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let (title, message) = (shortened(&self.title, TITLE_CHARS_MAX), shortened(&self.message, MESSAGE_CHARS_MAX));
        format!("::{word} title={}::{}", property(&title), data(&message))
    }
}

/// The runner's commands for annotations, ten of a kind at the most, the worst kind first.
pub fn commands(annotations: &[Annotation]) -> Vec<String> {
    let of = |level: Level| annotations.iter().filter(move |one| one.level == level);
    let mut lines = Vec::new();
    for level in [Level::Error, Level::Warning] {
        let all = of(level).count();
        // The last place is kept for the number of those that have none.
        let shown = if all > ANNOTATIONS_MAX { ANNOTATIONS_MAX - 1 } else { all };
        lines.extend(of(level).take(shown).map(Annotation::command));
        if all > shown {
            let message = format!("{} more are in the job summary", all - shown);
            lines.push(Annotation { level, title: "More of these".to_owned(), message }.command());
        }
    }
    lines
}

fn shortened(text: &str, chars_max: usize) -> String {
    let shown: String = text.chars().filter(|c| !c.is_control() || *c == '\n').take(chars_max).collect();
    if text.chars().nth(chars_max).is_some() { format!("{shown}…") } else { shown }
}

/// The text of a command, as `ActionCommand` in actions/runner takes it apart.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A text for people in which the runner finds no command: a line that begins with `::`, or has `##[` in it, would be one.
pub fn harmless(text: &str) -> String {
    let line = |line: &str| {
        let begins = line.trim_start();
        let before = &line[..line.len() - begins.len()];
        let line = begins.strip_prefix("::").map_or_else(|| line.to_owned(), |rest| format!("{before}: :{rest}"));
        line.replace("##[", "# #[")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The same for JSON, which stays the same document: `##[` can only be in a string there.
pub fn harmless_json(text: &str) -> String {
    text.replace("##[", "##\\u005b")
}

impl GitHub {
    /// Appends a summary to the step's, as much of it as there is room for.
    pub fn append(&self, summary: &Summary) -> std::io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        let room = SUMMARY_BYTES_MAX.saturating_sub(size(path)?);
        let text = summary.text(usize::try_from(room).unwrap_or(usize::MAX));
        OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
    }
}

fn size(path: &Path) -> std::io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(there) => Ok(there.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_command_whatever_it_says() {
        let hostile = Annotation::error("a:b,c%\n::x", "50% of\r\n::stop-commands::t\n##[add-mask]x\u{1b}[2J");
        let lines = commands(std::slice::from_ref(&hostile));
        let wanted = "::error title=a%3Ab%2Cc%25%0A%3A%3Ax::50%25 of%0A::stop-commands::t%0A##[add-mask]x[2J";
        assert_eq!(lines, [wanted]);
    }

    #[test]
    fn ten_of_a_kind_are_shown_and_the_rest_is_counted() {
        let mut many: Vec<Annotation> = (0..3).map(|n| Annotation::warning(format!("w{n}"), "x")).collect();
        many.extend((0..12).map(|n| Annotation::error(format!("e{n}"), "x")));
        let lines = commands(&many);
        assert_eq!(lines.len(), ANNOTATIONS_MAX + 3);
        assert!(lines[8].starts_with("::error title=e8::") && lines[9].ends_with("::3 more are in the job summary"));
        assert!(lines[10].starts_with("::warning title=w0::"));
        assert_eq!(commands(&many[3..13]).len(), ANNOTATIONS_MAX, "ten have room for ten");
        let long = commands(&[Annotation::error("t", "x".repeat(5000))]);
        assert!(long[0].chars().count() < MESSAGE_CHARS_MAX + 50 && long[0].ends_with('…'));
    }

    #[test]
    fn a_text_holds_no_command_of_the_runner() {
        assert_eq!(harmless("ok\n  ::error::x\na ::b"), "ok\n  : :error::x\na ::b");
        assert_eq!(harmless("why: ##[add-mask]secret"), "why: # #[add-mask]secret");
        let json = serde_json::json!({ "why": "##[add-mask]x" });
        let text = harmless_json(&json.to_string());
        assert!(!text.contains("##["), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("json"), json);
    }

    #[test]
    fn a_summary_is_appended_and_never_takes_a_step_over_its_limit() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("summary.md");
        let github = GitHub { summary: Some(path.clone()) };
        let rows: Vec<String> = (0..40_000).map(|n| format!("row {n} {}", "x".repeat(40))).collect();
        let summary = Summary::new("### Head\n").part("", rows, "");
        for _ in 0..3 {
            github.append(&summary).expect("written");
        }
        let text = std::fs::read_to_string(&path).expect("a summary");
        assert!(text.len() < 1024 * 1024, "{} bytes", text.len());
        assert!(text.starts_with("### Head\n") && text.contains("rows are left out"));
        GitHub::default().append(&summary).expect("nothing to do");
    }
}
