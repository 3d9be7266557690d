//! What to do about one row.
//!
//! Owns: the decision, from the row, the tenant's entry and what is known of the cells. Constraint kept: pure; what a
//! row will take is counted at once, so that the next row sees it.

use std::collections::{BTreeMap, HashMap};

use crate::domain::finding::did_you_mean;
use crate::domain::fleet::Fleet;
use crate::domain::ids::{CellId, Residency};
use crate::domain::tenant::change::Target;
use crate::domain::tenant::label::LABELS_MAX;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::placement::{Candidate, Refusal, Wish, allowed_regions, choose};
use crate::domain::tenant::row::{BadRow, Row};
use crate::domain::tenant::{Attributes, ENTRY_FORMAT, Entry, EntryState};

use super::super::place::no_cell;
use super::super::set::elsewhere;
use super::report::RowDid;

/// What a row comes to.
pub(super) enum Verdict {
    /// The map says so already.
    Unchanged,
    /// Something is to be written.
    Write(Todo),
    /// It cannot be done.
    Bad(BadRow),
}

/// Something to be written.
pub(super) struct Todo {
    /// Index of the row.
    pub(super) row: usize,
    /// Index of the cell.
    pub(super) cell: usize,
    /// The entry as it was seen.
    pub(super) before: Option<Box<Entry>>,
    /// What it is.
    pub(super) work: Work,
}

/// What is to be done about a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Add it.
    Add,
    /// Give it other attributes.
    Set,
    /// Open its fence: an earlier run was cut off.
    Open,
}

impl Work {
    pub(super) fn did(self) -> RowDid {
        match self {
            Self::Add => RowDid::Added,
            Self::Set => RowDid::Updated,
            Self::Open => RowDid::Finished,
        }
    }
}

/// What is known of the cells, with the rows that were decided counted in.
pub(super) struct Decider<'a> {
    fleet: &'a Fleet,
    candidates: Vec<Candidate>,
    index: HashMap<CellId, usize>,
    loads: BTreeMap<CellId, CellLoad>,
}

impl<'a> Decider<'a> {
    /// The cells of a fleet with their loads.
    pub(super) fn new(fleet: &'a Fleet, loads: Vec<CellLoad>) -> Self {
        let loads: BTreeMap<CellId, CellLoad> = loads.into_iter().map(|load| (load.cell.clone(), load)).collect();
        let candidates: Vec<Candidate> =
            fleet.cells.iter().map(|cell| Candidate::of(cell, loads.get(&cell.id))).collect();
        let index = candidates.iter().enumerate().map(|(index, cell)| (cell.cell.clone(), index)).collect();
        Self { fleet, candidates, index, loads }
    }

    /// A cell.
    pub(super) fn candidate(&self, cell: usize) -> &Candidate {
        &self.candidates[cell]
    }

    /// A cell as the target of an add; none where it has no load, and so takes nobody.
    pub(super) fn target(&self, cell: usize, by_hand: bool) -> Option<Target> {
        let candidate = &self.candidates[cell];
        let load = self.loads.get(&candidate.cell)?.clone();
        let local = load.is_at(&self.fleet.control);
        Some(Target { load, limits: candidate.limits, local, by_hand })
    }

    /// What to do about a row.
    pub(super) fn decide(&mut self, number: usize, row: &Row, entry: Option<Entry>) -> Verdict {
        let decided = match entry {
            Some(entry) if entry.format > ENTRY_FORMAT => Err(newer_format(row, &entry)),
            Some(entry) if entry.is_present() => self.keep(number, row, entry),
            tombstone => self.add(number, row, tombstone),
        };
        decided.unwrap_or_else(|bad| Verdict::Bad(bad.tenant(row.tenant.as_str())))
    }

    fn add(&mut self, number: usize, row: &Row, tombstone: Option<Entry>) -> Result<Verdict, BadRow> {
        let attributes = row.wishes.over(&Attributes::default());
        let wish = self.wish(row, &attributes)?;
        let cell = match &row.cell {
            Some(name) => self.named(row, name, &wish)?,
            None => choose(&self.candidates, &wish).ok_or_else(|| self.nowhere(row, &wish))?,
        };
        self.candidates[cell].take(attributes.weight);
        Ok(Verdict::Write(Todo { row: number, cell, before: tombstone.map(Box::new), work: Work::Add }))
    }

    /// The cell that the row names, if it takes the tenant.
    fn named(&self, row: &Row, name: &CellId, wish: &Wish<'_>) -> Result<usize, BadRow> {
        let cell = self.index.get(name).copied().ok_or_else(|| self.unknown_cell(row, name))?;
        let Some(refusal) = self.candidates[cell].refusal(wish, true) else { return Ok(cell) };
        let message = format!("cell {name} does not take tenant {}: {refusal}", row.tenant);
        let hint = match refusal {
            Refusal::Region { .. } => "residency has no override: name a cell in one of these Regions",
            Refusal::NotActive { .. } | Refusal::NotProvisioned => "`cellctl cell list` shows the states of the cells",
            Refusal::FullByCount { .. } | Refusal::FullByWeight { .. } => {
                "raise its capacity in the definition, or leave the cell out of the row"
            }
            _ => "leave the cell out of the row, or name another",
        };
        Err(BadRow::new(row.at, "cell-refuses", message).field("cell").hint(hint))
    }

