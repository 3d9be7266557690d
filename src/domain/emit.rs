//! Writes a document tree as block YAML.
//!
//! Owns: the bytes of every template that cellctl sends to AWS. Constraint kept: the same tree gives the same bytes
//! on every machine, and the bytes read back as the same tree, by a YAML 1.2 reader and by a YAML 1.1 reader such as
//! CloudFormation's: tags, order and whether a scalar is a string all survive.

use std::fmt::Write as _;

use super::doc::{Node, Style, Value, is_string};

/// Spaces of one level.
const INDENT: usize = 2;

/// The tree as YAML: two spaces a level, LF, with a newline at the end.
pub fn to_yaml(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Mapping(pairs) if !pairs.is_empty() => {
            root_tag(&mut out, node);
            mapping(&mut out, pairs, 0, false);
        }
        Value::Sequence(items) if !items.is_empty() => {
            root_tag(&mut out, node);
            sequence(&mut out, items, 0);
        }
        _ => inline(&mut out, node, INDENT),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// `text` as a double-quoted scalar.
pub fn quote(text: &str) -> String {
    let mut out = String::new();
    quoted(&mut out, text);
    out
}

fn root_tag(out: &mut String, node: &Node) {
    if let Some(tag) = &node.tag {
        out.push_str(tag);
        out.push('\n');
    }
}

/// The entries of a mapping, one a line. `begun` says that the first line already has its indentation (after `- `).
fn mapping(out: &mut String, pairs: &[(Node, Node)], depth: usize, begun: bool) {
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 || !begun {
            indent(out, depth);
        }
        write_key(out, key);
        out.push(':');
        value_after(out, value, depth + INDENT);
    }
}

fn sequence(out: &mut String, items: &[Node], depth: usize) {
    for item in items {
        indent(out, depth);
        out.push('-');
        match &item.value {
            Value::Mapping(pairs) if !pairs.is_empty() && item.tag.is_none() => {
                out.push(' ');
                mapping(out, pairs, depth + INDENT, true);
            }
            _ => value_after(out, item, depth + INDENT),
        }
    }
}

/// What follows a key or a dash: on the same line for scalars and empty collections, below it otherwise. `depth` is
/// that of the lines below.
fn value_after(out: &mut String, node: &Node, depth: usize) {
    match &node.value {
        Value::Mapping(pairs) if !pairs.is_empty() => {
            tag_after(out, node);
            out.push('\n');
            mapping(out, pairs, depth, false);
        }
        Value::Sequence(items) if !items.is_empty() => {
            tag_after(out, node);
            out.push('\n');
            sequence(out, items, depth);
        }
        _ => {
            out.push(' ');
            inline(out, node, depth);
            out.push('\n');
        }
    }
}

fn tag_after(out: &mut String, node: &Node) {
    if let Some(tag) = &node.tag {
        out.push(' ');
        out.push_str(tag);
    }
}

/// A scalar or an empty collection, with its tag. A block scalar's last newline is left to the caller.
fn inline(out: &mut String, node: &Node, depth: usize) {
    if let Some(tag) = &node.tag {
        out.push_str(tag);
        out.push(' ');
    }
    match &node.value {
        // Nothing at all is null; written so that it is seen.
        Value::Scalar { text, style: Style::Plain } if text.is_empty() && node.tag.is_none() => out.push('~'),
        Value::Mapping(_) => out.push_str("{}"),
        Value::Sequence(_) => out.push_str("[]"),
        Value::Scalar { text, style } => scalar(out, text, *style, depth),
    }
}

fn scalar(out: &mut String, text: &str, style: Style, depth: usize) {
    match style {
        Style::Plain if is_plain_safe(text) => out.push_str(text),
        Style::Block if is_block_safe(text) => block(out, text, depth),
        _ => quoted(out, text),
    }
}

fn write_key(out: &mut String, key: &Node) {
    match &key.value {
        Value::Scalar { text, style: Style::Plain } if is_plain_safe(text) => out.push_str(text),
        // A key that was quoted stays plain where that changes nothing: both read as the same string.
        Value::Scalar { text, .. } if is_plain_safe(text) && is_string(text, Style::Plain) => out.push_str(text),
        Value::Scalar { text, .. } => quoted(out, text),
        Value::Mapping(_) | Value::Sequence(_) => quoted(out, ""),
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n(' ', depth));
}

