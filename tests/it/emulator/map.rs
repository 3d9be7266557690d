//! The adapters of the tenant map against the tables in memory: the same random writes have the same outcomes and leave
//! the same contents.

use cellctl::aws::control::ControlTable;
use cellctl::aws::tenants::TenantTables;
use cellctl::domain::audit::{Deed, Head, Sealed, Stamp, Subject};
use cellctl::domain::ids::{BUCKETS, CellId, Digest, TenantId};
use cellctl::domain::lock::Lease;
use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::fence::{Hold, Shard, Shift};
use cellctl::domain::record::{CellRecord, CellState};
use cellctl::domain::tenant::change::{self, Change, FenceWrite, Target};
use cellctl::domain::tenant::fence::{Fence, FenceMode, FenceTable, SHARDS_OUTPUT};
use cellctl::domain::tenant::load::{CellLoad, Limits};
use cellctl::domain::tenant::{Attributes, Entry, EntryState};
use cellctl::ports::tenants::{AuditLog, Fences, StoredRoot, TenantMap, Written};
use cellctl::ports::{CallErrorKind, Control};
use fastrand::Rng;
use serde_json::Value as Json;

use crate::support::emulator::{Tables, actor, record};
use crate::support::map::MapState;

/// Cells, with the tenants and the weight that each may hold.
const CELLS: [(&str, u64, Option<u64>); 3] = [("cell-1", 3, Some(12)), ("cell-2", 5, None), ("cell-3", 2, Some(40))];
/// Few, so that they meet often.
const TENANTS: u32 = 12;
/// Writes of a run.
const STEPS: usize = 150;

/// Both sides of the comparison.
struct Pair {
    tables: TenantTables,
    control: ControlTable,
    lease: Lease,
    memory: MapState,
    records: Vec<CellRecord>,
    fences: Vec<Option<FenceTable>>,
    /// Entries as they once were.
    past: Vec<Entry>,
    /// Writes that changed the fences of a move, and such as its fences refused.
    shifted: usize,
    barred: usize,
    rng: Rng,
    now_ms: i64,
}

impl Pair {
    /// A fleet whose first two cells have fences.
    async fn new(test: &str, seed: u64) -> Self {
        let tables = Tables::make(test).await;
        let (control, lease) = tables.control().await;
        let fences = [Some(tables.make_fences("cell-1").await), Some(tables.make_fences("cell-2").await), None];
        let records = CELLS.iter().zip(&fences).map(|((cell, ..), fences)| sharded(cell, fences.as_ref())).collect();
        let mut pair = Self {
            tables: tables.tenants(),
            control,
            lease,
            memory: MapState::default(),
            records,
            fences: fences.into(),
            past: Vec::new(),
            shifted: 0,
            barred: 0,
            rng: Rng::with_seed(seed),
            now_ms: 1_700_000_000_000,
        };
        for cell in 0..CELLS.len() {
            assert!(pair.put_record(cell).await, "the first record of cell {cell}");
        }
        pair
    }

    fn stamp(&mut self) -> Stamp {
        self.now_ms += 1_000;
        Stamp { at_ms: self.now_ms, actor: actor() }
    }

    fn cell_record(&mut self, cell: &CellId, head: Option<&Head>) -> Sealed {
        let deed = Deed { action: "tested".to_owned(), from: Json::Null, to: Json::Null };
        Sealed::next(Subject::Cell(cell.clone()), head, &self.stamp(), deed)
    }

    /// The end of a cell's chain, as somebody may remember it.
    fn head(&mut self, cell: &CellId) -> Option<Head> {
        let head = self.memory.loads.get(cell).and_then(|load| load.audit.clone());
        if self.rng.u8(..10) == 0 { None } else { head }
    }

    /// Writes a cell's record on both sides; says whether that went well.
    async fn put_record(&mut self, cell: usize) -> bool {
        let mut record = self.records[cell].clone();
        let head = if record.version == 0 { None } else { self.head(&record.cell) };
        let audit = self.cell_record(&record.cell, head.as_ref());
        let expected = self.memory.put_record(&record, &audit);
        match self.control.put_record(record.clone(), &self.lease, &audit).await {
            Ok(written) => record = written,
            Err(error) => assert_eq!((error.kind.clone(), expected), (CallErrorKind::Conflict, false), "{error}"),
        }
        assert_eq!(record.version > self.records[cell].version, expected, "{record:?}");
        self.records[cell] = record;
        expected
    }