    fn nowhere(&self, row: &Row, wish: &Wish<'_>) -> BadRow {
        let error = no_cell(wish, &self.candidates);
        let bad = BadRow::new(row.at, "no-cell", error.message);
        error.hint.into_iter().fold(bad, BadRow::hint)
    }

    fn unknown_cell(&self, row: &Row, name: &CellId) -> BadRow {
        let names = self.candidates.iter().map(|cell| cell.cell.as_str());
        let hint = match did_you_mean(name.as_str(), names) {
            Some(near) => format!("did you mean {near}?"),
            None => "`cellctl cell list` shows the cells; --select leaves out all others".to_owned(),
        };
        let message = format!("fleet {} has no cell {name}", self.fleet.name);
        BadRow::new(row.at, "unknown-cell", message).field("cell").hint(hint)
    }

    /// A tenant that is in the map stays in its cell.
    fn keep(&mut self, number: usize, row: &Row, entry: Entry) -> Result<Verdict, BadRow> {
        refuse_other(row, &entry)?;
        let attributes = row.wishes.over(&entry.attributes);
        let same = attributes == entry.attributes;
        match entry.state {
            EntryState::Active | EntryState::Moving if same => return Ok(Verdict::Unchanged),
            EntryState::Moving => return Err(in_a_move(row, &entry)),
            _ => {}
        }
        let name = &entry.cell;
        let cell = self.index.get(name).copied().ok_or_else(|| {
            let message = format!("cell {name}, which serves tenant {}, has no definition", row.tenant);
            BadRow::new(row.at, "undefined-cell", message)
                .hint("name the right --cells and --select, or write its definition")
        })?;
        if same {
            return Ok(Verdict::Write(Todo { row: number, cell, before: Some(Box::new(entry)), work: Work::Open }));
        }
        self.fits(row, cell, &entry.attributes, &attributes)?;
        let candidate = &mut self.candidates[cell];
        candidate.weight = candidate.weight.saturating_sub(entry.attributes.weight).saturating_add(attributes.weight);
        Ok(Verdict::Write(Todo { row: number, cell, before: Some(Box::new(entry)), work: Work::Set }))
    }

    /// Whether the tenant may stay in its cell with other attributes.
    fn fits(&self, row: &Row, cell: usize, now: &Attributes, next: &Attributes) -> Result<(), BadRow> {
        if next.labels.len() > LABELS_MAX {
            let message = format!("{} labels with those that the tenant has already", next.labels.len());
            let hint = format!("a tenant has at most {LABELS_MAX}");
            return Err(BadRow::new(row.at, "too-many-labels", message).field("labels").hint(hint));
        }
        let candidate = &self.candidates[cell];
        let name = &candidate.cell;
        if let Some(refusal) = candidate.misfit(&self.wish(row, next)?) {
            let message = format!("tenant {} could not stay in cell {name}: {refusal}", row.tenant);
            return Err(BadRow::new(row.at, "misfit", message).hint(elsewhere(&row.tenant)));
        }
        let grown = candidate.weight.saturating_add(next.weight).saturating_sub(now.weight);
        let over = candidate.limits.weight.filter(|limit| next.weight > now.weight && grown > *limit);
        let Some(limit) = over else { return Ok(()) };
        let message = format!("cell {name} has no room for weight {}: {grown} of {limit}", next.weight);
        let hint = format!("raise the cell's capacity in its definition; or {}", elsewhere(&row.tenant));
        Err(BadRow::new(row.at, "cell-full", message).field("weight").hint(hint))
    }

    fn wish<'w>(&self, row: &'w Row, attributes: &'w Attributes) -> Result<Wish<'w>, BadRow> {
        let regions = allowed_regions(self.fleet, attributes).map_err(|error| {
            let names: Vec<&str> = self.fleet.residency.keys().map(Residency::as_str).collect();
            let hint = match did_you_mean(error.0.as_str(), names.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => "list it under spec.residency in fleet.yaml".to_owned(),
            };
            BadRow::new(row.at, "unknown-residency", error.to_string()).field("residency").hint(hint)
        })?;
        Ok(Wish { tenant: &row.tenant, attributes, regions })
    }
}

/// Refuses where the row wants the tenant elsewhere, or where it is on its way out.
fn refuse_other(row: &Row, entry: &Entry) -> Result<(), BadRow> {
    let tenant = &row.tenant;
    if entry.state == EntryState::Closing {
        let hint = format!("finish it first: `cellctl tenant remove {tenant}`");
        return Err(BadRow::new(row.at, "half-removed", format!("tenant {tenant} is being removed")).hint(hint));
    }
    let Some(wanted) = row.cell.as_ref().filter(|wanted| **wanted != entry.cell) else { return Ok(()) };
    let message = format!("tenant {tenant} is in cell {}, and the row says {wanted}", entry.cell);
    let hint = format!("an import moves nobody: leave the cell out of the row; or {}", elsewhere(tenant));
    Err(BadRow::new(row.at, "other-cell", message).field("cell").hint(hint))
}

fn in_a_move(row: &Row, entry: &Entry) -> BadRow {
    let error = crate::ops::tenants::in_a_move(entry);
    let bad = BadRow::new(row.at, "in-a-move", error.message);
    error.hint.into_iter().fold(bad, BadRow::hint)
}

fn newer_format(row: &Row, entry: &Entry) -> BadRow {
    let message = format!("the entry of tenant {} has format {}, newer than this version's", row.tenant, entry.format);
    BadRow::new(row.at, "newer-format", message).hint("use the newer cellctl that wrote it")
}
