//! Documents of rollouts: large, whole or absent, and never mixed.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use cellctl::domain::rollout::RolloutId;
use cellctl::ports::CallErrorKind;
use cellctl::ports::rollout::Rollouts;
use fastrand::Rng;

use crate::support::emulator::Proxy;
use crate::support::emulator::rollouts::Rolling;

const ID: RolloutId = RolloutId(7);
const PUT: &str = "PutItem";

/// A text of about so many bytes, of which packing leaves three quarters.
fn noise(bytes: usize, seed: u64) -> String {
    let mut rng = Rng::with_seed(seed);
    std::iter::repeat_with(|| rng.alphanumeric()).take(bytes).collect()
}

fn parts(items: &[std::collections::HashMap<String, AttributeValue>]) -> usize {
    items.iter().filter(|item| item.contains_key("part")).count()
}

#[tokio::test]
async fn a_large_document_comes_back_as_it_was() {
    let rolling = Rolling::make("rolldoc").await;
    let (rollouts, text) = (&rolling.rollouts, noise(3_000_000, 1));
    assert_eq!(rollouts.document(ID, "content").await, Ok(None));
    rollouts.put_document(ID, "content", &text).await.expect("written");
    assert!(parts(&rolling.aws.items(&rolling.table()).await) >= 2, "one page of the table has several of its parts");
    assert!(rolling.again().document(ID, "content").await.expect("read").as_ref() == Some(&text));
    // The names of two may begin alike, and one may be empty.
    rollouts.put_document(ID, "content-1", "").await.expect("written");
    assert_eq!(rollouts.document(ID, "content-1").await, Ok(Some(String::new())));
    assert_eq!(rollouts.document(RolloutId(8), "content").await, Ok(None));
    assert!(rollouts.document(ID, "content").await.expect("read") == Some(text));
}

#[tokio::test]
async fn the_first_text_of_a_name_stays() {
    let rolling = Rolling::make("rolldoctwice").await;
    let rollouts = &rolling.rollouts;
    rollouts.put_document(ID, "before-0", "one").await.expect("written");
    rollouts.put_document(ID, "before-0", "one").await.expect("is there");
    let other = rollouts.put_document(ID, "before-0", "two").await.expect_err("another text");
    assert_eq!(other.kind, CallErrorKind::Conflict);
    assert_eq!(rollouts.document(ID, "before-0").await, Ok(Some("one".to_owned())));
}

#[tokio::test]
async fn two_writers_at_once_leave_one_whole_document() {
    let rolling = Rolling::make("rolldocrace").await;
    let again = rolling.again();
    let texts = [noise(1_500_000, 1), noise(1_500_000, 2)];
    let (one, other) = tokio::join!(
        rolling.rollouts.put_document(ID, "content", &texts[0]),
        again.put_document(ID, "content", &texts[1])
    );
    let winner = match (one, other) {
        (Ok(()), Err(error)) if error.kind == CallErrorKind::Conflict => &texts[0],
        (Err(error), Ok(())) if error.kind == CallErrorKind::Conflict => &texts[1],
        both => panic!("{both:?}"),
    };
    assert!(rolling.rollouts.document(ID, "content").await.expect("read").as_ref() == Some(winner));
}

#[tokio::test]
async fn a_document_whose_writer_died_is_absent_until_it_is_written_again() {
    let rolling = Rolling::make("rolldoccrash").await;
    let proxy = Proxy::start(&rolling.tables.url).await;
    let text = noise(1_500_000, 1);
    let refused = br#"{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"no"}"#;
    let puts = AtomicUsize::new(0);
    proxy.refuse(move |seen| {
        let late = seen.action == PUT && puts.fetch_add(1, Ordering::SeqCst) >= 4;
        late.then(|| (400, hyper::body::Bytes::from_static(refused)))
    });
    let error = rolling.through(&proxy).put_document(ID, "content", &text).await.expect_err("refused");
    assert_eq!(error.kind, CallErrorKind::Denied, "{error}");
    assert!(parts(&rolling.aws.items(&rolling.table()).await) > 0, "some of it is there");
    assert_eq!(rolling.rollouts.document(ID, "content").await, Ok(None));
    rolling.rollouts.put_document(ID, "content", &text).await.expect("written");
    assert!(rolling.rollouts.document(ID, "content").await.expect("read") == Some(text));
}

#[tokio::test]
async fn a_document_whose_answers_are_lost_is_written_all_the_same() {
    let rolling = Rolling::make("rolldoclost").await;
    let proxy = Proxy::start(&rolling.tables.url).await;
    let text = noise(1_000_000, 1);
    let answered = AtomicUsize::new(0);
    // Every other one, that of the head included.
    proxy.spoil(move |seen, body| {
        let is_lost = seen.action == PUT && answered.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        (!is_lost).then_some(body)
    });
    rolling.through(&proxy).put_document(ID, "content", &text).await.expect("written");
    assert!(rolling.rollouts.document(ID, "content").await.expect("read") == Some(text));
}

#[tokio::test]
async fn a_document_that_was_damaged_is_not_given() {
    let rolling = Rolling::make("rolldocdamage").await;
    let (rollouts, table) = (&rolling.rollouts, rolling.table());
    let text = noise(1_000_000, 1);
    rollouts.put_document(ID, "content", &text).await.expect("written");
    let items = rolling.aws.items(&table).await;
    let mut part = items.into_iter().find(|item| item.contains_key("part")).expect("one");
    let whole = part.clone();
    let damaged = part.get_mut("part").expect("bytes");
    if let AttributeValue::B(bytes) = damaged {
        let mut changed = bytes.clone().into_inner();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        *damaged = AttributeValue::B(changed.into());
    }
    for other in [Some(part), None] {
        let key = |name: &str| whole[name].clone();
        let request = rolling.aws.dynamodb.delete_item().table_name(&table).key("pk", key("pk")).key("sk", key("sk"));
        request.send().await.expect("deleted");
        if let Some(item) = other {
            rolling.aws.dynamodb.put_item().table_name(&table).set_item(Some(item)).send().await.expect("written");
        }
        let error = rollouts.document(ID, "content").await.expect_err("damaged");
        assert_eq!(error.kind, CallErrorKind::Invalid);
        assert!(error.message.contains("damaged"), "{error}");
    }
}

#[tokio::test]
async fn a_part_of_another_document_is_not_taken_for_its_own() {
    let rolling = Rolling::make("rolldocswap").await;
    let (rollouts, table) = (&rolling.rollouts, rolling.table());
    for name in ["one", "two"] {
        rollouts.put_document(ID, name, name).await.expect("written");
    }
    let mut items: Vec<_> = rolling.aws.items(&table).await;
    items.retain(|item| item.contains_key("part"));
    let [one, two] = items.as_mut_slice() else { panic!("{items:?}") };
    std::mem::swap(one.get_mut("part").expect("bytes"), two.get_mut("part").expect("bytes"));
    let swapped = one.clone();
    rolling.aws.dynamodb.put_item().table_name(&table).set_item(Some(swapped)).send().await.expect("written");
    let read = [rollouts.document(ID, "one").await, rollouts.document(ID, "two").await];
    assert_eq!(read.iter().filter(|read| read.is_err()).count(), 1, "{read:?}");
}
