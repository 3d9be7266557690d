//! Differences are found, all of them and no others.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{KEYS_MAX, compare, those_that_fit};
use crate::domain::data::Value;
use crate::domain::data::digest::{Digests, bucket_of};
use crate::domain::data::find::Find;
use crate::domain::moves::machine::Stage as At;
use crate::ops::moves::meter::Meter;
use crate::ops::moves::testing::{Inner, Stage, item, key, run, send};

/// Puts items, of which some are past their time to live.
fn put(inner: &mut Inner, table: &str, items: &BTreeMap<u64, (String, bool)>) {
    for (number, (text, expired)) in items {
        inner.put(table, *number, text);
        if let Some(item) = inner.table(table).get_mut(&key(*number)).filter(|_| *expired) {
            item.0.insert("expires".to_owned(), Value::N("1600000000".to_owned()));
        }
    }
}

fn items() -> impl Strategy<Value = BTreeMap<u64, (String, bool)>> {
    prop::collection::btree_map(0..60_u64, ("[ab]", prop::bool::weighted(0.1)), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_differs_is_found_and_nothing_else(source in items(), target in items(), scans: bool) {
        let find = if scans { Find::Attribute { attribute: "tenant".to_owned() } } else { Find::PartitionKey };
        let counts = |items: &BTreeMap<u64, (String, bool)>, number| {
            items.get(&number).filter(|(_, expired)| !expired).map(|(text, _)| text.clone())
        };
        let expected: BTreeSet<_> =
            (0..60).filter(|number| counts(&source, *number) != counts(&target, *number)).map(|n| (0, key(n))).collect();
        let compared = run(async {
            let stage = Stage::with(find).await;
            put(&mut stage.lock(), "source", &source);
            put(&mut stage.lock(), "target", &target);
            send(compare(&stage.context(), &Meter::new(At::Guarded))).await.expect("no failure")
        });
        prop_assert_eq!(compared.equal, expected.is_empty());
        prop_assert!(!compared.more);
        prop_assert_eq!(compared.tables[0].items, source.values().filter(|(_, expired)| !expired).count() as u64);
        prop_assert_eq!(compared.differing.len(), expected.len());
        prop_assert_eq!(compared.differing.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn buckets_beyond_what_fits_are_left_for_another_time() {
    let mut digests = Digests::default();
    (0..3_000).for_each(|number| digests.add(&key(number), &item(number, "a")));
    let differing: Vec<usize> =
        (0..3_000).map(|number| bucket_of(&key(number))).collect::<BTreeSet<_>>().into_iter().collect();
    let empty = Digests::default();
    let (wanted, more) = those_that_fit(&differing, &digests, &empty, KEYS_MAX);
    assert_eq!((wanted.iter().filter(|wanted| **wanted).count(), more), (differing.len(), false));
    let (wanted, more) = those_that_fit(&differing, &digests, &empty, 50);
    let keys: u64 = (0..1024).filter(|bucket| wanted[*bucket]).map(|bucket| digests.count(bucket)).sum();
    assert!(more && keys > 0 && keys <= 50, "{keys}");
}
