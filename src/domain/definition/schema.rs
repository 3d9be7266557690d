//! The JSON Schema of both kinds of definition, and its compiled form.
//!
//! Owns: what editors are told and what the shape check runs, which are the same document. Constraint kept: compiled
//! once in a process; every pattern carries its rule in words (`patternErrorMessage`, which editors show too).

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{CellFile, FleetFile, Seconds, maps};

/// The kinds of definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefinitionKind {
    /// `fleet.yaml`.
    Fleet,
    /// Every other file.
    Cell,
}

impl DefinitionKind {
    /// The word after `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Cell => "Cell",
        }
    }
}

/// The JSON Schema (draft 2020-12) of a kind of definition, for editors and for `cellctl schema`.
pub fn schema(kind: DefinitionKind) -> Value {
    let mut schema = match kind {
        DefinitionKind::Fleet => generate::<FleetFile>(),
        DefinitionKind::Cell => generate::<CellFile>(),
    };
    tidy(&mut schema);
    let name = kind.as_str().to_lowercase();
    schema["$id"] = json!(format!("https://cellctl.dev/schema/v1/{name}.json"));
    schema["title"] = json!(format!("cellctl {name} definition"));
    schema
}

/// A schema beside its compiled form.
#[derive(Debug)]
pub(super) struct Compiled {
    /// The document, to look up what a failed keyword said.
    pub(super) document: Value,
    /// What validates.
    pub(super) validator: jsonschema::Validator,
}

/// The compiled schema of a kind. The error is a bug in the schema, which the tests would have caught.
pub(super) fn compiled(kind: DefinitionKind) -> Result<&'static Compiled, &'static str> {
    static FLEET: LazyLock<Result<Compiled, String>> = LazyLock::new(|| compile(DefinitionKind::Fleet));
    static CELL: LazyLock<Result<Compiled, String>> = LazyLock::new(|| compile(DefinitionKind::Cell));
    let slot: &'static Result<Compiled, String> = match kind {
        DefinitionKind::Fleet => &FLEET,
        DefinitionKind::Cell => &CELL,
    };
    slot.as_ref().map_err(String::as_str)
}

fn compile(kind: DefinitionKind) -> Result<Compiled, String> {
    let document = schema(kind);
    let validator = jsonschema::draft202012::new(&document).map_err(|error| error.to_string())?;
    Ok(Compiled { document, validator })
}

/// No type is used twice or within itself, so the subschemas go where they are used: paths stay short and direct.
fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Makes a generated schema say what is meant, all the way down.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(object) => {
            drop_null(object);
            flatten_choice(object);
            explain_pattern(object);
            if object.get("format").is_some_and(Value::is_string) {
                object.remove("format");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// An optional field may be absent; a field that is there has a value.
fn drop_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|t| t != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            object.insert("type".to_owned(), single);
        }
    }
    let Some(Value::Array(options)) = object.get("anyOf") else { return };
    let real: Vec<&Value> = options.iter().filter(|o| o["type"] != "null").collect();
    if let [Value::Object(only)] = real.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// Turns a choice of constants into an `enum`, keeping their descriptions the way editors read them.
fn flatten_choice(object: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = object.get("oneOf") else { return };
    let words: Vec<Value> = options.iter().filter_map(|o| o.get("const").cloned()).collect();
    let texts: Vec<Value> = options.iter().filter_map(|o| o.get("description").cloned()).collect();
    if words.len() != options.len() {
        return;
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), Value::Array(words));
    object.insert("enumDescriptions".to_owned(), Value::Array(texts));
}

fn explain_pattern(object: &mut Map<String, Value>) {
    let words = object.get("pattern").and_then(Value::as_str).and_then(pattern_in_words);
    if let Some(words) = words {
        object.insert("patternErrorMessage".to_owned(), json!(words));
    }
}

