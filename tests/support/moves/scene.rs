//! Where a schedule begins: two cells, a tenant with items in the first one, neighbours in both, a plan.
//!
//! Owns: the names of things. Constraint kept: the plan is what planning gives for such cells, so that the engine runs
//! from its first step on.

use std::collections::{BTreeMap, BTreeSet};

use cellctl::domain::audit::{Actor, Stamp};
use cellctl::domain::data::find::Find;
use cellctl::domain::data::shape::{KeyAttribute, KeySchema, StreamShape, TableShape};
use cellctl::domain::data::{Item, ItemKey, Value};
use cellctl::domain::definition::{CellSpec, KeyType};
use cellctl::domain::fleet::{Cell, Fleet, Place};
use cellctl::domain::ids::TenantId;
use cellctl::domain::moves::fence::{Hold, Shard};
use cellctl::domain::moves::{End, MOVE_FORMAT, MoveId, Options, Plan, QueuePlan, TablePlan};
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::Attributes;
use cellctl::domain::tenant::change::{self, Target};
use cellctl::domain::tenant::fence::{FenceMode, FenceTable};
use cellctl::domain::tenant::load::{CellLoad, Limits};
use cellctl::ports::data::TableRef;
use serde_json::json;

use super::clock::START_MS;
use super::counts::{Counts, Trace};
use super::drawn::{Drawn, Kind};
use super::gate::Strike;
use super::state::{Fenced, State, Wished};
use super::tables::Table;
use super::truth::Truth;
use crate::support::map::MapState;

/// The tenant that moves.
pub(crate) const NAME: &str = "acme";
/// Attribute of the time of expiry.
pub(crate) const TTL: &str = "expires";
/// Attribute that holds the tenant, where it is not in the key.
pub(crate) const OWNER: &str = "owner";
/// Who else is in each cell.
pub(crate) const NEIGHBOURS: [&str; 2] = ["nabu", "nobu"];
const CELLS: [&str; 2] = ["cell-1", "cell-2"];
const WEIGHT: u64 = 7;

/// What is which.
pub(crate) struct Names {
    pub(crate) id: MoveId,
    pub(crate) tables: BTreeMap<TableRef, (usize, usize)>,
    pub(crate) fences: [FenceTable; 2],
    /// Tables of each cell by number.
    pub(crate) physical: [Vec<String>; 2],
}

/// A schedule's beginning.
pub(crate) struct Scene {
    pub(crate) state: State,
    pub(crate) fleet: Fleet,
    pub(crate) plan: Plan,
}

fn valid<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("{text} is valid"))
}

fn places(drawn: &Drawn) -> [Place; 2] {
    let at = |region: &str| Place { region: valid(region), account: None, role_arn: None };
    [at("eu-central-1"), at(if drawn.one_place { "eu-central-1" } else { "us-east-1" })]
}

/// The tenant's name.
pub(crate) fn tenant() -> TenantId {
    valid(NAME)
}

/// Who runs the movers.
pub(crate) fn actor(number: u32) -> Actor {
    Actor {
        identity: "arn:aws:iam::111122223333:user/sim".to_owned(),
        user: format!("mover-{number}@bench"),
        ci_url: None,
    }
}

/// The beginning of a schedule.
pub(crate) fn scene(drawn: &Drawn, strike: Option<(u64, Strike)>, verbose: bool) -> Scene {
    let mut rng = fastrand::Rng::with_seed(drawn.seed);
    let epoch_floor = rng.u64(0..3);
    let map = map(drawn, epoch_floor);
    let entry = map.entries[&tenant()].clone();
    let id = MoveId { tenant: tenant(), version: entry.version };
    let places = places(drawn);
    let names = names(drawn, &places, id.clone());
    let tables = [0, 1].map(|_| drawn.tables.iter().enumerate().map(|(n, kind)| table(n, *kind)).collect());
    let truth = Truth { items: vec![BTreeMap::new(); drawn.tables.len()], ..Truth::default() };
    let empty = || vec![BTreeMap::new(); drawn.tables.len()];
    let mut state = State {
        drawn: drawn.clone(),
        names,
        rng,
        now_ms: START_MS,
        tables,
        fences: fences(drawn, entry.epoch),
        map,
        control: BTreeMap::new(),
        queues: queues(),
        answered: BTreeMap::new(),
        truth: Truth { others: [empty(), empty()], ..truth },
        counts: Counts::default(),
        trace: Trace::new(verbose),
        faults: drawn.faults,
        crashes: 0,
        cut_off_until_ms: 0,
        strike,
        dead: BTreeSet::new(),
        busy: 0,
        wish: Wished::default(),
        back: None,
    };
    fill(&mut state);
    let plan = plan(drawn, &state, id, entry.epoch, &places);
    let fleet = fleet(&places, &state.tables[0]);
    Scene { state, fleet, plan }
}

