//! What people read of moves, on made-up ones.

use crate::domain::lock::Lease;
use crate::domain::moves::estimate::Estimate;
use crate::domain::moves::event::Event;
use crate::domain::moves::machine::{Move, Stage, Trouble};
use crate::domain::moves::orders::Orders;
use crate::domain::moves::receipt::{Gap, Proof};
use crate::domain::moves::samples::{AT_MS, journal, plan, receipt, until_verified};
use crate::domain::moves::{FenceLevel, MoveId};
use crate::ops::event::Progress;
use crate::ops::moves::carrier::{Carrier, Listed};
use crate::ops::moves::many::{Failure, Run};
use crate::ops::moves::{Ended, Planned, Shown};
use crate::ops::{ErrorKind, OpError};
use crate::output::Style;
use crate::ports::moves::Summary;

use super::{ended, list, plan as show_plan, receipt as show_receipt, show};

const PLAIN: fn() -> Style = || Style::new(false);

fn planned() -> Planned {
    let estimate = Estimate {
        items: 1_000,
        bytes: 250_000,
        counted: true,
        write_units: 1_000,
        read_units: 130,
        copy_s: 3,
        gap_ms: 90,
        cost_usd: 0.0013,
    };
    Planned { plan: plan("acme", "cell-1", "cell-3"), estimate, warnings: Vec::new(), resumes: false }
}

fn shown(events: Vec<Event>) -> Shown {
    let journal = journal(events);
    let state = Move::fold(&journal).expect("a legal journal").expect("a move");
    Shown { state, journal, orders: Orders::default(), lease: None, carrier: None, hint: None, progress: None }
}

fn lease() -> Lease {
    Lease {
        holder: "ann@desk".to_owned(),
        purpose: "move acme:12".to_owned(),
        ci_url: None,
        nonce: 1,
        token: 1,
        acquired_at_ms: AT_MS,
        expires_at_ms: AT_MS + 60_000,
        unsettled_until_ms: 0,
        process: None,
    }
}

fn id() -> MoveId {
    "acme:12".parse().expect("a move")
}

fn run(outcome: Ended) -> Run {
    Run { tenant: id().tenant, id: Some(id()), outcome: Some(outcome), failure: None }
}

fn trouble() -> Trouble {
    let [code, why, hint] = ["source-written", "an item of the tenant changed in cell-1", "stop the writer"];
    Trouble { code: code.to_owned(), why: why.to_owned(), hint: hint.to_owned() }
}

#[test]
fn a_plan_says_what_is_done_how_long_it_takes_and_what_it_costs() {
    let wanted = "\
acme: from cell-1 to cell-3, epoch 7 → 8
    table: orders (shop-cell-1-orders → shop-cell-3-orders), found by its partition key; the table has about 50000 \
items and 12.5 MB in all
    queue: orders (shop-cell-1-orders → shop-cell-3-orders), with its dead letters, by the attribute tenantId
    copy:  1000 items, 250.0 kB, in about 3 s: 1000 write units and 130 read units
    cost:  about $0.0013 for the requests, at list prices of us-east-1
    fence: strict: every write is a transaction that checks the fence
    gap:   writes stop for about 90 ms, 5 s at the most
    flip:  one transaction
";
    assert_eq!(show_plan::plan(&planned(), None, PLAIN()), wanted);
}

#[test]
fn a_plan_tells_what_is_out_of_the_ordinary() {
    let mut other = planned();
    let options = &mut other.plan.options;
    (options.fence, options.rate, options.hold_cutover, options.soak_ms) = (FenceLevel::Lease, Some(50), true, 60_000);
    (other.plan.one_place, other.resumes, other.estimate.counted) = (false, true, false);
    other.warnings = vec!["the \u{1b}[2Jstream keeps keys only".to_owned()];
    let text = show_plan::plan(&other, None, PLAIN());
    for part in [
        "acme: move acme:12 from cell-1 to cell-3 is under way already; this goes on with it\n",
        "copy:    about 1000 items, 250.0 kB, in about 3 s: 1000 write units and 130 read units, at most 50 write units a second\n",
        "5 s at the most, after 10 s in which no write is answered; it waits for `cellctl move cutover`\n",
        "flip:    in steps: source, target, tenant map; they are not in one account and Region\n",
        "soak:    the source is watched for 1 min 0 s after the flip\n",
        "warning: the \u{fffd}[2Jstream keeps keys only\n",
    ] {
        assert!(text.contains(part), "lacks {part:?}:\n{text}");
    }
}

