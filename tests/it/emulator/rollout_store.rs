//! Rollouts in the control table: journals under a lease, which one is open, the list, orders, where one stands.

use std::sync::atomic::{AtomicUsize, Ordering};

use cellctl::domain::rollout::event::Event;
use cellctl::domain::rollout::machine::Stage;
use cellctl::domain::rollout::orders::Orders;
use cellctl::domain::rollout::{ROLLOUT_FORMAT, RolloutId};
use cellctl::ports::moves::Appended;
use cellctl::ports::rollout::{Rollouts, Summary};
use cellctl::ports::{CallErrorKind, Control};

use crate::support::emulator::Proxy;
use crate::support::emulator::rollouts::{Rolling, entry, lease, planned, planned_in, summary};

const WRITE: &str = "TransactWriteItems";

fn ids(listed: Vec<Summary>) -> Vec<u64> {
    listed.into_iter().map(|summary| summary.id.0).collect()
}

async fn open_id(rolling: &Rolling) -> Option<u64> {
    let open = rolling.rollouts.open().await.expect("read").map(|open| open.id.0);
    // An apply looks at it by another port.
    let (control, _) = rolling.tables.control().await;
    assert_eq!(control.open_rollout().await.expect("read").map(|id| id.0), open);
    open
}

#[tokio::test]
async fn a_journal_grows_by_one_entry_a_number() {
    let rolling = Rolling::make("rolljournal").await;
    let (rollouts, (id, lease)) = (&rolling.rollouts, rolling.held(1).await);
    let ready = summary(id, Stage::Ready);
    assert_eq!(rollouts.journal(id).await.expect("read"), []);
    assert_eq!(rollouts.append(id, &planned(id), &ready, &lease).await, Ok(Appended::Done));
    // The same once more is a repeat; another entry of that number is not.
    assert_eq!(rollouts.append(id, &planned(id), &ready, &lease).await, Ok(Appended::Done));
    assert_eq!(rollouts.append(id, &entry(1, Event::Resumed), &ready, &lease).await, Ok(Appended::Taken));
    for seq in 2..=12 {
        assert_eq!(rollouts.append(id, &entry(seq, Event::Resumed), &ready, &lease).await, Ok(Appended::Done));
    }
    let journal = rollouts.journal(id).await.expect("read");
    assert_eq!(journal.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert_eq!(journal[0], planned(id));
}

#[tokio::test]
async fn of_two_that_begin_at_once_one_is_open() {
    let rolling = Rolling::make("rollrace").await;
    let (one, other) = (rolling.held(1).await, rolling.held(2).await);
    let again = rolling.again();
    let (planned, ready) = ((planned(one.0), planned(other.0)), |id| summary(id, Stage::Ready));
    let (ready_one, ready_other) = (ready(one.0), ready(other.0));
    let (first, second) = tokio::join!(
        rolling.rollouts.append(one.0, &planned.0, &ready_one, &one.1),
        again.append(other.0, &planned.1, &ready_other, &other.1)
    );
    let (winner, loser) = match (first.expect("answered"), second.expect("answered")) {
        (Appended::Done, Appended::Taken) => (one.0, other.0),
        (Appended::Taken, Appended::Done) => (other.0, one.0),
        both => panic!("{both:?}"),
    };
    assert_eq!(open_id(&rolling).await, Some(winner.0));
    assert_eq!(rolling.rollouts.journal(loser).await.expect("read"), []);
    assert_eq!(ids(rolling.rollouts.list(9).await.expect("read")), [winner.0]);
}

#[tokio::test]
async fn one_that_is_over_can_be_opened_again_while_no_other_is() {
    let rolling = Rolling::make("rollagain").await;
    let rollouts = &rolling.rollouts;
    let (old, mine) = rolling.open(1).await;
    let append = async |(id, lease): (RolloutId, _), seq, stage| {
        rollouts.append(id, &entry(seq, Event::Resumed), &summary(id, stage), &lease).await
    };
    assert_eq!(append((old, mine.clone()), 2, Stage::Completed).await, Ok(Appended::Done));
    assert_eq!(open_id(&rolling).await, None);
    let (new, theirs) = rolling.open(2).await;
    // What is over stays so: the other one stays open.
    assert_eq!(append((old, mine.clone()), 3, Stage::Completed).await, Ok(Appended::Done));
    assert_eq!(append((old, mine.clone()), 4, Stage::TakingBack).await, Ok(Appended::Taken));
    assert_eq!(open_id(&rolling).await, Some(new.0));
    assert_eq!(append((new, theirs.clone()), 2, Stage::Halted).await, Ok(Appended::Done));
    assert_eq!(rollouts.open().await.expect("read").map(|open| open.stage), Some(Stage::Halted));
    assert_eq!(append((new, theirs), 3, Stage::Aborted).await, Ok(Appended::Done));
    assert_eq!(append((old, mine), 4, Stage::TakingBack).await, Ok(Appended::Done));
    assert_eq!(open_id(&rolling).await, Some(old.0));
    let listed = rollouts.list(9).await.expect("read");
    assert_eq!(
        listed.iter().map(|s| (s.id.0, s.stage)).collect::<Vec<_>>(),
        [(2, Stage::Aborted), (1, Stage::TakingBack)]
    );
    assert_eq!(ids(rollouts.list(1).await.expect("read")), [2]);
}

#[tokio::test]
async fn who_lost_the_lease_writes_nothing() {
    let rolling = Rolling::make("rolllost").await;
    let rollouts = &rolling.rollouts;
    let (id, mine) = rolling.open(1).await;
    // The same token with another nonce is another lease, too.
    for theirs in [lease(1, 12), lease(2, 1)] {
        rollouts.swap_lease(id, rollouts.lease(id).await.expect("read").as_ref(), &theirs).await.expect("taken");
        let paused = entry(2, Event::Resumed);
        let completed = summary(id, Stage::Completed);
        assert_eq!(rollouts.append(id, &paused, &completed, &mine).await, Ok(Appended::LeaseLost));
        assert_eq!(rollouts.put_progress(id, "{}", &mine).await, Ok(false));
    }
    assert_eq!(rollouts.journal(id).await.expect("read"), [planned(id)]);
    assert_eq!(rollouts.progress(id).await.expect("read"), None);
    assert_eq!(open_id(&rolling).await, Some(1));
}

#[tokio::test]
async fn a_journal_of_a_newer_format_is_not_read() {
    let rolling = Rolling::make("rollnew").await;
    let (id, lease) = rolling.held(1).await;
    let newer = planned_in(id, ROLLOUT_FORMAT + 1);
    let appended = rolling.rollouts.append(id, &newer, &summary(id, Stage::Ready), &lease).await;
    assert_eq!(appended, Ok(Appended::Done));
    let error = rolling.rollouts.journal(id).await.expect_err("too new");
    assert_eq!(error.kind, CallErrorKind::Invalid);
    assert!(error.message.contains("upgrade cellctl"), "{error}");
}

#[tokio::test]
async fn an_entry_whose_answer_is_lost_is_written_once() {
    let rolling = Rolling::make("rolllostentry").await;
    let (id, lease) = rolling.held(1).await;
    let proxy = Proxy::start(&rolling.tables.url).await;
    let rollouts = rolling.through(&proxy);
    // The first answer is lost for each of three ways to leave the rollout: open, over, open again.
    for (seq, stage) in [(1, Stage::Ready), (2, Stage::Completed), (3, Stage::TakingBack)] {
        let answered = AtomicUsize::new(0);
        proxy.spoil(move |seen, body| {
            let is_first = seen.action == WRITE && answered.fetch_add(1, Ordering::SeqCst) == 0;
            (!is_first).then_some(body)
        });
        let resumed = entry(seq, Event::Resumed);
        assert_eq!(rollouts.append(id, &resumed, &summary(id, stage), &lease).await, Ok(Appended::Done));
        let sent = proxy.count(WRITE);
        assert_eq!(sent as u64, 2 * seq, "the lost request and its repeat");
        assert_eq!(open_id(&rolling).await, (stage != Stage::Completed).then_some(1));
    }
    assert_eq!(rolling.rollouts.journal(id).await.expect("read").len(), 3);
}

#[tokio::test]
async fn a_lease_is_written_over_the_one_that_was_seen() {
    let rolling = Rolling::make("rollswap").await;
    let (rollouts, (id, first), next) = (&rolling.rollouts, rolling.held(1).await, lease(2, 12));
    let taken = rollouts.swap_lease(id, None, &next).await.expect_err("one is there");
    assert_eq!(taken.kind, CallErrorKind::Conflict);
    rollouts.swap_lease(id, Some(&first), &next).await.expect("as it was seen");
    // A repeat finds its own write.
    rollouts.swap_lease(id, Some(&first), &next).await.expect("is there");
    let late = rollouts.swap_lease(id, Some(&first), &lease(3, 13)).await.expect_err("another one is there");
    assert_eq!(late.kind, CallErrorKind::Conflict);
    assert_eq!(rollouts.lease(id).await.expect("read"), Some(next));
}

#[tokio::test]
async fn orders_are_written_over_the_version_that_was_seen() {
    let rolling = Rolling::make("rollorders").await;
    let (rollouts, id) = (&rolling.rollouts, RolloutId(1));
    assert_eq!(rollouts.orders(id).await.expect("read"), Orders::default());
    let pause = Orders { version: 1, pause: true, ..Orders::default() };
    assert_eq!(rollouts.put_orders(id, &pause).await, Ok(true));
    let abort = Orders { version: 1, abort: Some("no".to_owned()), ..Orders::default() };
    assert_eq!(rollouts.put_orders(id, &abort).await, Ok(false));
    assert_eq!(rollouts.orders(id).await.expect("read"), pause);
    let abort = Orders { version: 2, ..abort };
    assert_eq!(rollouts.put_orders(id, &abort).await, Ok(true));
    assert_eq!(rollouts.orders(id).await.expect("read"), abort);
}

#[tokio::test]
async fn where_it_stands_is_written_again_and_again_within_a_bound() {
    let rolling = Rolling::make("rollprogress").await;
    let (rollouts, (id, lease)) = (&rolling.rollouts, rolling.open(1).await);
    // Back to what it was a moment ago is a write, not a repeat.
    for body in ["1", "2", "1"] {
        assert_eq!(rollouts.put_progress(id, body, &lease).await, Ok(true));
        assert_eq!(rollouts.progress(id).await.expect("read").as_deref(), Some(body));
    }
    let large = "x".repeat((300 << 10) + 1);
    assert_eq!(rollouts.put_progress(id, &large[1..], &lease).await, Ok(true));
    let error = rollouts.put_progress(id, &large, &lease).await.expect_err("too large");
    assert_eq!(error.kind, CallErrorKind::Invalid);
}
