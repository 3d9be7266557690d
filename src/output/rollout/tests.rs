//! What people read of rollouts, on made-up ones, at several widths.

use crate::domain::definition::Rollback;
use crate::domain::rollout::RolloutId;
use crate::domain::rollout::event::{Event, Troubled};
use crate::domain::rollout::gate::Verdict;
use crate::domain::rollout::orders::{Orders, Word};
use crate::ops::rollout::{Ended, Shown};
use crate::output::Style;
use crate::ports::rollout::Summary;

use super::samples::{AT_MS, baking, begun, changing, failed, look, passed, planned, shown, taken_back, wave};
use super::{ended, list, live, plan as show_plan, show};

const PLAIN: fn() -> Style = || Style::new(false);

fn run(shown: &Shown, outcome: &Ended) -> String {
    let run = ended::Run { id: RolloutId(12), outcome, state: &shown.state };
    ended::run_on(&run, None, PLAIN())
}

#[test]
fn a_plan_says_who_is_at_risk_in_which_wave_and_what_differs() {
    let wanted = "\
Rollout: 11 cells of fleet shop in 4 waves
change:       12ea12eace7d, commit 8d1c0ffee8d1c0ffee8d1c0ffee8d1c0ffee8d1c
takes:        about 25 min 30 s, without what has to be waited for
a wave fails: all waves that were begun are taken back

WAVE    CELLS  AT RISK  IN ALL   BAKE        BEGINS         TENANTS  AT A TIME  MAY FAIL
canary  1      0.5 %    0.5 %    10 min      by itself      12       auto       0
first   1      4.5 %    5.0 %    10 min      by itself      108      auto       0
rest    8      83.3 %   88.3 %   1 min 30 s  by itself      2000     5          1
zero    1      11.7 %   100.0 %  -           when approved  280      auto       0

canary: canary-1; gates stack, alarms
first:  cell-1; gates stack, alarms
rest:   cell-2, cell-3, cell-4, cell-5, cell-6, cell-7, … and 2 more; gates stack, alarms
zero:   cell-0; no gates

~ update 11 cells: canary-1, cell-1, cell-2, cell-3, cell-4, cell-5, … and 5 more (parameters differ) — 11 tenants, 0.5 % of all
Plan: 11 to update.
Tenants in cells that change: 11 of 2400, 0.5 % of all.
";
    assert_eq!(show_plan::text_on(&planned(), None, PLAIN()), wanted);
}

#[test]
fn a_plan_without_changes_says_so() {
    let mut nothing = planned();
    nothing.content.waves.clear();
    nothing.changes.steps.clear();
    nothing.changes.unchanged = 11;
    let text = show_plan::text_on(&nothing, None, PLAIN());
    assert!(text.starts_with("No changes. Nothing to roll out."), "{text}");
}

