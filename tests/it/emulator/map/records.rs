//! The records of cells, and the audit log.

use cellctl::domain::audit::{Deed, Head, Sealed, Subject};
use cellctl::domain::ids::Digest;
use cellctl::domain::record::CellState;
use cellctl::domain::tenant::Attributes;
use cellctl::domain::tenant::change::{self, Target};
use cellctl::ports::Control;
use cellctl::ports::tenants::{AuditLog, StoredRoot, TenantMap, Written};
use serde_json::Value as Json;

use super::{CELLS, Pair};
use crate::support::emulator::{Tables, record};
use crate::support::map::MapState;
use crate::support::samples;

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
            let stamp = samples::stamp(at_ms);
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
