//! Every kind of tampering, one by one and at random.

use proptest::prelude::*;
use serde_json::json;

use super::chain::{ChainCheck, Flaw, FlawKind, Found, Vouched, Voucher};
use super::root::{FoundRoot, HeadsDigest, Pages, SealedRoot, check_roots, page_set};
use super::{Actor, Deed, Head, Sealed, Stamp, Subject};
use crate::domain::ids::Digest;

/// A stored record: subject, number, text, hash.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stored(Subject, u64, String, String);

fn subject(name: &str) -> Subject {
    format!("tenant/{name}").parse().expect("valid")
}

fn stamp() -> Stamp {
    let actor = Actor { identity: "arn:aws:iam::111122223333:user/x".to_owned(), user: "x".to_owned(), ci_url: None };
    Stamp { at_ms: 1_700_000_000_000, actor }
}

fn built(name: &str, length: u64) -> (Vec<Stored>, Head) {
    let mut head: Option<Head> = None;
    let mut chain = Vec::new();
    for number in 0..length {
        let deed = Deed { action: "set".to_owned(), from: json!(number), to: json!(number + 1) };
        let sealed = Sealed::next(subject(name), head.as_ref(), &stamp(), deed);
        head = Some(sealed.head());
        chain.push(Stored(subject(name), sealed.record.seq, sealed.text.clone(), sealed.hash.to_string()));
    }
    (chain, head.expect("at least one record"))
}

fn check(chain: &[Stored], vouched: Vec<Vouched>, now: Option<&Head>) -> Vec<Flaw> {
    let mut check = ChainCheck::new(subject("acme"), vouched);
    for Stored(subject, seq, text, hash) in chain {
        check.record(&Found { subject, seq: *seq, text, hash });
    }
    check.finish(now)
}

fn flaws(chain: &[Stored], head: &Head) -> Vec<(FlawKind, Option<u64>, Option<u64>)> {
    let vouched = vec![Vouched { by: Voucher::Entry, head: head.clone() }];
    check(chain, vouched, Some(head)).into_iter().map(|f| (f.kind, f.seq, f.to)).collect()
}

fn rehash(record: &mut Stored) {
    record.3 = Digest::of(record.2.as_bytes()).to_string();
}

#[test]
fn an_untouched_chain_has_no_flaw() {
    for length in [1, 2, 7] {
        let (chain, head) = built("acme", length);
        assert_eq!(flaws(&chain, &head), []);
    }
}

#[test]
fn a_changed_text_is_named_once() {
    let (mut chain, head) = built("acme", 4);
    chain[1].2 = chain[1].2.replace("\"to\":2", "\"to\":9");
    assert_eq!(flaws(&chain, &head), [(FlawKind::TextChanged, Some(2), None)]);
    let (mut chain, head) = built("acme", 4);
    chain[3].2.push(' ');
    assert_eq!(flaws(&chain, &head), [(FlawKind::TextChanged, Some(4), None)]);
}

#[test]
fn a_changed_text_with_a_new_hash_breaks_the_link_or_the_end() {
    let (mut chain, head) = built("acme", 4);
    chain[1].2 = chain[1].2.replace("\"to\":2", "\"to\":9");
    rehash(&mut chain[1]);
    assert_eq!(flaws(&chain, &head), [(FlawKind::LinkBroken, Some(3), None)]);
    let (mut chain, head) = built("acme", 4);
    chain[3].2 = chain[3].2.replace("\"to\":4", "\"to\":9");
    rehash(&mut chain[3]);
    assert_eq!(flaws(&chain, &head), [(FlawKind::HeadDiffers, Some(4), None)]);
}

#[test]
fn missing_records_are_named_wherever_they_stood() {
    let (chain, head) = built("acme", 5);
    assert_eq!(flaws(&chain[1..], &head), [(FlawKind::Missing, Some(1), None)]);
    assert_eq!(flaws(&chain[..3], &head), [(FlawKind::Missing, Some(4), Some(5))]);
    assert_eq!(flaws(&[], &head), [(FlawKind::Missing, Some(1), Some(5))]);
    let gap = [&chain[..1], &chain[3..]].concat();
    assert_eq!(flaws(&gap, &head), [(FlawKind::Missing, Some(2), Some(3))]);
}

