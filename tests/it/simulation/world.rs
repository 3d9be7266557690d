//! An in-memory world behind the ports, in virtual time, with one fault at a chosen call.
//!
//! Owns: what CloudFormation and the control table do, as far as an apply can tell. Constraint kept: a run depends on
//! the chosen fault alone, so that a failure can be repeated by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cellctl::domain::audit::{Head, Sealed, Subject};
use cellctl::domain::fleet::Place;
use cellctl::domain::ids::{CellId, Digest, StackName, TenantId};
use cellctl::domain::lock::Lease;
use cellctl::domain::moves::fence::Shift;
use cellctl::domain::record::CellRecord;
use cellctl::domain::stack::{StackDetail, StackEvent, StackResource, StackStatus, StackSummary};
use cellctl::domain::tenant::change::{Change, FenceWrite};
use cellctl::domain::tenant::fence::{Fence, FenceTable, Shards};
use cellctl::domain::tenant::load::CellLoad;
use cellctl::domain::tenant::{ENTRY_FORMAT, Entry};
use cellctl::ops::event::Silent;
use cellctl::ops::map::verify::UnderWay;
use cellctl::ops::moves::carrier::Listed;
use cellctl::ops::{OpError, World};
use cellctl::ports::tenants::{
    AuditLog, EntryPage, FencePage, Fences, SeenLoads, StoredRecord, StoredRoot, TenantMap, Unreadable, Written,
};
use cellctl::ports::{
    Artifacts, Atoms, CallError, CallErrorKind, Called, ChangeSetState, Clock, Content, Control, DriftState,
    DriftedResource, Identities, Identity, JournalEntry, LeaseStore, Packages, StackRequest, Stacks, TemplateText,
};
use tokio::sync::Notify;

use crate::support::map::MapState;

/// How long an operation on a stack takes, in virtual milliseconds.
const STACK_MS: i64 = 60_000;

/// For how long the adapter tries a write again that collides with others.
const COLLIDED_FOR: Duration = Duration::from_mins(1);

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before the call takes effect.
    CrashBefore,
    /// The process dies after the call took effect.
    CrashAfter,
    /// The call takes effect and its answer is lost.
    LostAnswer,
}

/// A stack of the simulated service.
#[derive(Debug, Clone)]
struct Stack {
    id: String,
    content: String,
    tags: BTreeMap<String, String>,
    token: String,
    creating: bool,
    changed_at_ms: i64,
    change_sets: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    stacks: BTreeMap<String, Stack>,
    records: BTreeMap<CellId, CellRecord>,
    map: MapState,
    /// An entry as it was, which the next query of its bucket still shows.
    behind: Option<Entry>,
    /// Fence tables that were deleted.
    gone: BTreeSet<FenceTable>,
    /// Cells whose loads cannot be read.
    spoilt: BTreeSet<CellId>,
    lease: Option<Lease>,
    under_way: Vec<Listed>,
    journals: BTreeMap<String, Vec<JournalEntry>>,
    calls: usize,
    randoms: u32,
    cut_off: bool,
    colliding: bool,
    creates: BTreeMap<String, usize>,
    executes: BTreeMap<String, usize>,
}

/// The simulated world. Clones share it.
#[derive(Clone)]
pub(crate) struct Sim {
    state: Arc<Mutex<State>>,
    fault: Option<(usize, Fault)>,
    crashed: Arc<Notify>,
    start: tokio::time::Instant,
    ahead_ms: i64,
}

impl Sim {
    pub(crate) fn new() -> Self {
        let start = tokio::time::Instant::now();
        Self { state: Arc::default(), fault: None, crashed: Arc::default(), start, ahead_ms: 0 }
    }

    /// The same world, seen from a machine whose clock is ahead.
    pub(crate) fn ahead(&self, ahead_ms: i64) -> Self {
        Self { ahead_ms, ..self.healthy() }
    }

    /// The same world, in which the `nth` call from now (from 1) goes wrong.
    pub(crate) fn with_fault(&self, nth: usize, fault: Fault) -> Self {
        let at = self.state().calls + nth;
        Self { fault: Some((at, fault)), crashed: Arc::default(), ..self.clone() }
    }

