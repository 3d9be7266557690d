//! The audit log over an in-memory world: tampering of every kind is named, wherever it is done; a sign-off survives every
//! fault; and who writes meanwhile is no finding.

use cellctl::domain::audit::chain::FlawKind;
use cellctl::domain::audit::{Deed, Head, Sealed, Stamp, Subject};
use cellctl::domain::ids::{CellId, Digest, TenantId};
use cellctl::domain::tenant::change::{self, Change};
use cellctl::domain::tenant::load::{CellLoad, Limits};
use cellctl::domain::tenant::{Attributes, ENTRY_FORMAT, Entry};
use cellctl::ops::audit::sign::HEADS_PAGE;
use cellctl::ops::audit::tail::{Follower, latest};
use cellctl::ops::audit::verify::{Verified, all, one};
use cellctl::ops::audit::{history, sign};
use cellctl::ops::{ErrorKind, OpError};
use cellctl::ports::tenants::Written;
use serde_json::{Value as Json, json};

use super::until_crash;
use super::world::{Fault, Sim};
use crate::support::map::MapState;
use crate::support::samples::{self, actor};

const LIMITS: Limits = Limits { tenants: 1_000_000, weight: None };

fn stamp(at_ms: i64) -> Stamp {
    samples::stamp(1_700_000_000_000 + at_ms)
}

fn tenant(number: usize) -> TenantId {
    format!("t-{number:04}").parse().expect("valid")
}

fn of(subject: &str) -> Subject {
    subject.parse().expect("valid")
}

fn load(name: &str) -> (CellLoad, Sealed) {
    let cell: CellId = name.parse().expect("valid");
    let deed = Deed { action: "applied".to_owned(), from: Json::Null, to: json!({ "state": "active" }) };
    let record = Sealed::next(Subject::Cell(cell.clone()), None, &stamp(0), deed);
    let load = CellLoad { audit: Some(record.head()), ..samples::empty(cell, samples::place("eu-central-1")) };
    (load, record)
}

fn write(map: &mut MapState, change: Change) -> Entry {
    let after = change.after.clone();
    assert_eq!(map.write(&[change]), Written::Done);
    after
}

fn heavier(entry: &Entry, at_ms: i64) -> Change {
    let attributes = Attributes { weight: entry.attributes.weight + 1, ..entry.attributes.clone() };
    change::set(entry, attributes, LIMITS, &stamp(at_ms))
}

/// Two cells and some tenants: each is added and made heavier twice; every fifth is removed.
fn tables(tenants: usize) -> MapState {
    let mut map = MapState::default();
    for name in ["cell-1", "cell-2"] {
        let (load, record) = load(name);
        map.append(&record);
        map.loads.insert(load.cell.clone(), load);
    }
    for number in 0..tenants {
        let cell = map.loads[&format!("cell-{}", number % 2 + 1).parse().expect("valid")].clone();
        let at_ms = i64::try_from(number).expect("few");
        let target = samples::chosen(cell, LIMITS);
        let add = change::add(&tenant(number), Attributes::default(), &target, None, 0, &stamp(at_ms));
        let mut entry = write(&mut map, add);
        for _ in 0..2 {
            entry = write(&mut map, heavier(&entry, at_ms));
        }
        if number % 5 == 0 {
            write(&mut map, change::remove(&entry, None, 0, &stamp(at_ms)));
        }
    }
    map
}

fn sim_of(map: &MapState) -> Sim {
    let sim = Sim::new();
    sim.with_map(|tables| *tables = map.clone());
    sim
}

async fn sign_off(sim: &Sim) -> Result<Digest, OpError> {
    sign::sign(&sim.world(), actor(), Some("weekly".to_owned())).await.map(|(_, digest)| digest)
}

async fn verify(sim: &Sim, kept: Option<&Digest>) -> Verified {
    all(&sim.world(), kept).await.expect("verified")
}

fn named(verified: &Verified) -> Vec<(&str, FlawKind, Option<u64>)> {
    verified.flaws.iter().map(|f| (f.subject.as_str(), f.kind, f.seq)).collect()
}

#[tokio::test(start_paused = true)]
async fn an_untouched_log_is_unbroken_before_and_after_signing() {
    let sim = sim_of(&tables(40));
    let before = verify(&sim, None).await;
    assert_eq!((before.chains, before.records, before.roots, before.found), (42, 2 + 40 * 3 + 8, 0, 0));
    let digest = sign_off(&sim).await.expect("signed");
    let after = verify(&sim, Some(&digest)).await;
    assert_eq!((after.chains, after.roots, after.found), (42, 1, 0), "{:?}", after.flaws);
    assert!(after.against[0].given);
    let single = one(&sim.world(), &of("tenant/t-0001"), Some(&digest)).await.expect("verified");
    assert_eq!((single.chains, single.records, single.found), (1, 3, 0));
}

