//! Takes cells, wave by wave.
//!
//! Constraints kept: a cell that was taken is not taken again; the first two waves keep to one Region; cell zero shares its wave
//! with no other cell, comes last, and needs approval.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::definition::{CellType, FirstRegions};
use crate::domain::fleet::Cell;
use crate::domain::ids::Region;

use super::places::{listed, regions};
use super::wanted::Wanted;
use super::{Arranged, Made, Problem};

/// Waves that keep to one Region.
const FIRST_WAVES: usize = 2;

/// What stands after each Region rule's complaint.
const ANY_HINT: &str = "narrow its `select` to one Region (region=...), or write `firstRegions: any` in spec.rollout";

/// A cell on its way into a wave.
struct Seat<'a> {
    cell: &'a Cell,
    tenants: u64,
    is_taken: bool,
}

/// The waves so far.
pub(super) struct Taking<'a> {
    /// All cells, in the order in which they are taken.
    seats: Vec<Seat<'a>>,
    first_regions: FirstRegions,
    /// Region of the first wave's first cell.
    home: Option<&'a Region>,
    /// For each cell, by its place in `seats`, the wave that has named it.
    claims: BTreeMap<usize, String>,
    /// The wave that holds cell zero.
    zero: Option<String>,
    arranged: Arranged,
}

