//! What the steps of a move do to an entry and to the counters of both cells.

use std::collections::BTreeMap;

use super::*;
use crate::domain::audit::Actor;
use crate::domain::record::CellState;
use crate::domain::rollout::RolloutId;

fn stamp(at_ms: i64) -> Stamp {
    Stamp { at_ms, actor: Actor { identity: "arn".to_owned(), user: "ann".to_owned(), ci_url: None } }
}

fn load(cell: &str) -> CellLoad {
    CellLoad::sample(cell.parse().expect("valid"))
}

fn target(cell: &str) -> Target {
    Target { load: load(cell), limits: Limits { tenants: 9, weight: None }, local: true, by_hand: true }
}

fn added() -> Change {
    let attributes = Attributes { weight: 4, ..Attributes::default() };
    add(&"acme".parse().expect("valid"), attributes, &target("cell-1"), None, 6, &stamp(1))
}

/// The move as it begins, and the change that ends it: after a cutover, or with the source's fence at an epoch.
fn moved(aborted_at: Option<u64>) -> Vec<Change> {
    let before = added();
    let id: MoveId = "acme:1".parse().expect("valid");
    let begun = begin_move(&before.after, &id, &target("cell-2"), Vec::new(), &stamp(2));
    let mut all = vec![before, begun.clone()];
    if let Some(epoch) = aborted_at {
        all.push(end_move(&begun.after, epoch, "move-aborted", &stamp(4)));
    } else {
        let cut = cut_over(&begun.after, &"cell-2".parse().expect("valid"), 8, Vec::new(), &stamp(3));
        all.extend([cut.clone(), end_move(&cut.after, 8, "move-completed", &stamp(4))]);
    }
    all
}

#[test]
fn a_move_begins_where_no_rollout_changes_a_cell_and_ends_anywhere() {
    for change in moved(None).iter().chain(&moved(Some(7))) {
        let at_rest: Vec<&str> = change.at_rest.iter().map(CellId::as_str).collect();
        let begins = change.record.record.action == "move-begun";
        assert_eq!(at_rest, if begins { vec!["cell-2", "cell-1"] } else { vec![] });
        // The source is looked at beside the entry and its record; the target's counters change anyway.
        assert_eq!(change.items(), if begins { 3 } else { 2 });
    }
}

#[test]
fn a_change_fits_a_cell_that_is_as_it_was_seen_and_has_room() {
    let change = added().load.expect("room");
    let as_seen = load("cell-1");
    assert!(change.fits(&as_seen));
    assert!(change.fits(&CellLoad { tenants: 8, changing: Some(RolloutId(1)), ..as_seen.clone() }));
    let elsewhere = Place { region: "us-east-1".parse().expect("valid"), ..as_seen.place.clone() };
    for other in [
        CellLoad { tenants: 9, ..as_seen.clone() },
        CellLoad { state: CellState::Cordoned, ..as_seen.clone() },
        CellLoad { place: elsewhere, ..as_seen.clone() },
        CellLoad { fence_table: Some("fences".to_owned()), ..as_seen.clone() },
    ] {
        assert!(!change.fits(&other), "{other:?}");
    }
    let light = |weight| Limits { tenants: 9, weight: Some(weight) };
    let grow = LoadChange { tenants: 0, guard: LoadGuard::Grow(light(5)), ..change.clone() };
    assert!(
        grow.fits(&CellLoad { weight: 1, ..as_seen.clone() }) && !grow.fits(&CellLoad { weight: 2, ..as_seen.clone() })
    );
    let free = LoadChange { guard: LoadGuard::Free, ..change };
    assert!(free.fits(&CellLoad { state: CellState::Deleted, tenants: 99, ..as_seen }));
}

/// Room by cell after all changes: tenants and weight.
fn rooms(changes: &[Change]) -> BTreeMap<String, (i64, i64)> {
    let mut rooms = BTreeMap::new();
    for load in changes.iter().filter_map(|change| change.load.as_ref()) {
        let (tenants, weight) = rooms.entry(load.cell.to_string()).or_insert((0, 0));
        (*tenants, *weight) = (*tenants + load.tenants, *weight + load.weight);
    }
    rooms
}

fn known(rooms: &[(&str, (i64, i64))]) -> BTreeMap<String, (i64, i64)> {
    rooms.iter().map(|(cell, room)| ((*cell).to_owned(), *room)).collect()
}

fn said(entry: &Entry) -> (&str, u64, EntryState, Option<&str>) {
    let other = entry.moving.as_ref().map(|moving| moving.other.as_str());
    (entry.cell.as_str(), entry.epoch, entry.state, other)
}

#[test]
fn a_tenant_that_is_moved_takes_room_in_both_cells_until_the_end() {
    let changes = moved(None);
    for until in [2, 3] {
        assert_eq!(rooms(&changes[..until]), known(&[("cell-1", (1, 4)), ("cell-2", (1, 4))]), "{until}");
        assert_eq!(changes[until - 1].after.rooms().count(), 2, "{until}");
    }
    assert_eq!(rooms(&changes), known(&[("cell-1", (0, 0)), ("cell-2", (1, 4))]));
    assert_eq!(rooms(&moved(Some(9))), known(&[("cell-1", (1, 4)), ("cell-2", (0, 0))]));
    let begun = changes[1].load.as_ref().expect("room is taken");
    assert!(matches!(begun.guard, LoadGuard::Admit(_)), "the target may refuse");
    let ended = changes[3].load.as_ref().expect("room is given back");
    assert_eq!(ended.guard, LoadGuard::Free, "whatever state the source is in by then");
}

#[test]
fn the_entry_names_the_cell_that_serves_and_the_other_one() {
    let states: Vec<_> = moved(None).iter().map(|change| change.after.clone()).collect();
    let states: Vec<_> = states.iter().map(said).collect();
    let (active, moving) = (EntryState::Active, EntryState::Moving);
    let expected = [
        ("cell-1", 7, active, None),
        ("cell-1", 7, moving, Some("cell-2")),
        ("cell-2", 8, moving, Some("cell-1")),
        ("cell-2", 8, active, None),
    ];
    assert_eq!(states, expected);
}

#[test]
fn an_abort_follows_the_epoch_of_the_source_and_never_lowers_one() {
    for (fence, epoch) in [(9, 9), (11, 11), (3, 7)] {
        let last = moved(Some(fence)).pop().expect("changes");
        assert_eq!(said(&last.after), ("cell-1", epoch, EntryState::Active, None), "{fence}");
    }
}

#[test]
fn every_step_of_a_move_is_in_the_tenant_s_chain() {
    for changes in [moved(None), moved(Some(9))] {
        for pair in changes.windows(2) {
            let (before, next) = (&pair[0], &pair[1]);
            assert_eq!(next.before.as_ref(), Some(&before.after));
            assert_eq!(next.record.record.prev.as_ref(), Some(&before.record.hash));
            assert_eq!(next.after.version, before.after.version + 1);
        }
    }
    let begun = &moved(None)[1];
    assert_eq!(begun.record.record.to["move"], json!("acme:1"));
    assert_eq!(begun.record.record.to["other"], json!("cell-2"));
}
