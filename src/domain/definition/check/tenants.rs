//! Which tenants a cell takes: tiers, and the tenants that a dedicated cell is for.
//!
//! Constraint kept: what a cell promises to named tenants, it has room for.

use std::collections::HashSet;

use super::super::report::{Report, complaint};
use super::super::{CellSpec, CellType};

/// Checks the fields of a cell that placement reads.
pub(super) fn check(spec: &CellSpec, report: &mut Report<'_>) {
    unique(&["spec", "tiers"], &spec.tiers, report);
    unique(&["spec", "reservedFor"], &spec.reserved_for, report);
    check_reserved(spec, report);
}

/// Finds entries of a list that are there twice.
pub(super) fn unique(path: &[&str], names: &[String], report: &mut Report<'_>) {
    let field = path.last().copied().unwrap_or_default();
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !seen.insert(*name)) {
        let index = index.to_string();
        let at = [path, &[index.as_str()]].concat();
        let message = format!("`{name}` is in `{field}` twice");
        report.value(&at, complaint("duplicate-reference", message, "remove one of the two"));
    }
}

fn check_reserved(spec: &CellSpec, report: &mut Report<'_>) {
    const PATH: [&str; 2] = ["spec", "reservedFor"];
    let names: HashSet<&String> = spec.reserved_for.iter().collect();
    if names.is_empty() {
        return;
    }
    if spec.cell_type != CellType::Dedicated {
        let message = format!("`reservedFor` has no meaning with `type: {}`", spec.cell_type.as_str());
        report.key(&PATH, complaint("bad-reservation", message, "write `type: dedicated`, or remove `reservedFor`"));
        return;
    }
    let (wanted, limit) = (names.len() as u64, spec.capacity.tenants);
    if wanted > limit {
        let message = format!("`reservedFor` names {wanted} tenants, but `capacity` has room for {limit}");
        let hint = format!("raise `capacity.tenants` to {wanted}, or name fewer tenants");
        report.key(&PATH, complaint("bad-reservation", message, hint));
    }
}
