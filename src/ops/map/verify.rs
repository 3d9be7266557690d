//! Checks the tenant map against the cells, their counters, their fences and the moves under way, and repairs what is safe.
//!
//! Owns: the order of the scans, and what is told of them. Constraints kept: memory is bounded by the number of cells and
//! by a window of entries; whatever looks wrong is looked at again before it is told, so that writers at work are no
//! finding; a repair is a conditional write, which fails where somebody else was faster.

mod counters;
mod entries;
mod fences;
mod look;
mod moves;
mod repair;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::audit::Actor;
use crate::domain::fleet::Fleet;
use crate::domain::ids::CellId;
use crate::domain::tenant::load::CellLoad;
use crate::domain::tenant::verify::Finding;
use crate::ops::tenants::Desk;
use crate::ops::{OpError, World};
use crate::ports::{CallError, CallErrorKind};

pub use self::moves::UnderWay;

/// Findings that are told one by one; of more than these there are only numbers.
pub const FINDINGS_TOLD_MAX: usize = 1_000;
/// Calls under way at a time.
const CONCURRENCY: usize = 16;

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was found; a repair was not asked for, or is not safe.
    Found,
    /// It was repaired.
    Repaired {
        /// What was done.
        done: String,
    },
    /// A repair was tried and did nothing.
    Left {
        /// Why.
        reason: String,
    },
}

/// A finding as it is told.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// What was found.
    pub finding: Finding,
    /// The same as a sentence.
    pub message: String,
    /// What to do about it, unless it was repaired.
    pub hint: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Told {
    fn new(finding: Finding, outcome: Outcome) -> Self {
        let message = finding.to_string();
        let hint = match outcome {
            Outcome::Found => Some(finding.advice()),
            Outcome::Repaired { .. } => None,
            Outcome::Left { .. } => Some("mend what the reason names, then run the same command again".to_owned()),
        };
        Self { finding, message, hint, outcome }
    }
}

/// How often something was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How often it was found.
    pub found: u64,
    /// How many of these were repaired.
    pub repaired: u64,
}

/// What a check of the map found.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Tenants that are in the map.
    pub tenants: u64,
    /// Entries that removed tenants have left.
    pub removed: u64,
    /// Cells, deleted ones included.
    pub cells: u64,
    /// Fences that were looked at in the cells.
    pub fences: u64,
    /// Tenants that were being added, removed or changed all the while.
    pub under_way: u64,
    /// How often the tenants were counted: again, where counters differed or changed meanwhile.
    pub passes: u64,
    /// Cells whose tenants could not be counted, because they kept changing, or because entries cannot be read.
    pub uncounted: Vec<CellId>,
    /// How often each code was found.
    pub tallies: BTreeMap<&'static str, Tally>,
    /// The findings, the first of very many.
    pub findings: Vec<Told>,
}

impl Report {
    /// Number of findings that are not repaired.
    pub fn left(&self) -> u64 {
        self.tallies.values().map(|tally| tally.found - tally.repaired).sum()
    }

    /// Number of findings.
    pub fn found(&self) -> u64 {
        self.tallies.values().map(|tally| tally.found).sum()
    }

    /// The exit code, as documented: 1 where findings are left, 9 where cells could not be counted.
    pub fn exit_code(&self) -> u8 {
        match (self.left() > 0, self.uncounted.is_empty()) {
            (true, _) => 1,
            (false, false) => 9,
            (false, true) => 0,
        }
    }

    fn add(&mut self, told: Told) {
        let tally = self.tallies.entry(told.finding.code()).or_default();
        tally.found += 1;
        tally.repaired += u64::from(matches!(told.outcome, Outcome::Repaired { .. }));
        if self.findings.len() < FINDINGS_TOLD_MAX {
            self.findings.push(told);
        }
    }
}

/// Who looks, and with what.
struct Inspector<'a> {
    world: &'a World,
    fleet: &'a Fleet,
    /// Who repairs; none where nothing is to be changed.
    desk: Option<Desk<'a>>,
}

/// What is known of the cells and kept during the scans.
struct Cells {
    /// Their loads as they were before the first entry was read.
    loads: BTreeMap<CellId, CellLoad>,
    /// Those whose fences cannot be read; each is told once.
    unreadable: BTreeSet<CellId>,
    /// False where an entry cannot be read: nobody knows then which cell it counts in.
    are_countable: bool,
}

/// Checks the map, and that somebody carries on what moves. With `repair`, whoever that is repairs what is safe.
pub async fn verify(
    world: &World,
    moves: &dyn UnderWay,
    fleet: &Fleet,
    repair: Option<&Actor>,
) -> Result<Report, OpError> {
    let inspector = Inspector { world, fleet, desk: repair.map(|actor| Desk { world, fleet, actor }) };
    let loads = world.map.loads().await?.into_iter().map(|load| (load.cell.clone(), load)).collect();
    let mut cells = Cells { loads, unreadable: BTreeSet::new(), are_countable: true };
    let mut report = Report { cells: cells.loads.len() as u64, ..Report::default() };
    let counts = inspector.entries(&mut cells, &mut report).await?;
    inspector.counters(&cells, &counts, &mut report).await?;
    inspector.fences(&mut cells, &mut report).await?;
    inspector.moves(moves, &mut report).await?;
    Ok(report)
}

impl Cells {
    /// Notes that a cell's fences cannot be read. An error that would meet every cell is not for one cell to tell.
    fn note_unreadable(&mut self, cell: &CellId, error: CallError, report: &mut Report) -> Result<(), OpError> {
        if !matches!(error.kind, CallErrorKind::NotFound | CallErrorKind::Denied) {
            return Err(error.into());
        }
        if self.unreadable.insert(cell.clone()) {
            let finding = Finding::FencesUnreadable { cell: cell.clone(), reason: error.to_string() };
            report.add(Told::new(finding, Outcome::Found));
        }
        Ok(())
    }
}