#[test]
fn a_receipt_says_what_was_moved_and_what_proves_it() {
    let wanted = "\
move:     acme:12
cells:    cell-1 → cell-3
epoch:    7 → 8
done:     2025-06-15 15:06:48 UTC, 8.4 s after it was planned
copied:   1000 items, 250.0 kB
changed:  17 keys reconciled while it was copied
gap:      writes stopped for 87.2 ms; 2 keys reconciled in it
proof:    strict: each writer left a note of its keys, and a consistent query under the seal gave all notes
messages: 3 carried over
cleaned:  1003 items deleted in cell-1
trouble:  1 takeover, 1 cutover in vain

TABLE   ITEMS  SIZE      DIGEST, THE SAME IN BOTH CELLS
orders  1003   250.9 kB  abababababababab
";
    assert_eq!(show_receipt::receipt(&receipt(), PLAIN()), wanted);
    let mut other = receipt();
    (other.keys_repaired, other.takeovers, other.cutovers, other.capture_gaps) = (4, 0, 1, 2);
    other.gap.length_us = 0;
    other.proof = Proof::Compared;
    let text = show_receipt::receipt(&other, PLAIN());
    for part in [
        "a comparison found and repaired 4 more",
        "writes stopped for about 87 ms, by the clocks of two movers; 2 keys",
        "proof:    strict: every item of both cells was compared under the seal",
        "trouble:  2 repaired gaps in the streams\n",
    ] {
        assert!(text.contains(part), "lacks {part:?}:\n{text}");
    }
}

#[test]
fn a_move_under_way_is_shown_with_its_timeline_and_what_to_do() {
    let mut shown = shown(until_verified());
    shown.lease = Some(lease());
    shown.orders.rate = Some(20);
    shown.progress = Some(Progress {
        id: id(),
        stage: shown.state.stage,
        at_ms: AT_MS,
        items: 450,
        items_about: Some(1_000),
        bytes: 112_000,
        bytes_about: Some(250_000),
        items_per_s: 120.4,
        bytes_per_s: 30_000.0,
        lag_ms: Some(1_200),
        dirty: 3,
        gap_ms: Some(90),
        percent: Some(44),
        eta_s: Some(4),
    });
    let wanted = "\
move:    acme:12
cells:   cell-1 → cell-3
began:   2025-06-15 15:06:40 UTC
stage:   verified
epoch:   7 in cell-1; 8 in cell-3 once it is there
so far:  1000 items (250.0 kB) copied, 15 keys reconciled
now:     44 %, 4 s left, 450 of about 1000 items, 112.0 kB of about 250.0 kB, 120/s, 3 dirty, streams 1.2 s behind, \
writes would stop for 90 ms
fence:   strict, writes stop for 5 s at the most
held by: ann@desk since 2025-06-15 15:06:40 UTC
orders:  at most 20 write units a second
next:    it is under way: `cellctl move watch acme:12` follows it

AFTER  WHAT             DETAIL                                             WHEN                     BY
0 ms   planned          cell-1 → cell-3, level strict                      2025-06-15 15:06:40 UTC  ann@desk
1 s    reserved         room in cell-3 is taken, its fence is held         2025-06-15 15:06:41 UTC  ann@desk
2 s    capture-started  changes are read from here on                      2025-06-15 15:06:42 UTC  ann@desk
3 s    copied           1000 items, 250.0 kB                               2025-06-15 15:06:43 UTC  ann@desk
4 s    barred           no bulk request counts any more; waited 0 ms       2025-06-15 15:06:44 UTC  ann@desk
5 s    reconciled       15 keys in 2 rounds                                2025-06-15 15:06:45 UTC  ann@desk
6 s    guarded          writers leave notes                                2025-06-15 15:06:46 UTC  ann@desk
7 s    verified         both cells hold the same; 0 keys repaired, 1 pass  2025-06-15 15:06:47 UTC  ann@desk
";
    assert_eq!(show::show(&shown, AT_MS, PLAIN()), wanted);
}