    /// The same world without a fault.
    pub(crate) fn healthy(&self) -> Self {
        Self { fault: None, crashed: Arc::default(), ..self.clone() }
    }

    /// Ends when the process has died.
    pub(crate) async fn crash(&self) {
        self.crashed.notified().await;
    }

    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    /// How often each stack was made.
    pub(crate) fn creates(&self) -> BTreeMap<String, usize> {
        self.state().creates.clone()
    }

    /// How often each stack was changed.
    pub(crate) fn executes(&self) -> BTreeMap<String, usize> {
        self.state().executes.clone()
    }

    /// What each stack holds.
    pub(crate) fn contents(&self) -> BTreeMap<String, String> {
        self.state().stacks.iter().map(|(name, stack)| (name.clone(), stack.content.clone())).collect()
    }

    /// Looks at the tables, or changes them behind everybody's back.
    pub(crate) fn tables<T>(&self, look: impl FnOnce(&mut MapState) -> T) -> T {
        look(&mut self.state().map)
    }

    /// Somebody else changes a stack.
    pub(crate) fn meddle(&self, stack: &str) {
        let now_ms = self.now_ms();
        if let Some(stack) = self.state().stacks.get_mut(stack) {
            stack.content.push_str(" meddled");
            stack.changed_at_ms = now_ms;
        }
    }

    /// Puts a record of a cell, whatever is there.
    pub(crate) fn put_record(&self, record: CellRecord) {
        self.state().records.insert(record.cell.clone(), record);
    }

    /// Looks at, or tampers with, the tables of the map.
    pub(crate) fn with_map<T>(&self, work: impl FnOnce(&mut MapState) -> T) -> T {
        work(&mut self.state().map)
    }

    /// The next query of its bucket shows this entry as it was: DynamoDB isolates a query from a transaction by the item.
    pub(crate) fn shows_once(&self, old: Entry) {
        self.state().behind = Some(old);
    }

    /// Somebody deletes a cell's fence table.
    pub(crate) fn drop_table(&self, table: FenceTable) {
        self.state().gone.insert(table);
    }

    /// Spoils the load of a cell.
    pub(crate) fn spoil_load(&self, cell: CellId) {
        self.state().spoilt.insert(cell);
    }

    /// Whether the lock can be written.
    pub(crate) fn cut_off(&self, cut_off: bool) {
        self.state().cut_off = cut_off;
    }

    /// Whether somebody is at the same items whenever the map is written.
    pub(crate) fn colliding(&self, colliding: bool) {
        self.state().colliding = colliding;
    }

    /// Moves that are listed as under way.
    pub(crate) fn set_under_way(&self, moves: Vec<Listed>) {
        self.state().under_way = moves;
    }