#[test]
fn records_beyond_the_end_are_named() {
    let (chain, _) = built("acme", 5);
    let (_, head) = built("acme", 3);
    assert_eq!(flaws(&chain, &head), [(FlawKind::BeyondHead, Some(4), Some(5))]);
    let nothing: Vec<_> = check(&chain, Vec::new(), None).into_iter().map(|f| (f.kind, f.seq, f.to)).collect();
    assert_eq!(nothing, [(FlawKind::BeyondHead, Some(1), Some(5))]);
}

#[test]
fn a_chain_that_grew_while_it_was_read_has_no_flaw() {
    let (chain, now) = built("acme", 5);
    let (_, before) = built("acme", 3);
    let vouched = vec![Vouched { by: Voucher::Entry, head: before }];
    assert_eq!(check(&chain, vouched, Some(&now)), []);
}

#[test]
fn a_record_of_elsewhere_is_named() {
    let (mut chain, head) = built("acme", 3);
    let (other, _) = built("other", 3);
    chain[1].2.clone_from(&other[1].2);
    rehash(&mut chain[1]);
    let kinds: Vec<FlawKind> = flaws(&chain, &head).into_iter().map(|f| f.0).collect();
    assert_eq!(kinds, [FlawKind::Misplaced, FlawKind::LinkBroken, FlawKind::LinkBroken]);
    let (mut chain, head) = built("acme", 3);
    let text = chain[0].2.clone();
    chain[1].2 = text;
    rehash(&mut chain[1]);
    assert_eq!(flaws(&chain, &head)[0], (FlawKind::Misplaced, Some(2), None));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_still_checked() {
    for (text, kind) in
        [("{", FlawKind::Unreadable), ("[]", FlawKind::Unreadable), ("{\"format\":9}", FlawKind::NewerFormat)]
    {
        let (mut chain, head) = built("acme", 4);
        text.clone_into(&mut chain[1].2);
        rehash(&mut chain[1]);
        let found = flaws(&chain, &head);
        assert!(found.contains(&(kind, Some(2), None)), "{text}: {found:?}");
        assert!(found.contains(&(FlawKind::LinkBroken, Some(3), None)), "{text}: {found:?}");
    }
}

#[test]
fn a_chain_that_was_cut_and_its_end_mended_is_named_by_the_root() {
    let (chain, signed) = built("acme", 5);
    let (_, mended) = built("acme", 3);
    let vouched = vec![
        Vouched { by: Voucher::Root(7), head: signed.clone() },
        Vouched { by: Voucher::Entry, head: mended.clone() },
    ];
    let found = check(&chain[..3], vouched.clone(), Some(&mended));
    assert_eq!((found[0].kind, found[0].seq, found[0].to), (FlawKind::Missing, Some(4), Some(5)));
    assert!(found[0].message.contains("root 7"), "{}", found[0].message);
    let gone = check(&[], vouched[..1].to_vec(), None);
    assert_eq!((gone.len(), gone[0].kind), (1, FlawKind::ChainGone));
}

#[test]
fn a_chain_that_was_written_anew_is_named_by_the_root() {
    let (mut chain, signed) = built("acme", 2);
    // All over again, with other words.
    let deed = |to: u64| Deed { action: "set".to_owned(), from: json!(null), to: json!(to) };
    let first = Sealed::next(subject("acme"), None, &stamp(), deed(7));
    let second = Sealed::next(subject("acme"), Some(&first.head()), &stamp(), deed(8));
    for (stored, sealed) in chain.iter_mut().zip([&first, &second]) {
        stored.2.clone_from(&sealed.text);
        rehash(stored);
    }
    assert_eq!(flaws(&chain, &second.head()), [], "nothing but a root can tell");
    let vouched =
        vec![Vouched { by: Voucher::Root(1), head: signed }, Vouched { by: Voucher::Entry, head: second.head() }];
    let found = check(&chain, vouched, Some(&second.head()));
    assert_eq!((found.len(), found[0].kind, found[0].seq), (1, FlawKind::RootDiffers, Some(2)));
}

fn roots(length: u64) -> Vec<SealedRoot> {
    let mut made: Vec<SealedRoot> = Vec::new();
    for number in 1..=length {
        let before = made.last().map(|r| Head { seq: r.root.seq, hash: r.hash.clone() });
        let digest = Digest::of(&number.to_be_bytes());
        let pages = Pages { set: page_set(number, 0.5), pages: 1, subjects: 1, digest };
        made.push(SealedRoot::next(before.as_ref(), &stamp(), Some("weekly".to_owned()), pages));
    }
    made
}

fn root_flaws(roots: &[SealedRoot]) -> Vec<(FlawKind, Option<u64>)> {
    let found = roots.iter().map(|r| FoundRoot { seq: r.root.seq, text: &r.text, hash: &r.hash });
    check_roots(found).flaws.into_iter().map(|f| (f.kind, f.seq)).collect()
}

#[test]
fn roots_that_were_changed_removed_or_mended_are_named() {
    assert_eq!(root_flaws(&roots(4)), []);
    assert_eq!(root_flaws(&[]), []);
    let mut changed = roots(4);
    changed[1].text = changed[1].text.replace("weekly", "weakly");
    assert_eq!(root_flaws(&changed), [(FlawKind::TextChanged, Some(2))]);
    changed[1].hash = Digest::of(changed[1].text.as_bytes());
    assert_eq!(root_flaws(&changed), [(FlawKind::LinkBroken, Some(3))]);
    let mut removed = roots(4);
    removed.remove(1);
    assert_eq!(root_flaws(&removed), [(FlawKind::Missing, Some(2))]);
    let mut moved = roots(4);
    moved[3].text = moved[2].text.clone();
    moved[3].hash = moved[2].hash.clone();
    assert_eq!(root_flaws(&moved), [(FlawKind::Misplaced, Some(4)), (FlawKind::LinkBroken, Some(4))]);
    let mut unreadable = roots(2);
    unreadable[1].text = "{\"format\": 2}".to_owned();
    unreadable[1].hash = Digest::of(unreadable[1].text.as_bytes());
    assert_eq!(root_flaws(&unreadable), [(FlawKind::NewerFormat, Some(2))]);
}

#[test]
fn the_digest_over_heads_can_be_computed_with_any_tool() {
    let head = Head { seq: 3, hash: Digest::of(b"x") };
    let mut digest = HeadsDigest::default();
    digest.add(&subject("acme"), &head);
    let line = format!("tenant/acme 3 {}\n", Digest::of(b"x"));
    assert_eq!(digest.finish(), (1, Digest::of(line.as_bytes())));
}

#[test]
fn sets_of_pages_differ_by_root_and_chance_and_fit_into_every_json_reader() {
    assert_ne!(page_set(1, 0.1), page_set(1, 0.2));
    assert_ne!(page_set(1, 0.1), page_set(2, 0.1));
    assert!(page_set(2_000_000, 0.999_999_999) < 1 << 53);
}

/// What somebody does to a chain.
#[derive(Debug, Clone)]
enum Tampering {
    /// Puts another byte into the text, and perhaps mends the hash beside it.
    Text(prop::sample::Index, prop::sample::Index, bool),
    /// Puts another hash beside the text.
    Hash(prop::sample::Index),
    /// Takes a record away.
    Remove(prop::sample::Index),
    /// Swaps two records, but for the numbers under which they stand.
    Swap(prop::sample::Index, prop::sample::Index),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), index(), any::<bool>()).prop_map(|(at, byte, mended)| Tampering::Text(at, byte, mended)),
        index().prop_map(Tampering::Hash),
        index().prop_map(Tampering::Remove),
        (index(), index()).prop_map(|(a, b)| Tampering::Swap(a, b)),
    ]
}

