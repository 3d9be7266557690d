//! Moves in the control table: journals under a lease, the list of all, orders, the ledger.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use cellctl::domain::lock::Lease;
use cellctl::domain::moves::event::{Entry, Event};
use cellctl::domain::moves::machine::Stage;
use cellctl::domain::moves::orders::Orders;
use cellctl::domain::moves::{End, MOVE_FORMAT, MoveId, Options, Plan};
use cellctl::ports::CallErrorKind;
use cellctl::ports::moves::{Appended, LEDGER_MAX, LedgerWrite, Moves, Summary};

use crate::support::emulator::movable::Movable;
use crate::support::emulator::{Proxy, Tables};

const WRITE: &str = "TransactWriteItems";

fn id(name: &str) -> MoveId {
    name.parse().expect("valid")
}

fn lease(token: u64, nonce: u64) -> Lease {
    Lease {
        holder: "ann@bench".to_owned(),
        purpose: "a test".to_owned(),
        ci_url: None,
        nonce,
        token,
        acquired_at_ms: 1,
        expires_at_ms: 2,
        unsettled_until_ms: 0,
        process: None,
    }
}

fn entry(seq: u64, event: Event) -> Entry {
    Entry { seq, at_ms: 1_700_000_000_000 + i64::try_from(seq).expect("small"), by: "ann".to_owned(), token: 1, event }
}

fn summary(id: &MoveId, stage: Stage, at_ms: i64) -> Summary {
    let cell = |name: &str| name.parse().expect("valid");
    Summary {
        id: id.clone(),
        source: cell("cell-1"),
        target: cell("cell-2"),
        stage,
        stuck: None,
        paused: false,
        planned_at_ms: 1,
        at_ms,
    }
}

fn plan(id: &MoveId, format: u32) -> Plan {
    let end = |cell: &str| End {
        cell: cell.parse().expect("valid"),
        place: Tables::place(),
        fence_table: format!("{cell}-fences"),
        shards: 1,
        moved_queue: None,
    };
    Plan {
        format,
        id: id.clone(),
        source: end("cell-1"),
        target: end("cell-2"),
        epoch: 3,
        tables: Vec::new(),
        queues: Vec::new(),
        options: Options::default(),
        one_place: true,
        at_ms: 1,
        volume: None,
    }
}

fn document(name: &str, body: Option<&str>) -> LedgerWrite {
    LedgerWrite { name: name.to_owned(), body: body.map(str::to_owned) }
}

/// A move whose lease is held.
async fn held(test: &str) -> (Movable, MoveId, Lease) {
    let (movable, id, lease) = (Movable::make(test).await, id("acme:7"), lease(1, 11));
    movable.adapter.swap_lease(&id, None, &lease).await.expect("taken");
    (movable, id, lease)
}

