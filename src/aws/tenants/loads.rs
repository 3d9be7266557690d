//! The loads of cells: items `LOAD`/`<cell>` of the control table.
//!
//! Owns: their form, and every way in which one changes. Constraints kept: counters change by differences, so that
//! writers do not have to agree on what they read; a load of a newer format is not touched.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};

use crate::aws::dynamo::{Edit, Item, Table, built, key, name_of, number, number_of, text, text_of};
use crate::domain::audit::{Head, Sealed};
use crate::domain::fleet::Place;
use crate::domain::ids::{AccountId, CellId};
use crate::domain::moves::fence::SHARDS_MAX;
use crate::domain::record::{CellRecord, CellState};
use crate::domain::rollout::RolloutId;
use crate::domain::tenant::change::{Admission, LoadChange, LoadGuard};
use crate::domain::tenant::fence::{FENCE_OUTPUT, shards_in};
use crate::domain::tenant::load::CellLoad;
use crate::ports::Called;

/// Partition of the loads.
pub(in crate::aws) const LOADS: &str = "LOAD";

/// The attribute that says which rollout is changing the cell.
pub(in crate::aws) const CHANGING: &str = "changing";

/// The format of the loads that this version writes. One of a newer format is never changed.
pub(in crate::aws) const LOAD_FORMAT: u32 = 1;

/// Reads a load.
pub(in crate::aws) fn decode(control: &Table, item: &Item) -> Called<CellLoad> {
    let name = name_of(item);
    let missing = |attribute: &str| control.unreadable(&name, format!("its {attribute} is missing or wrong"));
    control.check_format(&name, number_of(item, "format").ok_or_else(|| missing("format"))?, LOAD_FORMAT)?;
    let count = |attribute| number_of(item, attribute).ok_or_else(|| missing(attribute));
    Ok(CellLoad {
        cell: text_of(item, "sk").and_then(|sk| sk.parse().ok()).ok_or_else(|| missing("cell"))?,
        state: text_of(item, "state").and_then(CellState::of).ok_or_else(|| missing("state"))?,
        place: place(item).ok_or_else(|| missing("place"))?,
        cell_type: text_of(item, "cellType").map(str::to_owned),
        fence_table: text_of(item, "fenceTable").map(str::to_owned),
        fence_shards: number_of(item, "fenceShards").unwrap_or(1).clamp(1, SHARDS_MAX),
        tenants: count("tenants")?,
        weight: count("weight")?,
        writes: number_of(item, "writes").ok_or_else(|| missing("writes"))?,
        audit: head(item),
        changing: number_of(item, CHANGING).map(RolloutId),
    })
}

fn place(item: &Item) -> Option<Place> {
    let account = text_of(item, "account").map(str::parse).transpose().ok()?;
    let role_arn = text_of(item, "roleArn").map(str::to_owned);
    Some(Place { region: text_of(item, "region")?.parse().ok()?, account, role_arn })
}

fn head(item: &Item) -> Option<Head> {
    let hash = text_of(item, "auditHash")?.to_owned();
    Some(Head { seq: number_of(item, "auditSeq")?, hash: hash.try_into().ok()? })
}

/// What a transaction does to the counters of one cell: all its changes together.
#[derive(Debug, Clone, Default)]
pub(super) struct Total<'c> {
    tenants: i64,
    weight: i64,
    changes: u32,
    admissions: Vec<&'c Admission>,
    tenants_max: Option<u64>,
    weight_max: Option<u64>,
}

impl<'c> Total<'c> {
    /// Counts a change in. Of several limits the lowest holds.
    pub(super) fn count(&mut self, change: &'c LoadChange) {
        self.tenants = self.tenants.saturating_add(change.tenants);
        self.weight = self.weight.saturating_add(change.weight);
        self.changes += 1;
        match &change.guard {
            LoadGuard::Free => {}
            LoadGuard::Admit(admission) => {
                self.tenants_max = lowest(self.tenants_max, Some(admission.limits.tenants));
                self.weight_max = lowest(self.weight_max, admission.limits.weight);
                if !self.admissions.contains(&admission.as_ref()) {
                    self.admissions.push(admission);
                }
            }
            LoadGuard::Grow(limits) => self.weight_max = lowest(self.weight_max, limits.weight),
        }
    }

    /// The part of the transaction: the conditions are on the counters as they are, the limits on what they become. With
    /// `at_rest`, no rollout may be changing the cell.
    pub(super) fn edit(&self, control: &Table, cell: &CellId, at_rest: bool) -> Called<TransactWriteItem> {
        let edit = Edit::default().add("tenants", number(self.tenants)).add("weight", number(self.weight));
        let mut edit = edit.add("writes", number(self.changes)).require("format", "<=", number(LOAD_FORMAT));
        if at_rest {
            edit = edit.require_absent(CHANGING);
        }
        for admission in &self.admissions {
            edit = admitted(edit, admission);
        }
        let limits = [("tenants", self.tenants_max, self.tenants), ("weight", self.weight_max, self.weight)];
        for (attribute, max, difference) in limits {
            let room = max.map(|max| i64::try_from(max).unwrap_or(i64::MAX).saturating_sub(difference));
            edit = room.into_iter().fold(edit, |edit, room| edit.require(attribute, "<=", number(room)));
        }
        edit.of(control, key(LOADS, cell.as_str()))
    }
}

