//! The words of the shape check: what is wrong with one field, and what to write instead.
//!
//! Constraint kept: no jargon of JSON Schema and no regular expressions; the value that was found is quoted, except
//! where it looks like a secret.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::types::JsonType;
use serde_json::Value;

use super::Seconds;
use super::report::{Complaint, complaint};
use crate::domain::doc::{Node, Style, Value as NodeValue};
use crate::domain::finding::did_you_mean;
use crate::domain::secrets::looks_secret;

/// The place that a complaint is about.
pub(super) struct Site<'a> {
    /// The keys that lead there.
    pub(super) path: &'a [&'a str],
    /// What was written.
    pub(super) node: &'a Node,
    /// What it means.
    pub(super) value: &'a Value,
    /// The schema that it does not fit.
    pub(super) schema: &'a Value,
}

/// Characters of a value that a message quotes.
const QUOTE_CHARS_MAX: usize = 80;

/// A field that the format does not have.
pub(super) fn unknown_field(field: &str, parent: &[&str], known: &[&str]) -> Complaint {
    let hint = if field == "<<" {
        "merge keys are not part of YAML 1.2; write the fields out".to_owned()
    } else {
        did_you_mean(field, known.iter().copied())
            .map_or_else(|| format!("known fields are {}", list(known)), |meant| format!("did you mean `{meant}`?"))
    };
    complaint("unknown-field", format!("unknown field `{field}`{}", within(parent)), hint)
}

/// A field that has to be there and is not.
pub(super) fn missing_field(field: &str, parent: &[&str], schema: &Value) -> Complaint {
    let described = schema["properties"][field]["description"].as_str();
    let hint = match (field, described) {
        ("apiVersion", _) => "add `apiVersion: cellctl/v1` as the first line".to_owned(),
        ("kind", _) => "add `kind: Cell`, or `kind: Fleet` in fleet.yaml".to_owned(),
        (_, Some(text)) => format!("add `{field}:` ({})", one_line(text).trim_end_matches('.')),
        (_, None) => format!("add `{field}:`"),
    };
    complaint("missing-field", format!("the field `{field}` is missing{}", within(parent)), hint)
}

/// A key of the user's own that breaks the rule for such keys.
pub(super) fn bad_key(key: &str, parent: &[&str], schema: &Value) -> Complaint {
    let names = schema.get("propertyNames").unwrap_or(schema);
    let rule = names["patternErrorMessage"].as_str().unwrap_or("use another name");
    complaint("bad-name", format!("`{}` cannot be a name{}", cut(key), within(parent)), rule)
}

/// A value of the wrong type or form.
pub(super) fn bad_value(error: &ValidationError<'_>, site: &Site<'_>) -> Complaint {
    match error.kind() {
        Kind::Type { kind } => wrong_type(kind, site),
        Kind::Constant { expected_value } => wrong_constant(expected_value, site),
        Kind::Enum { options } => wrong_choice(options, site),
        Kind::Pattern { .. } => wrong_form(site),
        Kind::MinLength { .. } | Kind::MaxLength { .. } => wrong_length(site),
        Kind::Minimum { .. } | Kind::Maximum { .. } => out_of_range(site),
        Kind::MaxProperties { limit } | Kind::MaxItems { limit } => {
            let message = format!("{} has more than {limit} entries", subject(site.path));
            complaint("bad-value", message, format!("keep it to {limit}"))
        }
        Kind::MinItems { limit } => {
            let message = format!("{} has fewer than {limit} entries", subject(site.path));
            complaint("bad-value", message, "add what belongs there, or remove the field")
        }
        _ => {
            let message = format!("{} does not fit the format", subject(site.path));
            complaint("bad-value", message, "compare it with the schema that `cellctl schema` prints")
        }
    }
}

