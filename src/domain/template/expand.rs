//! Expands a dynamic template over one cell.
//!
//! Owns: the use of the template engine: delimiters, limits, what its errors become. Constraint kept: a template is
//! closed (it reads no other file, no clock and no chance), and its work and its output are bounded.
//! While it expands, it notes which fields of the cell were read: cells that agree in those need no second expansion.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Serde};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context};

use super::context::Fields;
use super::source::TemplateSource;
use crate::domain::doc::Position;
use crate::domain::emit;
use crate::domain::finding::{Finding, did_you_mean};

/// Instructions of the template engine that one expansion may take; the serverless template with 100 tables, 100
/// queues and 100 functions takes some 50,000.
const FUEL: u64 = 5_000_000;
/// Bytes that one expansion may give: four times what CloudFormation takes, so that its own limit is what is reported.
const OUTPUT_BYTES_MAX: usize = 4_000_000;
/// Nested blocks and macro calls.
const RECURSION_MAX: usize = 64;

/// A dynamic template, ready to be expanded.
pub(super) struct Expander {
    environment: Environment<'static>,
    file: String,
    text: String,
}

/// What an expansion gave, and which fields of the cell it read.
pub(super) struct Expansion {
    pub(super) text: String,
    pub(super) used: BTreeSet<&'static str>,
}

impl Expander {
    /// Compiles a template. A syntax error is the finding.
    pub(super) fn new(source: &TemplateSource) -> Result<Self, Finding> {
        let fail = |error: &Error| finding(error, &source.file, &source.text);
        let mut environment = environment().map_err(|e| fail(&e))?;
        environment.add_template_owned(source.file.clone(), source.text.clone()).map_err(|e| fail(&e))?;
        Ok(Self { environment, file: source.file.clone(), text: source.text.clone() })
    }

    /// Expands the template over the fields of one cell.
    pub(super) fn expand(
        &self,
        fleet: &serde_json::Value,
        artifacts: &serde_json::Value,
        cell: &Fields,
    ) -> Result<Expansion, Finding> {
        let cell = Arc::new(Tracked::new(cell));
        let values = context! {
            fleet => Value::from(Serde(fleet)),
            artifacts => Value::from(Serde(artifacts)),
            cell => Value::from_dyn_object(Arc::clone(&cell)),
        };
        let mut output = Bounded::default();
        let template = self.environment.get_template(&self.file).map_err(|e| finding(&e, &self.file, &self.text))?;
        let done = template.render_captured_to(values, &mut output);
        if output.full {
            let message = format!("the template expands to more than {OUTPUT_BYTES_MAX} bytes");
            return Err(Finding::error("template-too-large", &self.file, message).hint("look for a loop in a loop"));
        }
        done.map_err(|e| finding(&e, &self.file, &self.text))?;
        let text = String::from_utf8_lossy(&output.bytes).into_owned();
        Ok(Expansion { text, used: cell.used() })
    }
}

/// The engine with cellctl's delimiters and limits. No loader: a template has its own text only.
fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("${{", "}}")
        .block_delimiters("{%", "%}")
        .comment_delimiters("{#", "#}")
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_debug(true);
    environment.add_filter("quote", |text: &str| emit::quote(text));
    Ok(environment)
}

/// The cell as a template sees it; remembers what was read.
#[derive(Debug)]
struct Tracked {
    fields: BTreeMap<&'static str, Value>,
    used: Mutex<BTreeSet<&'static str>>,
}

impl Tracked {
    fn new(cell: &Fields) -> Self {
        let fields = cell.iter().map(|(name, value)| (*name, Value::from(Serde(value)))).collect();
        Self { fields, used: Mutex::default() }
    }

    fn used(&self) -> BTreeSet<&'static str> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, names: impl IntoIterator<Item = &'static str>) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }
}

impl Object for Tracked {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (name, value) = self.fields.get_key_value(key.as_str()?)?;
        self.note([*name]);
        Some(value.clone())
    }

    /// Whoever walks over the cell has read all of it.
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.note(self.fields.keys().copied());
        Enumerator::Values(self.fields.keys().map(|name| Value::from(*name)).collect())
    }
}

/// A buffer that refuses to grow past `OUTPUT_BYTES_MAX`.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.full |= self.bytes.len() + bytes.len() > OUTPUT_BYTES_MAX;
        if self.full {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn finding(error: &Error, file: &str, text: &str) -> Finding {
    let line = error.line().and_then(|l| u32::try_from(l).ok()).unwrap_or(0);
    let detail = error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
    let words = error.range().and_then(|range| text.get(range)).unwrap_or_default();
    let place = if words.is_empty() { String::new() } else { format!(" in `{words}`") };
    Finding::error("template-expansion", file, format!("the template cannot be expanded: {detail}{place}"))
        .at(Position { line, column: 0 }, text)
        .hint(hint(error.kind(), words))
}

/// What to do about an error, from its kind and from the expression it stands in.
fn hint(kind: ErrorKind, words: &str) -> String {
    const NAMES: [&str; 13] = [
        "cell.name",
        "cell.type",
        "cell.region",
        "cell.account",
        "cell.labels",
        "cell.capacity",
        "cell.tables",
        "cell.queues",
        "cell.functions",
        "cell.parameters",
        "cell.fenceShards",
        "cell.logRetentionDays",
        "cell.alarmTopic",
    ];
    match kind {
        ErrorKind::UndefinedError => did_you_mean(words, NAMES).map_or_else(
            || "the names that a template may use are in docs/templates.md".to_owned(),
            |name| format!("did you mean `{name}`? The names are in docs/templates.md"),
        ),
        ErrorKind::OutOfFuel => "the template does too much work; look for a loop in a loop".to_owned(),
        _ => "the syntax is that of Jinja, with ${{ }} for values, {% %} for blocks and {# #} for comments".to_owned(),
    }
}