fn names(drawn: &Drawn, places: &[Place; 2], id: MoveId) -> Names {
    let physical = CELLS.map(|cell| (0..drawn.tables.len()).map(|n| format!("shop-{cell}-t{n}")).collect::<Vec<_>>());
    let mut tables = BTreeMap::new();
    for (cell, names) in physical.iter().enumerate() {
        for (number, name) in names.iter().enumerate() {
            tables.insert(TableRef { place: places[cell].clone(), name: name.clone() }, (cell, number));
        }
    }
    let fences = [0, 1].map(|n| FenceTable { place: places[n].clone(), name: format!("shop-{}-fences", CELLS[n]) });
    Names { id, tables, fences, physical }
}

fn queues() -> BTreeMap<String, super::queues::Queue> {
    let names = CELLS.iter().flat_map(|cell| [format!("shop-{cell}-jobs"), format!("shop-{cell}-moved")]);
    names.map(|name| (name, Vec::new())).collect()
}

fn map(drawn: &Drawn, epoch_floor: u64) -> MapState {
    let mut map = MapState::default();
    let places = places(drawn);
    let limits = Limits { tenants: 5, weight: Some(50) };
    let stamp = Stamp { at_ms: START_MS, actor: actor(0) };
    for (number, name) in CELLS.iter().enumerate() {
        let load = CellLoad {
            cell: valid(name),
            state: CellState::Active,
            place: places[number].clone(),
            cell_type: None,
            fence_table: Some(format!("shop-{name}-fences")),
            fence_shards: if number == 0 { drawn.shards.0 } else { drawn.shards.1 },
            tenants: 0,
            weight: 0,
            writes: 0,
            audit: None,
            changing: None,
        };
        map.loads.insert(load.cell.clone(), load);
    }
    for (tenant, cell) in [(NAME, 0), (NEIGHBOURS[0], 0), (NEIGHBOURS[1], 1)] {
        let load = map.loads[&valid(CELLS[cell])].clone();
        let target = Target { load, limits, local: true, by_hand: false };
        let attributes = Attributes { weight: WEIGHT, ..Attributes::default() };
        let change = change::add(&valid(tenant), attributes, &target, None, epoch_floor, &stamp);
        map.write(&[change]);
    }
    map
}

/// The source open; the target without a fence, or with that of an earlier time.
fn fences(drawn: &Drawn, epoch: u64) -> [Fenced; 2] {
    let mut fences = [Fenced::default(), Fenced::default()];
    for shard in 0..drawn.shards.0 {
        fences[0].shards.insert(shard, Shard::free(epoch, FenceMode::Open));
    }
    let before = match drawn.seed % 4 {
        0 => Some(Shard::free(epoch, FenceMode::Closed)),
        1 => {
            let hold = Hold { id: MoveId { tenant: tenant(), version: 1 }, token: 3 << 20 };
            Some(Shard { to: Some(valid(CELLS[0])), ..Shard::held(epoch, FenceMode::Out, hold) })
        }
        _ => None,
    };
    for shard in 0..drawn.shards.1 {
        if let Some(before) = &before {
            fences[1].shards.insert(shard, before.clone());
        }
    }
    fences
}

fn attribute(name: &str) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), key_type: KeyType::S }
}

fn table(number: usize, kind: Kind) -> Table {
    let key = match kind {
        Kind::Partition => KeySchema { partition: attribute("tenant"), sort: Some(attribute("id")) },
        _ => KeySchema { partition: attribute("id"), sort: None },
    };
    let find = match kind {
        Kind::Partition => Find::PartitionKey,
        Kind::Prefix => Find::Prefix { separator: "#".to_owned() },
        Kind::Index => Find::Index { index: "by-owner".to_owned(), attribute: OWNER.to_owned() },
        Kind::Attribute => Find::Attribute { attribute: OWNER.to_owned() },
    };
    let by_owner = KeySchema { partition: attribute(OWNER), sort: None };
    let indexes = matches!(kind, Kind::Index).then(|| ("by-owner".to_owned(), by_owner));
    let shape = TableShape {
        key,
        indexes: indexes.into_iter().collect(),
        stream: Some(StreamShape { arn: format!("arn:stream:{number}"), images: true }),
        time_to_live: Some(TTL.to_owned()),
        items_about: 10,
        bytes_about: 1_000,
    };
    Table::new(shape, find)
}

/// The key of a name in a table, as it is of somebody's.
pub(crate) fn key_of(table: &Table, owner: &str, name: &str) -> ItemKey {
    let text = |text: String| Value::S(text);
    match &table.find {
        Find::PartitionKey => ItemKey { partition: text(owner.to_owned()), sort: Some(text(name.to_owned())) },
        Find::Prefix { .. } => ItemKey { partition: text(format!("{owner}#{name}")), sort: None },
        Find::Index { .. } | Find::Attribute { .. } => ItemKey { partition: text(name.to_owned()), sort: None },
    }
}