fn wrong_type(kind: &TypeKind, site: &Site<'_>) -> Complaint {
    let expected = match kind {
        TypeKind::Single(single) => *single,
        TypeKind::Multiple(several) => several.iter().next().unwrap_or(JsonType::Object),
    };
    let found = found_words(site);
    let expected_words = if is_duration(site) { "a duration, such as `5m`" } else { type_words(expected) };
    let message = format!("{} is {found}, but must be {expected_words}", subject(site.path));
    complaint("wrong-type", message, type_hint(expected, site))
}

fn type_words(expected: JsonType) -> &'static str {
    match expected {
        JsonType::String => "text",
        JsonType::Integer | JsonType::Number => "a whole number",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Array => "a list",
        JsonType::Object => "a mapping",
        JsonType::Null => "empty",
    }
}

fn found_words(site: &Site<'_>) -> String {
    match site.value {
        Value::Null => "empty".to_owned(),
        Value::Bool(_) => format!("the boolean {}", shown(site)),
        Value::Number(_) => format!("the number {}", shown(site)),
        Value::String(_) => format!("the text {}", shown(site)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn type_hint(expected: JsonType, site: &Site<'_>) -> String {
    let text = raw(site.node);
    let example = site.path.last().copied().unwrap_or("field");
    match (expected, site.value) {
        (_, Value::Null) => "give it a value, or remove the line".to_owned(),
        (JsonType::String, Value::Number(_)) if example == "account" => account_hint(text),
        (JsonType::String, Value::Number(_)) if is_duration(site) => {
            format!("add a unit: `{text}s` for seconds; `m`, `h` and `d` are minutes, hours and days")
        }
        (JsonType::String, Value::Number(_) | Value::Bool(_)) => format!("put it in quotes: \"{text}\""),
        (JsonType::Boolean, Value::String(_)) => boolean_hint(site.node),
        (JsonType::Integer, Value::String(_)) if text.parse::<u64>().is_ok() => format!("remove the quotes: {text}"),
        (JsonType::Integer, Value::Number(_)) => "write it without a fraction".to_owned(),
        (JsonType::Integer, Value::String(_)) => "write digits only, without a unit or a separator".to_owned(),
        (JsonType::Array, Value::String(_)) => format!("write a list: `{example}: [{text}]`"),
        (JsonType::Object, Value::Array(_)) => "write `name:` lines without the leading hyphens".to_owned(),
        (JsonType::Object, _) => fields_hint(example, site.schema),
        (JsonType::Array, _) => format!("write a list: `{example}: [one, two]`"),
        _ => format!("write {} here", type_words(expected)),
    }
}

fn is_duration(site: &Site<'_>) -> bool {
    site.schema["pattern"] == Seconds::PATTERN
}

fn fields_hint(field: &str, schema: &Value) -> String {
    let known: Vec<&str> =
        schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if known.is_empty() {
        return format!("write `name: value` lines below `{field}:`, indented");
    }
    format!("write its fields below `{field}:`, indented: {}", list(&known))
}

fn account_hint(text: &str) -> String {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return format!("put the account number in quotes: \"{text}\" (without them YAML drops leading zeros)");
    }
    "write the account number as exactly 12 digits, in quotes".to_owned()
}

fn boolean_hint(node: &Node) -> String {
    let word = raw(node).to_ascii_lowercase();
    let meant = match word.as_str() {
        "yes" | "on" | "y" | "true" => "true",
        "no" | "off" | "n" | "false" => "false",
        _ => return "write `true` or `false`, without quotes".to_owned(),
    };
    match &node.value {
        NodeValue::Scalar { style: Style::Plain, .. } => {
            format!("write `{meant}`: to YAML 1.2, `{}` is text", raw(node))
        }
        _ => format!("write `{meant}` without quotes"),
    }
}

fn wrong_constant(expected: &Value, site: &Site<'_>) -> Complaint {
    let expected = expected.as_str().unwrap_or_default();
    let hint = match site.path {
        ["apiVersion"] => format!("this cellctl reads `{expected}` only; a newer format needs a newer cellctl"),
        ["kind"] => "a file holds `kind: Cell`; fleet.yaml holds `kind: Fleet`".to_owned(),
        _ => format!("write `{expected}`"),
    };
    complaint("bad-value", format!("{} is {}, but must be `{expected}`", subject(site.path), shown(site)), hint)
}

fn wrong_choice(options: &Value, site: &Site<'_>) -> Complaint {
    let words: Vec<String> = options.as_array().into_iter().flatten().map(bare).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let hint = did_you_mean(raw(site.node), words.iter().copied())
        .filter(|_| site.value.is_string())
        .map_or_else(|| format!("use one of {}", list(&words)), |meant| format!("did you mean `{meant}`?"));
    complaint("bad-value", format!("{} cannot be {}", subject(site.path), shown(site)), hint)
}

fn wrong_form(site: &Site<'_>) -> Complaint {
    let rule = site.schema["patternErrorMessage"].as_str().unwrap_or("write it in another form");
    let broken =
        if matches!(site.path.last(), Some(&("name" | "template"))) { Some(name_fault(raw(site.node))) } else { None };
    let reason = broken.map(|fault| format!(": it {fault}")).unwrap_or_default();
    complaint("bad-value", format!("{} cannot be {}{reason}", subject(site.path), shown(site)), rule)
}

/// What it is about a name that CloudFormation, or the longest name built from it, would not take.
fn name_fault(name: &str) -> &'static str {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    if name.is_empty() {
        "is empty"
    } else if name.contains(odd) {
        "has a character other than letters, digits and hyphens"
    } else if name.contains(|c: char| c.is_ascii_uppercase()) {
        "has upper-case letters"
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        "does not start with a letter"
    } else if name.ends_with('-') {
        "ends with a hyphen"
    } else if name.contains("--") {
        "has two hyphens in a row"
    } else {
        "is too long"
    }
}