    /// Gives a cell another state.
    async fn change_state(&mut self) {
        let cell = self.rng.usize(..CELLS.len());
        let before = self.records[cell].clone();
        let states = [CellState::Active, CellState::Active, CellState::Cordoned, CellState::Deleted];
        self.records[cell].state = states[self.rng.usize(..states.len())];
        // Now and then the stack no longer names its fence table.
        let fences = self.fences[cell].clone().filter(|_| self.rng.u8(..4) > 0);
        self.records[cell].applied = sharded(CELLS[cell].0, fences.as_ref()).applied;
        if !self.put_record(cell).await {
            self.records[cell] = before;
        }
    }

    /// Sets the counters of a cell right, or tries to with what was seen long ago.
    async fn correct(&mut self) {
        let cell: CellId = CELLS[self.rng.usize(..CELLS.len())].0.parse().expect("valid");
        let mut seen = self.memory.loads[&cell].clone();
        let audit = self.cell_record(&cell, seen.audit.as_ref());
        seen.writes -= u64::from(seen.writes > 0 && self.rng.bool());
        let (tenants, weight) = (seen.tenants, seen.weight);
        let expected = self.memory.correct(&seen, tenants, weight, &audit);
        assert_eq!(self.tables.correct(&seen, tenants, weight, &audit).await.expect("answered"), expected);
    }

    /// Writes a fence on its own.
    async fn put_fence(&mut self) {
        let Some(table) = self.fences[self.rng.usize(..2)].clone() else { return };
        let modes = [FenceMode::Open, FenceMode::Closed, FenceMode::Sealed];
        let fence =
            Fence { tenant: self.tenant(), epoch: self.rng.u64(1..6), mode: modes[self.rng.usize(..modes.len())] };
        let write = FenceWrite { table, fence, shards: self.rng.u8(1..4), first: false };
        let expected = self.memory.put_fence(&write);
        assert_eq!(Fences::put(&self.tables, &write).await.expect("answered"), expected, "{write:?}");
    }

    fn tenant(&mut self) -> TenantId {
        format!("tenant-{}", self.rng.u32(..TENANTS)).parse().expect("valid")
    }

    /// Writes changes of up to four tenants on both sides.
    async fn write(&mut self) -> Written {
        let mut tenants: Vec<TenantId> = (0..self.rng.usize(1..5)).map(|_| self.tenant()).collect();
        tenants.sort();
        tenants.dedup();
        let changes: Vec<Change> = tenants.iter().map(|tenant| self.change(tenant)).collect();
        let expected = self.memory.write(&changes);
        let written = self.tables.write(&changes).await.expect("answered");
        assert_eq!(written, expected, "{changes:#?}");
        let shifts = changes.iter().any(|change| !change.shifts.is_empty());
        self.shifted += usize::from(shifts && written == Written::Done);
        self.barred += usize::from(shifts && matches!(written, Written::FenceAhead(_)));
        if written == Written::Done {
            self.past.extend(changes.into_iter().map(|change| change.after));
        }
        written
    }

    /// A change of a tenant as it is, or as it once was.
    fn change(&mut self, tenant: &TenantId) -> Change {
        let stamp = self.stamp();
        let mut seen = self.memory.entries.get(tenant).cloned();
        if self.rng.u8(..12) == 0 {
            seen = self.past.iter().find(|entry| entry.tenant == *tenant).cloned();
        }
        if let Some(entry) = seen.filter(Entry::is_present) {
            return self.change_of(&entry, &stamp);
        }
        let before = self.memory.entries.get(tenant).filter(|entry| !entry.is_present()).cloned();
        let attributes = Attributes { weight: self.rng.u64(1..7), ..Attributes::default() };
        let target = self.target();
        let floor = self.rng.u64(..3);
        change::add(tenant, attributes, &target, before.as_ref(), floor, &stamp)
    }

