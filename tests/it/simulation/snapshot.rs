//! Snapshots over the in-memory world: export, restore with a fault at every call, comparison, numbers.
//!
//! What must hold: what is restored is what was exported; an import that was struck anywhere is finished by the same
//! import; nothing is written for a file that is not whole; and what must hold of the map always does.

use std::io::Cursor;
use std::time::Duration;

use cellctl::domain::fleet::Fleet;
use cellctl::domain::ids::TenantId;
use cellctl::domain::record::CellState;
use cellctl::domain::snapshot::EntryLine;
use cellctl::domain::tenant::fence::{Fence, FenceMode};
use cellctl::domain::tenant::{Attributes, ENTRY_FORMAT, Entry, change};
use cellctl::ops::map::diff::{Counts, Difference, Kind, Source, diff};
use cellctl::ops::map::export::{ExportError, Exported, export};
use cellctl::ops::map::file::Snapshot;
use cellctl::ops::map::import::{Imported, Left, Options, Why, import};
use cellctl::ops::map::stats::{Stats, stats};
use cellctl::ops::map::stream::{Entries, Wanted};
use cellctl::ops::tenants::Desk;
use cellctl::ops::tenants::add::AddRequest;
use cellctl::ops::tenants::list::{Query, Sort};
use cellctl::ops::{ErrorKind, OpError};
use cellctl::ports::tenants::Written;
use tokio::sync::watch;

use super::tenants::{check_always, check_settled, fleet, provisioned};
use super::until_crash;
use super::world::{Fault, Sim};
use crate::support::samples::{actor, stamp};

/// A snapshot in memory.
type Memory = Snapshot<Cursor<Vec<u8>>>;

/// The fleet of the tenant tests, with room in its shared cells.
pub(super) fn roomy() -> Fleet {
    let mut fleet = fleet();
    for cell in &mut fleet.cells {
        cell.spec.capacity.tenants = 1_000;
        cell.spec.capacity.weight = Some(10_000);
    }
    fleet
}

fn name(text: &str) -> TenantId {
    text.parse().expect("valid")
}

async fn add(sim: &Sim, tenant: &str, cell: &str, weight: u64) {
    let (world, fleet, actor) = (sim.world(), roomy(), actor());
    let attributes = Attributes { weight, ..Attributes::default() };
    let request = AddRequest { tenant: name(tenant), attributes, to: Some(cell.parse().expect("valid")) };
    Desk { world: &world, fleet: &fleet, actor: &actor }.add(&request).await.expect("added");
}

async fn remove(sim: &Sim, tenant: &str) {
    let (world, fleet, actor) = (sim.world(), roomy(), actor());
    Desk { world: &world, fleet: &fleet, actor: &actor }.remove(&name(tenant)).await.expect("removed");
}

async fn pin(sim: &Sim, tenant: &str) {
    let (world, fleet, actor) = (sim.world(), roomy(), actor());
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    desk.pin(&name(tenant), Some("audit".to_owned())).await.expect("pinned");
}

/// More tenants in one cell than fit into a transaction, some where one transaction does not reach, a pinned one, one
/// that was removed and came back, and one that is gone.
async fn inhabited() -> Sim {
    let sim = provisioned();
    for number in 0..34 {
        add(&sim, &format!("t{number:02}"), "cell-1", 1 + number % 3).await;
    }
    for tenant in ["Far-a", "far-b"] {
        add(&sim, tenant, "far-1", 5).await;
    }
    for tenant in ["back", "gone"] {
        add(&sim, tenant, "cell-2", 2).await;
        remove(&sim, tenant).await;
    }
    add(&sim, "back", "cell-2", 2).await;
    pin(&sim, "t07").await;
    sim
}

pub(super) async fn exported(sim: &Sim) -> (Vec<u8>, Exported) {
    let mut bytes = Vec::new();
    let world = sim.world();
    let exported = export(&world.map, &roomy().name, world.clock.now_ms(), &mut bytes).await.expect("exported");
    (bytes, exported)
}

