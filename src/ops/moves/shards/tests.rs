//! Order, restarts and losses.

use std::collections::BTreeMap;

use super::{FULL, Moment, Position, Shards};
use crate::ops::moves::testing::key;
use crate::ports::data::{Change, From, ShardRead, StreamShard};

fn shard(id: &str, parent: Option<&str>, closed: bool) -> StreamShard {
    StreamShard { id: id.to_owned(), parent: parent.map(str::to_owned), closed }
}

fn page(seqs: &[u64], next: Option<&str>) -> ShardRead {
    let change =
        |seq: &u64| Change { seq: seq.to_string(), at_ms: i64::try_from(*seq).expect("small"), key: Some(key(*seq)) };
    ShardRead::Page { changes: seqs.iter().map(change).collect(), next: next.map(str::to_owned) }
}

fn at(ms: u64) -> Moment {
    Moment { wall_ms: i64::try_from(ms).expect("small"), ms }
}

fn due(shards: &Shards) -> Vec<(String, From)> {
    shards.due(u64::MAX).into_iter().map(|((_, id), from)| (id, from)).collect()
}

fn id(shard: &str) -> (usize, String) {
    (0, shard.to_owned())
}

#[test]
fn a_parent_is_read_to_its_end_before_its_children() {
    let mut shards = Shards::default();
    let listed = || vec![shard("a", None, true), shard("b", Some("a"), false), shard("c", Some("trimmed"), false)];
    assert!(shards.list(0, listed(), &BTreeMap::new()).is_empty());
    assert_eq!(due(&shards), [("a".to_owned(), From::Oldest), ("c".to_owned(), From::Oldest)]);
    shards.take(&id("a"), page(&[1], Some("i")), at(1), 0);
    assert_eq!(due(&shards)[0], ("a".to_owned(), From::Iterator("i".to_owned())));
    assert!(shards.take(&id("a"), page(&[], None), at(2), 0).ended);
    assert_eq!(due(&shards).iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
}

#[test]
fn a_fresh_start_reads_open_shards_from_now_on_and_new_ones_from_the_start() {
    let mut shards = Shards::default();
    shards.begin(0, vec![shard("a", None, true), shard("b", Some("a"), false), shard("d", Some("b"), false)]);
    assert_eq!(shards.unopened(), [(id("b"), From::Latest), (id("d"), From::Latest)]);
    assert_eq!(shards.unstored(), [(id("a"), Position::Done)]);
    let listed = vec![shard("b", Some("a"), false), shard("d", Some("b"), false), shard("e", None, false)];
    assert!(shards.list(0, listed, &BTreeMap::new()).is_empty());
    assert!(due(&shards).contains(&("e".to_owned(), From::Oldest)));
}

#[test]
fn an_iterator_that_has_run_out_loses_nothing() {
    let mut shards = Shards::default();
    shards.begin(0, vec![shard("a", None, false)]);
    shards.take(&id("a"), page(&[], Some("i")), at(1), 0);
    shards.take(&id("a"), ShardRead::Expired, at(2), 0);
    assert_eq!(due(&shards), [("a".to_owned(), From::Oldest)]);
    shards.take(&id("a"), page(&[7], Some("i")), at(3), 0);
    shards.take(&id("a"), ShardRead::Expired, at(4), 0);
    assert_eq!(due(&shards), [("a".to_owned(), From::After("7".to_owned()))]);
}

#[test]
fn what_was_trimmed_is_told_once_and_read_from_what_is_left() {
    let mut shards = Shards::default();
    let stored = BTreeMap::from([(id("a"), Position::After("7".to_owned()))]);
    assert!(shards.list(0, vec![shard("a", None, false)], &stored).is_empty());
    assert_eq!(due(&shards), [("a".to_owned(), From::After("7".to_owned()))]);
    assert!(shards.take(&id("a"), ShardRead::Trimmed, at(1), 0).lost);
    assert_eq!(due(&shards), [("a".to_owned(), From::Oldest)]);
    assert!(!shards.take(&id("a"), ShardRead::Trimmed, at(2), 0).lost);
}

#[test]
fn a_shard_that_is_gone_before_its_end_is_told_and_then_forgotten() {
    let mut shards = Shards::default();
    let stored = BTreeMap::from([(id("x"), Position::After("7".to_owned())), (id("y"), Position::Done)]);
    assert_eq!(shards.list(0, vec![shard("a", None, false)], &stored), [id("x")]);
    assert_eq!(shards.unstored(), [(id("x"), Position::Done)]);
    shards.stored(vec![(id("x"), Position::Done)]);
    assert!(shards.unstored().is_empty());
    assert_eq!(shards.list(0, Vec::new(), &BTreeMap::new()), [id("a")]);
    assert!(shards.list(0, Vec::new(), &BTreeMap::new()).is_empty());
}

#[test]
fn records_older_than_the_copy_are_passed_over_but_counted() {
    let mut shards = Shards::default();
    shards.list(0, vec![shard("a", None, false)], &BTreeMap::new());
    let given = shards.take(&id("a"), page(&[4, 5, 6], Some("i")), at(9), 5);
    assert_eq!((given.keys, given.records), (vec![key(5), key(6)], 3));
    assert_eq!(shards.unstored(), [(id("a"), Position::After("6".to_owned()))]);
    assert_eq!(shards.caught_ms(9), Some(6));
}

#[test]
fn quiet_is_when_every_open_shard_gave_nothing_for_that_long() {
    let mut shards = Shards::default();
    shards.list(0, vec![shard("a", None, false), shard("b", None, false)], &BTreeMap::new());
    assert_eq!(shards.caught_ms(0), None);
    for ms in [10, 60, 110] {
        shards.take(&id("a"), page(&[], Some("i")), at(ms), 0);
        assert!(!shards.are_quiet(10, 100));
        shards.take(&id("b"), page(&[], Some("i")), at(ms), 0);
    }
    assert!(shards.are_quiet(10, 100) && !shards.are_quiet(11, 100) && !shards.are_quiet(10, 101));
    assert_eq!(shards.caught_ms(200), Some(110));
    // Records of others, a page of which is full, may hide one of ours behind them.
    let others = |count: usize| {
        let change = Change { seq: "1".to_owned(), at_ms: 1, key: None };
        ShardRead::Page { changes: vec![change; count], next: Some("i".to_owned()) }
    };
    shards.take(&id("b"), others(FULL - 1), at(160), 0);
    assert!(shards.are_quiet(10, 100));
    shards.take(&id("b"), others(FULL), at(161), 0);
    assert!(!shards.are_quiet(10, 100));
    shards.take(&id("b"), page(&[1], Some("i")), at(162), 0);
    assert!(!shards.are_quiet(10, 0));
    shards.take(&id("b"), page(&[], None), at(163), 0);
    assert!(shards.are_quiet(10, 100), "a shard at its end is quiet");
}