#[test]
fn what_to_do_next_follows_from_where_it_stands() {
    let next = |shown: &Shown| show::next(shown, AT_MS);
    // Up to the step that waits for the order.
    let mut held = shown(until_verified().into_iter().take(5).collect());
    assert_eq!(next(&held), "nobody carries it on: `cellctl move resume acme:12`");
    held.lease = Some(lease());
    held.state.plan.options.hold_cutover = true;
    assert_eq!(next(&held), "it waits: `cellctl move cutover acme:12` lets it cut over");
    held.state.stage = Stage::Verified;
    assert_eq!(next(&held), "it is under way: `cellctl move watch acme:12` follows it");
    held.state.stage = Stage::Reconciled;
    held.orders.cutover = true;
    assert_eq!(next(&held), "it is under way: `cellctl move watch acme:12` follows it");
    assert_eq!(next(&shown(vec![Event::Reserved, Event::Paused])), "`cellctl move resume acme:12` goes on");
    let Trouble { code, why, hint } = trouble();
    let stuck = Event::Stuck { code, why, hint };
    let before = shown(vec![Event::Reserved, stuck.clone()]);
    let wanted = "stop the writer; then `cellctl move resume acme:12`, or `cellctl move abort acme:12`";
    assert_eq!(next(&before), wanted);
    assert!(show::head(&before, AT_MS, PLAIN()).contains("stage:   reserved, stuck\n"));
    let gap = Gap { from_ms: 0, to_ms: 1, length_us: 1_000, keys: 0 };
    let flip =
        [Event::CutoverStarted { deadline_ms: AT_MS, keys: 0 }, Event::Flipped { gap, proof: Proof::Notes }, stuck];
    let after = shown(until_verified().into_iter().chain(flip).collect());
    assert_eq!(next(&after), "stop the writer; then `cellctl move resume acme:12`");
    assert!(show::head(&after, AT_MS, PLAIN()).contains("epoch:   8 in cell-3; it was 7 in cell-1\n"));
    let undone = [Event::AbortStarted { why: "x".to_owned() }, Event::Cleared { items: 0 }, Event::Aborted];
    let over = shown([Event::Reserved].into_iter().chain(undone).collect());
    assert_eq!(next(&over), "nothing; `cellctl tenant move acme --to cell-3` tries again");
}

#[test]
fn orders_are_told_in_words() {
    assert_eq!(show::orders(&Orders::default()), "none");
    let all =
        Orders { version: 4, pause: true, cutover: true, abort: Some("mistake".to_owned()), keep: None, rate: Some(0) };
    assert_eq!(show::orders(&all), "pause, cut over, abort (mistake), no bound on its rate");
    let keep = Orders { keep: Some("back".to_owned()), ..Orders::default() };
    assert_eq!(show::orders(&keep), "end, and keep the source's items (back)");
}

