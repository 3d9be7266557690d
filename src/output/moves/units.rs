//! Bytes, times and rates, as people read them.
//!
//! Constraint kept: a number that is not known is left out or says so; none is rounded to zero.

/// "340 B", "12.0 kB", "3.4 GB": powers of 1000.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match UNITS.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} B"),
    }
}

/// "5 s", "1.4 s", "3 min 20 s", "2 h 5 min", "1 d 3 h".
pub(in crate::output) fn millis(ms: u64) -> String {
    let s = ms / 1000;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 if ms.is_multiple_of(1000) => format!("{s} s"),
        1000..60_000 => format!("{s}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", s / 60, s % 60),
        3_600_000..86_400_000 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// Whole seconds.
pub(super) fn seconds(s: u64) -> String {
    if s < 60 { format!("{s} s") } else { millis(s.saturating_mul(1000)) }
}

/// Microseconds: "870 µs", "87.2 ms", then as milliseconds.
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1000 => format!("{us} µs"),
        1000..1_000_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        _ => millis(us / 1000),
    }
}

/// The time between two moments, in milliseconds.
pub(in crate::output) fn between(from_ms: i64, to_ms: i64) -> String {
    millis(u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0))
}

/// "1200/s"; below ten with a decimal.
pub(super) fn rate(per_s: f64) -> String {
    if per_s < 10.0 { format!("{per_s:.1}/s") } else { format!("{per_s:.0}/s") }
}

/// "1 item", "2 items".
pub(in crate::output) fn many(number: u64, word: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {word}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_unit_that_fits_it() {
        let said = [bytes(0), bytes(999), bytes(12_050), bytes(3_499_999_999)];
        assert_eq!(said, ["0 B", "999 B", "12.0 kB", "3.4 GB"]);
        let said = [millis(0), millis(5_000), millis(1_450), millis(200_000), millis(7_500_000), millis(97_200_000)];
        assert_eq!(said, ["0 ms", "5 s", "1.4 s", "3 min 20 s", "2 h 5 min", "1 d 3 h"]);
        assert_eq!([micros(870), micros(87_240), micros(1_450_000)], ["870 µs", "87.2 ms", "1.4 s"]);
        assert_eq!([seconds(0), seconds(59), seconds(61)], ["0 s", "59 s", "1 min 1 s"]);
        assert_eq!([rate(0.04), rate(9.94), rate(1234.5)], ["0.0/s", "9.9/s", "1234/s"]);
        assert_eq!(between(2_000, 1_000), "0 ms");
    }
}
