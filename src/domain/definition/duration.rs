//! Durations as users write them: a whole number and a unit, such as `30s`, `5m`, `2h` or `14d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration in whole seconds, written with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seconds(pub u32);

impl Seconds {
    /// What the schema accepts: no text that matches is too long for 32 bits of seconds.
    pub const PATTERN: &str = "^([0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,5}h|[0-9]{1,4}d)$";
}

/// The units, largest first, with their length in seconds.
const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl TryFrom<String> for Seconds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not a duration: write a number and a unit, such as 30s, 5m, 2h or 14d");
        let unit = text.chars().next_back().ok_or_else(refuse)?;
        let (_, factor) = UNITS.into_iter().find(|(u, _)| *u == unit).ok_or_else(refuse)?;
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse());
        }
        digits.parse::<u32>().ok().and_then(|n| n.checked_mul(factor)).map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: u32| self.0.is_multiple_of(factor) && self.0 > 0;
        let (unit, factor) = UNITS.into_iter().find(|(_, factor)| fits(*factor)).unwrap_or(('s', 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl From<Seconds> for String {
    fn from(seconds: Seconds) -> String {
        seconds.to_string()
    }
}

/// How a duration in milliseconds is written.
const MILLIS_RULE: &str = "write a number and a unit, such as 500ms, 5s, 2m or 1h";

/// A duration in whole milliseconds: as `Seconds`, or with the unit `ms`, such as `500ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(digits) = text.strip_suffix("ms") else {
            let seconds = Seconds::try_from(text.to_owned()).map_err(|_| MILLIS_RULE)?;
            return Ok(Self(u64::from(seconds.0) * 1000));
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number).map(Self).ok_or_else(|| MILLIS_RULE.to_owned())
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::try_from(self.0 / 1000).ok().filter(|_| self.0.is_multiple_of(1000)) {
            Some(seconds) => Seconds(seconds).fmt(f),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl JsonSchema for Seconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": Self::PATTERN,
            "description": "A whole number and a unit: 30s, 5m, 2h or 14d."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_units() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("2h", 7_200), ("14d", 1_209_600), ("0s", 0)] {
            let parsed = Seconds::try_from(text.to_owned()).expect(text);
            assert_eq!(parsed.0, seconds);
            assert_eq!(parsed.to_string(), text);
        }
        for bad in ["", "5", "m", "5 m", "-5m", "5w", "99999999d", "１m"] {
            assert!(Seconds::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_and_writes_milliseconds() {
        for (text, ms) in [("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("0s", 0)] {
            assert_eq!(text.parse::<Millis>(), Ok(Millis(ms)));
            assert_eq!(Millis(ms).to_string(), text);
        }
        assert_eq!("1000ms".parse::<Millis>().map(|ms| ms.to_string()), Ok("1s".to_owned()));
        for bad in ["", "5", "ms", "5 ms", "-5ms", "+5ms", "1.5s", "99999999999999999999ms"] {
            assert_eq!(bad.parse::<Millis>(), Err(MILLIS_RULE.to_owned()), "{bad}");
        }
    }
}
