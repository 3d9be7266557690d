//! Streams: from where they are read, whose records they hold, and how a shard ends.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::StreamSpecification;
use cellctl::domain::data::find::Find;
use cellctl::ports::CallErrorKind;
use cellctl::ports::data::{Change, ChangeStreams, From, ShardRead, Share, TableRef, TenantData};

use crate::support::emulator::Proxy;
use crate::support::emulator::movable::{INDEX, Movable, item, key, permit, share};

/// For how long records may take to come.
const WAIT_MAX: Duration = Duration::from_secs(30);

struct Followed {
    movable: Movable,
    table: TableRef,
    share: Share,
    stream: String,
}

/// A table whose stream is followed by the attribute `owner`.
async fn follow(test: &str) -> Followed {
    let movable = Movable::make(test).await;
    let table = movable.make_table("orders").await;
    let stream = movable.adapter.shape(&table).await.expect("read").expect("is there").stream.expect("is on").arn;
    let share = share(&table, Find::Index { index: INDEX.to_owned(), attribute: "owner".to_owned() });
    Followed { movable, table, share, stream }
}

impl Followed {
    async fn put(&self, sk: &str, owner: &str) {
        let (_, permit) = permit(true);
        let items = vec![item("p", sk, owner, [])];
        assert_eq!(self.movable.adapter.put_bulk(&self.table, items, &permit).await, Ok(Vec::new()));
    }

    async fn shard(&self) -> String {
        let shards = self.movable.adapter.shards(&self.table, &self.stream).await.expect("read");
        assert!(!shards[0].closed, "{shards:?}");
        shards[0].id.clone()
    }

    async fn read(&self, shard: &str, from: &From) -> ShardRead {
        self.movable.adapter.read(&self.share, &self.stream, shard, from).await.expect("read")
    }

    /// Reads until so many records have come; gives them, and from where to go on.
    async fn until(&self, shard: &str, mut from: From, count: usize) -> (Vec<Change>, From) {
        let (mut found, began) = (Vec::new(), Instant::now());
        while found.len() < count {
            assert!(began.elapsed() < WAIT_MAX, "{} of {count} records came", found.len());
            let ShardRead::Page { changes, next } = self.read(shard, &from).await else { panic!("a page") };
            found.extend(changes);
            from = From::Iterator(next.expect("an open shard goes on"));
        }
        (found, from)
    }
}

fn keys(changes: &[Change]) -> Vec<Option<String>> {
    let sort = |key: &cellctl::domain::data::ItemKey| key.sort.as_ref().and_then(|v| v.as_text()).map(str::to_owned);
    changes.iter().map(|change| change.key.as_ref().and_then(sort)).collect()
}

#[tokio::test]
async fn a_shard_is_read_from_its_oldest_record_on() {
    let followed = follow("oldest").await;
    followed.put("1", "acme").await;
    followed.put("2", "zeta").await;
    followed.put("3", "acme").await;
    let shard = followed.shard().await;
    let (changes, next) = followed.until(&shard, From::Oldest, 3).await;
    assert_eq!(keys(&changes), [Some("1".to_owned()), None, Some("3".to_owned())]);
    assert_eq!(changes[0].key, Some(key("p", "1")));
    assert!(changes[0].at_ms > 1_700_000_000_000, "{changes:?}");
    let (again, _) = followed.until(&shard, From::After(changes[0].seq.clone()), 2).await;
    assert_eq!(again, changes[1..]);
    // What comes later comes behind the iterator that was given.
    followed.put("4", "acme").await;
    let (later, _) = followed.until(&shard, next, 1).await;
    assert_eq!(keys(&later), [Some("4".to_owned())]);
}

#[tokio::test]
async fn a_shard_is_read_from_what_comes_next_on() {
    let followed = follow("latest").await;
    followed.put("1", "acme").await;
    let shard = followed.shard().await;
    // The record is there before the end of the shard is asked for.
    followed.until(&shard, From::Oldest, 1).await;
    let ShardRead::Page { changes, next } = followed.read(&shard, &From::Latest).await else { panic!("a page") };
    assert_eq!(changes, []);
    followed.put("2", "acme").await;
    let (changes, _) = followed.until(&shard, From::Iterator(next.expect("an open shard goes on")), 1).await;
    assert_eq!(keys(&changes), [Some("2".to_owned())]);
}