/// What each pattern of the schema asks for, as an instruction.
fn pattern_in_words(pattern: &str) -> Option<&'static str> {
    const KEBAB: &str = "use lower-case letters, digits and single hyphens, starting with a letter and ending without \
                         a hyphen (the name becomes part of a stack's name)";
    let words = match pattern {
        r"^[a-z]([a-z0-9]|-[a-z0-9]){0,19}$" | r"^[a-z]([a-z0-9]|-[a-z0-9])*$" => KEBAB,
        r"^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$" => "use a Region code such as eu-central-1",
        r"^[0-9]{12}$" => "use exactly 12 digits, in quotes",
        r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$" => "use a role's ARN, such as arn:aws:iam::111122223333:role/deploy",
        r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:.+$" => {
            "use a topic's ARN, such as arn:aws:sns:eu-central-1:111122223333:alarms"
        }
        r"^[^\s]{1,128}$" => "use 1 to 128 characters without spaces, such as index.handler",
        Seconds::PATTERN => "write a whole number and a unit: 30s, 5m, 2h or 14d",
        maps::ATOM_KEY => "use 1 to 24 letters, digits and hyphens, starting with a lower-case letter",
        maps::INDEX_KEY => "use 3 to 255 letters, digits, `_`, `.` and `-`",
        maps::LABEL_KEY => "use 1 to 63 letters, digits, `.`, `_`, `/` and `-`, starting with a letter",
        maps::LABEL_VALUE => "use at most 255 characters without a comma: selectors separate by commas",
        maps::TAG_KEY => "use 1 to 128 characters that do not begin with `aws:` or `cellctl:`, which are reserved",
        maps::PARAMETER_KEY => "use 1 to 255 letters and digits, as CloudFormation demands of a parameter's name",
        maps::WORD => "use 1 to 40 lower-case letters, digits and single hyphens, starting with a letter",
        maps::TENANT => {
            "use 1 to 128 ASCII letters, digits, dots, hyphens and underscores, starting with a letter or digit, without \
             two dots in a row"
        }
        r"^([1-9][0-9]{0,5}|([1-9]|[1-9][0-9]|100)%)$" => {
            "write a number of cells or a share, in quotes: \"3\" or \"20%\""
        }
        r"^(Sum|Average|Maximum|Minimum|SampleCount|p[0-9]{1,2}(\.[0-9]{1,2})?)$" => {
            "use Sum, Average, Maximum, Minimum, SampleCount, or a percentile such as p99"
        }
        r"^[0-9]{1,4}%$" => "write a share in per cent, such as 25%",
        r"^https?://[^\s]+$" => "write an address that begins with http:// or https://",
        maps::DIMENSION_KEY => "use 1 to 255 characters that do not begin with a colon",
        maps::ENVIRONMENT_KEY => "use letters, digits and underscores, starting with a letter",
        _ if pattern.starts_with("^(python3") => {
            "use a Lambda runtime, such as python3.13, nodejs22.x, java21, dotnet8, ruby3.3 or provided.al2023"
        }
        _ => return None,
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit<'a>(value: &'a Value, path: &str, seen: &mut dyn FnMut(&str, &'a Map<String, Value>)) {
        match value {
            Value::Object(object) => {
                seen(path, object);
                object.iter().for_each(|(key, child)| visit(child, &format!("{path}/{key}"), seen));
            }
            Value::Array(items) => items.iter().for_each(|item| visit(item, path, seen)),
            _ => {}
        }
    }

    #[test]
    fn both_schemas_compile_and_name_themselves() {
        for (kind, id) in [(DefinitionKind::Fleet, "fleet"), (DefinitionKind::Cell, "cell")] {
            let document = &compiled(kind).expect("compiles").document;
            assert_eq!(document["$id"], format!("https://cellctl.dev/schema/v1/{id}.json"));
            assert_eq!(document["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert!(jsonschema::draft202012::meta::is_valid(document));
        }
    }

    #[test]
    fn every_pattern_is_in_words_and_every_field_described() {
        for kind in [DefinitionKind::Fleet, DefinitionKind::Cell] {
            visit(&schema(kind), "", &mut |path, object| {
                if object.get("pattern").is_some_and(Value::is_string) {
                    assert!(object.contains_key("patternErrorMessage"), "{path}: {:?}", object["pattern"]);
                }
                for (name, field) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    assert!(field["description"].is_string(), "{path}: {name}");
                    assert!(field["type"].is_string() || field["enum"].is_array() || field["const"].is_string());
                }
                assert!(!object.contains_key("$ref") && !object.contains_key("anyOf"), "{path}");
            });
        }
    }
}
