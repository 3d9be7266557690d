//! Canonical forms and digests: different items differ, the order does not matter.

use proptest::prelude::*;

use super::digest::{Digests, Sum, bucket_of};
use super::{Item, ItemKey, Value, canon};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[ab]{0,2}".prop_map(Value::S),
        "[12]{1,2}".prop_map(Value::N),
        prop::collection::vec(b'a'..=b'b', 0..3).prop_map(Value::B),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        prop::collection::btree_set("[ab]{0,2}", 1..3).prop_map(Value::Ss),
        prop::collection::btree_set("[12]{1,2}", 1..3).prop_map(Value::Ns),
        prop::collection::btree_set(prop::collection::vec(b'a'..=b'b', 0..3), 1..3).prop_map(Value::Bs),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::L),
            prop::collection::btree_map("[ab]{0,2}", inner, 0..3).prop_map(Value::M),
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop::collection::btree_map("[ab]{0,2}", value(), 0..4).prop_map(Item)
}

fn key() -> impl Strategy<Value = ItemKey> {
    (value(), prop::option::of(value())).prop_map(|(partition, sort)| ItemKey { partition, sort })
}

proptest! {
    #[test]
    fn items_have_the_same_form_only_if_they_are_the_same(one in item(), other in item()) {
        prop_assert_eq!(canon::hash(&one) == canon::hash(&other), one == other);
        prop_assert_eq!(canon::hash(&one), canon::hash(&one.clone()));
    }

    #[test]
    fn keys_have_the_same_form_only_if_they_are_the_same(one in key(), other in key()) {
        prop_assert_eq!(canon::key_hash(&one) == canon::key_hash(&other), one == other);
    }

    #[test]
    fn the_order_and_the_parts_do_not_matter(
        items in prop::collection::vec((key(), item()), 0..20),
        cut in 0..20_usize,
    ) {
        let digests = |items: &mut dyn Iterator<Item = &(ItemKey, Item)>| {
            let mut digests = Digests::default();
            items.for_each(|(key, item)| digests.add(key, item));
            digests
        };
        let forward = digests(&mut items.iter());
        prop_assert_eq!(&forward, &digests(&mut items.iter().rev()));
        let (left, right) = items.split_at(cut.min(items.len()));
        let mut merged = digests(&mut left.iter());
        merged.merge(&digests(&mut right.iter()));
        prop_assert_eq!(&merged, &forward);
        prop_assert_eq!(forward.total().count, items.len() as u64);
    }

    #[test]
    fn a_difference_is_in_the_bucket_of_its_key(key in key(), one in item(), other in item()) {
        let (mut mine, mut theirs) = (Digests::default(), Digests::default());
        mine.add(&key, &one);
        prop_assert_eq!(mine.differing(&theirs), vec![bucket_of(&key)]);
        theirs.add(&key, &other);
        let differs = if one == other { vec![] } else { vec![bucket_of(&key)] };
        prop_assert_eq!(mine.differing(&theirs), differs);
        prop_assert_eq!(mine.total().hex() == theirs.total().hex(), one == other);
    }
}

#[test]
fn lengths_and_types_keep_apart_what_looks_alike() {
    let text = |text: &str| Value::S(text.to_owned());
    let alike = [
        vec![text("ab"), text("c")],
        vec![text("a"), text("bc")],
        vec![Value::L(vec![text("ab")]), text("c")],
        vec![Value::B(b"ab".to_vec()), text("c")],
        vec![Value::Ss(["ab".to_owned()].into()), text("c")],
        vec![Value::L(vec![text("ab"), text("c")])],
    ];
    let hashes: std::collections::BTreeSet<_> =
        alike.iter().map(|values| canon::hash(&Item([("x".to_owned(), Value::L(values.clone()))].into()))).collect();
    assert_eq!(hashes.len(), alike.len());
}

#[test]
fn a_sum_is_carried_through_all_words_and_wraps_at_the_end() {
    let mut one = [0; 32];
    one[7] = 1;
    let mut sum = Sum::default();
    sum.add_hash(&[0xff; 32]);
    assert_eq!(sum.hex(), "f".repeat(64));
    sum.add_hash(&one);
    assert_eq!((sum.hex(), sum.count), ("0".repeat(64), 2));
    let (mut left, mut right) = (Sum::default(), Sum::default());
    left.add_hash(&[0xff; 32]);
    right.add_hash(&one);
    left.merge(&right);
    assert_eq!(left, sum);
}
