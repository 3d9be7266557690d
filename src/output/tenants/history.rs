//! What happened to a tenant, a line for each record.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::ops::audit::{History, Shown};
use crate::output::Style;
use crate::output::table::{Field, Tone, plain, table};

use super::{time, visible};

/// The records, as they come. One that is not as it was written says so in place of what it says.
pub fn history(history: &History, style: Style) -> String {
    let rows = history.records.iter().map(row).collect();
    let mut text = table(&["when", "what", "change", "who", "identity", "seq", "ci"], rows, style);
    if let Some(before) = history.before {
        text.push_str(&format!("\nOlder ones: add --before {before}"));
    }
    text
}

fn row(shown: &Shown) -> Vec<Field> {
    let Some(record) = shown.record.as_ref().filter(|_| shown.problem.is_none()) else { return broken(shown) };
    vec![
        plain(time(record.at_ms)),
        plain(visible(&record.action)),
        plain(visible(&difference(&record.from, &record.to))),
        plain(visible(&record.actor.user)),
        plain(visible(&record.actor.identity)),
        plain(record.seq.to_string()),
        plain(record.actor.ci_url.as_deref().map_or_else(|| "-".to_owned(), visible)),
    ]
}

fn broken(shown: &Shown) -> Vec<Field> {
    let problem = shown.problem.as_deref().unwrap_or("it cannot be read");
    let dash = || plain("-");
    vec![
        dash(),
        ("not sound".to_owned(), Tone::Bad),
        (visible(problem), Tone::Bad),
        dash(),
        dash(),
        plain(shown.seq.to_string()),
        dash(),
    ]
}

/// What differs between two values: "cell cell-2, epoch 1", "weight 1 → 5", "pin taken off".
pub fn difference(from: &Json, to: &Json) -> String {
    let (before, after) = (flat(from), flat(to));
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let mut parts: Vec<String> = names.filter_map(|name| part(name, before.get(name), after.get(name))).collect();
    parts.sort();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn part(name: &str, before: Option<&String>, after: Option<&String>) -> Option<String> {
    match (before, after) {
        (Some(before), Some(after)) if before == after => None,
        (Some(before), Some(after)) => Some(format!("{name} {before} → {after}")),
        (None, Some(after)) => Some(format!("{name} {after}")),
        (Some(before), None) => Some(format!("{name} {before} → none")),
        (None, None) => None,
    }
}

/// The leaves of a value by their names; those of attributes and labels without what they are in.
fn flat(value: &Json) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect("", value, &mut found);
    found
}

fn collect(name: &str, value: &Json, found: &mut BTreeMap<String, String>) {
    match value {
        Json::Null | Json::Bool(false) => {}
        Json::Object(map) => {
            for (key, value) in map {
                let name = if name == "labels" { format!("label {key}") } else { key.clone() };
                collect(&name, value, found);
            }
        }
        Json::Array(values) => {
            let words: Vec<String> = values.iter().map(word).collect();
            found.insert(name.to_owned(), words.join(" "));
        }
        // Times are in a column of their own.
        _ if name == "atMs" => {}
        other => drop(found.insert(name.to_owned(), word(other))),
    }
}

fn word(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let attributes = json!({ "weight": 1, "labels": { "team": "a" } });
        let added = json!({ "cell": "cell-2", "epoch": 1, "byHand": false, "attributes": attributes });
        assert_eq!(difference(&Json::Null, &added), "cell cell-2, epoch 1, label team a, weight 1");
        let set = json!({ "weight": 5, "tier": "gold", "regions": ["eu-west-1", "eu-north-1"] });
        let told = difference(&attributes, &set);
        assert_eq!(told, "label team a → none, regions eu-west-1 eu-north-1, tier gold, weight 1 → 5");
        assert_eq!(difference(&json!({ "reason": "audit", "atMs": 5 }), &Json::Null), "reason audit → none");
        assert_eq!(difference(&set, &set), "-");
    }
}
