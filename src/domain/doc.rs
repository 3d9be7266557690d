//! A YAML or JSON document as a tree that forgets nothing: tags, quoting style, order and positions.
//!
//! Owns: the neutral form in which definitions and templates travel through the domain. Constraint kept: scalars
//! stay text with their style, so that a CloudFormation template that nobody touched comes out meaning what it
//! meant (`012345678901` stays an account number, `!GetAtt` stays a tag). The parser lives in `fs::yaml`; the
//! writer in `domain::emit`.

use std::fmt;
use std::sync::Arc;

/// Where a node begins in its source text. Lines and columns count characters from 1; 0 means "not from a text".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Without quotes: subject to YAML's type resolution.
    #[default]
    Plain,
    /// In single or double quotes: always a string.
    Quoted,
    /// A literal or folded block: always a string.
    Block,
}

/// The content of a node.
#[derive(Debug, Clone)]
pub enum Value {
    /// A scalar, as written (escapes resolved, types not).
    Scalar {
        /// The text.
        text: Arc<str>,
        /// How it was written.
        style: Style,
    },
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in source order. Keys are nodes so that they have positions; duplicates are refused by the parser.
    Mapping(Vec<(Node, Node)>),
}

/// One node of a document.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// The tag as written, with its exclamation mark (`!Ref`), if there was one.
    pub tag: Option<Arc<str>>,
    /// Where it begins.
    pub at: Position,
}

impl Node {
    /// A scalar that is written plain where YAML reads it back as the same string, and quoted otherwise.
    pub fn plain(text: &str) -> Self {
        Self::scalar(text, Style::Plain)
    }

    /// A scalar that is always read as a string.
    pub fn quoted(text: &str) -> Self {
        Self::scalar(text, Style::Quoted)
    }

    fn scalar(text: &str, style: Style) -> Self {
        let value = Value::Scalar { text: text.into(), style };
        Self { value, tag: None, at: Position::default() }
    }

    /// A mapping from keys to nodes, in the given order.
    pub fn mapping<'a>(entries: impl IntoIterator<Item = (&'a str, Node)>) -> Self {
        let pairs = entries.into_iter().map(|(key, node)| (Node::plain(key), node)).collect();
        Self { value: Value::Mapping(pairs), tag: None, at: Position::default() }
    }

    /// A sequence of nodes.
    pub fn sequence(items: impl IntoIterator<Item = Node>) -> Self {
        Self { value: Value::Sequence(items.into_iter().collect()), tag: None, at: Position::default() }
    }

    /// The text of a scalar.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping; empty for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// The items of a sequence; empty for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The value under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// The value under `key` of a mapping, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Mapping(pairs) => pairs.iter_mut().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The node of the key itself, for its position.
    pub fn key(&self, key: &str) -> Option<&Node> {
        self.entries().iter().map(|(k, _)| k).find(|k| k.as_str() == Some(key))
    }

    /// Sets `key` of a mapping, in place where it exists, at the end otherwise. Does nothing to other nodes.
    pub fn set(&mut self, key: &str, node: Node) {
        if let Some(existing) = self.get_mut(key) {
            *existing = node;
        } else if let Value::Mapping(pairs) = &mut self.value {
            pairs.push((Node::plain(key), node));
        }
    }

    /// Whether this is a mapping.
    pub fn is_mapping(&self) -> bool {
        matches!(self.value, Value::Mapping(_))
    }

    /// The intrinsic function that this node calls, in its long name (`Ref`, `Fn::Sub`, `Condition`), with its
    /// argument; the short tag form and the long mapping form are the same thing here.
    pub fn intrinsic(&self) -> Option<Intrinsic<'_>> {
        if let Some(tag) = self.tag.as_deref() {
            let name = tag.strip_prefix('!')?;
            return Some(Intrinsic { name: name.to_owned(), argument: self, tagged: true });
        }
        let [(key, argument)] = self.entries() else { return None };
        let key = key.as_str()?;
        let name = key.strip_prefix("Fn::").or_else(|| (key == "Ref" || key == "Condition").then_some(key))?;
        Some(Intrinsic { name: name.to_owned(), argument, tagged: false })
    }

    /// Follows a JSON pointer's tokens as far as they lead; gives the last node reached and how many tokens were used.
    pub fn follow<'a>(&'a self, tokens: &[&str]) -> (&'a Node, usize) {
        let mut node = self;
        for (used, token) in tokens.iter().enumerate() {
            let next = match &node.value {
                Value::Sequence(items) => token.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => node.get(token),
            };
            match next {
                Some(child) => node = child,
                None => return (node, used),
            }
        }
        (node, tokens.len())
    }

    /// Whether two trees mean the same: positions and quoting are ignored, except that a plain scalar differs from
    /// a quoted one where YAML would read another type.
    pub fn same_meaning(&self, other: &Node) -> bool {
        if self.tag != other.tag {
            return false;
        }
        match (&self.value, &other.value) {
            (Value::Scalar { text: a, style: sa }, Value::Scalar { text: b, style: sb }) => {
                a == b && (self.tag.is_some() || is_string(a, *sa) == is_string(b, *sb))
            }
            (Value::Sequence(a), Value::Sequence(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.same_meaning(y))
            }
            (Value::Mapping(a), Value::Mapping(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .all(|(k, v)| k.as_str().and_then(|key| other.get(key)).is_some_and(|w| v.same_meaning(w)))
            }
            _ => false,
        }
    }
}

/// A call of a CloudFormation intrinsic function.
#[derive(Debug, Clone)]
pub struct Intrinsic<'a> {
    /// Its name without `Fn::` or `!` (`Ref`, `Sub`, `GetAtt`, `Condition`).
    pub name: String,
    /// Its argument. For the tag form this is the tagged node itself.
    pub argument: &'a Node,
    /// Whether it was written as a tag.
    pub tagged: bool,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Whether a scalar is a string to a YAML reader (core schema, and the YAML 1.1 booleans that CloudFormation knows).
pub fn is_string(text: &str, style: Style) -> bool {
    style != Style::Plain || !looks_typed(text)
}

/// Whether a plain scalar would be read as null, a boolean, a number or a date by a YAML 1.1 or 1.2 reader.
fn looks_typed(text: &str) -> bool {
    const WORDS: [&str; 14] =
        ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", ".nan"];
    let lower = text.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) {
        return true;
    }
    let digits = text.trim_start_matches(['+', '-', '.']);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c))
        && (text.parse::<f64>().is_ok()
            || lower.starts_with("0x")
            || lower.starts_with("0o")
            || text.chars().all(|c| c.is_ascii_digit() || "+-_:.".contains(c)))
}
