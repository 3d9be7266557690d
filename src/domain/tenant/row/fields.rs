//! From the values of a row to what they mean.
//!
//! Constraint kept: every bad value of a row is told, with its field, the value, the rule and what to do.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::str::FromStr;

use crate::domain::finding::did_you_mean;
use crate::domain::ids::{CellId, InvalidId, Region, TenantId};
use crate::domain::tenant::WEIGHT_MAX;
use crate::domain::tenant::label::{LABELS_MAX, check_key, check_value};

use super::{At, BadRow, Row, Value, Wishes, shortened};

/// The fields of a row.
pub const FIELDS: [&str; 9] =
    ["tenant", "tier", "residency", "regions", "dedicated", "canary", "weight", "labels", "cell"];
/// What a column for one label begins with.
pub const LABEL_PREFIX: &str = "label.";
/// Most complaints about one row.
const COMPLAINTS_MAX: usize = 20;

/// Understands a row, or says everything that is wrong with it.
pub fn interpret(at: At, fields: Vec<(String, Value)>) -> Result<Row, Vec<BadRow>> {
    let mut reading = Reading::new(at);
    let mut seen = HashSet::new();
    for (name, value) in fields {
        if seen.insert(name.clone()) {
            reading.take(&name, value);
        } else {
            reading.complain("duplicate-field", &name, "the field is there twice".to_owned(), "remove one");
        }
    }
    reading.finish()
}

/// The complaint about a field that a row does not have.
pub fn unknown_field(at: At, name: &str) -> BadRow {
    let known = FIELDS.join(", ");
    let hint = match did_you_mean(name, FIELDS) {
        Some(near) => format!("did you mean `{near}`? Known are {known} and label.NAME"),
        None => format!("known are {known} and label.NAME"),
    };
    BadRow::new(at, "unknown-field", format!("there is no field {:?}", shortened(name))).field(name).hint(hint)
}

/// A row as far as it has been read.
struct Reading {
    at: At,
    name: Option<String>,
    tenant: Option<TenantId>,
    cell: Option<CellId>,
    wishes: Wishes,
    bad: Vec<BadRow>,
}

impl Reading {
    fn new(at: At) -> Self {
        Self { at, name: None, tenant: None, cell: None, wishes: Wishes::default(), bad: Vec::new() }
    }

    fn finish(mut self) -> Result<Row, Vec<BadRow>> {
        if self.name.is_none() && !self.bad.iter().any(|bad| bad.field.as_deref() == Some("tenant")) {
            let rule = "use 1 to 128 ASCII letters, digits, dots, hyphens and underscores";
            self.complain("no-tenant", "tenant", "the row names no tenant".to_owned(), rule);
        }
        if self.wishes.labels.len() > LABELS_MAX {
            let message = format!("{} labels", self.wishes.labels.len());
            self.complain("too-many-labels", "labels", message, &format!("a tenant has at most {LABELS_MAX}"));
        }
        match self.tenant {
            Some(tenant) if self.bad.is_empty() => {
                Ok(Row { at: self.at, tenant, wishes: self.wishes, cell: self.cell })
            }
            _ => {
                let name = self.name;
                self.bad.iter_mut().for_each(|bad| bad.tenant = name.as_deref().map(shortened));
                Err(self.bad)
            }
        }
    }

    fn take(&mut self, field: &str, value: Value) {
        if value == Value::Absent {
            return;
        }
        match field {
            "tenant" => self.take_tenant(&value),
            "tier" => self.wishes.tier = self.id(field, &value),
            "residency" => self.wishes.residency = self.id(field, &value),
            "regions" => self.wishes.regions = self.regions(value),
            "dedicated" => self.wishes.dedicated = self.boolean(field, &value),
            "canary" => self.wishes.canary = self.boolean(field, &value),
            "weight" => self.wishes.weight = self.weight(&value),
            "labels" => self.labels(value),
            "cell" => self.cell = self.id(field, &value),
            _ => match field.strip_prefix(LABEL_PREFIX) {
                Some(key) => self.label(field, key, &value),
                None => self.add(unknown_field(self.at, field)),
            },
        }
    }

    fn take_tenant(&mut self, value: &Value) {
        if let Value::Text(text) = value {
            self.name = Some(text.clone());
        }
        self.tenant = self.id("tenant", value);
    }

