//! How full something is, as a bar and a number.
//!
//! Constraint kept: the number says the same as the bar and the colour, so that neither is needed; a bar is empty only
//! at zero, and full only when nothing is left.

use super::table::{Field, Tone};

/// Width of a bar, in characters.
const WIDTH: usize = 10;
/// Width of a bar where the terminal is narrow.
const WIDTH_NARROW: usize = 5;
/// A terminal below this width is narrow, in characters.
const NARROW: u16 = 72;
/// From this share on it is worth a look.
const WARN: f64 = 0.8;

/// A bar that fits a terminal of this width; none where there is no terminal.
pub fn field(share: f64, terminal: Option<u16>) -> Field {
    let width = if terminal.is_some_and(|columns| columns < NARROW) { WIDTH_NARROW } else { WIDTH };
    (format!("{} {}", blocks(share, width), percent(share)), tone(share))
}

/// How a share looks.
fn tone(share: f64) -> Tone {
    if share >= 1.0 {
        Tone::Bad
    } else if share > WARN {
        Tone::Warn
    } else {
        Tone::Plain
    }
}

fn blocks(share: f64, width: usize) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a bar is a few characters wide")]
    let exact = share.clamp(0.0, 1.0) * width as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the width")]
    let whole = exact as usize;
    let filled = if share > 0.0 { whole.max(1) } else { 0 };
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

/// A share in whole percent, rounded down, so that only what is full says 100.
pub fn percent(share: f64) -> String {
    let percent = (share * 100.0 + 1e-9).floor();
    if share > 0.0 && percent < 1.0 { "<1 %".to_owned() } else { format!("{percent:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_at_zero_only_and_full_at_the_limit_only() {
        for (share, text, look) in [
            (0.0, "░░░░░░░░░░ 0 %", Tone::Plain),
            (0.002, "█░░░░░░░░░ <1 %", Tone::Plain),
            (0.29, "██░░░░░░░░ 29 %", Tone::Plain),
            (0.625, "██████░░░░ 62 %", Tone::Plain),
            (0.8, "████████░░ 80 %", Tone::Plain),
            (0.999, "█████████░ 99 %", Tone::Warn),
            (1.0, "██████████ 100 %", Tone::Bad),
            (1.5, "██████████ 150 %", Tone::Bad),
        ] {
            assert_eq!(field(share, None), (text.to_owned(), look));
        }
    }

    #[test]
    fn a_bar_is_shorter_where_the_terminal_is_narrow() {
        assert_eq!(field(0.5, Some(71)).0, "██░░░ 50 %");
        assert_eq!(field(0.5, Some(72)).0, "█████░░░░░ 50 %");
    }
}
