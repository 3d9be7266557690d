//! The fence of a move, shard by shard.

use cellctl::domain::ids::TenantId;
use cellctl::domain::moves::MoveId;
use cellctl::domain::moves::fence::{Hold, Shard, Shift};
use cellctl::domain::tenant::Attributes;
use cellctl::domain::tenant::change::{self, FenceWrite, Target};
use cellctl::domain::tenant::fence::{Fence, FenceMode};
use cellctl::domain::tenant::load::CellLoad;
use cellctl::ports::tenants::{Fences, TenantMap, Written};

use super::{Pair, hold, limits};

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