    fn id<T: FromStr<Err = InvalidId>>(&mut self, field: &str, value: &Value) -> Option<T> {
        let Value::Text(text) = value else {
            self.wrong_kind(field, value, "a text", "write it in quotes");
            return None;
        };
        match text.parse() {
            Ok(id) => Some(id),
            Err(error) => {
                let message = format!("{:?} is not a valid {}", shortened(text), error.kind);
                self.complain("invalid-value", field, message, &rule_of(text, &error));
                None
            }
        }
    }

    fn boolean(&mut self, field: &str, value: &Value) -> Option<bool> {
        match value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "true" | "yes") => Some(true),
            Value::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "false" | "no") => Some(false),
            Value::Text(text) => {
                let message = format!("{:?} is neither true nor false", shortened(text));
                self.complain("invalid-value", field, message, "write true or false");
                None
            }
            other => {
                self.wrong_kind(field, other, "true or false", "write true or false");
                None
            }
        }
    }

    fn weight(&mut self, value: &Value) -> Option<u64> {
        let rule = format!("use a whole number from 1 to {WEIGHT_MAX}");
        let (Value::Number(text) | Value::Text(text)) = value else {
            self.wrong_kind("weight", value, "a number", &rule);
            return None;
        };
        let weight = text.parse::<u64>().ok().filter(|weight| (1..=WEIGHT_MAX).contains(weight));
        if weight.is_none() {
            self.complain("invalid-value", "weight", format!("{:?} is not a weight", shortened(text)), &rule);
        }
        weight
    }

    fn regions(&mut self, value: Value) -> Option<BTreeSet<Region>> {
        let items = match value {
            Value::List(items) => items,
            Value::Text(text) => {
                let words = text.split(|c: char| c == ';' || c.is_whitespace()).filter(|word| !word.is_empty());
                words.map(Value::text).collect()
            }
            other => {
                self.wrong_kind("regions", &other, "a list", "name the Regions: [eu-central-1, eu-west-1]");
                return None;
            }
        };
        let regions: BTreeSet<Region> = items.iter().filter_map(|item| self.id("regions", item)).collect();
        (!regions.is_empty()).then_some(regions)
    }

    fn labels(&mut self, value: Value) {
        let pairs = match value {
            Value::Map(pairs) => pairs,
            Value::Text(text) => self.label_pairs(&text),
            other => {
                self.wrong_kind(
                    "labels",
                    &other,
                    "an object",
                    "write them as {\"key\": \"value\"}, or key=value;key2=value2",
                );
                return;
            }
        };
        for (key, value) in pairs {
            self.label("labels", &key, &value);
        }
    }

    /// `k=v;k2=v2`
    fn label_pairs(&mut self, text: &str) -> Vec<(String, Value)> {
        let mut pairs = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            if let Some((key, value)) = part.split_once('=') {
                pairs.push((key.trim().to_owned(), Value::Text(value.trim().to_owned())));
            } else {
                let message = format!("{:?} is not a label", shortened(part));
                self.complain("invalid-value", "labels", message, "write key=value, and ; between two labels");
            }
        }
        pairs
    }

    fn label(&mut self, field: &str, key: &str, value: &Value) {
        if *value == Value::Absent {
            return;
        }
        let Value::Text(text) = value else {
            return self.wrong_kind(field, value, "a text", "write it in quotes");
        };
        if let Err(error) = check_key(key).and_then(|()| check_value(text)) {
            let message = format!("{:?} is not a valid {}", error.value, error.kind);
            return self.complain("invalid-label", field, message, error.rule);
        }
        let labels: &mut BTreeMap<String, String> = &mut self.wishes.labels;
        if labels.insert(key.to_owned(), text.clone()).is_some() {
            self.complain("duplicate-label", field, format!("label {key} is there twice"), "remove one");
        }
    }

    fn wrong_kind(&mut self, field: &str, value: &Value, wanted: &str, hint: &str) {
        self.complain("wrong-type", field, format!("{} where {wanted} is expected", value.kind()), hint);
    }

    fn complain(&mut self, code: &'static str, field: &str, message: String, hint: &str) {
        self.add(BadRow::new(self.at, code, message).field(field).hint(hint));
    }

    fn add(&mut self, bad: BadRow) {
        if self.bad.len() < COMPLAINTS_MAX {
            self.bad.push(bad);
        }
    }
}

/// The rule that a name breaks; names of look-alike letters need to be told which letter it is.
fn rule_of(text: &str, error: &InvalidId) -> String {
    match text.chars().find(|c| !c.is_ascii() || c.is_ascii_control()) {
        Some(odd) => format!("it has the character U+{:04X}; {}", u32::from(odd), error.rule),
        None => error.rule.to_owned(),
    }
}
