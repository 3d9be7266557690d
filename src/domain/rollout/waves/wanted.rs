//! What each wave wants, as it is written or, where no wave is, by default.
//!
//! Constraint kept: default waves fit every fleet.

use crate::domain::definition::{CellType, RolloutSpec, Seconds, WaveSpec};
use crate::domain::fleet::Cell;
use crate::domain::rollout::Wave;
use crate::domain::select::Selector;

use super::{BAKE_DEFAULT, Problem, gates};

/// What a wave wants.
pub(super) struct Wanted {
    /// Its place in the definition; none for a default wave.
    pub(super) index: Option<usize>,
    /// Which cells.
    pub(super) which: Which,
    /// How many of these; all that are left when absent.
    pub(super) take: Option<Take>,
    /// Into how many waves it may be cut, each of one Region.
    pub(super) pieces_max: usize,
    /// The wave, without cells.
    pub(super) wave: Wave,
}

/// Which cells a wave takes.
pub(super) enum Which {
    /// Whatever is left.
    All,
    /// Those of a type.
    Type(CellType),
    /// Those that a selector matches.
    Selected(Selector),
}

/// How many cells a wave takes.
#[derive(Clone, Copy)]
pub(super) enum Take {
    /// So many.
    Cells(usize),
    /// This share, in per cent, of all that match.
    Percent(usize),
}

impl Wanted {
    /// Whether a cell is one that it may take.
    pub(super) fn matches(&self, cell: &Cell) -> bool {
        match &self.which {
            Which::All => true,
            Which::Type(kind) => cell.spec.cell_type == *kind,
            Which::Selected(selector) => selector.matches(cell),
        }
    }

    /// Whether it names its cells, and wants every one of them. A wave without a selector takes what is left.
    pub(super) fn claims(&self) -> bool {
        self.take.is_none() && matches!(self.which, Which::Selected(_))
    }

    /// Whether somebody wrote it.
    pub(super) fn is_written(&self) -> bool {
        self.index.is_some()
    }
}

impl Take {
    /// The number of cells, where so many match. Shares are rounded up.
    pub(super) fn of(self, matched: usize) -> usize {
        match self {
            Self::Cells(cells) => cells,
            Self::Percent(percent) => (matched * percent).div_ceil(100),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Self::Percent),
            None => text.parse().ok().map(Self::Cells),
        }
    }
}

/// What the waves of a fleet want, in their order.
pub(super) fn of(spec: &RolloutSpec) -> Result<Vec<Wanted>, Vec<Problem>> {
    let (mut wanted, mut problems) = (Vec::new(), Vec::new());
    let each = if spec.waves.is_empty() { defaults(spec) } else { written(spec) };
    for one in each {
        match one {
            Ok(one) => wanted.push(one),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(wanted) } else { Err(problems) }
}

fn written(spec: &RolloutSpec) -> Vec<Result<Wanted, Problem>> {
    spec.waves.iter().enumerate().map(|(index, wave)| from_spec(index, wave, spec)).collect()
}

fn from_spec(index: usize, written: &WaveSpec, spec: &RolloutSpec) -> Result<Wanted, Problem> {
    let fault = |message: String, hint: &str| Problem { wave: Some(index), message, hint: hint.to_owned() };
    let name = &written.name;
    let which = match &written.select {
        None => Which::All,
        Some(text) => Which::Selected(
            text.parse()
                .map_err(|error| fault(format!("wave {name}: {error}"), "write key=pattern, such as type=canary"))?,
        ),
    };
    let unreadable = |text: &String| fault(format!("wave {name}: cannot read `take: {text}`"), "write 3, or 20%");
    let take = written.take.as_ref().map(|text| Take::parse(text).ok_or_else(|| unreadable(text))).transpose()?;
    let found = gates::of_wave(spec, written.gates.as_deref());
    let gates = found.map_err(|message| {
        fault(format!("wave {name}: {message}"), "`cellctl validate` shows what is wrong in fleet.yaml")
    })?;
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let wave = Wave {
        name: name.clone(),
        bake_ms: milliseconds(written.bake.unwrap_or(BAKE_DEFAULT)),
        max_in_flight: written.max_in_flight.map(count),
        max_failures: written.max_failures.map_or(0, count),
        approval: written.approval,
        ..empty(gates)
    };
    Ok(Wanted { index: Some(index), which, take, pieces_max: 1, wave })
}

/// The waves where none is written. A wave that keeps to one Region leaves cells: those of `canary` have a wave of their own
/// after `one`, so that the first two waves can be of one Region; others are cut in up to three.
fn defaults(spec: &RolloutSpec) -> Vec<Result<Wanted, Problem>> {
    const SHARED: CellType = CellType::Shared;
    [
        ("canary", CellType::Canary, None, 1),
        ("one", SHARED, Some(Take::Cells(1)), 1),
        ("canary-rest", CellType::Canary, None, 3),
        ("five-percent", SHARED, Some(Take::Percent(5)), 1),
        ("twenty-percent", SHARED, Some(Take::Percent(20)), 1),
        ("rest", SHARED, None, 3),
        ("dedicated", CellType::Dedicated, None, 3),
        ("zero", CellType::Zero, None, 3),
    ]
    .into_iter()
    .map(|(name, kind, take, pieces_max)| {
        let hint = || "`cellctl validate` shows what is wrong in fleet.yaml".to_owned();
        let gates = gates::of_wave(spec, None);
        let gates = gates.map_err(|message| Problem { wave: None, message, hint: hint() })?;
        let wave = Wave { name: name.to_owned(), ..empty(gates) };
        Ok(Wanted { index: None, which: Which::Type(kind), take, pieces_max, wave })
    })
    .collect()
}

/// A wave with nothing but gates.
fn empty(gates: Vec<crate::domain::rollout::gate::Gate>) -> Wave {
    Wave {
        name: String::new(),
        cells: 0,
        tenants: 0,
        bake_ms: milliseconds(BAKE_DEFAULT),
        gates,
        max_in_flight: None,
        max_failures: 0,
        approval: false,
    }
}

fn milliseconds(seconds: Seconds) -> u64 {
    u64::from(seconds.0) * 1000
}