#[tokio::test]
async fn an_item_is_the_tenants_as_it_was_or_as_it_is() {
    let followed = follow("images").await;
    for owner in ["zeta", "acme", "zeta"] {
        followed.put("1", owner).await;
    }
    let request = followed.movable.aws.dynamodb.delete_item().table_name(&followed.table.name);
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    request.key("pk", text("p")).key("sk", text("1")).send().await.expect("deleted");
    let shard = followed.shard().await;
    let (changes, _) = followed.until(&shard, From::Oldest, 4).await;
    let ours: Vec<bool> = changes.iter().map(|change| change.key.is_some()).collect();
    assert_eq!(ours, [false, true, true, false], "came, became his, was given away, went");
    // Where the key tells whose it is, the images do not matter.
    let by_key = Share { find: Find::PartitionKey, tenant: "p".parse().expect("valid"), ..followed.share.clone() };
    let adapter = &followed.movable.adapter;
    let read = adapter.read(&by_key, &followed.stream, &shard, &From::Oldest).await.expect("read");
    let ShardRead::Page { changes, .. } = read else { panic!("a page") };
    assert!(changes.len() == 4 && changes.iter().all(|change| change.key == Some(key("p", "1"))), "{changes:?}");
}

#[tokio::test]
async fn a_record_without_images_is_not_passed_over() {
    let followed = follow("noimages").await;
    followed.put("1", "acme").await;
    let shard = followed.shard().await;
    followed.until(&shard, From::Oldest, 1).await;
    let proxy = Proxy::start(&followed.movable.tables.url).await;
    proxy.spoil(|seen, body| {
        if seen.action != "GetRecords" {
            return Some(body);
        }
        let mut answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        answer["Records"][0]["dynamodb"].as_object_mut().expect("a record").remove("NewImage");
        Some(answer.to_string().into())
    });
    let adapter = followed.movable.through(&proxy);
    let error = adapter.read(&followed.share, &followed.stream, &shard, &From::Oldest).await.expect_err("whose is it");
    assert_eq!(error.kind, CallErrorKind::Invalid);
    assert!(error.message.contains("image"), "{error}");
}

#[tokio::test]
async fn what_a_stream_no_longer_keeps_is_said_to_be_trimmed() {
    let followed = follow("trimmed").await;
    followed.put("1", "acme").await;
    let shard = followed.shard().await;
    followed.until(&shard, From::Oldest, 1).await;
    let proxy = Proxy::start(&followed.movable.tables.url).await;
    for (action, code, expected) in [
        ("GetShardIterator", "TrimmedDataAccessException", ShardRead::Trimmed),
        ("GetRecords", "TrimmedDataAccessException", ShardRead::Trimmed),
        ("GetRecords", "ExpiredIteratorException", ShardRead::Expired),
    ] {
        proxy.refuse(move |seen| {
            let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
            let body = serde_json::json!({ "__type": code, "message": "it is gone" }).to_string();
            (seen.action == action).then(|| (400, body.into()))
        });
        let adapter = followed.movable.through(&proxy);
        let read = adapter.read(&followed.share, &followed.stream, &shard, &From::Oldest).await;
        assert_eq!(read, Ok(expected), "{action} {code}");
    }
}

#[tokio::test]
async fn a_stream_that_was_turned_off_counts_as_gone_and_its_shards_end() {
    let followed = follow("streamoff").await;
    followed.put("1", "acme").await;
    let shard = followed.shard().await;
    followed.until(&shard, From::Oldest, 1).await;
    let off = StreamSpecification::builder().stream_enabled(false).build().expect("complete");
    let request = followed.movable.aws.dynamodb.update_table().table_name(&followed.table.name);
    request.stream_specification(off).send().await.expect("turned off");
    let adapter = &followed.movable.adapter;
    assert_eq!(adapter.shape(&followed.table).await.expect("read").expect("is there").stream, None);
    let error = adapter.shards(&followed.table, &followed.stream).await.expect_err("says nothing of what changes");
    assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::NotFound, "it was turned off"));
    let (mut found, mut from, began) = (Vec::new(), From::Oldest, Instant::now());
    loop {
        assert!(began.elapsed() < WAIT_MAX, "the shard does not end");
        let ShardRead::Page { changes, next } = followed.read(&shard, &from).await else { panic!("a page") };
        found.extend(changes);
        match next {
            Some(next) => from = From::Iterator(next),
            None => break,
        }
    }
    assert_eq!(keys(&found), [Some("1".to_owned())]);
}

#[tokio::test]
async fn a_stream_that_is_gone_is_not_found() {
    let followed = follow("nostream").await;
    let gone = followed.stream.replace("-orders", "-others");
    let error = followed.movable.adapter.shards(&followed.table, &gone).await.expect_err("not there");
    assert_eq!(error.kind, CallErrorKind::NotFound);
}