fn wrong_length(site: &Site<'_>) -> Complaint {
    let length = site.value.as_str().map_or(0, |text| text.chars().count());
    let found = if length == 0 { "empty".to_owned() } else { format!("{length} characters long") };
    let message = format!("{} is {found}", subject(site.path));
    complaint("bad-value", message, format!("use {} characters", bounds(site.schema, "minLength", "maxLength")))
}

fn out_of_range(site: &Site<'_>) -> Complaint {
    let message = format!("{} is {}, which is out of range", subject(site.path), shown(site));
    complaint("bad-value", message, format!("use a number {}", bounds(site.schema, "minimum", "maximum")))
}

/// Both bounds of a schema, as far as it has them.
fn bounds(schema: &Value, low: &str, high: &str) -> String {
    match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) => format!("from {low} to {high}"),
        (Some(low), None) => format!("of {low} or more"),
        (None, Some(high)) => format!("of at most {high}"),
        (None, None) => "within bounds".to_owned(),
    }
}

/// The field that a path ends in, and where it is.
fn subject(path: &[&str]) -> String {
    match path.split_last() {
        None => "the document".to_owned(),
        Some((last, parents)) => match last.parse::<usize>() {
            Ok(index) => format!("item {}{}", index + 1, within(parents)),
            Err(_) => format!("`{last}`{}", within(parents)),
        },
    }
}

fn within(path: &[&str]) -> String {
    if path.is_empty() { String::new() } else { format!(" in `{}`", cut(&path.join("."))) }
}

/// The value for a message: as it was written, in backticks, unless it looks like a secret.
fn shown(site: &Site<'_>) -> String {
    let text = raw(site.node);
    if looks_secret(site.path.last().copied().unwrap_or_default(), text).is_some() {
        return "a value that looks like a secret".to_owned();
    }
    if text.is_empty() { "empty".to_owned() } else { format!("`{}`", cut(text)) }
}

fn raw(node: &Node) -> &str {
    node.as_str().unwrap_or_default()
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn cut(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= QUOTE_CHARS_MAX {
        return line;
    }
    line.chars().take(QUOTE_CHARS_MAX).chain(['…']).collect()
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}
