//! What is the tenant's goes, nothing else does, and only behind the fence.

use super::clean;
use crate::domain::data::{ItemKey, Value};
use crate::domain::moves::machine::Stage as At;
use crate::domain::tenant::fence::FenceMode;
use crate::ops::moves::context::Side;
use crate::ops::moves::halt::Halt;
use crate::ops::moves::meter::Meter;
use crate::ops::moves::testing::{Stage, item, send};
use crate::ports::CallErrorKind;

async fn stage() -> Stage {
    let stage = Stage::new().await;
    (0..30).for_each(|number| stage.lock().put("source", number, "a"));
    let mut other = item(1, "a");
    other.0.insert("tenant".to_owned(), Value::S("other".to_owned()));
    let key = ItemKey { partition: Value::S("other".to_owned()), sort: Some(Value::S("000001".to_owned())) };
    stage.lock().table("source").insert(key, other);
    stage
}

async fn run(stage: &Stage, done: u64) -> Result<(u64, u64), Halt> {
    let context = stage.context();
    let guard = context.guard(Side::Source, 2, FenceMode::Out);
    let before = context.hold().token;
    let gone = send(clean(&context, Side::Source, &guard, done, &Meter::new(At::Soaked))).await?;
    Ok((gone, context.hold().token - before))
}

#[tokio::test(start_paused = true)]
async fn all_of_the_tenants_items_go_and_those_of_others_stay() {
    let stage = stage().await;
    stage.lock().fail("write_guarded", CallErrorKind::InDoubt, true);
    assert_eq!(run(&stage, 12).await.expect("no failure"), (42, 0));
    assert_eq!(stage.lock().table("source").len(), 1);
    assert_eq!(run(&stage, 42).await.expect("no failure"), (42, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_where_the_fence_is_not_as_it_should_be() {
    let stage = stage().await;
    stage.lock().guard_holds = false;
    assert!(matches!(run(&stage, 0).await, Err(Halt::Lost)));
    assert_eq!(stage.lock().table("source").len(), 31);
}

#[tokio::test(start_paused = true)]
async fn items_that_come_back_need_somebody() {
    let stage = stage().await;
    let writer = async {
        for number in 100.. {
            stage.lock().put("source", number % 200, "again");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let ended = tokio::select! {
        ended = run(&stage, 0) => ended,
        () = writer => unreachable!("it writes for ever"),
    };
    assert!(matches!(ended, Err(Halt::Stuck(trouble)) if trouble.code == "not-empty"));
}