type Tamper = fn(&mut MapState);

/// What somebody does who can write the tables, and what is named. No root is needed to see these.
const SEEN_AT_ONCE: [(&str, FlawKind, u64, Tamper); 8] = [
    ("tenant/t-0007", FlawKind::TextChanged, 2, |map| {
        let text = &mut map.chains.get_mut(&of("tenant/t-0007")).unwrap().get_mut(&2).unwrap().text;
        *text = text.replace("\"weight\":2", "\"weight\":9");
    }),
    ("tenant/t-0007", FlawKind::LinkBroken, 3, |map| {
        let record = map.chains.get_mut(&of("tenant/t-0007")).unwrap().get_mut(&2).unwrap();
        record.text = record.text.replace("\"weight\":2", "\"weight\":9");
        record.hash = Digest::of(record.text.as_bytes()).to_string();
    }),
    ("tenant/t-0010", FlawKind::Missing, 3, |map| {
        map.chains.get_mut(&of("tenant/t-0010")).unwrap().remove(&3);
    }),
    ("tenant/t-0010", FlawKind::Missing, 4, |map| {
        map.chains.get_mut(&of("tenant/t-0010")).unwrap().remove(&4);
    }),
    ("tenant/t-0010", FlawKind::Missing, 1, |map| drop(map.chains.remove(&of("tenant/t-0010")))),
    ("tenant/t-0003", FlawKind::BeyondHead, 4, |map| {
        let forged = heavier(&map.entries[&tenant(3)], 0).record;
        map.append(&forged);
    }),
    ("tenant/t-0004", FlawKind::EntryDiffers, 3, |map| {
        map.entries.get_mut(&tenant(4)).unwrap().cell = "cell-2".parse().unwrap();
    }),
    ("cell/cell-2", FlawKind::HeadDiffers, 1, |map| {
        let cell = "cell-2".parse().unwrap();
        map.loads.get_mut(&cell).unwrap().audit = Some(Head { seq: 1, hash: Digest::of(b"another") });
    }),
];

/// What only a root tells: the chain and what vouches for it were changed together.
const SEEN_BY_ROOTS: [(&str, FlawKind, u64, Tamper); 6] = [
    ("tenant/t-0003", FlawKind::Missing, 3, |map| {
        let chain = map.chains.get_mut(&of("tenant/t-0003")).unwrap();
        chain.remove(&3);
        let hash = chain[&2].hash.clone().try_into().unwrap();
        let entry = map.entries.get_mut(&tenant(3)).unwrap();
        (entry.version, entry.head) = (2, hash);
    }),
    ("tenant/t-0005", FlawKind::ChainGone, 1, |map| {
        map.chains.remove(&of("tenant/t-0005"));
        map.entries.remove(&tenant(5));
    }),
    ("cell/cell-1", FlawKind::RootDiffers, 1, |map| {
        let cell: CellId = "cell-1".parse().unwrap();
        let deed = Deed { action: "applied".to_owned(), from: Json::Null, to: json!("forged") };
        let forged = Sealed::next(Subject::Cell(cell.clone()), None, &stamp(0), deed);
        map.append(&forged);
        map.loads.get_mut(&cell).unwrap().audit = Some(forged.head());
    }),
    ("root/2", FlawKind::HeadsDiffer, 2, |map| {
        let (_, page) = map.heads.iter_mut().next_back().unwrap();
        page.pop();
    }),
    ("root/1", FlawKind::TextChanged, 1, |map| map.roots[0].text = map.roots[0].text.replace("weekly", "weakly")),
    ("root/1", FlawKind::Missing, 1, |map| drop(map.roots.remove(0))),
];

#[tokio::test(start_paused = true)]
async fn tampering_is_named() {
    let map = tables(20);
    for (subject, kind, seq, tamper) in SEEN_AT_ONCE {
        let sim = sim_of(&map);
        sim.with_map(tamper);
        let found = verify(&sim, None).await;
        assert_eq!(named(&found), [(subject, kind, Some(seq))], "{:?}", found.flaws);
        assert_eq!((found.broken, found.found), (1, 1));
        let single = one(&sim.world(), &of(subject), None).await.expect("verified");
        assert_eq!(named(&single), [(subject, kind, Some(seq))]);
    }
}