fn tamper(chain: &mut Vec<Stored>, tampering: &Tampering) {
    let length = chain.len();
    match tampering {
        Tampering::Text(at, byte, mended) => {
            let record = &mut chain[at.index(length)];
            let mut text = record.2.clone().into_bytes();
            let byte = byte.index(text.len());
            text[byte] = if text[byte] == b'7' { b'8' } else { b'7' };
            record.2 = String::from_utf8(text).expect("ASCII");
            if *mended {
                rehash(record);
            }
        }
        Tampering::Hash(at) => chain[at.index(length)].3 = Digest::of(b"another").to_string(),
        Tampering::Remove(at) => drop(chain.remove(at.index(length))),
        Tampering::Swap(a, b) => {
            let (a, b) = (a.index(length), b.index(length));
            let (first, second) = (chain[a].clone(), chain[b].clone());
            (chain[a].2, chain[a].3) = (second.2, second.3);
            (chain[b].2, chain[b].3) = (first.2, first.3);
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_changed_removed_or_swapped_is_found(length in 1_u64..9, tampering in tampering()) {
        let (untouched, head) = built("acme", length);
        let mut chain = untouched.clone();
        tamper(&mut chain, &tampering);
        let found = flaws(&chain, &head);
        prop_assert_eq!(found.is_empty(), chain == untouched, "{:?}", found);
    }
}
