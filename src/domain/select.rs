//! Which cells are meant: `--select type=canary,region=eu-*`.
//!
//! Constraint kept: a selector that names a key or a cell that does not exist is an error, never an empty selection.

use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobMatcher};

use super::finding::did_you_mean;
use super::fleet::Cell;

/// A list of terms that must all hold; the values of one term are alternatives, separated by `|`.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    key: Key,
    negated: bool,
    patterns: Vec<GlobMatcher>,
}

#[derive(Debug, Clone)]
enum Key {
    Name,
    Type,
    Region,
    Template,
    Account,
    Label(String),
}

/// Why a selector cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the selector {text:?}: {why}")]
pub struct SelectorError {
    text: String,
    why: String,
}

const KEYS: [&str; 6] = ["name", "type", "region", "template", "account", "label.<name>"];

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let terms = parts.map(term).collect::<Result<Vec<_>, _>>();
        let terms = terms.map_err(|why| SelectorError { text: text.to_owned(), why })?;
        if terms.is_empty() {
            let why = "it is empty; write key=pattern, such as type=canary".to_owned();
            return Err(SelectorError { text: text.to_owned(), why });
        }
        Ok(Self { text: text.to_owned(), terms })
    }
}

fn term(part: &str) -> Result<Term, String> {
    let (negated, key, value) = match part.split_once("!=") {
        Some((key, value)) => (true, key, value),
        None => match part.split_once('=') {
            Some((key, value)) => (false, key, value),
            None => (false, "name", part),
        },
    };
    let patterns = value
        .split('|')
        .map(|p| {
            Glob::new(p.trim()).map(|g| g.compile_matcher()).map_err(|e| format!("{p:?} is no pattern: {}", e.kind()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Term { key: key_of(key.trim())?, negated, patterns })
}

fn key_of(key: &str) -> Result<Key, String> {
    match key {
        "name" | "cell" => Ok(Key::Name),
        "type" => Ok(Key::Type),
        "region" => Ok(Key::Region),
        "template" => Ok(Key::Template),
        "account" => Ok(Key::Account),
        _ => match key.strip_prefix("label.").or_else(|| key.strip_prefix("labels.")) {
            Some(label) if !label.is_empty() => Ok(Key::Label(label.to_owned())),
            _ => Err(unknown_key(key)),
        },
    }
}

fn unknown_key(key: &str) -> String {
    match did_you_mean(key, KEYS) {
        Some(known) => format!("there is no key {key:?}; did you mean {known:?}?"),
        None => format!("there is no key {key:?}; the keys are {}", KEYS.join(", ")),
    }
}

impl Selector {
    /// Whether a cell is meant. Without terms, every cell is.
    pub fn matches(&self, cell: &Cell) -> bool {
        self.terms.iter().all(|term| {
            let value = term.key.value(cell);
            let hit = value.is_some_and(|value| term.patterns.iter().any(|p| p.is_match(value)));
            hit != term.negated
        })
    }

    /// Whether it selects everything.
    pub fn is_all(&self) -> bool {
        self.terms.is_empty()
    }
}

impl Key {
    fn value<'a>(&self, cell: &'a Cell) -> Option<&'a str> {
        match self {
            Self::Name => Some(cell.id.as_str()),
            Self::Type => Some(cell.spec.cell_type.as_str()),
            Self::Region => Some(cell.place.region.as_str()),
            Self::Template => Some(cell.template.as_str()),
            Self::Account => cell.place.account.as_ref().map(super::ids::AccountId::as_str),
            Self::Label(name) => cell.labels.get(name).map(String::as_str),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