/// Whether `text` can stand without quotes, as a key or as a value, inside block collections.
pub(crate) fn is_plain_safe(text: &str) -> bool {
    const FIRST_REFUSED: &str = "?:,[]{}#&*!|>'\"%@`=<";
    let Some(first) = text.chars().next() else { return false };
    let after_dash =
        text.strip_prefix('-').map(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.'));
    !FIRST_REFUSED.contains(first)
        && after_dash.unwrap_or(true)
        && !text.starts_with("...")
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(|c| is_printable(c) && c != '\t')
}

/// Whether `text` can be a literal block without an indentation indicator: it begins with a visible character.
fn is_block_safe(text: &str) -> bool {
    text.starts_with(|c: char| is_printable(c) && !c.is_whitespace())
        && text.chars().all(|c| c == '\n' || is_printable(c))
}

/// Characters that every reader takes as they are, and that no reader takes for a line break.
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn block(out: &mut String, text: &str, depth: usize) {
    let body = text.strip_suffix('\n');
    out.push_str(match body {
        None => "|-",
        Some(rest) if rest.ends_with('\n') => "|+",
        Some(_) => "|",
    });
    for line in body.unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c => escape(out, u32::from(c)),
        }
    }
    out.push('"');
}

/// Writing into a `String` cannot fail, so the results are dropped.
fn escape(out: &mut String, code: u32) {
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02X}"),
        0x100..=0xffff => write!(out, "\\u{code:04X}"),
        _ => write!(out, "\\U{code:08X}"),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fs::yaml::parse;

    #[test]
    fn writes_templates_as_people_do() {
        let source = "A: !Ref B\nC:\n  - x: 1\n    y: \"no\"\n  - !Sub\n    - ${a}\n    - a: b\nD: !GetAtt\n  - X\n  - Arn\nE: {}\nF: |-\n  one\n\n    two\nG: ~\n";
        assert_eq!(to_yaml(&parse(source).expect("parses")), source);
    }

    #[test]
    fn quotes_what_another_reader_would_take_for_something_else() {
        let node = Node::mapping([("a", Node::quoted("yes")), ("b", Node::plain("=")), ("c", Node::plain("<<"))]);
        assert_eq!(to_yaml(&node), "a: \"yes\"\nb: \"=\"\nc: \"<<\"\n");
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zA-Z0-9:#${}\\-. ]{0,12}",
            "[ \\t\\n\\r#|>'\"\\\\a-c:-]{0,12}",
            any::<String>(),
            Just("yes".to_owned()),
            Just("012345678901".to_owned()),
            Just("{{resolve:ssm:x}}".to_owned()),
        ]
    }

    fn leaf() -> impl Strategy<Value = Node> {
        (text(), 0..3u8).prop_map(|(text, style)| match style {
            0 if is_plain_safe(&text) => Node::plain(&text),
            1 => {
                let value = Value::Scalar { text: text.as_str().into(), style: Style::Block };
                Node { value, tag: None, at: crate::domain::doc::Position::default() }
            }
            _ => Node::quoted(&text),
        })
    }

    fn tagged(inner: impl Strategy<Value = Node>) -> impl Strategy<Value = Node> {
        let tag = prop_oneof![Just(None), Just(Some("!Sub")), Just(Some("!GetAtt"))];
        (inner, tag).prop_map(|(mut node, tag)| {
            node.tag = tag.map(Into::into);
            node
        })
    }

    fn tree() -> impl Strategy<Value = Node> {
        tagged(leaf()).prop_recursive(5, 40, 5, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..5).prop_map(Node::sequence);
            let map = prop::collection::btree_map(text(), inner, 0..5)
                .prop_map(|map| Node::mapping(map.iter().map(|(k, v)| (k.as_str(), v.clone()))));
            tagged(prop_oneof![list, map])
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_it_was(inner in tree()) {
            let node = Node::mapping([("root", inner.clone()), ("list", Node::sequence([inner]))]);
            let text = to_yaml(&node);
            let back = parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            prop_assert!(node.same_meaning(&back), "{}", text);
        }
    }
}
