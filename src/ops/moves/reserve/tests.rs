//! A reservation waits while a rollout changes one of the cells.

use std::time::Duration;

use serde_json::json;

use super::Reserved;
use crate::domain::audit::Actor;
use crate::domain::definition::RolloutSpec;
use crate::domain::fleet::{Cell, Fleet};
use crate::domain::ids::CellId;
use crate::domain::rollout::RolloutId;
use crate::domain::tenant::load::CellLoad;
use crate::ops::moves::context::Context;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::lease_of::Held;
use crate::ops::moves::testing::Stage;

const CELLS: [&str; 2] = ["cell-1", "cell-2"];

fn cell(name: &str) -> CellId {
    name.parse().expect("valid")
}

fn fleet(stage: &Stage) -> Fleet {
    let defined = |name: &str| Cell {
        id: cell(name),
        labels: [].into(),
        place: stage.plan.source.place.clone(),
        template: "plain".parse().expect("valid"),
        spec: serde_json::from_value(json!({ "type": "shared", "capacity": { "tenants": 5 } })).expect("a spec"),
        file: String::new(),
    };
    Fleet {
        name: "shop".parse().expect("valid"),
        labels: [].into(),
        control: stage.plan.source.place.clone(),
        tags: [].into(),
        concurrency: None,
        max_failures: None,
        rollout: RolloutSpec::default(),
        residency: [].into(),
        cells: CELLS.map(defined).into(),
    }
}

/// A stage with a tenant in the first cell, of which a rollout changes `changing`.
async fn stage(changing: &str) -> Stage {
    let stage = Stage::new().await;
    let entry = json!({
        "format": 1, "tenant": "acme", "cell": "cell-1", "epoch": 1, "state": "active", "attributes": {},
        "addedAtMs": 0, "changedAtMs": 0, "version": 1, "head": "0".repeat(64),
    });
    stage.lock().entry = Some(serde_json::from_value(entry).expect("an entry"));
    for name in CELLS {
        let load = CellLoad {
            fence_table: Some(format!("{name}-fences")),
            changing: (name == changing).then_some(RolloutId(12)),
            ..CellLoad::sample(cell(name))
        };
        stage.lock().loads.insert(cell(name), load);
    }
    stage
}

async fn reserve(context: &Context<'_>, stage: &Stage) -> Result<Reserved, Halt> {
    let actor = Actor { identity: "arn:me".to_owned(), user: "me".to_owned(), ci_url: None };
    let held = Held { lease: &stage.lease, actor: &actor };
    context.reserve(&fleet(stage), &held, 2).await
}

#[tokio::test(start_paused = true)]
async fn a_reservation_waits_until_the_rollout_is_done_with_the_cell_and_says_so_once() {
    for changing in CELLS {
        let stage = stage(changing).await;
        let context = stage.context();
        let began = tokio::time::Instant::now();
        // Longer than any number of attempts takes.
        let done = async {
            tokio::time::sleep(Duration::from_mins(10)).await;
            stage.lock().loads.get_mut(&cell(changing)).expect("there").changing = None;
        };
        let (reserved, ()) = tokio::join!(reserve(&context, &stage), done);
        assert!(matches!(reserved, Ok(Reserved::Done)));
        assert!((600..610).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        let said = stage.lock().said.clone();
        assert_eq!(said, [format!("acme:1: waiting: {changing} is being changed by rollout 12")]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_rollout_still_obeys() {
    let mut stage = stage("cell-2").await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    stage.stop = stopped;
    let context = stage.context();
    let ordered = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        stop.send_replace(true);
    };
    let (reserved, ()) = tokio::join!(reserve(&context, &stage), ordered);
    assert!(matches!(reserved, Err(Halt::Stopped)));
    assert!(stage.lock().entry.as_ref().is_some_and(|entry| entry.moving.is_none()), "nothing is taken");
}
