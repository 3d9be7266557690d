//! What differs is repaired; what was known to have changed does not count.

use std::time::Duration;

use super::{Verified, verify};
use crate::domain::data::{ItemKey, Value};
use crate::domain::moves::fence::NOTES_FROM;
use crate::domain::moves::machine::Stage as At;
use crate::ops::moves::context::Context;
use crate::ops::moves::dirty::{DIRTY_MAX, Dirty};
use crate::ops::moves::halt::Halt;
use crate::ops::moves::meter::Meter;
use crate::ops::moves::notes::Notes;
use crate::ops::moves::testing::{Inner, Stage, item, key, send};
use crate::ports::moves::Note;

/// Twenty items on both sides, of which the target has some otherwise.
async fn stage(otherwise: &[u64]) -> Stage {
    let stage = Stage::new().await;
    for number in 0..20 {
        stage.lock().put("source", number, "a");
        stage.lock().put("target", number, if otherwise.contains(&number) { "b" } else { "a" });
    }
    stage
}

async fn check(context: &Context<'_>, dirty: &Dirty, notes: Option<&Notes>) -> Result<(u64, u32), Halt> {
    let meter = Meter::new(At::Guarded);
    let Verified { repaired, passes, tables } = send(verify(context, 2, dirty, notes, &meter)).await?;
    assert_eq!(tables[0].items, 20);
    Ok((repaired, passes))
}

fn assert_same(stage: &Stage) {
    let mut inner = stage.lock();
    let source = inner.table("source").clone();
    assert_eq!(inner.table("target"), &source);
}

#[tokio::test(start_paused = true)]
async fn one_pass_is_enough_where_nothing_differs() {
    let stage = stage(&[]).await;
    assert_eq!(check(&stage.context(), &Dirty::default(), None).await.expect("no failure"), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_differs_for_no_reason_is_repaired_and_compared_again() {
    let stage = stage(&[3, 5]).await;
    stage.lock().put("target", 99, "only here");
    assert_eq!(check(&stage.context(), &Dirty::default(), None).await.expect("no failure"), (3, 2));
    assert_same(&stage);
}

#[tokio::test(start_paused = true)]
async fn a_dirty_key_and_one_of_a_note_are_no_surprise() {
    let stage = stage(&[3, 5]).await;
    let (context, dirty, notes) = (stage.context(), Dirty::default(), Notes::default());
    dirty.mark(0, key(3));
    let keys = vec![("source".to_owned(), item(5, "")), ("elsewhere".to_owned(), item(6, ""))];
    stage.lock().notes.insert(NOTES_FROM + 1, Note { number: NOTES_FROM + 1, keys });
    assert_eq!(check(&context, &dirty, Some(&notes)).await.expect("no failure"), (0, 1));
    assert_same(&stage);
    let inner = stage.lock();
    assert_eq!((inner.notes.len(), inner.said.len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_comes_late_explains_a_difference() {
    let stage = stage(&[3]).await;
    let (context, dirty) = (stage.context(), Dirty::default());
    dirty.set_caught(Some(context.world.clock.now_ms()));
    let late = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        dirty.mark(0, key(3));
        dirty.set_caught(Some(context.world.clock.now_ms() + 5_000));
    };
    let (checked, ()) = tokio::join!(check(&context, &dirty, None), late);
    assert_eq!(checked.expect("no failure"), (0, 1));
    assert_same(&stage);
}

/// Writes on the target before each read, for ever.
fn spoil(inner: &mut Inner) {
    let mut item = item(3, "b");
    item.0.insert("more".to_owned(), Value::Null);
    inner.table("target").insert(key(3), item);
    inner.before.insert("page", vec![Box::new(spoil)]);
}

#[tokio::test(start_paused = true)]
async fn something_else_that_writes_there_stops_the_move() {
    let stage = stage(&[]).await;
    let (context, dirty) = (stage.context(), Dirty::default());
    spoil(&mut stage.lock());
    let ended = check(&context, &dirty, None).await;
    assert!(matches!(ended, Err(Halt::Stuck(trouble)) if trouble.code == "mismatch"));
}

#[tokio::test(start_paused = true)]
async fn a_note_is_kept_until_its_keys_were_carried_over() {
    let stage = stage(&[]).await;
    let (context, dirty, notes) = (stage.context(), Dirty::default(), Notes::default());
    for number in 1..=5 {
        let number = NOTES_FROM + number;
        stage.lock().notes.insert(number, Note { number, keys: vec![("notes".to_owned(), item(number % 3, ""))] });
    }
    assert_eq!(notes.read(&context, &dirty).await.expect("no failure"), 5);
    assert_eq!((notes.read(&context, &dirty).await.expect("no failure"), dirty.len()), (0, 3));
    let taken = dirty.take(1);
    notes.forget_done(&context, &dirty).await.expect("no failure");
    assert_eq!(stage.lock().notes.len(), 5);
    dirty.done(&taken);
    notes.forget_done(&context, &dirty).await.expect("no failure");
    assert!((3..5).contains(&stage.lock().notes.len()));
}

#[tokio::test(start_paused = true)]
async fn notes_that_did_not_fit_are_read_once_there_is_room() {
    let stage = stage(&[]).await;
    let (context, dirty, notes) = (stage.context(), Dirty::default(), Notes::default());
    // They are of another tenant, so that they go without being read.
    let partition = Value::S("other".to_owned());
    (0..DIRTY_MAX as u64).for_each(|number| {
        assert!(dirty.mark(0, ItemKey { partition: partition.clone(), ..key(number) }));
    });
    let names = &stage.plan.tables[0].shape.key;
    let keys = vec![("source".to_owned(), names.attributes(&key(3)))];
    stage.lock().notes.insert(NOTES_FROM + 1, Note { number: NOTES_FROM + 1, keys });
    assert_eq!(check(&context, &dirty, Some(&notes)).await.expect("no failure"), (0, 1));
    assert_eq!((dirty.len(), stage.lock().notes.len()), (0, 0));
}
