//! What happened to a tenant, a line for each record.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::domain::ids::Digest;
use crate::ops::audit::{History, Shown};
use crate::output::Style;
use crate::output::table::{Field, Tone, plain, table_with};

use super::{time, visible};

/// Columns that are always there: a history says at least who changed what.
const COLUMNS_MIN: usize = 4;

/// The records, as they come. One that is not as it was written says so in place of what it says, and so does a number
/// under which there is none. `before`: what was asked for.
pub fn history(history: &History, before: Option<u64>, style: Style) -> String {
    if history.records.is_empty() && history.before.is_none() {
        return if before.is_some() { "There are no older records." } else { "There are no records." }.to_owned();
    }
    let headings = ["when", "what", "who", "change", "identity", "seq", "ci"];
    let mut text = table_with(COLUMNS_MIN, &headings, rows(&history.records), style);
    if let Some(before) = history.before {
        text.push_str(&format!("\nOlder ones: add --before {before}"));
    }
    text
}

fn rows(records: &[Shown]) -> Vec<Vec<Field>> {
    let mut rows = Vec::with_capacity(records.len());
    for (index, shown) in records.iter().enumerate() {
        let newer = index.checked_sub(1).map(|newer| records[newer].seq);
        rows.extend(newer.and_then(|newer| missing(shown.seq, newer)));
        rows.push(row(shown));
    }
    rows
}

/// The row for the numbers between two records, where there are any.
fn missing(older: u64, newer: u64) -> Option<Vec<Field>> {
    let (first, last) = (older.checked_add(1)?, newer.checked_sub(1)?);
    let numbers = match last.checked_sub(first)? {
        0 => first.to_string(),
        _ => format!("{first} to {last}"),
    };
    let dash = || plain("-");
    let name = (numbers.clone(), Tone::Bad);
    Some(vec![name, ("missing".to_owned(), Tone::Bad), dash(), dash(), dash(), plain(numbers), dash()])
}

fn row(shown: &Shown) -> Vec<Field> {
    let Some(record) = shown.record.as_ref().filter(|_| shown.problem.is_none()) else { return broken(shown) };
    vec![
        plain(time(record.at_ms)),
        plain(visible(&record.action)),
        plain(visible(&record.actor.user)),
        plain(visible(&difference(&record.from, &record.to))),
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
        dash(),
        (visible(problem), Tone::Bad),
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
    let told = match (before, after) {
        (Some(before), Some(after)) if before == after => return None,
        (Some(before), Some(after)) => format!("{} → {}", word(before), word(after)),
        (None, Some(after)) => word(after),
        (Some(before), None) => format!("{} → none", word(before)),
        (None, None) => return None,
    };
    // A value that has no fields has no name.
    Some(if name.is_empty() { told } else { format!("{name} {told}") })
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
            let words: Vec<String> = values.iter().map(text).collect();
            found.insert(name.to_owned(), words.join(" "));
        }
        // Times are in a column of their own.
        _ if name == "atMs" => {}
        other => drop(found.insert(name.to_owned(), text(other))),
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value for people: the first digits of a digest do.
fn word(value: &str) -> String {
    Digest::try_from(value.to_owned()).map_or_else(|_| value.to_owned(), |digest| digest.short().to_owned())
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
        assert_eq!(difference(&json!("active"), &json!("cordoned")), "active → cordoned");
        let digests = difference(&json!({ "digest": "a".repeat(64) }), &json!({ "digest": "b".repeat(64) }));
        assert_eq!(digests, "digest aaaaaaaaaaaa → bbbbbbbbbbbb");
    }

    #[test]
    fn a_number_without_a_record_has_a_row() {
        let shown = |seq: u64| Shown {
            subject: "tenant/acme".parse().expect("valid"),
            seq,
            hash: String::new(),
            record: None,
            problem: Some("its text was changed".to_owned()),
        };
        let records = vec![shown(9), shown(8), shown(6), shown(2)];
        let firsts: Vec<Vec<String>> =
            rows(&records).into_iter().map(|row| row[..2].iter().map(|(text, _)| text.clone()).collect()).collect();
        let broken = ["-", "not sound"];
        assert_eq!(firsts, [broken, broken, ["7", "missing"], broken, ["3 to 5", "missing"], broken]);
        let none = History { records: vec![], before: None };
        assert_eq!(history(&none, Some(0), Style::new(false)), "There are no older records.");
    }
}