    pub(crate) fn world(&self) -> World {
        let shared = Arc::new(self.clone());
        World {
            stacks: shared.clone(),
            identities: shared.clone(),
            atoms: shared.clone(),
            artifacts: shared.clone(),
            control: shared.clone(),
            map: shared.clone(),
            fences: shared.clone(),
            audit: shared.clone(),
            packages: shared.clone(),
            clock: shared,
            reporter: Arc::new(Silent),
            parse: cellctl::wire::parse_document,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }

    /// Carries out a call, unless this is the one that goes wrong.
    async fn call<T>(&self, operation: &'static str, effect: impl FnOnce(&mut State, i64) -> Called<T>) -> Called<T> {
        let number = {
            let mut state = self.state();
            state.calls += 1;
            state.calls
        };
        let fault = self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        if fault == Some(Fault::CrashBefore) {
            self.die().await;
        }
        let now_ms = self.now_ms();
        let outcome = effect(&mut self.state(), now_ms);
        match fault {
            Some(Fault::CrashAfter) => self.die().await,
            Some(Fault::LostAnswer) => {
                tokio::task::yield_now().await;
                return Err(error(CallErrorKind::InDoubt, operation, "the answer was lost"));
            }
            _ => {}
        }
        // Other tasks get their turn, as they do at every real call.
        tokio::task::yield_now().await;
        outcome
    }

    async fn die(&self) {
        self.crashed.notify_one();
        std::future::pending::<()>().await;
    }
}

pub(crate) fn error(kind: CallErrorKind, operation: &'static str, message: &str) -> CallError {
    CallError { kind, operation, subject: "the simulation".to_owned(), message: message.to_owned() }
}

impl Stack {
    fn summary(&self, name: &str, now_ms: i64) -> StackSummary {
        let moving = now_ms < self.changed_at_ms + STACK_MS;
        let status = match (self.creating, moving) {
            (true, true) => "CREATE_IN_PROGRESS",
            (true, false) => "CREATE_COMPLETE",
            (false, true) => "UPDATE_IN_PROGRESS",
            (false, false) => "UPDATE_COMPLETE",
        };
        StackSummary {
            name: name.parse().expect("valid"),
            id: self.id.clone(),
            status: StackStatus::new(status),
            reason: None,
            changed_at_ms: self.changed_at_ms,
        }
    }
}

fn content(request: &StackRequest) -> String {
    let TemplateText::Inline(body) = &request.template else { panic!("small templates only") };
    format!("{body} {:?} {:?}", request.parameters, request.tags)
}

fn find<'a>(state: &'a mut State, stack: &str) -> Option<(String, &'a mut Stack)> {
    let hit = |(name, known): &(&String, &mut Stack)| name.as_str() == stack || known.id == stack;
    state.stacks.iter_mut().find(|entry| hit(&(entry.0, &mut entry.1.clone()))).map(|(name, s)| (name.clone(), s))
}

/// The one table of a stack.
fn table_of(stack: &str) -> StackResource {
    StackResource {
        logical_id: "OrdersTable".to_owned(),
        physical_id: format!("{stack}-orders"),
        resource_type: "AWS::DynamoDB::Table".to_owned(),
        status: "CREATE_COMPLETE".to_owned(),
    }
}

fn missing(operation: &'static str) -> CallError {
    error(CallErrorKind::NotFound, operation, "does not exist")
}

#[async_trait]
impl Stacks for Sim {
    async fn list(&self, _: &Place) -> Called<Vec<StackSummary>> {
        self.call("ListStacks", |state, now| Ok(state.stacks.iter().map(|(n, s)| s.summary(n, now)).collect())).await
    }

    async fn describe(&self, _: &Place, stack: &str) -> Called<Option<StackDetail>> {
        self.call("DescribeStacks", |state, now| {
            Ok(find(state, stack).map(|(name, s)| StackDetail {
                summary: s.summary(&name, now),
                tags: s.tags.clone(),
                outputs: BTreeMap::new(),
                parameters: BTreeMap::new(),
                protected: true,
            }))
        })
        .await
    }

    async fn template(&self, _: &Place, _: &str) -> Called<String> {
        self.call("GetTemplate", |_, _| Ok("Resources: {}".to_owned())).await
    }

    async fn create(&self, _: &Place, request: &StackRequest) -> Called<String> {
        self.call("CreateStack", |state, now| {
            let name = request.stack.to_string();
            if let Some(stack) = state.stacks.get(&name) {
                let same = stack.creating && stack.token == request.token;
                let taken = error(CallErrorKind::AlreadyExists, "CreateStack", "already exists");
                return if same { Ok(stack.id.clone()) } else { Err(taken) };
            }
            let made = state.creates.entry(name.clone()).or_default();
            *made += 1;
            let id = format!("arn:aws:cloudformation:eu-central-1:111122223333:stack/{name}/{made}");
            let stack = Stack {
                id: id.clone(),
                content: content(request),
                tags: request.tags.clone(),
                token: request.token.clone(),
                creating: true,
                changed_at_ms: now,
                change_sets: BTreeMap::new(),
            };
            state.stacks.insert(name, stack);
            Ok(id)
        })
        .await
    }