#[tokio::test]
async fn a_journal_grows_by_one_entry_a_number() {
    let (movable, id, lease) = held("journal").await;
    let (moves, open) = (&movable.adapter, summary(&id, Stage::Planned, 5));
    assert_eq!(moves.journal(&id).await.expect("read"), []);
    let planned = entry(1, Event::Planned { plan: Box::new(plan(&id, MOVE_FORMAT)) });
    assert_eq!(moves.append(&id, &planned, &open, &lease).await, Ok(Appended::Done));
    // The same once more is a repeat; another entry of that number is not.
    assert_eq!(moves.append(&id, &planned, &open, &lease).await, Ok(Appended::Done));
    assert_eq!(moves.append(&id, &entry(1, Event::Paused), &open, &lease).await, Ok(Appended::Taken));
    for seq in 2..=12 {
        assert_eq!(moves.append(&id, &entry(seq, Event::Resumed), &open, &lease).await, Ok(Appended::Done));
    }
    let journal = moves.journal(&id).await.expect("read");
    assert_eq!(journal.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert_eq!(journal[0], planned);
}

#[tokio::test]
async fn of_two_entries_of_one_number_one_is_written() {
    let (movable, id, lease) = held("journalrace").await;
    let (one, other) = (&movable.adapter, movable.again());
    let open = summary(&id, Stage::Planned, 5);
    let (paused, resumed) = (entry(1, Event::Paused), entry(1, Event::Resumed));
    let (first, second) =
        tokio::join!(one.append(&id, &paused, &open, &lease), other.append(&id, &resumed, &open, &lease));
    let written = match (first.expect("answered"), second.expect("answered")) {
        (Appended::Done, Appended::Taken) => paused,
        (Appended::Taken, Appended::Done) => resumed,
        both => panic!("{both:?}"),
    };
    assert_eq!(one.journal(&id).await.expect("read"), [written]);
}

#[tokio::test]
async fn who_lost_the_lease_writes_neither_journal_nor_ledger() {
    let (movable, id, mine) = held("leaselost").await;
    let (moves, open) = (&movable.adapter, summary(&id, Stage::Planned, 5));
    // The same token with another nonce is another lease, too.
    for theirs in [lease(1, 12), lease(2, 11)] {
        moves.swap_lease(&id, moves.lease(&id).await.expect("read").as_ref(), &theirs).await.expect("taken");
        assert_eq!(moves.append(&id, &entry(1, Event::Paused), &open, &mine).await, Ok(Appended::LeaseLost));
        assert_eq!(moves.put_ledger(&id, &[document("copy/0", Some("x"))], &mine).await, Ok(false));
    }
    assert_eq!(moves.journal(&id).await.expect("read"), []);
    assert_eq!(moves.ledger(&id, "").await.expect("read"), BTreeMap::new());
    assert_eq!(moves.open().await.expect("read"), []);
}

#[tokio::test]
async fn a_lease_is_written_over_the_one_that_was_seen() {
    let (movable, id, first) = held("moveswap").await;
    let (moves, next) = (&movable.adapter, lease(2, 12));
    let taken = moves.swap_lease(&id, None, &next).await.expect_err("one is there");
    assert_eq!(taken.kind, CallErrorKind::Conflict);
    moves.swap_lease(&id, Some(&first), &next).await.expect("as it was seen");
    // A repeat finds its own write.
    moves.swap_lease(&id, Some(&first), &next).await.expect("is there");
    assert_eq!(moves.lease(&id).await.expect("read"), Some(next));
    let late = moves.swap_lease(&id, Some(&first), &lease(3, 13)).await.expect_err("another one is there");
    assert_eq!(late.kind, CallErrorKind::Conflict);
}

#[tokio::test]
async fn a_journal_of_a_newer_format_is_not_read() {
    let (movable, id, lease) = held("newjournal").await;
    let planned = entry(1, Event::Planned { plan: Box::new(plan(&id, MOVE_FORMAT + 1)) });
    let open = summary(&id, Stage::Planned, 5);
    assert_eq!(movable.adapter.append(&id, &planned, &open, &lease).await, Ok(Appended::Done));
    let error = movable.adapter.journal(&id).await.expect_err("too new");
    assert_eq!(error.kind, CallErrorKind::Invalid);
    assert!(error.message.contains("upgrade cellctl"), "{error}");
}

#[tokio::test]
async fn an_entry_whose_answer_is_lost_is_written_once() {
    let (movable, id, lease) = held("lostentry").await;
    let proxy = Proxy::start(&movable.tables.url).await;
    let answered = AtomicUsize::new(0);
    proxy.spoil(move |seen, body| {
        let is_first = seen.action == WRITE && answered.fetch_add(1, Ordering::SeqCst) == 0;
        (!is_first).then_some(body)
    });
    let moves = movable.through(&proxy);
    let open = summary(&id, Stage::Planned, 5);
    assert_eq!(moves.append(&id, &entry(1, Event::Paused), &open, &lease).await, Ok(Appended::Done));
    assert_eq!(proxy.count(WRITE), 2, "the lost request and its repeat");
    assert_eq!(moves.journal(&id).await.expect("read"), [entry(1, Event::Paused)]);
}

#[tokio::test]
async fn a_move_stands_in_the_list_once() {
    let movable = Movable::make("movelist").await;
    let moves = &movable.adapter;
    let ids = ["acme:7", "acme:12", "zeta:3"].map(id);
    for (at, id) in ids.iter().enumerate() {
        let (lease, at_ms) = (lease(1, 11), i64::try_from(at).expect("small"));
        moves.swap_lease(id, None, &lease).await.expect("taken");
        let planned = summary(id, Stage::Planned, at_ms);
        assert_eq!(moves.append(id, &entry(1, Event::Reserved), &planned, &lease).await, Ok(Appended::Done));
    }
    let named = |listed: Vec<Summary>| listed.into_iter().map(|summary| summary.id.to_string()).collect::<Vec<_>>();
    assert_eq!(named(moves.open().await.expect("read")), ["acme:7", "acme:12", "zeta:3"]);
    assert_eq!(named(moves.over(9).await.expect("read")), Vec::<String>::new());
    for (at_ms, id) in [(900, &ids[1]), (1_000, &ids[0])] {
        let over = summary(id, Stage::Completed, at_ms);
        assert_eq!(moves.append(id, &entry(2, Event::Aborted), &over, &lease(1, 11)).await, Ok(Appended::Done));
    }
    assert_eq!(named(moves.open().await.expect("read")), ["zeta:3"]);
    assert_eq!(named(moves.over(9).await.expect("read")), ["acme:7", "acme:12"]);
    assert_eq!(named(moves.over(1).await.expect("read")), ["acme:7"]);
}

#[tokio::test]
async fn orders_are_written_over_the_version_that_was_seen() {
    let movable = Movable::make("orders").await;
    let (moves, id) = (&movable.adapter, id("acme:7"));
    assert_eq!(moves.orders(&id).await.expect("read"), Orders::default());
    let pause = Orders { version: 1, pause: true, ..Orders::default() };
    assert_eq!(moves.put_orders(&id, &pause).await, Ok(true));
    let cutover = Orders { version: 1, cutover: true, ..Orders::default() };
    assert_eq!(moves.put_orders(&id, &cutover).await, Ok(false));
    assert_eq!(moves.put_orders(&id, &Orders { version: 3, ..cutover.clone() }).await, Ok(false));
    assert_eq!(moves.orders(&id).await.expect("read"), pause);
    let cutover = Orders { version: 2, ..cutover };
    assert_eq!(moves.put_orders(&id, &cutover).await, Ok(true));
    assert_eq!(moves.orders(&id).await.expect("read"), cutover);
}

#[tokio::test]
async fn the_ledger_keeps_documents_by_name() {
    let (movable, id, lease) = held("ledger").await;
    let moves = &movable.adapter;
    let names: Vec<String> = (0..LEDGER_MAX).map(|number| format!("copy/{number:02}")).collect();
    let large = "x".repeat(100_000);
    let all: Vec<LedgerWrite> = names.iter().map(|name| document(name, Some(&large))).collect();
    assert_eq!(moves.put_ledger(&id, &all, &lease).await, Ok(true));
    let more = [document("dirty/a", Some("1")), document("dirty/b", Some("2")), document("copy/00", None)];
    assert_eq!(moves.put_ledger(&id, &more, &lease).await, Ok(true));
    let copy = moves.ledger(&id, "copy/").await.expect("read");
    assert_eq!(copy.len(), LEDGER_MAX - 1, "2.4 MB come in several pages");
    assert!(copy.keys().eq(&names[1..]) && copy.values().all(|body| *body == large));
    let dirty = moves.ledger(&id, "dirty/").await.expect("read");
    assert_eq!(dirty, BTreeMap::from([("dirty/a", "1"), ("dirty/b", "2")].map(|(k, v)| (k.into(), v.into()))));
    // Back to what it was a moment ago is a write, not a repeat.
    for body in [None, Some("1"), None] {
        assert_eq!(moves.put_ledger(&id, &[document("dirty/a", body)], &lease).await, Ok(true));
        let now = moves.ledger(&id, "dirty/a").await.expect("read").remove("dirty/a");
        assert_eq!(now.as_deref(), body);
    }
    let too_many: Vec<LedgerWrite> = (0..=LEDGER_MAX).map(|number| document(&number.to_string(), None)).collect();
    assert_eq!(moves.put_ledger(&id, &too_many, &lease).await.expect_err("too many").kind, CallErrorKind::Invalid);
}

#[tokio::test]
async fn other_readers_of_the_control_table_do_not_see_moves() {
    let (movable, id, lease) = held("strangers").await;
    let open = summary(&id, Stage::Planned, 5);
    assert_eq!(movable.adapter.append(&id, &entry(1, Event::Paused), &open, &lease).await, Ok(Appended::Done));
    let (control, _) = movable.tables.control().await;
    assert_eq!(cellctl::ports::Control::records(&control).await.expect("read"), []);
    let tenants = movable.tables.tenants();
    let loads = cellctl::ports::tenants::TenantMap::seen_loads(&tenants).await.expect("read");
    assert!(loads.loads.is_empty() && loads.unreadable.is_empty());
    let recent = cellctl::ports::tenants::AuditLog::recent(&tenants, 0, 10).await.expect("read");
    assert_eq!(recent, []);
}
