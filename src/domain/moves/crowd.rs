//! How many moves may go on at a time: at most so many out of and into each cell.
//!
//! Constraint kept: moves of other people count as well, as far as they are known; a move counts for both its cells.

use std::collections::BTreeMap;

use crate::domain::ids::CellId;

/// The moves under way, by cell.
#[derive(Debug, Clone)]
pub struct Crowd {
    per_cell: usize,
    others: BTreeMap<CellId, usize>,
    mine: BTreeMap<CellId, usize>,
}

impl Crowd {
    /// At most `per_cell` moves for each cell.
    pub fn new(per_cell: usize) -> Self {
        Self { per_cell, others: BTreeMap::new(), mine: BTreeMap::new() }
    }

    /// Takes note of the moves of others, each by its two cells; forgets what was known of them before.
    pub fn see_others<'a>(&mut self, moves: impl IntoIterator<Item = (&'a CellId, &'a CellId)>) {
        self.others.clear();
        for (source, target) in moves {
            for cell in [source, target] {
                *self.others.entry(cell.clone()).or_default() += 1;
            }
        }
    }

    /// The cell that is full, where one of the two is.
    pub fn full<'a>(&self, source: &'a CellId, target: &'a CellId) -> Option<&'a CellId> {
        [source, target].into_iter().find(|cell| self.count(cell) >= self.per_cell)
    }

    /// Counts a move of this run in.
    pub fn enter(&mut self, source: &CellId, target: &CellId) {
        for cell in [source, target] {
            *self.mine.entry(cell.clone()).or_default() += 1;
        }
    }

    /// Counts a move of this run out.
    pub fn leave(&mut self, source: &CellId, target: &CellId) {
        for cell in [source, target] {
            if let Some(count) = self.mine.get_mut(cell) {
                *count = count.saturating_sub(1);
            }
        }
    }

    fn count(&self, cell: &CellId) -> usize {
        let of = |counts: &BTreeMap<CellId, usize>| counts.get(cell).copied().unwrap_or(0);
        of(&self.others) + of(&self.mine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str) -> CellId {
        name.parse().expect("a cell")
    }

    #[test]
    fn a_cell_is_full_by_its_own_moves_and_those_of_others() {
        let (a, b, c) = (cell("a"), cell("b"), cell("c"));
        let mut crowd = Crowd::new(2);
        assert_eq!(crowd.full(&a, &b), None);
        crowd.enter(&a, &b);
        assert_eq!(crowd.full(&a, &c), None);
        crowd.see_others([(&c, &a)]);
        assert_eq!(crowd.full(&a, &b), Some(&a));
        assert_eq!(crowd.full(&b, &a), Some(&a));
        assert_eq!(crowd.full(&b, &c), None);
        crowd.see_others([]);
        assert_eq!(crowd.full(&a, &b), None);
        crowd.enter(&c, &b);
        assert_eq!(crowd.full(&a, &b), Some(&b));
        crowd.leave(&a, &b);
        assert_eq!(crowd.full(&a, &b), None);
    }
}