fn snapshot(bytes: &[u8]) -> Result<Memory, OpError> {
    Snapshot::checked("map.jsonl", Cursor::new(bytes.to_vec()))?.of_fleet(&roomy().name)
}

/// The lines of tenants in a snapshot: all of it that a restore brings back.
pub(super) fn tenants(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    text.lines().filter(|line| line.starts_with(r#"{"tenant""#)).map(str::to_owned).collect()
}

pub(super) async fn import_into(
    sim: &Sim,
    fleet: &Fleet,
    bytes: &[u8],
    dry_run: bool,
) -> Result<(Imported, Vec<Left>), OpError> {
    let (world, actor) = (sim.world(), actor());
    let desk = Desk { world: &world, fleet, actor: &actor };
    let options = Options { dry_run, stop: watch::channel(false).1 };
    let mut left = Vec::new();
    let done = import(desk, &mut snapshot(bytes)?, &options, |one| left.push(one.clone())).await?;
    Ok((done, left))
}

async fn restore(sim: &Sim, bytes: &[u8]) -> Result<Imported, OpError> {
    import_into(sim, &roomy(), bytes, false).await.map(|(done, _)| done)
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_says_what_the_map_says() {
    let sim = inhabited().await;
    let (bytes, exported_now) = exported(&sim).await;
    let versions: u64 = sim.with_map(|map| map.entries.values().map(|entry| entry.version).sum());
    assert_eq!((exported_now.entries, exported_now.version, exported_now.cells), (37, versions, 3));
    assert_eq!(exported_now.bytes, bytes.len() as u64);
    let mut read = snapshot(&bytes).expect("whole");
    let mut lines = Vec::new();
    while let Some(line) = read.next().expect("valid") {
        lines.push(line);
    }
    let present: Vec<EntryLine> = sim.with_map(|map| {
        map.entries.values().filter(|entry| entry.is_present()).cloned().map(EntryLine::from).collect()
    });
    assert_eq!(lines, present);
    let again = exported(&sim).await.0;
    assert_eq!(again, bytes, "one state gives one text (the clock stands still)");
}

#[tokio::test(start_paused = true)]
async fn every_tenant_is_streamed_once_whatever_the_page() {
    let sim = inhabited().await;
    let all: Vec<TenantId> = sim.with_map(|map| map.entries.keys().cloned().collect());
    for page in [1, 2, 7, 500] {
        let mut entries = Entries::of(sim.world().map, Wanted { page, ..Wanted::default() });
        let mut seen = Vec::new();
        while let Some(entry) = entries.next().await.expect("read") {
            seen.push(entry.tenant);
        }
        assert_eq!(seen, all, "pages of {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_nobody_knows_is_told() {
    let sim = inhabited().await;
    sim.with_map(|map| map.loads.remove(&"far-1".parse().expect("valid")));
    let (bytes, exported) = exported(&sim).await;
    assert_eq!(exported.unknown_cells, ["far-1".parse().expect("valid")]);
    assert!(String::from_utf8(bytes).expect("text").contains("\n{\"cell\":\"far-1\"}\n"));
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_struck_anywhere_is_finished_by_the_same_import() {
    let (bytes, _) = exported(&inhabited().await).await;
    let prepared = || async {
        let sim = provisioned();
        // A tombstone with a lower epoch, and one that is there already.
        add(&sim, "back", "cell-1", 1).await;
        remove(&sim, "back").await;
        add(&sim, "t00", "cell-1", 1).await;
        sim
    };
    let sim = prepared().await;
    let before = sim.calls();
    let left = import_into(&sim, &roomy(), &bytes, false).await.expect("without a fault").1;
    let calls = sim.calls() - before;
    assert!(calls >= 10, "{calls} calls");
    // It came in at another time, and is told so.
    let told: Vec<_> = left.iter().map(|left| (left.tenant.as_str(), &left.why)).collect();
    assert!(matches!(told.as_slice(), [] | [("t00", Why::Differs { .. })]), "{told:?}");
    let wanted = tenants(&exported(&sim).await.0);
    for nth in 1..=calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LostAnswer] {
            let when = format!("{fault:?} at call {nth}");
            let sim = prepared().await;
            let struck = sim.with_fault(nth, fault);
            let _ = until_crash(&struck, restore(&struck, &bytes)).await;
            sim.with_map(|map| check_always(map, &roomy(), &when));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let done = restore(&sim, &bytes).await.unwrap_or_else(|error| panic!("{when}: {error}"));
            assert_eq!(done.refused, 0, "{when}: {done:?}");
            assert_eq!(tenants(&exported(&sim).await.0), wanted, "{when}");
            sim.with_map(|map| {
                check_always(map, &roomy(), &when);
                check_settled(map, &when);
            });
            let again = restore(&sim, &bytes).await.expect("again");
            assert_eq!((again.added, again.opened), (0, 0), "{when}: nothing is left to do");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_map_gives_the_same_snapshot() {
    let (bytes, _) = exported(&inhabited().await).await;
    let sim = provisioned();
    let dry = import_into(&sim, &roomy(), &bytes, true).await.expect("looked").0;
    assert_eq!((dry.added, dry.is_complete()), (37, true));
    assert!(sim.with_map(|map| map.entries.is_empty()), "a dry run writes nothing");
    let done = restore(&sim, &bytes).await.expect("restored");
    assert_eq!((done.entries, done.added, done.equal), (37, 37, 0));
    assert_eq!(tenants(&exported(&sim).await.0), tenants(&bytes));
    sim.with_map(|map| {
        check_always(map, &roomy(), "restored");
        check_settled(map, "restored");
    });
    let again = restore(&sim, &bytes).await.expect("again");
    assert_eq!((again.added, again.equal), (0, 37));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_map_is_left_alone() {
    let source = provisioned();
    for (tenant, cell) in [("acme", "cell-1"), ("beta", "cell-1"), ("gamma", "cell-2"), ("zeta", "far-1")] {
        add(&source, tenant, cell, 3).await;
    }
    let (bytes, _) = exported(&source).await;
    let sim = provisioned();
    add(&sim, "acme", "cell-2", 3).await;
    add(&sim, "beta", "cell-1", 3).await;
    remove(&sim, "beta").await;
    sim.with_map(|map| {
        map.loads.get_mut(&"cell-2".parse().expect("valid")).expect("a cell").state = CellState::Cordoned;
    });
    let mut fleet = roomy();
    fleet.cells.retain(|cell| cell.id.as_str() != "far-1");
    let before = sim.with_map(|map| map.entries.clone());
    let (done, left) = import_into(&sim, &fleet, &bytes, false).await.expect("ran");
    assert_eq!((done.added, done.equal, done.differing, done.refused), (0, 0, 1, 3));
    let whys: Vec<&Why> = left.iter().map(|left| &left.why).collect();
    assert!(matches!(whys[0], Why::Differs { epoch: 1, fields, .. } if fields.contains(&"cell")), "{whys:?}");
    assert!(matches!(whys[1], Why::Removed { epoch: 2 }), "{whys:?}");
    assert!(matches!(whys[2], Why::Refused { .. }), "{whys:?}");
    assert!(matches!(whys[3], Why::NotDefined), "{whys:?}");
    assert_eq!(sim.with_map(|map| map.entries.clone()), before, "nothing was changed");
}

/// The cells hold three tenants each, and the snapshot has 34 for one of them.
#[tokio::test(start_paused = true)]
async fn a_restore_never_overfills_a_cell() {
    let (bytes, _) = exported(&inhabited().await).await;
    let sim = provisioned();
    let (done, left) = import_into(&sim, &fleet(), &bytes, false).await.expect("ran");
    assert_eq!((done.added, done.refused), (6, left.len() as u64));
    sim.with_map(|map| check_always(map, &fleet(), "restored"));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_at_the_last_moment_keeps_no_other_out() {
    let (bytes, _) = exported(&inhabited().await).await;
    let sim = provisioned();
    // Seen by the transaction only: a fence that is ahead.
    let table = sim.with_map(|map| map.loads[&"cell-1".parse().expect("valid")].fences().expect("a table"));
    let fence = Fence { tenant: name("t20"), epoch: 9, mode: FenceMode::Closed };
    sim.with_map(|map| map.set_fence(&table, &fence));
    let (done, left) = import_into(&sim, &roomy(), &bytes, false).await.expect("ran");
    assert_eq!((done.added, done.refused), (36, 1));
    assert_eq!((left[0].tenant.as_str(), &left[0].why), ("t20", &Why::FenceAhead));
}

/// The map is lost with its tombstones, and what is left of them is the fences in the cells.
#[tokio::test(start_paused = true)]
async fn a_tenant_whose_fence_elsewhere_tells_of_its_removal_does_not_come_back() {
    let source = provisioned();
    add(&source, "acme", "far-1", 3).await;
    for (epoch, mode, comes_back) in [
        (2, FenceMode::Closed, false),
        (1, FenceMode::Closed, false),
        (2, FenceMode::Open, false),
        (0, FenceMode::Sealed, false),
        (1, FenceMode::Open, true),
        (0, FenceMode::Closed, true),
    ] {
        let when = format!("{mode:?} at {epoch}");
        let (bytes, _) = exported(&source).await;
        let sim = provisioned();
        let table = sim.with_map(|map| map.loads[&"far-1".parse().expect("valid")].fences().expect("a table"));
        let fence = Fence { tenant: name("acme"), epoch, mode };
        sim.with_map(|map| map.set_fence(&table, &fence));
        let before = sim.with_map(|map| map.clone());
        for dry_run in [true, false] {
            let (done, left) = import_into(&sim, &roomy(), &bytes, dry_run).await.expect("ran");
            assert_eq!((done.added, done.refused), (u64::from(comes_back), u64::from(!comes_back)), "{when}");
            assert!(left.iter().all(|left| left.why == Why::FenceAhead), "{when}: {left:?}");
        }
        sim.with_map(|map| {
            check_settled(map, &when);
            assert_eq!(map.entries.is_empty(), !comes_back, "{when}");
            if !comes_back {
                assert_eq!((&map.loads, &map.fences), (&before.loads, &before.fences), "{when}: nothing is written");
            }
        });
    }
}

/// One whose removal had begun comes back in that state, unless its fence tells of another time.
#[tokio::test(start_paused = true)]
async fn a_removal_that_had_begun_comes_back_where_it_can_be_finished() {
    let source = provisioned();
    add(&source, "acme", "far-1", 3).await;
    let entry = sim_entry(&source, "acme");
    source.with_map(|map| map.entries.insert(name("acme"), begun(&entry)));
    let (bytes, _) = exported(&source).await;
    for (epoch, mode, comes_back) in [
        (1, FenceMode::Open, true),
        (2, FenceMode::Closed, true),
        (2, FenceMode::Out, false),
        (3, FenceMode::Open, false),
    ] {
        let when = format!("{mode:?} at {epoch}");
        let sim = provisioned();
        let table = sim.with_map(|map| map.loads[&"far-1".parse().expect("valid")].fences().expect("a table"));
        sim.with_map(|map| map.set_fence(&table, &Fence { tenant: name("acme"), epoch, mode }));
        let done = restore(&sim, &bytes).await.expect("ran");
        assert_eq!((done.added, done.refused), (u64::from(comes_back), u64::from(!comes_back)), "{when}");
        if comes_back {
            remove(&sim, "acme").await;
        }
        sim.with_map(|map| check_settled(map, &when));
    }
}

/// A batch is written and its answer lost; before it is read back, somebody finishes one of its tenants.
#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_was_lost_is_finished_although_somebody_was_at_it() {
    let source = provisioned();
    for tenant in ["acme", "beta", "gamma"] {
        add(&source, tenant, "far-1", 3).await;
    }
    let (bytes, _) = exported(&source).await;
    let sim = provisioned();
    let struck = sim.with_fault(4, Fault::LostAnswer);
    let somebody = async {
        while sim.with_map(|map| map.entries.is_empty()) {
            tokio::task::yield_now().await;
        }
        let beta = sim_entry(&sim, "beta");
        let table = sim.with_map(|map| map.loads[&beta.cell].fences().expect("a table"));
        assert!(sim.with_map(|map| map.put_fence(&change::open(table, &beta))));
        let opened = change::opened(&beta, &stamp(1));
        assert_eq!(sim.with_map(|map| map.write(&[opened])), Written::Done);
    };
    let (done, ()) = tokio::join!(restore(&struck, &bytes), somebody);
    let done = done.expect("restored");
    assert_eq!((done.added + done.opened + done.equal, done.is_complete()), (3, true), "{done:?}");
    sim.with_map(|map| {
        check_always(map, &roomy(), "restored");
        check_settled(map, "restored");
    });
}

fn sim_entry(sim: &Sim, tenant: &str) -> Entry {
    sim.with_map(|map| map.entries[&name(tenant)].clone())
}

/// The entry of a tenant whose removal has begun.
fn begun(entry: &Entry) -> Entry {
    change::begin_removal(entry, 0, &stamp(1)).after
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_whole_costs_no_call() {
    let (bytes, _) = exported(&inhabited().await).await;
    let sim = provisioned();
    let before = sim.calls();
    let text = String::from_utf8(bytes.clone()).expect("text");
    for (bad, words) in [
        (text[..text.len() / 2].to_owned(), "cut off after tenant"),
        (text.replacen("cell-2", "cell-1", 2), "twice"),
        (text.replacen("\"weight\":5", "\"weight\":6", 1), "checksum differs"),
        (text.replacen("\"format\":1", "\"format\":2", 1), "reads up to 1"),
        (text.replacen("\"fleet\":\"shop\"", "\"fleet\":\"shoe\"", 1), "checksum differs"),
        (String::new(), "cut off"),
        ("tenant,cell\n".to_owned(), "no snapshot"),
    ] {
        let error = restore(&sim, bad.as_bytes()).await.expect_err(words);
        assert_eq!(error.kind, ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(words) && error.hint.is_some(), "{error}");
    }
    assert_eq!(sim.calls(), before);
}

#[tokio::test(start_paused = true)]
async fn a_difference_has_its_kind() {
    let sim = provisioned();
    for tenant in ["acme", "beta", "gamma", "same"] {
        add(&sim, tenant, "cell-1", 3).await;
    }
    let (old, _) = exported(&sim).await;
    remove(&sim, "acme").await;
    remove(&sim, "beta").await;
    add(&sim, "beta", "cell-2", 3).await;
    pin(&sim, "gamma").await;
    add(&sim, "zeta", "far-1", 3).await;
    let (new, _) = exported(&sim).await;
    let live: Source<Cursor<Vec<u8>>> = Source::Live(Entries::all(sim.world().map));
    let file = Source::File(Box::new(snapshot(&new).expect("whole")));
    for mut to in [live, file] {
        let mut from = Source::File(Box::new(snapshot(&old).expect("whole")));
        let mut told: Vec<Difference> = Vec::new();
        let counts = diff(&mut from, &mut to, |difference| told.push(difference)).await.expect("compared");
        assert_eq!(counts, Counts { added: 1, removed: 1, moved: 1, changed: 1, equal: 1 });
        let kinds: Vec<_> = told.iter().map(|d| (d.tenant.as_str(), d.kind)).collect();
        let wanted = [("acme", Kind::Removed), ("beta", Kind::Moved), ("gamma", Kind::Changed), ("zeta", Kind::Added)];
        assert_eq!(kinds, wanted);
        assert_eq!(told[2].fields, ["pin"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_numbers_are_those_of_the_entries() {
    let sim = inhabited().await;
    // Counters that have drifted change nothing.
    sim.with_map(|map| map.loads.values_mut().for_each(|load| load.tenants = 0));
    let found: Stats = stats(&sim.world(), &roomy(), 3).await.expect("counted");
    assert_eq!((found.tenants, found.removed, found.pinned), (37, 1, 1));
    let cell = found.cells.iter().find(|cell| cell.cell.as_str() == "cell-1").expect("a cell");
    assert_eq!((cell.tenants, cell.headroom, cell.tenants_max), (34, Some(966), Some(1_000)));
    assert_eq!(found.weight, found.cells.iter().map(|cell| cell.weight).sum::<u64>());
    assert_eq!(found.weight, found.regions.iter().map(|group| group.weight).sum::<u64>());
    let heaviest: Vec<_> = found.heaviest.iter().map(|heavy| (heavy.tenant.0.as_str(), heavy.weight)).collect();
    assert_eq!(heaviest, [("Far-a", 5), ("far-b", 5), ("t02", 3)]);
    assert!(found.skew.is_some_and(|skew| skew > 1.0));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_read_is_left_out_of_a_list_and_stops_an_export() {
    let sim = provisioned();
    for tenant in ["a", "b", "c"] {
        add(&sim, tenant, "cell-1", 1).await;
    }
    sim.with_map(|map| map.entries.get_mut(&name("b")).expect("an entry").format = ENTRY_FORMAT + 1);
    let (world, fleet, actor) = (sim.world(), roomy(), actor());
    let desk = Desk { world: &world, fleet: &fleet, actor: &actor };
    for sort in [Sort::Name, Sort::Weight] {
        let mut listed = Vec::new();
        let take = |entry: cellctl::domain::tenant::Entry| {
            listed.push(entry.tenant.to_string());
            true
        };
        let unreadable = desk.list(&Query { sort, ..Query::default() }, take).await.expect("listed");
        assert_eq!((listed, unreadable), (vec!["a".to_owned(), "c".to_owned()], 1), "{sort:?}");
    }
    let error = export(&world.map, &fleet.name, 0, &mut Vec::new()).await.expect_err("it would not be whole");
    assert!(matches!(&error, ExportError::Map(error) if error.message.contains("tenant b")), "{error:?}");
}

/// The table of the map is lost; the control table, with the audit log, and the fences are not.
fn lose_the_map(sim: &Sim) {
    sim.with_map(|map| {
        map.entries.clear();
        map.loads.values_mut().for_each(|load| (load.tenants, load.weight) = (0, 0));
    });
}

#[tokio::test(start_paused = true)]
async fn a_lost_map_is_restored_beside_its_audit_log() {
    let sim = inhabited().await;
    let (bytes, _) = exported(&sim).await;
    // After the snapshot: one more life of a tenant, and a removal.
    remove(&sim, "t01").await;
    lose_the_map(&sim);
    let (done, left) = import_into(&sim, &roomy(), &bytes, false).await.expect("restored");
    assert_eq!((done.added, left.len()), (36, 1), "{left:?}");
    assert!(matches!(left[0].why, Why::Removed { epoch: 2 }), "{left:?}");
    // Closed fences are all that is left of those that were removed.
    sim.with_map(|map| {
        let closed = map.fences.extract_if(.., |_, shards| shards[&0].mode == FenceMode::Closed);
        assert_eq!(closed.map(|((_, tenant), _)| tenant).collect::<Vec<_>>(), [name("t01"), name("gone")]);
    });
    sim.with_map(|map| check_always(map, &roomy(), "after the restore"));
    sim.with_map(|map| check_settled(map, "after the restore"));
    let mut expected = tenants(&bytes);
    expected.retain(|line| !line.contains(r#""t01""#));
    let without_times = |lines: Vec<String>| -> Vec<String> {
        lines.iter().map(|line| line.split(r#","changedAtMs""#).next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(without_times(tenants(&exported(&sim).await.0)), without_times(expected));
    let again = restore(&sim, &bytes).await.expect("again");
    assert_eq!((again.added, again.equal), (0, 36));
}
