//! Finds names of other cells in a cell's template.
//!
//! Constraint kept: a cell refers to nothing inside another cell of its fleet, however the name was written.

use super::build::{Mention, RenderedTemplate};
use crate::domain::finding::Finding;
use crate::domain::fleet::{Cell, Fleet};
use crate::domain::ids::CellId;

/// A finding for each string of the template that names the stack of another cell.
pub(super) fn foreign_names(fleet: &Fleet, cell: &Cell, file: &str, rendered: &RenderedTemplate) -> Vec<Finding> {
    rendered.mentions.iter().filter_map(|mention| foreign(fleet, cell, file, mention)).collect()
}

fn foreign(fleet: &Fleet, cell: &Cell, file: &str, mention: &Mention) -> Option<Finding> {
    let other = foreign_cell(fleet, &cell.id, &mention.text)?;
    let message = format!("{:?} names something inside {other}, another cell than {}", mention.text, cell.id);
    let mut finding = Finding::error("foreign-cell", file, message)
        .hint("a cell uses its own resources only: refer to them with !Ref, !GetAtt or ${AWS::StackName}");
    (finding.line, finding.column, finding.excerpt) = (mention.at.line, mention.at.column, mention.excerpt.clone());
    Some(finding)
}

/// The other cell whose stack a text names. A text that may as well name the cell itself is let through.
fn foreign_cell<'f>(fleet: &'f Fleet, own: &CellId, text: &str) -> Option<&'f CellId> {
    let prefix = format!("{}-", fleet.name);
    let follows_name = |before: &str| before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    text.match_indices(&prefix).filter(|(at, _)| !follows_name(&text[..*at])).find_map(|(at, _)| {
        let named: Vec<&CellId> =
            candidates(&text[at + prefix.len()..]).filter_map(|id| fleet.cell(&id)).map(|c| &c.id).collect();
        if named.contains(&own) { None } else { named.first().copied() }
    })
}

/// What may be a cell's name at the beginning of a text, the longest first.
fn candidates(text: &str) -> impl Iterator<Item = CellId> + '_ {
    let end = text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')).unwrap_or(text.len());
    let run = &text[..end];
    let cuts = run.match_indices('-').map(|(at, _)| at).chain([run.len()]).collect::<Vec<_>>();
    cuts.into_iter().rev().filter_map(|at| run[..at].parse().ok())
}