#[test]
fn the_document_of_a_plan_has_cells_and_shares_of_each_wave() {
    let document = show_plan::with_document(&planned(), |document| serde_json::to_value(document).expect("json"));
    assert_eq!(document["waves"][1]["cells"], serde_json::json!(["cell-1"]));
    assert_eq!((&document["waves"][1]["share"], &document["waves"][1]["shareSoFar"]), (&0.045.into(), &0.05.into()));
    assert_eq!((&document["hasChanges"], &document["resumes"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(document["changes"]["groups"][0]["action"], "update");
}

#[test]
fn a_rollout_that_bakes_is_shown_with_gates_countdown_and_journal() {
    let wanted = "\
rollout:    12 of fleet shop, change 12ea12eace7d
commit:     8d1c0ffee8d1c0ffee8d1c0ffee8d1c0ffee8d1c
began:      2025-06-15 15:06:40 UTC
stage:      baking, wave first (2 of 4)
so far:     begun in 2 of 11 cells, with 120 tenants (5.0 % of all)
on failure: all waves that were begun are taken back
held by:    ann@desk since 2025-06-15 15:06:40 UTC
orders:     none
next:       it is under way: `cellctl rollout watch 12` follows it

WAVE    CELLS  STATE                    DONE  FAILED  TENANTS  SHARE   TOOK   APPROVAL
canary  1      passed                   1     0       12       0.5 %   2 min  -
first   1      baking, 6 min 20 s left  1     0       108      4.5 %   1 min  -
rest    8      not begun                -     -       2000     83.3 %  -      -
zero    1      not begun                -     -       280      11.7 %  -      needed

GATE     VERDICT      SEEN                IN      CELLS  FAILING LOOKS
latency  no data yet  3 of 5 data points  cell-1  1      0
stack    holds        UPDATE_COMPLETE     cell-1  1      0
alarms   holds        2 alarms are OK     cell-1  1      0

AFTER  WHAT          DETAIL                                       WHEN                     BY
0 ms   planned       11 cells in 4 waves                          2025-06-15 15:06:40 UTC  ann@desk
1 min  wave-started  canary: what its cells were is written down  2025-06-15 15:07:40 UTC  ann@desk
2 min  wave-changed  canary: 1 done                               2025-06-15 15:08:40 UTC  ann@desk
3 min  wave-passed   canary: baked for 10 min                     2025-06-15 15:09:40 UTC  ann@desk
4 min  wave-started  first: what its cells were is written down   2025-06-15 15:10:40 UTC  ann@desk
5 min  wave-changed  first: 1 done                                2025-06-15 15:11:40 UTC  ann@desk
";
    assert_eq!(show::show_on(&baking(), AT_MS, None, PLAIN()), wanted);
}

#[test]
fn a_rollout_that_changes_cells_says_which_and_what_it_waits_for() {
    let wanted = "\
rollout:    12 of fleet shop, change 12ea12eace7d
commit:     8d1c0ffee8d1c0ffee8d1c0ffee8d1c0ffee8d1c
began:      2025-06-15 15:06:40 UTC
stage:      changing, wave rest (3 of 4)
so far:     begun in 10 of 11 cells, with 2120 tenants (88.3 % of all)
on failure: all waves that were begun are taken back
held by:    ann@desk since 2025-06-15 15:06:40 UTC
orders:     none
waits for:  the move acme:3 from cell-8 to cell-2 (copied)
under way:  cell-6, cell-7
next:       it is under way: `cellctl rollout watch 12` follows it

WAVE    CELLS  STATE      DONE  FAILED  TENANTS  SHARE   TOOK   APPROVAL
canary  1      passed     1     0       12       0.5 %   2 min  -
first   1      passed     1     0       108      4.5 %   2 min  -
rest    8      changing   4     1       2000     83.3 %  -      -
zero    1      not begun  -     -       280      11.7 %  -      needed
";
    assert_eq!(show::head_on(&changing(), AT_MS, None, PLAIN()), wanted);
}

#[test]
fn what_a_process_said_that_is_gone_is_not_told_as_news() {
    let mut gone = changing();
    gone.lease = None;
    let text = show::head_on(&gone, AT_MS, None, PLAIN());
    assert!(text.contains("next:       nobody carries it on: `cellctl rollout resume 12`\n"), "{text}");
    assert!(!text.contains("waits for") && !text.contains("under way"), "{text}");
}

#[test]
fn a_rollout_that_was_taken_back_names_what_failed() {
    let shown = taken_back();
    let outcome = Ended::RolledBack { why: shown.state.why.clone().expect("a reason"), kept: Vec::new() };
    let wanted = "\
rollout 12 was taken back: 1 cell failed: cell-1

WAVE    CELLS  STATE       DONE  FAILED  TENANTS  SHARE   TOOK   APPROVAL
canary  1      taken back  1     0       12       0.5 %   7 min  -
first   1      taken back  1     0       108      4.5 %   3 min  -
rest    8      not begun   -     -       2000     83.3 %  -      -
zero    1      not begun   -     -       280      11.7 %  -      needed

cell-1: rolled back: OrdersQueue UPDATE_FAILED: Invalid value for VisibilityTimeout \u{fffd}[2J
";
    assert_eq!(run(&shown, &outcome), wanted);
}

#[test]
fn what_to_do_next_follows_from_where_it_stands() {
    let next = |shown: &Shown| show::next(shown, AT_MS);
    assert_eq!(next(&baking()), "it is under way: `cellctl rollout watch 12` follows it");
    assert_eq!(next(&shown(Vec::new())), "nobody carries it on: `cellctl rollout resume 12`");
    let mut waits = shown((0..3).flat_map(passed).collect());
    let approve = "`cellctl rollout approve 12 --wave zero`, then `cellctl rollout resume 12`";
    assert_eq!(next(&waits), approve);
    waits.orders.approve = Some(Word { wave: 3, by: "ann@desk".to_owned() });
    assert_eq!(next(&waits), "nobody carries it on: `cellctl rollout resume 12`");
    waits.orders.approve = Some(Word { wave: 2, by: "ann@desk".to_owned() });
    assert_eq!(next(&waits), approve);
    let paused = shown(vec![Event::Paused { who: "an order".to_owned() }]);
    assert_eq!(next(&paused), "`cellctl rollout resume 12` goes on");
    assert_eq!(next(&taken_back()), "mend the change, then `cellctl rollout start`");
    let back = [
        Event::RollbackStarted { first: 0, why: "x".to_owned(), who: None },
        Event::RollbackFailed { why: "stuck".to_owned(), hint: "recover cell-1".to_owned() },
    ];
    assert_eq!(next(&shown(begun(0).into_iter().chain(back).collect())), "recover cell-1");
}

#[test]
fn every_end_of_a_run_is_a_sentence() {
    let shown = taken_back();
    let [why, hint] = ["gate \u{7}x failed", "look at it"].map(str::to_owned);
    let kept = vec![Troubled { cell: "cell-9".parse().expect("a cell"), outcome: "new".to_owned(), why: why.clone() }];
    for (outcome, wanted) in [
        (Ended::Completed, "rollout 12 is complete: every wave is good\n"),
        (
            Ended::RolledBack { why: why.clone(), kept },
            "rollout 12 was taken back: gate \u{fffd}x failed\n    cell-9: new: gate \u{fffd}x failed\n",
        ),
        (
            Ended::BackFailed { why: why.clone(), hint: hint.clone(), cells: Vec::new() },
            "rollout 12 could not be taken back: gate \u{fffd}x failed\n    hint: look at it\n",
        ),
        (
            Ended::Halted { why: why.clone(), hint },
            "rollout 12 stands still: gate \u{fffd}x failed\n    hint: look at it\n",
        ),
        (Ended::Aborted { why }, "rollout 12 was given up (gate \u{fffd}x failed); every cell is left as it is\n"),
        (Ended::AwaitsApproval { wave: "zero".to_owned() }, "rollout 12 waits for approval: wave zero\n"),
        (Ended::Paused, "rollout 12 is paused\n"),
        (Ended::Stopped, "rollout 12 has stopped where it was\n"),
    ] {
        let text = run(&shown, &outcome);
        assert!(text.starts_with(wanted), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn orders_are_told_in_words() {
    let state = baking().state;
    assert_eq!(show::orders(&Orders::default(), &state), "none");
    let word = |wave| Some(Word { wave, by: "ann".to_owned() });
    let all = Orders {
        version: 3,
        pause: true,
        promote: word(1),
        approve: word(3),
        abort: Some("ann: mistake".to_owned()),
        rollback: Some(Rollback::Wave),
        rollback_by: Some("bob".to_owned()),
    };
    let wanted = "pause, promote first, says ann, approve zero, says ann, take the last wave back, says bob, abort (ann: mistake)";
    assert_eq!(show::orders(&all, &state), wanted);
}

#[test]
fn a_list_says_how_far_each_has_come() {
    assert!(list::list_on(&[], None, PLAIN()).starts_with("There has been no rollout yet"));
    let rollouts = [baking(), taken_back()].map(|shown| Summary::of(&shown.state));
    let wanted = "\
ROLLOUT  STAGE        WAVE             CELLS  BEGAN                    TOOK   COMMIT        CHANGE        WHY
12       baking       first (2 of 4)   11     2025-06-15 15:06:40 UTC  5 min  8d1c0ffee8d1  12ea12eace7d  -
12       rolled-back  canary (1 of 4)  11     2025-06-15 15:06:40 UTC  9 min  8d1c0ffee8d1  12ea12eace7d  1 cell failed: cell-1";
    assert_eq!(list::list_on(&rollouts, None, PLAIN()), wanted);
}

#[test]
fn the_live_view_has_waves_cells_gates_and_the_rest_of_the_bake() {
    let lines = |shown: &Shown| live::view(&shown.state, shown.progress.as_ref(), PLAIN()).join("\n");
    let wanted = "\
rollout 12: baking, wave 2 of 4
canary  1 cell     passed
first   1 cell     baking, 6 min 20 s left
rest    8 cells    not begun
zero    1 cell     not begun
  gate latency no data yet: 3 of 5 data points
  gate stack holds
  gate alarms holds";
    assert_eq!(lines(&baking()), wanted);
    let wanted = "\
rollout 12: changing, wave 3 of 4
canary  1 cell     passed
first   1 cell     passed
rest    8 cells    changing, 4 done, 1 failed: cell-6, cell-7 under way
zero    1 cell     not begun
waits for the move acme:3 from cell-8 to cell-2 (copied)";
    assert_eq!(lines(&changing()), wanted);
}

#[test]
fn the_live_view_stays_small_whatever_the_number_of_waves() {
    let mut shown = baking();
    let more = (0..40).map(|number| wave(&format!("wave-{number}"), 1, 1));
    shown.state.plan.waves.extend(more);
    shown.state.waves.resize(44, crate::domain::rollout::machine::Progress::default());
    for at in [0, 20, 43] {
        (shown.state.wave, shown.progress) = (at, None);
        let lines = live::view(&shown.state, None, PLAIN());
        let name = &shown.state.plan.waves[at].name;
        assert!(lines.len() < 15 && lines.iter().any(|line| line.starts_with(name.as_str())), "{at}: {lines:#?}");
        assert!(lines.iter().any(|line| line == "… and 36 more waves"), "{lines:#?}");
    }
}

#[test]
fn an_entry_of_the_journal_is_a_line_for_a_log() {
    let said = |wave, event: &Event| live::line(RolloutId(12), wave, event, PLAIN());
    let changed = Event::WaveChanged { wave: 1, changed: failed() };
    assert_eq!(
        said(Some("first"), &changed),
        "rollout 12: first: wave-changed: 1 failed: cell-1: OrdersQueue UPDATE_FAILED: Invalid value for \
         VisibilityTimeout \u{fffd}[2J"
    );
    assert_eq!(said(Some("first"), &Event::Completed), "rollout 12: completed: every wave is good");
    let gates = vec![look("alarms", Verdict::Fail, "shop-cell-1-errors is in alarm")];
    assert_eq!(
        said(Some("first"), &Event::GatesFailed { wave: 1, baked_ms: 90_000, gates }),
        "rollout 12: first: gates-failed: after 1 min 30 s: 1 failing (alarms): shop-cell-1-errors is in alarm"
    );
    assert_eq!(live::begun(&baking().state), "rollout 12: 11 cells in 4 waves; first: baking, 10 min left");
}

#[test]
fn what_a_rollout_waits_for_is_told_once() {
    let lines = live::WaitLines::default();
    let mut now = changing().progress.expect("progress");
    let wanted = "rollout 12: waits for the move acme:3 from cell-8 to cell-2 (copied)";
    assert_eq!(lines.moved(&now).as_deref(), Some(wanted));
    assert_eq!(lines.moved(&now), None);
    now.waits_for = None;
    assert_eq!(lines.moved(&now), None);
}

#[test]
fn everything_fits_the_terminal() {
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let rollouts = [baking(), taken_back()].map(|shown| Summary::of(&shown.state));
    for columns in [60, 80, 120] {
        let terminal = Some(columns);
        // What differs is shown as `cellctl plan` shows it.
        let text = show_plan::text_on(&planned(), terminal, PLAIN());
        let waves_of_the_plan = text.split("\n~ ").next().unwrap_or_default().to_owned();
        let run = ended::Run { id: RolloutId(12), outcome: &Ended::Completed, state: &taken_back().state };
        let texts = [
            show::show_on(&baking(), AT_MS, terminal, PLAIN()),
            show::show_on(&changing(), AT_MS, terminal, PLAIN()),
            list::list_on(&rollouts, terminal, PLAIN()),
            waves_of_the_plan,
            ended::run_on(&run, terminal, PLAIN()),
        ];
        for text in texts {
            assert!(widest(&text) <= usize::from(columns), "{columns}:\n{text}");
        }
    }
    let coloured = show::show_on(&baking(), AT_MS, Some(80), Style::new(true));
    assert!(coloured.contains('\u{1b}') && !show::show_on(&baking(), AT_MS, Some(80), PLAIN()).contains('\u{1b}'));
}