/// The part of a transaction that holds only while no rollout is changing a cell.
pub(super) fn unmarked(control: &Table, cell: &CellId) -> Called<TransactWriteItem> {
    let check = ConditionCheck::builder().table_name(&control.name).set_key(Some(key(LOADS, cell.as_str())));
    let check = check.condition_expression("attribute_not_exists(#changing)");
    let check = check.expression_attribute_names("#changing", CHANGING);
    Ok(TransactWriteItem::builder().condition_check(built(check.build())?).build())
}

/// Only if the cell is active and as it was seen.
fn admitted(edit: Edit, admission: &Admission) -> Edit {
    let Admission { place, fence_table, .. } = admission;
    let account = place.account.as_ref().map(AccountId::as_str);
    let seen = [("account", account), ("roleArn", place.role_arn.as_deref()), ("fenceTable", fence_table.as_deref())];
    let edit = edit.require("state", "=", text(CellState::Active.as_str()));
    let edit = edit.require("region", "=", text(place.region.as_str()));
    seen.into_iter().fold(edit, |edit, (attribute, value)| match value {
        Some(value) => edit.require(attribute, "=", text(value)),
        None => edit.require_absent(attribute),
    })
}

fn lowest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// Brings a load to a record's place, to a state, and to the end of the cell's chain; its counters are left alone. A load
/// that is not there yet is made. State `deleted` needs a cell without tenants. A fence table that the stack no longer
/// names stays known until then: the fences of the tenants in the cell must still be found.
pub(in crate::aws) fn follow(
    control: &Table,
    record: &CellRecord,
    state: CellState,
    audit: &Sealed,
) -> Called<TransactWriteItem> {
    let fences = record.applied.as_ref().and_then(|applied| applied.outputs.get(FENCE_OUTPUT));
    let edit = match (fences, state) {
        (None, CellState::Active | CellState::Cordoned | CellState::Draining) => Edit::default(),
        (fences, _) => {
            let shards =
                record.applied.as_ref().map(|applied| shards_in(&applied.outputs)).filter(|shards| *shards > 1);
            Edit::default().set("fenceTable", fences.map(|name| text(name))).set("fenceShards", shards.map(number))
        }
    };
    let edit = edit
        .set("state", Some(text(state.as_str())))
        .set("region", Some(text(record.region.as_str())))
        .set("account", record.account.as_ref().map(|account| text(account.as_str())))
        .set("roleArn", record.role_arn.as_deref().map(text))
        .set("cellType", record.cell_type.as_deref().map(text))
        .set("format", Some(number(LOAD_FORMAT)))
        .start("tenants", number(0))
        .start("weight", number(0))
        .start("writes", number(0))
        .require_if_there("format", "<=", number(LOAD_FORMAT));
    let edit = match &audit.record.prev {
        // A load that was lost is made anew; the audit record's own number makes sure that the chain is right.
        Some(prev) => edit.require_if_there("auditHash", "=", text(prev.as_str())),
        None => edit.require_absent("auditHash"),
    };
    let edit = move_chain(edit, audit);
    let edit = if state == CellState::Deleted { edit.require_if_there("tenants", "=", number(0)) } else { edit };
    edit.of(control, key(LOADS, record.cell.as_str()))
}

/// Sets the counters, if nothing has changed them since they were seen.
pub(super) fn correct(
    control: &Table,
    seen: &CellLoad,
    (tenants, weight): (i64, i64),
    record: &Sealed,
) -> Called<TransactWriteItem> {
    let edit = Edit::default()
        .set("tenants", Some(number(tenants)))
        .set("weight", Some(number(weight)))
        .add("writes", number(1))
        .require("writes", "=", number(seen.writes))
        .require("format", "<=", number(LOAD_FORMAT));
    continue_chain(edit, record).of(control, key(LOADS, seen.cell.as_str()))
}

/// Moves the end of the cell's chain to `record`.
fn move_chain(edit: Edit, record: &Sealed) -> Edit {
    let edit = edit.set("auditSeq", Some(number(record.record.seq)));
    edit.set("auditHash", Some(text(record.hash.as_str())))
}

/// Moves the end of the cell's chain to `record`, from the one that it follows.
fn continue_chain(edit: Edit, record: &Sealed) -> Edit {
    let edit = move_chain(edit, record);
    match &record.record.prev {
        None => edit.require_absent("auditHash"),
        Some(prev) => edit.require("auditHash", "=", text(prev.as_str())),
    }
}
