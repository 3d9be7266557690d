//! Reads YAML and JSON text into the domain's document tree.
//!
//! Owns: the use of the YAML parser. Constraint kept: nothing is resolved or dropped (scalars stay text with their
//! style, tags stay as written), and memory is bounded: aliases are expanded to a set number of nodes only, depth is
//! limited, and a duplicate key is an error.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::domain::doc::{Node, Position, Style, Value};

/// Nodes that one document may hold after its aliases are expanded; a 1 MiB template has some 100,000.
const NODES_MAX: usize = 1_000_000;
/// Levels of nesting; a definition has some 8, a template some 30.
const DEPTH_MAX: usize = 128;

/// Why a text is not one YAML document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct ParseError {
    /// Where the parser gave up.
    pub at: Position,
    /// What it found.
    pub message: String,
}

/// Parses exactly one YAML (or JSON) document. An empty text is an error.
pub fn parse(source: &str) -> Result<Node, ParseError> {
    let builder = build(source, Builder::default())?;
    builder.root.ok_or_else(|| fail(Position { line: 1, column: 1 }, "the file is empty"))
}

/// Parses any number of documents; all together have the bounds of one.
pub fn parse_all(source: &str) -> Result<Vec<Node>, ParseError> {
    let builder = build(source, Builder { earlier: Some(Vec::new()), ..Builder::default() })?;
    let mut documents = builder.earlier.unwrap_or_default();
    documents.extend(builder.root);
    Ok(documents)
}

fn build(source: &str, mut builder: Builder) -> Result<Builder, ParseError> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    for item in Parser::new_from_str(source) {
        let (event, span) = item.map_err(|error| scan_error(&error))?;
        builder.take(event, &span)?;
    }
    Ok(builder)
}

/// A collection that has been opened and not yet closed.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<Node>,
    /// Keys seen, to refuse duplicates.
    seen: HashSet<Arc<str>>,
}

/// Builds the tree from the parser's events.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    /// The documents before this one; none where there may be only one.
    earlier: Option<Vec<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), ParseError> {
        let at = position(span);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => self.next_document(at),
            Event::Scalar(text, style, anchor, tag) => {
                let value = Value::Scalar { text: text.as_ref().into(), style: style_of(style) };
                let node = Node { value, tag: tag_of(tag.as_deref()), at };
                self.remember(anchor, &node, 1);
                self.place(node, 1)
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(Value::Sequence(Vec::new()), anchor, tag.as_deref(), at),
            Event::MappingStart(_, anchor, tag) => self.begin(Value::Mapping(Vec::new()), anchor, tag.as_deref(), at),
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(id) => {
                let known = self.anchors.get(&id).cloned();
                let (node, size) = known.ok_or_else(|| fail(at, "this alias is used inside its own anchor"))?;
                self.place(node, size)
            }
            _ => Ok(()),
        }
    }

    fn next_document(&mut self, at: Position) -> Result<(), ParseError> {
        let Some(earlier) = &mut self.earlier else {
            return Err(fail(at, "a second document begins here; write one document in a file"));
        };
        earlier.extend(self.root.take());
        Ok(())
    }

    fn begin(&mut self, value: Value, anchor: usize, tag: Option<&Tag>, at: Position) -> Result<(), ParseError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(fail(at, &format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let node = Node { value, tag: tag_of(tag), at };
        self.open.push(Open { node, anchor, key: None, seen: HashSet::new() });
        Ok(())
    }

    fn end(&mut self, at: Position) -> Result<(), ParseError> {
        let Some(open) = self.open.pop() else { return Err(fail(at, "unexpected end of a collection")) };
        let size = if open.anchor == 0 { 0 } else { size_of(&open.node) };
        self.remember(open.anchor, &open.node, size);
        self.place(open.node, 1)
    }

    fn remember(&mut self, anchor: usize, node: &Node, size: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
    }

    /// Puts a finished node into the collection that is open, or makes it the root.
    fn place(&mut self, node: Node, size: usize) -> Result<(), ParseError> {
        self.nodes += size;
        if self.nodes > NODES_MAX {
            return Err(fail(node.at, &format!("more than {NODES_MAX} nodes once aliases are expanded")));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(pairs) => match open.key.take() {
                Some(key) => pairs.push((key, node)),
                None => open.key = Some(checked_key(node, &mut open.seen)?),
            },
            Value::Scalar { .. } => {}
        }
        Ok(())
    }
}

/// Refuses keys that are collections and keys that were there before.
fn checked_key(node: Node, seen: &mut HashSet<Arc<str>>) -> Result<Node, ParseError> {
    let Value::Scalar { text, .. } = &node.value else {
        return Err(fail(node.at, "a key must be a single value"));
    };
    if !seen.insert(Arc::clone(text)) {
        return Err(fail(node.at, &format!("the key {text:?} is here twice; remove or rename one")));
    }
    Ok(node)
}

fn size_of(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 1,
        Value::Sequence(items) => 1 + items.iter().map(size_of).sum::<usize>(),
        Value::Mapping(pairs) => 1 + pairs.iter().map(|(_, v)| 1 + size_of(v)).sum::<usize>(),
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

/// The tag as written; the core tags (`!!str`) keep their two exclamation marks.
fn tag_of(tag: Option<&Tag>) -> Option<Arc<str>> {
    tag.map(|tag| tag.original().into())
}

fn position(span: &Span) -> Position {
    let start = span.tag_start().unwrap_or(span.start);
    Position { line: clamp(start.line()), column: clamp(start.col() + 1) }
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn scan_error(error: &ScanError) -> ParseError {
    let marker = error.marker();
    fail(Position { line: clamp(marker.line()), column: clamp(marker.col() + 1) }, &error.info())
}

fn fail(at: Position, message: &str) -> ParseError {
    ParseError { at, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_tags_styles_and_positions() {
        let node = parse("A: !Ref B\nC: ['x', 0123]\nD: !GetAtt [X, Arn]\n").expect("parses");
        let a = node.get("A").expect("A");
        assert_eq!((a.tag.as_deref(), a.as_str(), a.at.line, a.at.column), (Some("!Ref"), Some("B"), 1, 4));
        let c = node.get("C").expect("C").items();
        assert!(matches!(c[0].value, Value::Scalar { style: Style::Quoted, .. }));
        assert_eq!(c[1].as_str(), Some("0123"));
        assert_eq!(node.get("D").and_then(|d| d.tag.as_deref()), Some("!GetAtt"));
    }

    #[test]
    fn reads_json() {
        let node = parse("{\"a\": {\"Ref\": \"B\"}, \"n\": [1, true, null]}").expect("parses");
        assert_eq!(node.get("a").and_then(|a| a.get("Ref")).and_then(Node::as_str), Some("B"));
    }

    #[test]
    fn refuses_what_cannot_be_meant() {
        for (text, needle) in [
            ("a: 1\na: 2\n", "twice"),
            ("a: 1\n---\nb: 2\n", "second document"),
            ("", "empty"),
            ("a: [1, 2\n", ""),
            ("a: *nobody\n", ""),
            ("? [x]\n: 1\n", "single value"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.message.contains(needle), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_alias_bomb_is_refused_quickly() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let refs = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert!(parse(&text).expect_err("bomb").message.contains("nodes"));
    }
}
