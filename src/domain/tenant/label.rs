//! Labels of tenants: what their keys and values may be.
//!
//! Constraint kept: the rule is that of the labels of cells, so that one way of writing filters does for both, and an
//! entry stays far below the 400 KB of an item.

use std::collections::BTreeMap;

use crate::domain::ids::InvalidId;

/// Most labels of a tenant.
pub const LABELS_MAX: usize = 50;

/// Checks a key: a letter, then up to 62 letters, digits, dots, hyphens, underscores and slashes.
pub fn check_key(key: &str) -> Result<(), InvalidId> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if key.len() <= 63 && key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(allowed) {
        return Ok(());
    }
    let rule = "use 1 to 63 ASCII letters, digits, dots, hyphens, underscores and slashes, starting with a letter";
    Err(InvalidId { kind: "label key", value: shortened(key), rule })
}

/// Checks a value: at most 255 characters, none of them a comma or a control character.
pub fn check_value(value: &str) -> Result<(), InvalidId> {
    if value.chars().count() <= 255 && !value.chars().any(|c| c == ',' || c.is_control()) {
        return Ok(());
    }
    let rule = "use at most 255 characters without commas and control characters";
    Err(InvalidId { kind: "label value", value: shortened(value), rule })
}

/// Checks all labels of a tenant.
pub fn check_all(labels: &BTreeMap<String, String>) -> Result<(), InvalidId> {
    if labels.len() > LABELS_MAX {
        let value = format!("{} labels", labels.len());
        return Err(InvalidId { kind: "number of labels", value, rule: "a tenant has at most 50" });
    }
    labels.iter().try_for_each(|(key, value)| check_key(key).and_then(|()| check_value(value)))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_follow_the_rule() {
        let long = "a".repeat(64);
        for good in ["a", "team", "example.com/ring", "A-b_c.9"] {
            assert!(check_key(good).is_ok(), "{good:?}");
        }
        for bad in ["", "1a", "a b", "a=b", "a,b", "\u{e4}", "a\n", long.as_str()] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
        let long = "a".repeat(256);
        for good in ["", "gold", "a=b", "Zürich 1"] {
            assert!(check_value(good).is_ok(), "{good:?}");
        }
        for bad in ["a,b", "a\nb", "\u{1b}[31m", long.as_str()] {
            assert!(check_value(bad).is_err(), "{bad:?}");
        }
    }
}
