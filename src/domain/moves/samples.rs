//! Made-up moves, for tests.

use crate::domain::data::digest::TableDigest;
use crate::domain::data::find::Find;
use crate::domain::data::shape::{KeyAttribute, KeySchema, TableShape};
use crate::domain::definition::KeyType;
use crate::domain::fleet::Place;

use super::event::{Entry, Event};
use super::receipt::{Gap, Proof, Receipt};
use super::{End, FenceLevel, MOVE_FORMAT, MoveId, Options, Plan, QueuePlan, TablePlan};

/// When all of them were planned, in milliseconds since 1970.
pub(crate) const AT_MS: i64 = 1_750_000_000_000;

fn end(cell: &str) -> End {
    let place = Place { account: None, region: "eu-central-1".parse().expect("a Region"), role_arn: None };
    End {
        cell: cell.parse().expect("a cell"),
        place,
        fence_table: format!("shop-{cell}-fences"),
        shards: 1,
        moved_queue: None,
    }
}

/// A move of that tenant.
pub(crate) fn plan(tenant: &str, from: &str, to: &str) -> Plan {
    let attribute = |name: &str| KeyAttribute { name: name.to_owned(), key_type: KeyType::S };
    let shape = TableShape {
        key: KeySchema { partition: attribute("tenantId"), sort: Some(attribute("orderId")) },
        indexes: [].into(),
        stream: None,
        time_to_live: None,
        items_about: 50_000,
        bytes_about: 12_500_000,
    };
    let named = |cell: &str, atom: &str| format!("shop-{cell}-{atom}");
    Plan {
        format: MOVE_FORMAT,
        id: MoveId { tenant: tenant.parse().expect("a tenant"), version: 12 },
        source: end(from),
        target: end(to),
        epoch: 7,
        tables: vec![TablePlan {
            table: "orders".to_owned(),
            source: named(from, "orders"),
            target: named(to, "orders"),
            find: Find::PartitionKey,
            shape,
        }],
        queues: vec![QueuePlan {
            queue: "orders".to_owned(),
            source: named(from, "orders"),
            target: named(to, "orders"),
            dead_letters: Some((named(from, "dead"), named(to, "dead"))),
            attribute: "tenantId".to_owned(),
        }],
        options: Options::default(),
        one_place: true,
        at_ms: AT_MS,
        volume: None,
    }
}

fn digest() -> TableDigest {
    TableDigest { table: "orders".to_owned(), items: 1_003, bytes: 250_900, digest: "ab".repeat(32) }
}

/// The receipt of acme's move from cell-1 to cell-3.
pub(crate) fn receipt() -> Receipt {
    Receipt {
        id: "acme:12".parse().expect("a move"),
        source: "cell-1".parse().expect("a cell"),
        target: "cell-3".parse().expect("a cell"),
        epoch_before: 7,
        epoch: 8,
        fence: FenceLevel::Strict,
        planned_at_ms: AT_MS,
        completed_at_ms: AT_MS + 8_400,
        items_copied: 1_000,
        bytes_copied: 250_000,
        keys_reconciled: 17,
        keys_repaired: 0,
        capture_gaps: 0,
        takeovers: 1,
        cutovers: 2,
        tables: vec![digest()],
        gap: Gap { from_ms: AT_MS + 7_000, to_ms: AT_MS + 7_087, length_us: 87_240, keys: 2 },
        proof: Proof::Notes,
        messages: 3,
        items_cleaned: 1_003,
        kept: None,
    }
}

/// A journal of acme's move, one entry a second.
pub(crate) fn journal(events: Vec<Event>) -> Vec<Entry> {
    let planned = Event::Planned { plan: Box::new(plan("acme", "cell-1", "cell-3")) };
    let entry = |(index, event): (usize, Event)| {
        let seconds = i64::try_from(index).expect("few");
        let seq = u64::try_from(index).expect("few") + 1;
        Entry { seq, at_ms: AT_MS + seconds * 1000, by: "ann@desk".to_owned(), token: 1, event }
    };
    [planned].into_iter().chain(events).enumerate().map(entry).collect()
}

/// What happens up to the comparison.
pub(crate) fn until_verified() -> Vec<Event> {
    vec![
        Event::Reserved,
        Event::CaptureStarted,
        Event::Copied { items: 1_000, bytes: 250_000 },
        Event::Barred { waited_ms: 0 },
        Event::Reconciled { rounds: 2, keys: 15 },
        Event::Guarded,
        Event::Verified { tables: vec![digest()], repaired: 0, passes: 1, keys: 0 },
    ]
}
