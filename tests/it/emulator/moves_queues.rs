//! Queues: a message is carried as it is, given back, deleted, and counted.

use std::collections::{BTreeMap, BTreeSet};

use cellctl::ports::moves::{Message, QueueRef, Queues};

use crate::support::emulator::Tables;
use crate::support::emulator::movable::Movable;

fn queue(name: String) -> QueueRef {
    QueueRef { place: Tables::place(), name }
}

fn message(body: &str) -> Message {
    let attribute = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
    Message {
        id: String::new(),
        receipt: String::new(),
        body: body.to_owned(),
        attributes: BTreeMap::from([
            ("tenant".to_owned(), attribute("String", "acme")),
            ("count".to_owned(), attribute("Number", "17")),
            ("kind".to_owned(), attribute("String.custom", "ä")),
        ]),
        binary: BTreeMap::from([("bytes".to_owned(), ("Binary".to_owned(), vec![0, 255, 10]))]),
        group: None,
    }
}

/// What of a message is carried on.
fn carried(message: &Message) -> Message {
    Message { id: String::new(), receipt: String::new(), ..message.clone() }
}

#[tokio::test]
async fn a_message_is_carried_as_it_is() {
    let movable = Movable::make("carry").await;
    let (one, other) = (queue(movable.make_queue("one").await), queue(movable.make_queue("other").await));
    let queues = &movable.adapter;
    let sent = message("grüße \"1\"\n");
    queues.send(&one, &sent, "a").await.expect("sent");
    assert_eq!(queues.depth(&one).await, Ok(1));
    let received = queues.receive(&one, 60).await.expect("received");
    assert_eq!(received.iter().map(carried).collect::<Vec<_>>(), std::slice::from_ref(&sent));
    assert!(!received[0].id.is_empty() && !received[0].receipt.is_empty());
    assert_eq!(queues.receive(&one, 60).await, Ok(Vec::new()), "it is hidden");
    assert_eq!(queues.depth(&one).await, Ok(1), "hidden ones count");
    queues.send(&other, &received[0], "a").await.expect("sent on");
    queues.delete(&one, &received[0]).await.expect("deleted");
    queues.delete(&one, &received[0]).await.expect("it is gone");
    assert_eq!((queues.depth(&one).await, queues.depth(&other).await), (Ok(0), Ok(1)));
    let received = queues.receive(&other, 60).await.expect("received");
    assert_eq!(received.iter().map(carried).collect::<Vec<_>>(), [sent]);
}

#[tokio::test]
async fn a_message_that_is_given_back_is_there_at_once() {
    let movable = Movable::make("giveback").await;
    let one = queue(movable.make_queue("one").await);
    let queues = &movable.adapter;
    queues.send(&one, &message("1"), "a").await.expect("sent");
    let first = queues.receive(&one, 600).await.expect("received").remove(0);
    queues.put_back(&one, &first).await.expect("given back");
    let again = queues.receive(&one, 600).await.expect("received").remove(0);
    assert_eq!((again.id, again.body), (first.id, first.body));
}

#[tokio::test]
async fn many_messages_come_ten_at_a_time() {
    let movable = Movable::make("manymessages").await;
    let one = queue(movable.make_queue("one").await);
    let queues = &movable.adapter;
    for n in 0..25 {
        queues.send(&one, &message(&n.to_string()), &n.to_string()).await.expect("sent");
    }
    let mut bodies = BTreeSet::new();
    loop {
        let received = queues.receive(&one, 600).await.expect("received");
        assert!(received.len() <= 10);
        if received.is_empty() {
            break;
        }
        bodies.extend(received.into_iter().map(|message| message.body));
    }
    assert_eq!(bodies.len(), 25);
    assert_eq!(queues.depth(&one).await, Ok(25));
}

#[tokio::test]
async fn a_queue_in_order_keeps_groups_and_takes_a_repeat_once() {
    let movable = Movable::make("inorder").await;
    let one = queue(movable.make_queue("one.fifo").await);
    let queues = &movable.adapter;
    let grouped = |body: &str, group: Option<&str>| Message { group: group.map(str::to_owned), ..message(body) };
    for _ in 0..2 {
        queues.send(&one, &grouped("1", Some("g")), "first").await.expect("sent");
    }
    queues.send(&one, &grouped("2", Some("g")), "second").await.expect("sent");
    queues.send(&one, &grouped("3", None), "third").await.expect("a group of its own");
    assert_eq!(queues.depth(&one).await, Ok(3));
    let mut received = queues.receive(&one, 600).await.expect("received");
    received.extend(queues.receive(&one, 600).await.expect("received"));
    let of_group = received.iter().filter(|m| m.group.as_deref() == Some("g")).map(|m| m.body.as_str());
    assert_eq!(of_group.collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(received.len(), 3);
}

#[tokio::test]
async fn a_queue_is_there_or_not() {
    let movable = Movable::make("queuethere").await;
    let (one, none) = (queue(movable.make_queue("one").await), queue("not-there".to_owned()));
    assert_eq!((movable.adapter.exists(&one).await, movable.adapter.exists(&none).await), (Ok(true), Ok(false)));
    let url = movable.aws.sqs.get_queue_url().queue_name(&one.name).send().await.expect("there").queue_url;
    movable.aws.sqs.delete_queue().set_queue_url(url).send().await.expect("deleted");
    assert_eq!(movable.adapter.exists(&one).await, Ok(false), "also after it was there");
}