    fn change_of(&mut self, entry: &Entry, stamp: &Stamp) -> Change {
        let limits = limits(&entry.cell);
        let fences = self.memory.loads.get(&entry.cell).and_then(CellLoad::fences);
        match (entry.state, self.rng.u8(..6)) {
            (EntryState::Moving, _) => self.go_on_moving(entry, stamp),
            (EntryState::Opening, 0..4) => change::opened(entry, stamp),
            (EntryState::Closing, 0..4) => change::end_removal(entry, stamp),
            (EntryState::Active, 4..) => self.begin_move(entry, stamp),
            (_, 0) => change::pin(entry, Some("for a reason".to_owned()), stamp),
            (_, 1) => change::unpin(entry, stamp),
            (_, 2) => change::begin_removal(entry, self.rng.u64(..3), stamp),
            (_, 3) => {
                let shards = self.memory.loads[&entry.cell].fence_shards;
                let change = change::remove(entry, fences, self.rng.u64(..3), stamp);
                Change { fence: change.fence.clone().map(|write| write.over(shards)), ..change }
            }
            _ => {
                let attributes = Attributes { weight: self.rng.u64(1..9), ..Attributes::default() };
                change::set(entry, attributes, limits, stamp)
            }
        }
    }

    /// A move, with the target's fence where that cell has one.
    fn begin_move(&mut self, entry: &Entry, stamp: &Stamp) -> Change {
        let id = MoveId { tenant: entry.tenant.clone(), version: entry.version };
        let mut target = self.target();
        while target.load.cell == entry.cell {
            target = self.target();
        }
        let to = Shard::held(
            entry.epoch + 1,
            FenceMode::Incoming,
            Hold { id: id.clone(), token: stamp.at_ms.unsigned_abs() },
        );
        let shifts = self.shift(&target.load.cell, &entry.tenant, &to).into_iter().collect();
        change::begin_move(entry, &id, &target, shifts, stamp)
    }

    /// The cutover of a move, or its end.
    fn go_on_moving(&mut self, entry: &Entry, stamp: &Stamp) -> Change {
        let Some(moving) = entry.moving.clone() else { panic!("{entry:?} is in no move") };
        if self.rng.bool() {
            return change::end_move(entry, entry.epoch + self.rng.u64(..3), "move-ended", stamp);
        }
        let epoch = entry.epoch + 1;
        let out = Shard { to: Some(moving.other.clone()), ..Shard::held(epoch, FenceMode::Out, hold(&moving.id)) };
        let sealed =
            Shard { deadline_ms: Some(stamp.at_ms), ..Shard::held(epoch, FenceMode::Sealed, hold(&moving.id)) };
        let source = if self.rng.bool() { out } else { sealed };
        let open = Shard::free(epoch, FenceMode::Open);
        let ends = [(entry.cell.clone(), source), (moving.other.clone(), open)];
        let shifts = ends.iter().filter_map(|(cell, to)| self.shift(cell, &entry.tenant, to)).collect();
        change::cut_over(entry, &moving.other, epoch, shifts, stamp)
    }

    /// A change of up to three shards of a fence, as they are; now and then not as they are.
    fn shift(&mut self, cell: &CellId, tenant: &TenantId, to: &Shard) -> Option<Shift> {
        let table = self.memory.loads.get(cell)?.fences()?;
        let there = self.memory.fences.get(&(table.clone(), tenant.clone())).cloned().unwrap_or_default();
        let mut from: Vec<(u8, Option<Shard>)> = (0..3).map(|shard| (shard, there.get(&shard).cloned())).collect();
        if self.rng.u8(..6) == 0 {
            from[2].1 = self.mistaken(from[2].1.take());
        }
        Some(Shift { table, tenant: tenant.clone(), from, to: to.clone() })
    }

    /// A shard as it is not: one of its attributes is other, or there, or not there.
    fn mistaken(&mut self, shard: Option<Shard>) -> Option<Shard> {
        let shard = shard?;
        let other = Hold { id: "nobody:1".parse().expect("valid"), token: 1 };
        Some(match self.rng.u8(..6) {
            0 => return None,
            1 => Shard { epoch: shard.epoch + 1, ..shard },
            2 => Shard { mode: FenceMode::Guarded, ..shard },
            3 => Shard { hold: shard.hold.is_none().then_some(other), ..shard },
            4 => Shard { deadline_ms: shard.deadline_ms.is_none().then_some(1), ..shard },
            _ => Shard { to: shard.to.is_none().then(|| "cell-9".parse().expect("valid")), ..shard },
        })
    }