#[tokio::test(start_paused = true)]
async fn tampering_that_mends_what_vouches_is_named_by_the_roots() {
    for (subject, kind, seq, tamper) in SEEN_BY_ROOTS {
        let sim = sim_of(&tables(20));
        sign_off(&sim).await.expect("signed");
        let kept = sign_off(&sim).await.expect("signed again");
        sim.with_map(tamper);
        let found = verify(&sim, Some(&kept)).await;
        assert_eq!(named(&found), [(subject, kind, Some(seq))], "{:?}", found.flaws);
        if let Ok(subject) = subject.parse::<Subject>() {
            let single = one(&sim.world(), &subject, Some(&kept)).await.expect("verified");
            assert_eq!(named(&single)[0].1, kind);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn roots_that_were_made_anew_lack_the_digest_that_was_kept() {
    let sim = sim_of(&tables(10));
    let kept = sign_off(&sim).await.expect("signed");
    sim.with_map(|map| {
        map.roots.clear();
        map.heads.clear();
        map.chains.remove(&of("tenant/t-0001"));
        map.entries.remove(&tenant(1));
    });
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    sign_off(&sim).await.expect("a forged root");
    assert_eq!(verify(&sim, None).await.found, 0, "the table alone cannot tell");
    let found = verify(&sim, Some(&kept)).await;
    assert_eq!(named(&found), [("root/1", FlawKind::RootAbsent, Some(1))]);
}

#[tokio::test(start_paused = true)]
async fn a_root_that_was_kept_vouches_for_what_a_later_forged_one_leaves_out() {
    let sim = sim_of(&tables(10));
    let kept = sign_off(&sim).await.expect("signed");
    sim.with_map(|map| {
        map.chains.remove(&of("tenant/t-0001"));
        map.entries.remove(&tenant(1));
    });
    sign_off(&sim).await.expect("a root without it");
    let found = verify(&sim, Some(&kept)).await;
    assert_eq!(named(&found), [("tenant/t-0001", FlawKind::ChainGone, Some(1))]);
    assert_eq!(found.against.iter().map(|a| (a.seq, a.given)).collect::<Vec<_>>(), [(1, true), (2, false)]);
}

#[tokio::test(start_paused = true)]
async fn broken_roots_are_not_signed_over() {
    let sim = sim_of(&tables(3));
    sign_off(&sim).await.expect("signed");
    sim.with_map(|map| map.roots[0].text.push(' '));
    let refused = sign_off(&sim).await.expect_err("refused");
    assert_eq!(refused.kind, ErrorKind::Failed);
    assert_eq!(sim.with_map(|map| map.roots.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sign_off_survives_every_fault_at_every_call() {
    let map = tables(HEADS_PAGE + 5);
    let undisturbed = sim_of(&map);
    sign_off(&undisturbed).await.expect("signed");
    let calls = undisturbed.calls();
    assert!(undisturbed.with_map(|map| map.heads.len()) == 2 && calls > 20, "{calls}");
    for nth in 1..=calls {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LostAnswer] {
            let struck = format!("{fault:?} at call {nth}");
            let sim = sim_of(&map);
            let faulty = sim.with_fault(nth, fault);
            let outcome = until_crash(&faulty, sign_off(&faulty)).await;
            let made = sim.with_map(|map| map.roots.clone());
            if let Some(Ok(digest)) = &outcome {
                assert!(made.iter().any(|root| root.hash == *digest), "{struck}, said to be signed");
            }
            let kept = sign_off(&sim.healthy()).await.unwrap_or_else(|error| panic!("{struck}: {error}"));
            let heads: usize = sim.with_map(|map| map.heads.values().map(Vec::len).max().expect("pages"));
            assert!(heads <= HEADS_PAGE, "{struck}");
            if nth % 10 == 0 || nth + 3 > calls {
                let found = verify(&sim.healthy(), Some(&kept)).await;
                assert_eq!((found.found, found.roots), (0, made.len() as u64 + 1), "{struck}: {:?}", found.flaws);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_who_sign_at_once_one_wins_and_neither_spoils_the_heads_of_the_other() {
    let sim = sim_of(&tables(30));
    let busy = write_for_ever(&sim, 30);
    let two = async { tokio::join!(sign_off(&sim), sign_off(&sim)) };
    let (first, second) = tokio::select! { two = two => two, never = busy => never };
    let won = [&first, &second].into_iter().filter_map(|outcome| outcome.as_ref().ok()).collect::<Vec<_>>();
    let lost = [&first, &second].into_iter().filter_map(|outcome| outcome.as_ref().err()).collect::<Vec<_>>();
    assert_eq!((won.len(), lost.len()), (1, 1), "{first:?} {second:?}");
    assert!(lost[0].message.contains("somebody else"), "{}", lost[0].message);
    assert_eq!(verify(&sim, Some(won[0])).await.found, 0);
}

/// Eight writers, each with tenants of its own, make one after the other heavier.
async fn write_for_ever<T>(sim: &Sim, tenants: usize) -> T {
    let writers = (0..8).map(|writer| {
        let world = sim.world();
        async move {
            for number in (writer..tenants).step_by(8).cycle() {
                let entry = world.map.entry(&tenant(number)).await.expect("read").expect("there");
                if entry.is_present() {
                    assert_eq!(world.map.write(&[heavier(&entry, 1)]).await.expect("written"), Written::Done);
                }
            }
        }
    });
    futures_util::future::join_all(writers).await;
    unreachable!("writers do not end");
}

#[tokio::test(start_paused = true)]
async fn who_writes_during_a_verification_is_no_finding() {
    let sim = sim_of(&tables(200));
    let kept = sign_off(&sim).await.expect("signed");
    let before: u64 = sim.with_map(|map| map.entries.values().map(|e| e.version).sum());
    let found = tokio::select! {
        found = verify(&sim, Some(&kept)) => found,
        never = write_for_ever(&sim, 200) => never,
    };
    let after: u64 = sim.with_map(|map| map.entries.values().map(|e| e.version).sum());
    assert!(after > before + 20, "{} writes", after - before);
    assert_eq!(found.found, 0, "{:?}", found.flaws);
}

#[tokio::test(start_paused = true)]
async fn tampering_is_found_under_writers_too() {
    let sim = sim_of(&tables(60));
    sim.with_map(|map| drop(map.chains.get_mut(&of("tenant/t-0021")).expect("there").remove(&2)));
    let found = tokio::select! {
        found = verify(&sim, None) => found,
        never = write_for_ever(&sim, 60) => never,
    };
    assert_eq!(named(&found), [("tenant/t-0021", FlawKind::Missing, Some(2))]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_or_a_load_that_cannot_be_read_is_named_beside_the_rest_and_not_signed_over() {
    let sim = sim_of(&tables(60));
    sign_off(&sim).await.expect("signed");
    let chains = verify(&sim, None).await.chains;
    let cell = sim.with_map(|map| {
        map.entries.get_mut(&tenant(21)).expect("an entry").format = ENTRY_FORMAT + 1;
        map.chains.get_mut(&of("tenant/t-0033")).expect("there").remove(&2);
        map.loads.keys().next().expect("a cell").clone()
    });
    sim.spoil_load(cell.clone());
    let (found, cell) = (verify(&sim, None).await, format!("cell/{cell}"));
    let expected = [
        (cell.as_str(), FlawKind::Unreadable, None),
        ("tenant/t-0021", FlawKind::Unreadable, None),
        ("tenant/t-0033", FlawKind::Missing, Some(2)),
    ];
    assert_eq!((named(&found).as_slice(), found.chains), (expected.as_slice(), chains));
    sign_off(&sim).await.expect_err("a root is made over all chains");
}

#[tokio::test(start_paused = true)]
async fn a_history_is_read_newest_first_in_parts() {
    let mut map = tables(2);
    let mut entry = map.entries[&tenant(1)].clone();
    while entry.version < 450 {
        entry = write(&mut map, heavier(&entry, 1));
    }
    let sim = sim_of(&map);
    let mut seen: Vec<u64> = Vec::new();
    let mut before = None;
    loop {
        let part = history(&sim.world(), &of("tenant/t-0001"), before, 210).await.expect("read");
        assert!(part.records.iter().all(|record| record.problem.is_none()));
        seen.extend(part.records.iter().map(|record| record.seq));
        before = part.before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=450).rev().collect::<Vec<_>>());
    assert_eq!(verify(&sim, None).await.found, 0, "a chain of several pages");
    let nobody = history(&sim.world(), &of("tenant/nobody"), None, 10).await.expect("read");
    assert_eq!((nobody.records.len(), nobody.before), (0, None));
    let refused = one(&sim.world(), &of("tenant/nobody"), None).await.expect_err("unheard of");
    assert!(refused.message.contains("tenant/nobody"));
}

#[tokio::test(start_paused = true)]
async fn who_follows_sees_each_record_once() {
    let sim = sim_of(&tables(3));
    let world = sim.world();
    let since_ms = 1_700_000_000_000;
    let first = latest(&world, since_ms, 5).await.expect("read");
    assert_eq!(first.len(), 5);
    assert!(first.is_sorted_by_key(|shown| shown.record.as_ref().map(|r| r.at_ms)), "the newest is the last");
    let (mut follower, shown) = Follower::begin(&world, since_ms, 5).await.expect("read");
    assert_eq!(shown, first);
    assert_eq!(follower.look(&world).await.expect("read").records, []);
    for round in 1..4 {
        let entry = sim.with_map(|map| map.entries[&tenant(1)].clone());
        sim.with_map(|map| write(map, heavier(&entry, round * 1_000)));
        let fresh = follower.look(&world).await.expect("read");
        assert_eq!(fresh.records.iter().map(|r| r.seq).collect::<Vec<_>>(), [entry.version + 1]);
        assert!(!fresh.cut_off);
    }
    assert_eq!(follower.look(&world).await.expect("read").records, []);
}