/// An item of somebody's: `value` tells one write from another.
pub(crate) fn item_of(table: &Table, key: &ItemKey, owner: &str, value: u64, expires_s: Option<i64>) -> Item {
    let mut item = table.shape.key.attributes(key);
    item.0.insert(OWNER.to_owned(), Value::S(owner.to_owned()));
    item.0.insert("value".to_owned(), Value::N(value.to_string()));
    if let Some(at_s) = expires_s {
        item.0.insert(TTL.to_owned(), Value::N(at_s.to_string()));
    }
    item
}

/// Items of the tenant in the source, and of the neighbours in both cells.
fn fill(state: &mut State) {
    let keys = state.drawn.keys;
    for (cell, neighbour) in NEIGHBOURS.into_iter().enumerate() {
        for number in 0..state.drawn.tables.len() {
            let mut rng = state.rng.fork();
            let (table, truth) = (&mut state.tables[cell][number], &mut state.truth);
            for n in 0..2 {
                let key = key_of(table, neighbour, &format!("{}{n}", &neighbour[..2]));
                let item = item_of(table, &key, neighbour, n, None);
                table.set(&key, Some(item.clone()), START_MS - 3_600_000, &mut rng);
                truth.others[cell][number].insert(key, item);
            }
            for n in 0..keys.saturating_sub(1) as u64 {
                let key = key_of(table, NAME, &format!("k{n}"));
                let item = item_of(table, &key, NAME, n, None);
                if cell == 0 {
                    table.set(&key, Some(item.clone()), START_MS - 3_600_000, &mut rng);
                    truth.items[number].insert(key, item);
                }
            }
        }
    }
}

/// A table of a cell's definition.
fn defined(table: &Table) -> serde_json::Value {
    let key = &table.shape.key;
    let tenant = match &table.find {
        Find::PartitionKey => json!({ "by": "partitionKey" }),
        Find::Prefix { separator } => json!({ "by": "prefix", "separator": separator }),
        Find::Index { index, .. } => json!({ "by": "index", "index": index }),
        Find::Attribute { attribute } => json!({ "by": "attribute", "attribute": attribute }),
    };
    let mut defined = json!({ "partitionKey": key.partition.name, "tenant": tenant });
    if let Some(sort) = &key.sort {
        defined["sortKey"] = json!(sort.name);
    }
    if let Find::Index { index, attribute } = &table.find {
        defined["indexes"] = json!({ index: { "partitionKey": attribute } });
    }
    defined
}

fn fleet(places: &[Place; 2], tables: &[Table]) -> Fleet {
    let tables: serde_json::Map<_, _> =
        tables.iter().enumerate().map(|(n, one)| (format!("t{n}"), defined(one))).collect();
    let cell = |number: usize| {
        let spec = json!({
            "type": "shared", "capacity": { "tenants": 5, "weight": 50 }, "tables": &tables,
            "queues": { "jobs": { "tenant": { "attribute": "tenant" } } },
        });
        let spec: CellSpec = serde_json::from_value(spec).unwrap_or_else(|error| unreachable!("a cell: {error}"));
        Cell {
            id: valid(CELLS[number]),
            labels: BTreeMap::new(),
            place: places[number].clone(),
            template: valid("plain"),
            spec,
            file: format!("cells/{}.yaml", CELLS[number]),
        }
    };
    Fleet {
        name: valid("shop"),
        labels: BTreeMap::new(),
        control: places[0].clone(),
        tags: BTreeMap::new(),
        concurrency: None,
        max_failures: None,
        rollout: cellctl::domain::definition::RolloutSpec::default(),
        residency: BTreeMap::new(),
        cells: vec![cell(0), cell(1)],
    }
}

fn plan(drawn: &Drawn, state: &State, id: MoveId, epoch: u64, places: &[Place; 2]) -> Plan {
    let end = |number: usize| End {
        cell: valid(CELLS[number]),
        place: places[number].clone(),
        fence_table: state.names.fences[number].name.clone(),
        shards: if number == 0 { drawn.shards.0 } else { drawn.shards.1 },
        moved_queue: Some(format!("shop-{}-moved", CELLS[number])),
    };
    let tables = state.tables[0].iter().enumerate().map(|(number, table)| TablePlan {
        table: format!("t{number}"),
        source: state.names.physical[0][number].clone(),
        target: state.names.physical[1][number].clone(),
        find: table.find.clone(),
        shape: table.shape.clone(),
    });
    let queues = vec![QueuePlan {
        queue: "jobs".to_owned(),
        source: "shop-cell-1-jobs".to_owned(),
        target: "shop-cell-2-jobs".to_owned(),
        dead_letters: None,
        attribute: "tenant".to_owned(),
    }];
    let options = Options {
        fence: drawn.level,
        hold_cutover: drawn.hold_cutover,
        lease_ms: drawn.lease_ms,
        request_ms: drawn.request_ms,
        soak_ms: if drawn.messages > 0 || drawn.rollback { 180_000 } else { 0 },
        ..Options::default()
    };
    Plan {
        format: MOVE_FORMAT,
        id,
        source: end(0),
        target: end(1),
        epoch,
        tables: tables.collect(),
        queues,
        options,
        one_place: drawn.one_place,
        at_ms: START_MS,
        volume: None,
    }
}