    /// A cell to add to, as it is; seldom one that nobody has heard of.
    fn target(&mut self) -> Target {
        let (name, ..) = CELLS[self.rng.usize(..CELLS.len())];
        let mut load = self.memory.loads[&name.parse::<CellId>().expect("valid")].clone();
        if self.rng.u8(..20) == 0 {
            load.cell = "nowhere".parse().expect("valid");
        }
        // As it may have been when somebody looked at it long ago.
        if self.rng.u8(..12) == 0 {
            load.fence_table = None;
        }
        if self.rng.u8(..12) == 0 {
            load.place.region = "us-east-1".parse().expect("valid");
        }
        Target { limits: limits(&load.cell), load, local: self.rng.u8(..4) > 0, by_hand: self.rng.bool() }
    }

    /// Both sides hold the same.
    async fn compare(&self) {
        self.compare_map().await;
        self.compare_fences().await;
        self.compare_audit().await;
    }

    async fn compare_map(&self) {
        let names: Vec<TenantId> = (0..TENANTS).map(|n| format!("tenant-{n}").parse().expect("valid")).collect();
        let twice = [names.clone(), names].concat();
        assert_eq!(self.tables.entries(&twice).await.expect("read"), self.memory.entries);
        for cell in [None, Some(CELLS[0].0.parse::<CellId>().expect("valid"))] {
            let paged = self.walk(cell.as_ref()).await;
            let is_of = |e: &&Entry, cell: &CellId| {
                e.cell == *cell || e.moving.as_ref().is_some_and(|moving| moving.other == *cell)
            };
            let kept = self.memory.entries.values().filter(|e| cell.as_ref().is_none_or(|cell| is_of(e, cell)));
            assert_eq!(paged, kept.cloned().collect::<Vec<_>>());
        }
        let loads: Vec<CellLoad> = self.memory.loads.values().cloned().collect();
        assert_eq!(self.tables.loads().await.expect("read"), loads);
        for load in &loads {
            assert_eq!(self.tables.load(&load.cell).await.expect("read").as_ref(), Some(load));
        }
    }