impl<'a> Taking<'a> {
    /// Cells with the fewest tenants are taken first, ties by name; cell zero after all others, so that no number of tenants
    /// brings it into a wave that has room for fewer.
    pub(super) fn new(cells: &[(&'a Cell, u64)], first_regions: FirstRegions) -> Self {
        let seat = |(cell, tenants): &(&'a Cell, u64)| Seat { cell, tenants: *tenants, is_taken: false };
        let mut seats: Vec<Seat<'a>> = cells.iter().map(seat).collect();
        seats.sort_by_key(|seat| (is_zero(seat.cell), seat.tenants, &seat.cell.id));
        let (claims, arranged) = (BTreeMap::new(), Arranged::default());
        Self { seats, first_regions, home: None, claims, zero: None, arranged }
    }

    /// Takes what a wave wants; `later` are the waves after it.
    pub(super) fn take(&mut self, wanted: &Wanted, later: &[Wanted]) {
        let matched: Vec<usize> = (0..self.seats.len()).filter(|at| wanted.matches(self.seats[*at].cell)).collect();
        if wanted.claims() {
            self.claim(wanted, &matched);
        }
        if matched.is_empty() && wanted.is_written() {
            let message = format!("wave {} selects no cell", wanted.wave.name);
            self.problem(wanted, message, "mend its `select`, or remove the wave; `cellctl cell list` shows the cells");
            return;
        }
        for piece in 1..=wanted.pieces_max {
            let left: Vec<usize> = matched.iter().copied().filter(|at| !self.seats[*at].is_taken).collect();
            if left.is_empty() {
                self.left_out(wanted);
                return;
            }
            let mut chosen = self.within_regions(wanted, left, later);
            chosen.truncate(wanted.take.map_or(usize::MAX, |take| take.of(matched.len())));
            self.settle(wanted, piece, &chosen);
        }
    }

    /// The waves. What no wave has taken is a problem.
    pub(super) fn finish(mut self) -> Arranged {
        let missed: Vec<&Cell> = self.seats.iter().filter(|seat| !seat.is_taken).map(|seat| seat.cell).collect();
        if !missed.is_empty() {
            let message = format!("in no wave: {}", listed(&missed));
            let hint = "add a wave without `take` that selects them; one without `select` takes all that are left";
            self.arranged.problems.push(Problem { wave: None, message, hint: hint.to_owned() });
        }
        self.arranged
    }

    /// Notes that a wave has named its cells; two such waves must not meet.
    fn claim(&mut self, wanted: &Wanted, matched: &[usize]) {
        let mut twice: BTreeMap<String, Vec<&Cell>> = BTreeMap::new();
        for at in matched {
            let first = self.claims.entry(*at).or_insert_with(|| wanted.wave.name.clone());
            if *first != wanted.wave.name {
                twice.entry(first.clone()).or_default().push(self.seats[*at].cell);
            }
        }
        for (first, cells) in twice {
            let message = format!("in two waves, {first} and {}: {}", wanted.wave.name, listed(&cells));
            self.problem(
                wanted,
                message,
                "narrow one of the two selectors (!= excludes), or give one of the waves `take`",
            );
        }
    }

    /// What is left for a wave, of one Region where the rule asks for that.
    fn within_regions(&mut self, wanted: &Wanted, left: Vec<usize>, later: &[Wanted]) -> Vec<usize> {
        if self.first_regions == FirstRegions::Any || self.arranged.made.len() >= FIRST_WAVES {
            return left;
        }
        if wanted.is_written() && !self.complain(wanted, &left) {
            return left;
        }
        let home = self.home.filter(|home| left.iter().any(|at| self.region(*at) == *home));
        let home = home.or_else(|| self.choose(&left, later));
        left.into_iter().filter(|at| home.is_none_or(|home| self.region(*at) == home)).collect()
    }

    /// Complains about a written wave that breaks the rule; says whether it keeps it.
    fn complain(&mut self, wanted: &Wanted, left: &[usize]) -> bool {
        let name = &wanted.wave.name;
        let cells: Vec<&Cell> = left.iter().map(|at| self.seats[*at].cell).collect();
        let found = regions(&cells);
        let message = match self.home {
            Some(home) if !found.contains(home.as_str()) => {
                format!("wave {name} would be in {}, but the first wave is in {home}", among(&found))
            }
            _ if wanted.take.is_none() && found.len() > 1 => {
                format!("wave {name} would be in {}: the first two waves keep to one Region", among(&found))
            }
            _ => return true,
        };
        self.problem(wanted, message, ANY_HINT);
        // Said once: what later waves would break depends on how this one is mended.
        self.first_regions = FirstRegions::Any;
        false
    }

    /// The Region of the first cell; rather that of the first cell whose Region has another one for the wave after this.
    fn choose(&self, left: &[usize], later: &[Wanted]) -> Option<&'a Region> {
        let fits = |wave: &Wanted, at: usize| !self.seats[at].is_taken && wave.matches(self.seats[at].cell);
        let second = later.iter().find(|wave| (0..self.seats.len()).any(|at| fits(wave, at)));
        let goes_on = |region: &Region, first: usize| {
            let wave = second?;
            (0..self.seats.len()).find(|at| *at != first && self.region(*at) == region && fits(wave, *at))
        };
        let mut tried = Vec::new();
        for at in left {
            let region = self.region(*at);
            if tried.contains(&region) {
                continue;
            }
            if goes_on(region, *at).is_some() {
                return Some(region);
            }
            tried.push(region);
        }
        tried.first().copied()
    }

    /// Makes a wave of the chosen cells.
    fn settle(&mut self, wanted: &Wanted, piece: usize, chosen: &[usize]) {
        let Some(first) = chosen.first() else { return };
        self.home = self.home.or(Some(self.region(*first)));
        let mut wave = wanted.wave.clone();
        if piece > 1 {
            wave.name = format!("{}-{piece}", wave.name);
        }
        let cells: Vec<&Cell> = chosen.iter().map(|at| self.seats[*at].cell).collect();
        self.guard_zero(wanted, &cells);
        wave.approval |= cells.iter().any(|cell| is_zero(cell));
        wave.cells = cells.len();
        wave.tenants = chosen.iter().map(|at| self.seats[*at].tenants).sum();
        for at in chosen {
            self.seats[*at].is_taken = true;
        }
        self.arranged.made.push(Made { wave, cells: cells.iter().map(|cell| cell.id.clone()).collect() });
    }

    /// Cell zero is alone in its wave, and after everything else.
    fn guard_zero(&mut self, wanted: &Wanted, cells: &[&Cell]) {
        let name = wanted.wave.name.clone();
        let zeros: Vec<&Cell> = cells.iter().copied().filter(|cell| is_zero(cell)).collect();
        let hint = "write `select: type=zero` in a last wave, and add type!=zero to the selectors of the others";
        if !zeros.is_empty() && zeros.len() < cells.len() {
            let others = cells.len() - zeros.len();
            let message = format!("wave {name} holds cell zero ({}) and {others} other cells", listed(&zeros));
            self.problem(wanted, message, hint);
        }
        if let Some(zero) = self.zero.as_ref().filter(|_| zeros.is_empty()) {
            let message = format!("wave {name} comes after wave {zero}, which holds cell zero");
            self.problem(wanted, message, "move the wave of cell zero to the end");
        }
        if !zeros.is_empty() {
            self.zero = Some(name);
        }
    }

    /// A written wave whose cells are all in earlier ones.
    fn left_out(&mut self, wanted: &Wanted) {
        if wanted.is_written() {
            let message = format!("wave {} is left out: earlier waves take all its cells", wanted.wave.name);
            let hint = "remove it, or let earlier waves take less".to_owned();
            self.arranged.notes.push(Problem { wave: wanted.index, message, hint });
        }
    }

    fn region(&self, at: usize) -> &'a Region {
        &self.seats[at].cell.place.region
    }

    fn problem(&mut self, wanted: &Wanted, message: String, hint: &str) {
        self.arranged.problems.push(Problem { wave: wanted.index, message, hint: hint.to_owned() });
    }
}

fn is_zero(cell: &Cell) -> bool {
    cell.spec.cell_type == CellType::Zero
}

fn among(regions: &BTreeSet<&str>) -> String {
    regions.iter().copied().collect::<Vec<_>>().join(", ")
}
