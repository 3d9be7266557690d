//! Fences of several shards, held against their entries.

use crate::domain::ids::Digest;
use crate::domain::moves::MoveId;
use crate::domain::moves::fence::{Hold, Shard};
use crate::domain::tenant::fence::{FenceMode, Shards};
use crate::domain::tenant::{Attributes, ENTRY_FORMAT, Entry, EntryState, Moving};

use super::shards::{of_fence, of_move};
use super::{Finding, STUCK_AFTER_MS};

const EPOCH: u64 = 7;

fn id() -> MoveId {
    "acme:12".parse().expect("a move")
}

fn entry(is_moving: bool) -> Entry {
    let moving = Moving { id: id(), other: "cell-2".parse().expect("a cell") };
    Entry {
        format: ENTRY_FORMAT,
        tenant: "acme".parse().expect("a tenant"),
        cell: "cell-1".parse().expect("a cell"),
        epoch: EPOCH,
        state: if is_moving { EntryState::Moving } else { EntryState::Active },
        attributes: Attributes::default(),
        pin: None,
        moving: is_moving.then_some(moving),
        added_at_ms: 0,
        changed_at_ms: 0,
        version: 12,
        head: Digest::of(b""),
    }
}

fn fence(shards: &[(u8, Shard)]) -> Shards {
    shards.iter().cloned().collect()
}

fn open(epoch: u64) -> Shard {
    Shard::free(epoch, FenceMode::Open)
}

fn held(mode: FenceMode, deadline_ms: Option<i64>) -> Shard {
    Shard { deadline_ms, ..Shard::held(EPOCH, mode, Hold { id: id(), token: 1 }) }
}

/// The code, and whether it can be repaired.
fn told(finding: Option<&Finding>) -> Option<(&'static str, bool)> {
    finding.map(|finding| (finding.code(), finding.is_safe()))
}

#[test]
fn a_settled_fence_is_one_in_all_its_shards() {
    let closed = |epoch| Shard::free(epoch, FenceMode::Closed);
    let cases = [
        (vec![(0, open(7)), (1, open(7))], None),
        (vec![], Some(("fence-missing", true))),
        (vec![(0, open(7))], Some(("fence-shards", true))),
        (vec![(1, open(7))], Some(("fence-shards", true))),
        (vec![(0, open(7)), (1, open(6))], Some(("fence-shards", true))),
        (vec![(0, open(7)), (1, closed(6))], Some(("fence-shards", true))),
        (vec![(0, open(6)), (1, open(6))], Some(("fence-behind", true))),
        (vec![(0, open(9)), (1, open(9))], Some(("fence-ahead", false))),
        // Of a later time, or shut at this one.
        (vec![(0, open(9)), (1, open(7))], Some(("fence-shards", false))),
        (vec![(0, open(9))], Some(("fence-shards", false))),
        (vec![(0, open(7)), (1, closed(7))], Some(("fence-shards", false))),
        // A move holds it that the map does not know.
        (vec![(0, open(7)), (1, held(FenceMode::Guarded, None))], Some(("fence-shards", false))),
        (vec![(0, held(FenceMode::Incoming, None))], Some(("fence-shards", false))),
        // More shards than the cell has now are no fault, as long as they are like the others.
        (vec![(0, open(7)), (1, open(7)), (2, open(7))], None),
        (vec![(0, open(7)), (1, open(7)), (2, open(6))], Some(("fence-shards", true))),
    ];
    for (shards, wanted) in cases {
        assert_eq!(told(of_fence(&entry(false), 2, &fence(&shards)).as_ref()), wanted, "{shards:?}");
    }
}

#[test]
fn shards_that_differ_are_told_by_their_numbers() {
    let shards = fence(&[(0, open(7)), (1, open(7)), (3, open(6))]);
    let finding = of_fence(&entry(false), 5, &shards).expect("a finding");
    let wanted = "the fence of tenant acme in its cell cell-1 is not the same in all shards: 0, 1 OPEN at epoch 7; 3 OPEN at \
                  epoch 6; 2, 4 missing";
    assert_eq!(finding.to_string(), wanted);
    let json = serde_json::to_value(&finding).expect("it is written");
    assert_eq!((&json["code"], &json["missing"]), (&"fence-shards".into(), &serde_json::json!([2, 4])));
    assert_eq!(json["seen"][2], serde_json::json!({ "shard": 3, "epoch": 6, "mode": "OPEN" }));
}

#[test]
fn of_a_move_a_seal_past_its_deadline_is_a_finding_and_a_step_is_none() {
    let now_ms = STUCK_AFTER_MS;
    let sealed = |deadline_ms| held(FenceMode::Sealed, Some(deadline_ms));
    let other = Shard { hold: Some(Hold { id: "acme:9".parse().expect("a move"), token: 1 }), ..sealed(1) };
    let cases = [
        (vec![(0, open(7)), (1, open(7))], None),
        (vec![(0, held(FenceMode::Guarded, None)), (1, sealed(now_ms))], None),
        (vec![(0, sealed(now_ms)), (1, open(9))], None),
        (vec![(0, open(9)), (1, sealed(now_ms - 1))], Some(("seal-expired", true))),
        // Somebody else's seal is not for this move to end.
        (vec![(0, other.clone()), (1, other)], None),
        (vec![(0, open(7)), (1, held(FenceMode::Out, None))], Some(("stuck-moving", false))),
        (vec![], Some(("stuck-moving", false))),
        (vec![(0, open(7))], Some(("fence-shards", false))),
    ];
    for (shards, wanted) in cases {
        let finding = of_move(&entry(true), &id(), (2, &fence(&shards)), now_ms);
        assert_eq!(told(finding.as_ref()), wanted, "{shards:?}");
        let fresh = of_move(&entry(true), &id(), (2, &fence(&shards)), now_ms - 1);
        assert!(fresh.is_none(), "{shards:?}: {fresh:?}");
    }
    let gap = of_move(&entry(true), &id(), (2, &fence(&[(0, open(7))])), now_ms).expect("a finding");
    assert!(gap.advice().contains("cellctl move abort acme:12"), "{}", gap.advice());
    let soon = of_move(&entry(true), &id(), (1, &fence(&[(0, sealed(5))])), 6);
    assert_eq!(told(soon.as_ref()), Some(("seal-expired", true)), "at once, however fresh the entry is");
}
