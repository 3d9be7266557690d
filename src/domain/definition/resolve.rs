//! Gives the scalars of a definition their types, by YAML 1.2's core schema.
//!
//! Constraint kept: `yes`, `on` and dates are text, as the schema of a definition says; a tag such as `!Ref` has no
//! meaning in a definition and is a finding.

use serde_json::{Map, Number, Value as Json};

use super::report::{Report, complaint};
use crate::domain::doc::{Node, Style, Value};

/// Largest whole number that a float holds exactly: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The document as JSON. Tags that mean nothing here are reported; their values count as if untagged.
pub(super) fn to_json(node: &Node, report: &mut Report<'_>) -> Json {
    let tag = node.tag.as_deref();
    if let Some(tag) = tag.filter(|t| *t != "!" && !t.starts_with("!!")) {
        let hint = "tags work in templates only; write the value itself";
        let message = format!("the tag `{tag}` means nothing in a definition");
        report.add(node.at, complaint("unknown-tag", message, hint));
    }
    match &node.value {
        Value::Scalar { text, style } if *style == Style::Plain && !matches!(tag, Some("!" | "!!str")) => scalar(text),
        Value::Scalar { text, .. } => Json::String(text.to_string()),
        Value::Sequence(items) => Json::Array(items.iter().map(|item| to_json(item, report)).collect()),
        Value::Mapping(pairs) => {
            let entry =
                |(key, value): &(Node, Node)| (key.as_str().unwrap_or_default().to_owned(), to_json(value, report));
            Json::Object(pairs.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

/// A plain scalar's value.
fn scalar(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" => return Json::Bool(true),
        "false" | "False" | "FALSE" => return Json::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Json::String(text.to_owned()), Json::Number)
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    let radix = |prefix: &str, base| text.strip_prefix(prefix).and_then(|digits| whole(digits, base));
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(number.into());
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if let Some(number) = whole(unsigned, 10) {
        return Some(number.into());
    }
    if let Some(number) = text.strip_prefix('-').and_then(|digits| whole(digits, 10)) {
        return i64::try_from(number).ok().map(|n| (-n).into());
    }
    float(text)
}

fn whole(digits: &str, base: u32) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, base).ok()).flatten()
}

/// A float; one without a fraction becomes a whole number, as JSON Schema sees it. Infinities stay text.
fn float(text: &str) -> Option<Number> {
    if !text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
        return None;
    }
    let number: f64 = text.parse().ok().filter(|n: &f64| n.is_finite())?;
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        return format!("{number:.0}").parse::<i64>().ok().map(Number::from);
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("true", json!(true)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("012", json!(12)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("-3", json!(-3)),
            ("+3", json!(3)),
            ("1.5", json!(1.5)),
            ("2.0", json!(2)),
            ("1e3", json!(1000)),
            (".inf", json!(".inf")),
            ("2024-01-01", json!("2024-01-01")),
            ("5m", json!("5m")),
            ("-", json!("-")),
            ("1.2.3", json!("1.2.3")),
        ] {
            assert_eq!(scalar(text), value, "{text}");
        }
    }
}
