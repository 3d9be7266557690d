//! The independent check: every acknowledged write against what the serving cell holds.
//!
//! Constraint kept: it asks the map who serves, and reads the tables themselves.

use std::collections::BTreeMap;

use super::cells::{Cells, TENANT};
use super::history::{Fault, History};
use super::items::{Key, number_of};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Keys whose last acknowledged write is not there.
    pub(crate) lost: Vec<String>,
    /// Keys that were deleted, and are there.
    pub(crate) resurrected: Vec<String>,
    /// Keys that the other cell still holds, or that nobody has written.
    pub(crate) doubled: Vec<String>,
    /// Whether items of another tenant were touched.
    pub(crate) trespassed: bool,
}

impl Verdict {
    /// Looks at both cells. The writers have stopped, and no move is under way.
    pub(crate) async fn of(cells: &Cells, histories: &[History]) -> Self {
        let serving = cells.serving().await;
        let there = held(cells, serving).await;
        let mut verdict = Self { trespassed: !cells.bystander_is_whole().await, ..Self::default() };
        verdict.doubled =
            held(cells, 1 - serving).await.keys().map(|key| format!("{key:?} in the other cell")).collect();
        for (key, expected) in histories.iter().flat_map(|history| &history.keys) {
            let found = there.get(key).copied();
            let told = || format!("{key:?}: {found:?}, not {expected:?}");
            match expected.fault(found) {
                Some(Fault::Lost) => verdict.lost.push(told()),
                Some(Fault::Resurrected) => verdict.resurrected.push(told()),
                None => {}
            }
        }
        let known = |key: &Key| histories.iter().any(|history| history.keys.contains_key(key));
        verdict.doubled.extend(there.keys().filter(|key| !known(key)).map(|key| format!("{key:?} of nobody")));
        verdict
    }

    /// How many of each, for a line of text.
    pub(crate) fn counts(&self) -> String {
        let (lost, back, twice) = (self.lost.len(), self.resurrected.len(), self.doubled.len());
        format!("{lost} lost, {back} resurrected, {twice} doubled, others touched: {}", self.trespassed)
    }

    /// Fails the test unless everything is as it was acknowledged.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        assert_eq!(*self, Self::default());
    }
}

/// The values that a cell holds for the tenant.
async fn held(cells: &Cells, cell: usize) -> BTreeMap<Key, u64> {
    let items = cells.items_of(cell, TENANT).await;
    items.into_values().map(|(key, item)| (key, number_of(&item, "value").unwrap_or(0))).collect()
}
