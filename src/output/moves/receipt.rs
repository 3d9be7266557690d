//! The receipt of a move, as people read it.

use crate::domain::moves::receipt::{Gap, Proof, Receipt};
use crate::output::Style;
use crate::output::table::{plain, table, width};
use crate::output::tenants::{time, visible};

use super::sheet::Sheet;
use super::units::{between, bytes, many, micros};

/// Digits of a digest that people are shown.
const DIGEST_SHOWN: usize = 16;

/// The whole receipt.
pub fn receipt(receipt: &Receipt, style: Style) -> String {
    let mut sheet = Sheet::default();
    let took = between(receipt.planned_at_ms, receipt.completed_at_ms);
    sheet.line("move", receipt.id.to_string());
    sheet.line("cells", format!("{} → {}", receipt.source, receipt.target));
    sheet.line("epoch", format!("{} → {}", receipt.epoch_before, receipt.epoch));
    sheet.line("done", format!("{}, {took} after it was planned", time(receipt.completed_at_ms)));
    sheet.line("copied", format!("{}, {}", many(receipt.items_copied, "item"), bytes(receipt.bytes_copied)));
    sheet.line("changed", changed(receipt));
    sheet.line("gap", gap(&receipt.gap));
    sheet.line("proof", format!("{}: {}", receipt.fence.as_str(), proof(receipt.proof)));
    sheet.line("messages", format!("{} carried over", receipt.messages));
    sheet.line("cleaned", format!("{} deleted in {}", many(receipt.items_cleaned, "item"), receipt.source));
    if let Some(why) = &receipt.kept {
        sheet.line("kept", format!("what {} still held: {}", receipt.source, visible(why)));
    }
    sheet.line("trouble", trouble(receipt));
    let row = |digest: &crate::domain::data::digest::TableDigest| {
        let short: String = digest.digest.chars().take(DIGEST_SHOWN).collect();
        vec![plain(&digest.table), plain(digest.items.to_string()), plain(bytes(digest.bytes)), plain(short)]
    };
    let rows = receipt.tables.iter().map(row).collect();
    let digests = table(&["table", "items", "size", "digest, the same in both cells"], rows, style);
    format!("{}\n{digests}\n", sheet.text(width(), style))
}

fn changed(receipt: &Receipt) -> String {
    let repaired = match receipt.keys_repaired {
        0 => String::new(),
        keys => format!("; a comparison found and repaired {keys} more"),
    };
    format!("{} reconciled while it was copied{repaired}", many(receipt.keys_reconciled, "key"))
}

/// How long writes stopped.
pub(super) fn gap(gap: &Gap) -> String {
    let keys = many(gap.keys, "key");
    if gap.length_us == 0 {
        let about = between(gap.from_ms, gap.to_ms);
        return format!("writes stopped for about {about}, by the clocks of two movers; {keys} reconciled in it");
    }
    format!("writes stopped for {}; {keys} reconciled in it", micros(gap.length_us))
}

/// What shows that nothing is missing.
pub(super) fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Notes => "each writer left a note of its keys, and a consistent query under the seal gave all notes",
        Proof::Compared => "every item of both cells was compared under the seal",
        Proof::Quiet => "the streams were read to their ends under the seal, after the time that writers may take",
    }
}

fn trouble(receipt: &Receipt) -> String {
    let counts = [
        (receipt.takeovers, "takeover", "takeovers"),
        (receipt.cutovers.saturating_sub(1), "cutover in vain", "cutovers in vain"),
        (receipt.capture_gaps, "repaired gap in the streams", "repaired gaps in the streams"),
    ];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, more)| format!("{number} {}", if number == 1 { one } else { more }))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
