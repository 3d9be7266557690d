//! Marking, taking, and giving back, in any order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{DIRTY_MAX, Dirty};
use crate::ops::moves::ledger;
use crate::ops::moves::testing::{Stage, key};

#[derive(Debug, Clone)]
enum Act {
    Mark(u64),
    Take(usize),
    Done(usize),
    PutBack(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..12_u64).prop_map(Act::Mark),
        2 => (0..6_usize).prop_map(Act::Take),
        1 => (0..4_usize).prop_map(Act::Done),
        1 => (0..4_usize).prop_map(Act::PutBack),
    ];
    prop::collection::vec(act, 0..80)
}

proptest! {
    #[test]
    fn a_key_is_dirty_until_it_was_carried_over_after_its_last_mark(acts in acts()) {
        let dirty = Dirty::default();
        let mut taken: Vec<Vec<(usize, crate::domain::data::ItemKey)>> = Vec::new();
        // What is known here: keys that wait, and keys that are under way.
        let (mut waiting, mut held) = (BTreeSet::new(), BTreeSet::new());
        for act in acts {
            match act {
                Act::Mark(number) => {
                    prop_assert!(dirty.mark(0, key(number)));
                    waiting.insert((0, key(number)));
                }
                Act::Take(max) => {
                    let keys = dirty.take(max);
                    let free = waiting.difference(&held).count();
                    prop_assert_eq!(keys.len(), max.min(free));
                    for key in &keys {
                        prop_assert!(waiting.remove(key), "taken without a mark");
                        prop_assert!(held.insert(key.clone()), "taken twice at a time");
                    }
                    taken.push(keys);
                }
                Act::Done(place) if place < taken.len() => {
                    let keys = taken.remove(place);
                    for key in &keys {
                        held.remove(key);
                    }
                    dirty.done(&keys);
                }
                Act::PutBack(place) if place < taken.len() => {
                    let keys = taken.remove(place);
                    for key in &keys {
                        held.remove(key);
                    }
                    waiting.extend(keys.iter().cloned());
                    dirty.put_back(keys);
                }
                Act::Done(_) | Act::PutBack(_) => {}
            }
            for number in 0..12 {
                let key = (0, key(number));
                prop_assert_eq!(dirty.contains(&key), waiting.contains(&key) || held.contains(&key));
            }
            prop_assert_eq!(dirty.len(), waiting.len() + held.len());
        }
    }
}

#[test]
fn what_was_marked_first_is_taken_first() {
    let dirty = Dirty::default();
    for number in [5, 1, 3, 1, 5] {
        dirty.mark(0, key(number));
    }
    assert_eq!(dirty.take(2), [(0, key(5)), (0, key(1))]);
    assert_eq!(dirty.take(usize::MAX), [(0, key(3))]);
}

#[test]
fn a_key_too_many_is_told_once_and_one_that_is_there_fits() {
    let dirty = Dirty::default();
    for number in 0..DIRTY_MAX as u64 {
        assert!(dirty.mark(0, key(number)));
    }
    assert!(dirty.mark(0, key(7)));
    assert_eq!(dirty.take_overflow(), None);
    assert!(!dirty.mark(2, key(7)));
    assert_eq!(dirty.take_overflow(), Some(2));
    assert_eq!(dirty.take_overflow(), None);
    let taken = dirty.take(3);
    assert!(dirty.mark(1, key(1)) && dirty.mark(1, key(2)) && dirty.mark(1, key(3)));
    dirty.put_back(taken);
    assert_eq!(dirty.len(), DIRTY_MAX + 3);
}

#[tokio::test(start_paused = true)]
async fn chunks_give_back_the_keys_and_a_new_number() {
    let stage = Stage::new().await;
    let context = stage.context();
    let keys: Vec<_> = (0..700).map(|number| (0, key(number))).collect();
    let before = Dirty::default();
    let chunks = ledger::chunks(keys.iter(), || before.next_chunk()).expect("plain");
    assert_eq!(chunks.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2]);
    let writes: Vec<_> = chunks.into_iter().map(|(_, write)| write).collect();
    ledger::write(&context, &writes).await.expect("written");
    let after = Dirty::load(&context).await.expect("read");
    assert_eq!(after.take(usize::MAX), keys);
    assert_eq!((after.chunks(), after.next_chunk()), (vec![0, 1, 2], 3));
}