#[test]
fn moves_of_several_tenants_have_a_row_each_and_their_reasons() {
    let error = OpError::new(ErrorKind::Refused, "cell-3 is full").hint("choose another cell");
    let zeta = "zeta".parse().expect("a tenant");
    let runs = [
        run(Ended::Completed { receipt: Box::new(receipt()) }),
        run(Ended::Stuck { trouble: trouble() }),
        Run { tenant: zeta, id: None, outcome: None, failure: Some(Failure::from(&error)) },
    ];
    let wanted = "\
TENANT  MOVE     ENDED      ITEMS  GAP
acme    acme:12  completed  1000   87.2 ms
acme    acme:12  stuck      -      -
zeta    -        failed     -      -
acme: the move is stuck (source-written): an item of the tenant changed in cell-1
    hint: stop the writer
zeta: cell-3 is full
    hint: choose another cell

1 of 3 moves completed.
";
    assert_eq!(ended::runs(&runs, PLAIN()), wanted);
}

#[test]
fn a_single_move_ends_in_a_sentence_and_its_receipt() {
    let said = |outcome| ended::runs(&[run(outcome)], PLAIN());
    let done = said(Ended::Completed { receipt: Box::new(receipt()) });
    assert!(done.starts_with("acme is in cell-3 now, at epoch 8\n\nmove:     acme:12\n"), "{done}");
    let aborted = "acme: the move was given up (mistake); the cell that it was in serves it as before\n";
    assert_eq!(said(Ended::Aborted { why: "mistake".to_owned() }), aborted);
    assert_eq!(said(Ended::Paused), "acme: somebody paused the move\n");
    assert_eq!(said(Ended::Stopped), "acme: the move has stopped where it was\n");
}

#[test]
fn a_list_says_which_moves_wait_for_people() {
    assert_eq!(list::list(&[], PLAIN()), "No move is under way; --all lists those that are over, too.");
    let going = Summary::of(&shown(vec![Event::Reserved]).state);
    let paused = Summary { paused: true, ..going.clone() };
    let stuck = Summary { stuck: Some("full".to_owned()), ..paused.clone() };
    let over = Summary { stage: Stage::Completed, ..going.clone() };
    let alone = |summary: Summary, hint: Option<&str>| Listed { summary, carrier: None, hint: hint.map(str::to_owned) };
    let carrier = Some(Carrier { holder: "ann@\u{1b}desk".to_owned(), since_ms: AT_MS });
    let moves = [
        Listed { carrier, ..alone(going.clone(), None) },
        alone(going, Some("resume it")),
        alone(paused, Some("resume it, too")),
        alone(stuck, None),
        alone(over, None),
    ];
    let wanted = "\
MOVE     FROM    TO      STAGE                  CARRIER    BEGAN                    LAST ENTRY               TOOK
acme:12  cell-1  cell-3  reserved               ann@\u{fffd}desk  2025-06-15 15:06:40 UTC  2025-06-15 15:06:41 UTC  1 s
acme:12  cell-1  cell-3  reserved               nobody     2025-06-15 15:06:40 UTC  2025-06-15 15:06:41 UTC  1 s
acme:12  cell-1  cell-3  reserved, paused       nobody     2025-06-15 15:06:40 UTC  2025-06-15 15:06:41 UTC  1 s
acme:12  cell-1  cell-3  reserved, stuck: full  nobody     2025-06-15 15:06:40 UTC  2025-06-15 15:06:41 UTC  1 s
acme:12  cell-1  cell-3  completed              -          2025-06-15 15:06:40 UTC  2025-06-15 15:06:41 UTC  1 s
hint: resume it
hint: resume it, too";
    assert_eq!(list::list(&moves, PLAIN()), wanted);
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn a_plan_and_a_move_fit_a_narrow_terminal() {
    let shown = shown(until_verified());
    for columns in [80, 40] {
        let terminal = Some(columns);
        let texts = [show_plan::plan(&planned(), terminal, PLAIN()), show::head_on(&shown, AT_MS, terminal, PLAIN())];
        for text in texts {
            assert!(widest(&text) <= usize::from(columns), "{text}");
        }
    }
    let narrow = show_plan::plan(&planned(), Some(40), PLAIN());
    let wanted =
        "    gap:\n      writes stop for about 90 ms, 5 s\n      at the most\n    flip:\n      one transaction\n";
    assert!(narrow.ends_with(wanted), "{narrow}");
}