    async fn create_change_set(&self, _: &Place, stack: &str, name: &str, request: &StackRequest) -> Called<()> {
        self.call("CreateChangeSet", |state, _| {
            let (_, stack) = find(state, stack).ok_or_else(|| missing("CreateChangeSet"))?;
            stack.change_sets.insert(name.to_owned(), content(request));
            Ok(())
        })
        .await
    }

    async fn change_set(&self, _: &Place, stack: &str, name: &str) -> Called<ChangeSetState> {
        self.call("DescribeChangeSet", |state, _| {
            let (_, stack) = find(state, stack).ok_or_else(|| missing("DescribeChangeSet"))?;
            let wanted = stack.change_sets.get(name).ok_or_else(|| missing("DescribeChangeSet"))?;
            Ok(if *wanted == stack.content { ChangeSetState::Empty } else { ChangeSetState::Ready(Vec::new()) })
        })
        .await
    }

    async fn execute_change_set(&self, _: &Place, stack: &str, name: &str, token: &str) -> Called<()> {
        self.call("ExecuteChangeSet", |state, now| {
            let (stack_name, stack) = find(state, stack).ok_or_else(|| missing("ExecuteChangeSet"))?;
            let wanted = stack.change_sets.remove(name).ok_or_else(|| missing("ExecuteChangeSet"))?;
            stack.change_sets.clear();
            stack.content = wanted;
            token.clone_into(&mut stack.token);
            stack.creating = false;
            stack.changed_at_ms = now;
            *state.executes.entry(stack_name).or_default() += 1;
            Ok(())
        })
        .await
    }

    async fn delete_change_set(&self, _: &Place, stack: &str, name: &str) -> Called<()> {
        self.call("DeleteChangeSet", |state, _| {
            if let Some((_, stack)) = find(state, stack) {
                stack.change_sets.remove(name);
            }
            Ok(())
        })
        .await
    }

    async fn events(&self, _: &Place, stack: &str, _: i64) -> Called<Vec<StackEvent>> {
        self.call("DescribeStackEvents", |state, now| {
            let Some((name, s)) = find(state, stack) else { return Ok(Vec::new()) };
            let summary = s.summary(&name, now);
            Ok(vec![StackEvent {
                id: String::new(),
                at_ms: s.changed_at_ms,
                logical_id: name,
                resource_type: "AWS::CloudFormation::Stack".to_owned(),
                status: summary.status.to_string(),
                reason: None,
                token: Some(s.token.clone()),
            }])
        })
        .await
    }

    async fn resources(&self, _: &Place, stack: &str) -> Called<Vec<StackResource>> {
        self.call("ListStackResources", |state, _| {
            Ok(find(state, stack).into_iter().map(|(name, _)| table_of(&name)).collect())
        })
        .await
    }

    async fn delete(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        panic!("an apply deletes no stack");
    }

    async fn continue_rollback(&self, _: &Place, _: &str, _: &[String], _: &str) -> Called<()> {
        panic!("an apply recovers no stack");
    }

    async fn rollback(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        panic!("an apply recovers no stack");
    }

    async fn protect(&self, _: &Place, _: &str, _: bool) -> Called<()> {
        panic!("an apply changes no protection");
    }

    async fn detect_drift(&self, _: &Place, _: &str) -> Called<String> {
        panic!("an apply looks for no drift");
    }

    async fn drift_state(&self, _: &Place, _: &str) -> Called<DriftState> {
        panic!("an apply looks for no drift");
    }

    async fn drifted(&self, _: &Place, _: &str) -> Called<Vec<DriftedResource>> {
        panic!("an apply looks for no drift");
    }
}

#[async_trait]
impl LeaseStore for Sim {
    async fn lease(&self) -> Called<Option<Lease>> {
        self.call("GetItem", |state, _| Ok(state.lease.clone())).await
    }

