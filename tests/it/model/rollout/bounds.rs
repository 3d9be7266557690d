//! How much there is of everything in each configuration, and which guard is needed for what.

use std::fmt;

use cellctl::domain::definition::Rollback;

use super::mutants::Mutant;
use super::properties::{R1, R1B, R2, R3, R4, R4B, R5, R6, R7, R7B};
use super::protocol::{Bounds, Order};

pub(super) type Configuration = (&'static str, Bounds);

/// Three waves of a cell each, two pilots, gates that fail.
const GATES: Bounds = Bounds {
    cells: [1, 1, 1],
    in_flight: 1,
    max_failures: 0,
    tokens: 2,
    failures: 0,
    stuck: false,
    bad_gates: true,
    approval: None,
    scope: Rollback::All,
    orders: &[],
    often: false,
};
const FAILURES: Bounds = Bounds { cells: [1, 3, 1], in_flight: 2, failures: 2, bad_gates: false, ..GATES };
const STUCK: Bounds = Bounds { cells: [1, 2, 1], failures: 2, stuck: true, orders: &[Order::RollbackAll], ..GATES };
const WORDS: Bounds =
    Bounds { tokens: 1, scope: Rollback::None, approval: Some(1), orders: &[Order::Approve, Order::Promote], ..GATES };
const ORDERS: Bounds = Bounds {
    cells: [1, 2, 1],
    tokens: 1,
    bad_gates: false,
    orders: &[Order::Pause, Order::RollbackAll, Order::Abort],
    ..GATES
};
const HALTED: Bounds = Bounds { scope: Rollback::None, orders: &[Order::Promote, Order::RollbackAll], ..GATES };
const WAVE: Bounds = Bounds {
    cells: [1, 2, 1],
    failures: 2,
    scope: Rollback::Wave,
    orders: &[Order::RollbackWave, Order::RollbackAll],
    ..GATES
};
const THREE: Bounds = Bounds { tokens: 3, cells: [1, 2, 1], failures: 1, ..GATES };

pub(super) const CONFIGURATIONS: [Configuration; 8] = [
    ("gates", GATES),
    ("failures", FAILURES),
    ("stuck", STUCK),
    ("words", WORDS),
    ("orders", ORDERS),
    ("halted", HALTED),
    ("wave", WAVE),
    ("three pilots", THREE),
];

/// Bounds within which an end must be reachable from everywhere, with nothing given up.
pub(super) const ENDS: [Configuration; 3] =
    [("ends, words", HELPED), ("ends, stuck", RECOVERED), ("ends, approval", APPROVED)];

const HELPED: Bounds = Bounds { often: true, approval: Some(1), orders: &[Order::Approve, Order::Promote], ..HALTED };
const RECOVERED: Bounds = Bounds { often: true, tokens: 1, ..STUCK };
const APPROVED: Bounds = Bounds { orders: &[Order::Approve], approval: Some(2), bad_gates: false, ..GATES };
const ONE: Bounds = Bounds { tokens: 1, ..GATES };
const MANY: Bounds = Bounds { cells: [1, 3, 1], failures: 2, ..GATES };

pub(super) const GUARDS: [(Mutant, Bounds, &str); 22] = [
    (Mutant::BeginUnpassed, ONE, R1B),
    (Mutant::ChangeBeforeEntry, ONE, R1),
    (Mutant::DoubtIsDone, ONE, R1),
    (Mutant::MissingPasses, ONE, R2),
    (Mutant::FailurePasses, ONE, R2),
    (Mutant::PassEarly, ONE, R2),
    (Mutant::PromoteUnasked, ONE, R2),
    (Mutant::NotBegunIsDone, ORDERS, R2),
    (Mutant::NoApproval, WORDS, R3),
    (Mutant::NoStop, Bounds { tokens: 1, ..MANY }, R4),
    (Mutant::NoStop, Bounds { tokens: 1, ..MANY }, R4B),
    (Mutant::ForgetFailed, Bounds { tokens: 1, ..MANY }, R4B),
    (Mutant::BackLastOnly, ONE, R5),
    (Mutant::BeforeAgain, GATES, R5),
    (Mutant::TakeoverSilent, GATES, R5),
    (Mutant::LeaseForgets, THREE, R5),
    (Mutant::SettleAtOnce, GATES, R5),
    (Mutant::SettleBlind, GATES, R5),
    (Mutant::StuckIsBack, STUCK, R5),
    (Mutant::JournalUnfenced, GATES, R6),
    (Mutant::HaltMute, WORDS, R7),
    (Mutant::RollbackDropped, ORDERS, R7B),
];

/// Without these nothing is harmed, but a rollout comes to no end.
pub(super) const STANDS: [(Mutant, Bounds); 3] =
    [(Mutant::NoTakeover, HELPED), (Mutant::BackOnce, RECOVERED), (Mutant::ClearFirst, APPROVED)];

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = self.cells;
        let scope = format!("{:?}", self.scope).to_lowercase();
        write!(f, "{first}, {second}, {third} cells, {} pilots, rollback `{scope}`", self.tokens)?;
        if self.in_flight > 1 {
            write!(f, ", {} at a time", self.in_flight)?;
        }
        if self.failures > 0 {
            write!(f, ", {} failures", self.failures)?;
        }
        let more = [
            (self.stuck, ", cells that get stuck"),
            (self.bad_gates, ", gates that fail or miss"),
            (self.approval.is_some(), ", approval"),
        ];
        more.iter().filter(|(on, _)| *on).try_for_each(|(_, word)| f.write_str(word))?;
        match self.orders.len() {
            0 => Ok(()),
            orders if self.often => write!(f, ", {orders} kinds of orders at any time"),
            orders => write!(f, ", {orders} kinds of orders"),
        }
    }
}