    /// All entries by pages of two, in order of names.
    async fn walk(&self, cell: Option<&CellId>) -> Vec<Entry> {
        let mut found = Vec::new();
        for bucket in 0..BUCKETS {
            let mut after = None;
            loop {
                let page = TenantMap::page(&self.tables, bucket, after.as_ref(), 2, cell).await.expect("read");
                assert!(page.entries.len() <= 2);
                found.extend(page.entries);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        found.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        found
    }

    async fn compare_fences(&self) {
        for table in self.fences.iter().flatten() {
            let page = Fences::page(&self.tables, table, None).await.expect("read");
            let mut fences = page.fences;
            fences.sort_by(|a, b| a.tenant.cmp(&b.tenant));
            assert_eq!((fences, page.next), (self.memory.fence_page(table).fences, None));
            let names: Vec<TenantId> = self.memory.entries.keys().cloned().collect();
            let fences = self.tables.fences(table, &names).await.expect("read");
            assert_eq!(fences, self.memory.fences_of(table, &names));
        }
    }

    async fn compare_audit(&self) {
        for subject in self.memory.chains.keys() {
            let chain = self.tables.chain(subject, 1, u32::MAX).await.expect("read");
            assert_eq!(chain, self.memory.chain(subject, 1, u32::MAX));
            let part = self.tables.chain(subject, 2, 3).await.expect("read");
            assert_eq!(part, self.memory.chain(subject, 2, 3));
        }
    }
}

/// The record of a cell; the fences of the second one have three shards.
fn sharded(cell: &str, fences: Option<&FenceTable>) -> CellRecord {
    let mut record = record(cell, fences);
    if let (Some(applied), true) = (&mut record.applied, cell == CELLS[1].0) {
        applied.outputs.insert(SHARDS_OUTPUT.to_owned(), "3".to_owned());
    }
    record
}

fn hold(id: &MoveId) -> Hold {
    Hold { id: id.clone(), token: 7 }
}

fn limits(cell: &CellId) -> Limits {
    let known = CELLS.iter().find(|(name, ..)| *name == cell.as_str());
    known.map_or(Limits { tenants: 9, weight: None }, |(_, tenants, weight)| Limits {
        tenants: *tenants,
        weight: *weight,
    })
}

async fn compare_run(test: &str, seed: u64) {
    let mut pair = Pair::new(test, seed).await;
    let (mut done, mut changed, mut full, mut ahead) = (0, 0, 0, 0);
    for _ in 0..STEPS {
        match pair.rng.u8(..12) {
            0 => pair.change_state().await,
            1 => pair.correct().await,
            2 => pair.put_fence().await,
            _ => match pair.write().await {
                Written::Done => done += 1,
                Written::EntryChanged(_) => changed += 1,
                Written::CellRefused(_) | Written::CellChanging(_) => full += 1,
                Written::FenceAhead(_) => ahead += 1,
            },
        }
    }
    pair.compare().await;
    let met = [done, changed, full, ahead, pair.shifted, pair.barred];
    assert!(met.iter().all(|times| *times > 0), "each outcome is met: {met:?}");
}

#[tokio::test]
async fn the_tables_do_what_the_tables_in_memory_do() {
    compare_run("pair", 3).await;
    compare_run("pair", 4).await;
}

/// One shard that has every attribute, and what it is not: each differs in one of them.
fn shards() -> (Shard, Vec<Option<Shard>>) {
    let id: MoveId = "tenant-1:1".parse().expect("valid");
    let right = Shard {
        deadline_ms: Some(5),
        to: Some("cell-3".parse().expect("valid")),
        ..Shard::held(2, FenceMode::Sealed, hold(&id))
    };
    let other = Hold { id: "tenant-1:2".parse().expect("valid"), token: 7 };
    let wrong = [
        Shard { epoch: 3, ..right.clone() },
        Shard { mode: FenceMode::Guarded, ..right.clone() },
        Shard { hold: None, ..right.clone() },
        Shard { hold: Some(other), ..right.clone() },
        Shard { hold: Some(Hold { token: 8, id }), ..right.clone() },
        Shard { deadline_ms: None, ..right.clone() },
        Shard { deadline_ms: Some(6), ..right.clone() },
        Shard { to: None, ..right.clone() },
    ];
    (right, std::iter::once(None).chain(wrong.into_iter().map(Some)).collect())
}

#[tokio::test]
async fn a_fence_of_a_move_changes_only_for_who_knows_all_of_it() {
    let mut pair = Pair::new("shift", 1).await;
    let loads: Vec<CellLoad> = pair.memory.loads.values().cloned().collect();
    let target =
        |load: &CellLoad| Target { limits: limits(&load.cell), load: load.clone(), local: true, by_hand: true };
    let (tenant, stamp) = ("tenant-1".parse::<TenantId>().expect("valid"), pair.stamp());
    let add = change::add(&tenant, Attributes::default(), &target(&loads[0]), None, 0, &stamp);
    let (right, wrong) = shards();
    let table = pair.fences[1].clone().expect("a table");
    let shift = |from, to: &Shard| {
        vec![Shift { table: table.clone(), tenant: tenant.clone(), from: vec![(0, from)], to: to.clone() }]
    };
    let id = MoveId { tenant: tenant.clone(), version: 1 };
    let begin = change::begin_move(&add.after, &id, &target(&loads[1]), shift(None, &right), &stamp);
    let open = Shard::free(9, FenceMode::Open);
    let flip = |from| change::cut_over(&begin.after, &loads[1].cell, 9, shift(from, &open), &stamp);
    for (change, outcome) in [(&add, Written::Done), (&begin, Written::Done)] {
        assert_eq!(pair.tables.write(std::slice::from_ref(change)).await.expect("answered"), outcome);
    }
    for from in wrong {
        let written = pair.tables.write(&[flip(from.clone())]).await.expect("answered");
        assert_eq!(written, Written::FenceAhead(tenant.clone()), "{from:?}");
    }
    let fence = Fence { tenant: tenant.clone(), epoch: 50, mode: FenceMode::Open };
    let write = FenceWrite { table: table.clone(), fence, shards: 1, first: false };
    assert!(!Fences::put(&pair.tables, &write).await.expect("answered"), "a move holds it");
    assert_eq!(pair.tables.write(&[flip(Some(right))]).await.expect("answered"), Written::Done);
    assert!(Fences::put(&pair.tables, &write).await.expect("answered"), "nobody holds it");
}

#[tokio::test]
async fn the_latest_records_of_all_chains_come_newest_first() {
    let tables = Tables::make("recent").await;
    let map = tables.tenants();
    let (control, lease) = tables.control().await;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let mut memory = MapState::default();
    let hour_ms = 3_600_000;
    for (n, (cell, ..)) in CELLS.iter().enumerate() {
        let mut record = record(cell, None);
        let mut head = None;
        for days_ago in (0..3).rev() {
            let at_ms = now_ms - days_ago * 24 * hour_ms - i64::try_from(n).expect("small") * 1_000;
            let deed = Deed { action: "tested".to_owned(), from: Json::Null, to: Json::Null };
            let stamp = Stamp { at_ms, actor: actor() };
            let audit = Sealed::next(Subject::Cell(record.cell.clone()), head.as_ref(), &stamp, deed);
            head = Some(audit.head());
            assert!(memory.put_record(&record, &audit));
            record = control.put_record(record, &lease, &audit).await.expect("written");
        }
    }
    for (since_ms, limit) in [(0, 100), (0, 4), (now_ms - 30 * hour_ms, 100), (now_ms - 2_500, 1), (now_ms + 1, 9)] {
        let found = map.recent(since_ms, limit).await.expect("read");
        assert_eq!(found, memory.recent(since_ms, limit), "{since_ms} {limit}");
    }
}

#[tokio::test]
async fn a_cell_with_tenants_is_not_deleted_and_says_so() {
    let mut pair = Pair::new("held", 1).await;
    let target = Target { load: pair.memory.loads.values().next().expect("a cell").clone(), ..pair.target() };
    let stamp = pair.stamp();
    let add = change::add(&pair.tenant(), Attributes::default(), &target, None, 0, &stamp);
    assert_eq!(pair.tables.write(std::slice::from_ref(&add)).await.expect("answered"), Written::Done);
    assert_eq!(pair.tables.write(std::slice::from_ref(&add)).await.expect("answered"), Written::Done, "its own write");
    let mut record = pair.records[0].clone();
    record.state = CellState::Deleted;
    let head = pair.memory.loads[&record.cell].audit.clone();
    let audit = pair.cell_record(&record.cell, head.as_ref());
    let refused = pair.control.put_record(record.clone(), &pair.lease, &audit).await.expect_err("it is not empty");
    assert_eq!(refused.message, "cell cell-1 still holds tenants: its load counts 1");
    let first = pair.cell_record(&record.cell, None);
    let refused = pair.control.delete_record(&record, &pair.lease, &first).await.expect_err("a chain of its own");
    assert!(refused.message.contains("cell-1"), "{refused}");
}

#[tokio::test]
async fn a_deleted_cell_keeps_its_load_and_its_chain() {
    let mut pair = Pair::new("gone", 1).await;
    let cell = pair.records[2].cell.clone();
    let head = pair.memory.loads[&cell].audit.clone();
    let audit = pair.cell_record(&cell, head.as_ref());
    pair.control.delete_record(&pair.records[2], &pair.lease, &audit).await.expect("deleted");
    // Once more, as after a lost answer.
    pair.control.delete_record(&pair.records[2], &pair.lease, &audit).await.expect("deleted");
    pair.memory.delete_record(&cell, &audit);
    pair.compare().await;
    assert_eq!(pair.control.record(&cell).await.expect("read"), None);
    pair.records[2].version = 0;
    let audit = pair.cell_record(&cell, Some(&audit.head()));
    assert!(pair.memory.put_record(&pair.records[2], &audit));
    pair.control.put_record(pair.records[2].clone(), &pair.lease, &audit).await.expect("made again");
    pair.compare().await;
}

#[tokio::test]
async fn roots_are_appended_once_and_their_heads_are_kept() {
    let tables = Tables::make("roots").await.tenants();
    let root = |seq: u64, text: &str| StoredRoot { seq, text: text.to_owned(), hash: Digest::of(text.as_bytes()) };
    let head = Head { seq: 4, hash: Digest::of(b"x") };
    let heads: Vec<(Subject, Head)> = vec![("tenant/acme".parse().expect("valid"), head)];
    tables.put_heads(1, 0, &heads).await.expect("stored");
    assert_eq!(tables.heads(1, 0).await.expect("read"), heads);
    assert_eq!(tables.heads(1, 1).await.expect("read"), Vec::new());
    assert!(tables.append_root(&root(1, "one")).await.expect("answered"));
    assert!(tables.append_root(&root(1, "one")).await.expect("answered"), "its own");
    assert!(!tables.append_root(&root(1, "other")).await.expect("answered"));
    assert!(tables.append_root(&root(2, "two")).await.expect("answered"));
    assert_eq!(tables.roots().await.expect("read"), [root(1, "one"), root(2, "two")]);
}