    async fn swap_lease(&self, seen: Option<&Lease>, next: &Lease) -> Called<()> {
        self.call("PutItem", |state, _| {
            if state.cut_off {
                return Err(error(CallErrorKind::Unreachable, "PutItem", "no way there"));
            }
            if state.lease.as_ref() != seen && state.lease.as_ref() != Some(next) {
                return Err(error(CallErrorKind::Conflict, "PutItem", "the lock was changed"));
            }
            state.lease = Some(next.clone());
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Control for Sim {
    async fn ready(&self) -> Called<bool> {
        self.call("DescribeTable", |_, _| Ok(true)).await
    }

    async fn records(&self) -> Called<Vec<CellRecord>> {
        self.call("Query", |state, _| Ok(state.records.values().cloned().collect())).await
    }

    async fn record(&self, cell: &CellId) -> Called<Option<CellRecord>> {
        self.call("GetItem", |state, _| Ok(state.records.get(cell).cloned())).await
    }

    async fn put_record(&self, mut record: CellRecord, lease: &Lease, audit: &Sealed) -> Called<CellRecord> {
        self.call("TransactWriteItems", |state, _| {
            fenced(state, lease)?;
            let stored = state.records.get(&record.cell).map_or(0, |r| r.version);
            if stored != record.version {
                return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the item was changed"));
            }
            if !state.map.put_record(&record, audit) {
                return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the load was changed"));
            }
            record.version += 1;
            state.records.insert(record.cell.clone(), record.clone());
            Ok(record)
        })
        .await
    }

    async fn delete_record(&self, record: &CellRecord, lease: &Lease, audit: &Sealed) -> Called<()> {
        self.call("TransactWriteItems", |state, _| {
            fenced(state, lease)?;
            state.map.delete_record(&record.cell, audit);
            state.records.remove(&record.cell);
            Ok(())
        })
        .await
    }

    async fn append(&self, journal: &str, entry: &JournalEntry, lease: &Lease) -> Called<()> {
        self.call("TransactWriteItems", |state, _| {
            fenced(state, lease)?;
            let entries = state.journals.entry(journal.to_owned()).or_default();
            if entries.iter().any(|e| e.seq == entry.seq && e != entry) {
                return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the number is taken"));
            }
            entries.push(entry.clone());
            Ok(())
        })
        .await
    }

    async fn journal(&self, journal: &str) -> Called<Vec<JournalEntry>> {
        self.call("Query", |state, _| Ok(state.journals.get(journal).cloned().unwrap_or_default())).await
    }
}

/// An entry, unless its format is a newer one.
fn readable(entry: Entry) -> Called<Entry> {
    if entry.format <= ENTRY_FORMAT {
        return Ok(entry);
    }
    let subject = format!("tenant {}", entry.tenant);
    Err(CallError { subject, ..error(CallErrorKind::Invalid, "GetItem", "it was written by a newer cellctl") })
}

fn there(state: &State, table: &FenceTable, operation: &'static str) -> Called<()> {
    if state.gone.contains(table) { Err(missing(operation)) } else { Ok(()) }
}

fn fenced(state: &State, lease: &Lease) -> Called<()> {
    if state.lease.as_ref().is_some_and(|l| l.token == lease.token) {
        return Ok(());
    }
    Err(error(CallErrorKind::Conflict, "TransactWriteItems", "the lock on the fleet is no longer ours"))
}

#[async_trait]
impl TenantMap for Sim {
    async fn entry(&self, tenant: &TenantId) -> Called<Option<Entry>> {
        let entry = |state: &mut State| state.map.entries.get(tenant).cloned();
        self.call("GetItem", |state, _| entry(state).map(readable).transpose()).await
    }

    async fn entries(&self, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Entry>> {
        let find = |state: &State, tenant: &TenantId| state.map.entries.get(tenant).cloned().map(readable);
        let named = |entry: Entry| (entry.tenant.clone(), entry);
        self.call("BatchGetItem", |state, _| {
            tenants.iter().filter_map(|tenant| find(state, tenant)).map(|entry| entry.map(named)).collect()
        })
        .await
    }

    async fn page(&self, bucket: u8, after: Option<&TenantId>, limit: u32, cell: Option<&CellId>) -> Called<EntryPage> {
        self.call("Query", |state, _| {
            let mut page = state.map.page(bucket, after, limit, cell);
            let behind = state.behind.take_if(|old| old.tenant.bucket() == bucket);
            for entry in &mut page.entries {
                if let Some(old) = behind.as_ref().filter(|old| old.tenant == entry.tenant) {
                    entry.clone_from(old);
                }
            }
            for entry in std::mem::take(&mut page.entries) {
                let (of, newer) = (entry.tenant.clone(), Some(entry.format));
                match readable(entry) {
                    Ok(entry) => page.entries.push(entry),
                    Err(error) => page.unreadable.push(Unreadable { of, newer, error }),
                }
            }
            for entry in std::mem::take(&mut page.entries) {
                let (of, newer) = (entry.tenant.clone(), Some(entry.format));
                match readable(entry) {
                    Ok(entry) => page.entries.push(entry),
                    Err(error) => page.unreadable.push(Unreadable { of, newer, error }),
                }
            }
            Ok(page)
        })
        .await
    }

    async fn seen_loads(&self) -> Called<SeenLoads> {
        self.call("Query", |state, _| {
            let spoilt = |load: &CellLoad| state.spoilt.contains(&load.cell);
            let (unreadable, loads): (Vec<_>, Vec<_>) = state.map.loads.values().cloned().partition(spoilt);
            let error = error(CallErrorKind::Invalid, "GetItem", "its weight is missing");
            let named = |load: CellLoad| Unreadable { of: load.cell, newer: None, error: error.clone() };
            Ok(SeenLoads { loads, unreadable: unreadable.into_iter().map(named).collect() })
        })
        .await
    }

    async fn load(&self, cell: &CellId) -> Called<Option<CellLoad>> {
        self.call("GetItem", |state, _| Ok(state.map.loads.get(cell).cloned())).await
    }

    async fn write(&self, changes: &[Change]) -> Called<Written> {
        if self.state().colliding {
            tokio::time::sleep(COLLIDED_FOR).await;
            return Err(error(CallErrorKind::Conflict, "TransactWriteItems", "[TransactionConflict, None]"));
        }
        self.call("TransactWriteItems", |state, _| {
            let mut tables = changes.iter().filter_map(|change| Some(&change.fence.as_ref()?.table));
            tables.try_for_each(|table| there(state, table, "TransactWriteItems"))?;
            Ok(state.map.write(changes))
        })
        .await
    }

    async fn correct(&self, seen: &CellLoad, tenants: i64, weight: i64, record: &Sealed) -> Called<bool> {
        self.call("TransactWriteItems", |state, _| Ok(state.map.correct(seen, tenants, weight, record))).await
    }
}

#[async_trait]
impl UnderWay for Sim {
    async fn under_way(&self) -> Result<Vec<Listed>, OpError> {
        Ok(self.state().under_way.clone())
    }
}

#[async_trait]
impl Fences for Sim {
    async fn fences(&self, table: &FenceTable, tenants: &[TenantId]) -> Called<BTreeMap<TenantId, Fence>> {
        let find = |state: &State| state.map.fences_of(table, tenants);
        self.call("BatchGetItem", |state, _| there(state, table, "BatchGetItem").map(|()| find(state))).await
    }

    async fn shards(&self, table: &FenceTable, tenants: &[TenantId], of: u8) -> Called<BTreeMap<TenantId, Shards>> {
        let find = |state: &State| state.map.shards_of(table, tenants, of);
        self.call("BatchGetItem", |state, _| there(state, table, "BatchGetItem").map(|()| find(state))).await
    }

    async fn shift(&self, shift: &Shift) -> Called<bool> {
        self.call("TransactWriteItems", |state, _| {
            there(state, &shift.table, "TransactWriteItems")?;
            Ok(state.map.shift(shift))
        })
        .await
    }

    async fn put(&self, write: &FenceWrite) -> Called<bool> {
        self.call("PutItem", |state, _| {
            there(state, &write.table, "PutItem")?;
            Ok(state.map.put_fence(write))
        })
        .await
    }

    async fn page(&self, table: &FenceTable, _: Option<&str>) -> Called<FencePage> {
        self.call("Scan", |state, _| there(state, table, "Scan").map(|()| state.map.fence_page(table))).await
    }
}

#[async_trait]
impl AuditLog for Sim {
    async fn chain(&self, subject: &Subject, from_seq: u64, limit: u32) -> Called<Vec<StoredRecord>> {
        self.call("Query", |state, _| Ok(state.map.chain(subject, from_seq, limit))).await
    }

    async fn recent(&self, since_ms: i64, limit: u32) -> Called<Vec<StoredRecord>> {
        self.call("Query", |state, _| Ok(state.map.recent(since_ms, limit))).await
    }

    async fn roots(&self) -> Called<Vec<StoredRoot>> {
        self.call("Query", |state, _| Ok(state.map.roots.clone())).await
    }

    async fn put_heads(&self, root: u64, page: u32, heads: &[(Subject, Head)]) -> Called<()> {
        self.call("PutItem", |state, _| {
            state.map.heads.insert((root, page), heads.to_vec());
            Ok(())
        })
        .await
    }

    async fn heads(&self, root: u64, page: u32) -> Called<Vec<(Subject, Head)>> {
        self.call("GetItem", |state, _| Ok(state.map.heads.get(&(root, page)).cloned().unwrap_or_default())).await
    }

    async fn append_root(&self, root: &StoredRoot) -> Called<bool> {
        self.call("PutItem", |state, _| Ok(state.map.append_root(root))).await
    }
}

#[async_trait]
impl Identities for Sim {
    async fn identity(&self, _: &Place) -> Called<Identity> {
        self.call("GetCallerIdentity", |_, _| {
            Ok(Identity { account: "111122223333".to_owned(), arn: "arn:aws:iam::111122223333:user/sim".to_owned() })
        })
        .await
    }

    async fn denied_actions(&self, _: &Place, _: &[&str]) -> Called<Vec<String>> {
        Ok(Vec::new())
    }

    async fn clock_skew(&self, _: &Place) -> Called<i64> {
        Ok(0)
    }

    async fn quota(&self, _: &Place, _: &str, _: &str) -> Called<Option<f64>> {
        Ok(None)
    }
}

#[async_trait]
impl Atoms for Sim {
    /// Each stack has one table, which lives as long as the stack does.
    async fn table_exists(&self, _: &Place, name: &str) -> Called<bool> {
        self.call("DescribeTable", |state, _| {
            Ok(name.strip_suffix("-orders").is_some_and(|stack| state.stacks.contains_key(stack)))
        })
        .await
    }

    async fn content(&self, _: &Place, _: &str, _: &str) -> Called<Content> {
        Ok(Content::Perhaps)
    }

    async fn delete_leftover(&self, _: &Place, _: &str, _: &str) -> Called<()> {
        panic!("an apply deletes nothing");
    }
}

#[async_trait]
impl Artifacts for Sim {
    async fn exists(&self, _: &Place, _: &str, _: &str) -> Called<bool> {
        self.call("HeadObject", |_, _| Ok(true)).await
    }

    async fn put(&self, _: &Place, _: &str, _: &str, _: Vec<u8>) -> Called<()> {
        Ok(())
    }

    fn url(&self, _: &Place, _: &str, _: &str) -> String {
        String::new()
    }
}

impl Packages for Sim {
    fn package(&self, _: &str) -> Result<(Vec<u8>, Digest), String> {
        Err("there is no code".to_owned())
    }
}

#[async_trait]
impl Clock for Sim {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000 + self.ahead_ms + i64::try_from(self.monotonic_ms()).expect("short")
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).expect("short")
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> f64 {
        let mut state = self.state();
        state.randoms += 1;
        f64::from(state.randoms) / 1e6
    }
}

/// The name of a cell's stack in the simulation.
pub(crate) fn stack_of(cell: &CellId) -> StackName {
    format!("shop-{cell}").parse().expect("valid")
}
