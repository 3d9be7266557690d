//! Tests of looking: what there is, what is missing, what hangs, what fails, what it costs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::testing::{SINCE_MS, World, cell, earlier, looker, wave};
use super::*;
use crate::domain::definition::Worse;
use crate::domain::rollout::gate::{Metric, Verdict};
use crate::ports::rollout::Ran;

fn cells(from: usize, to: usize) -> Vec<CellChange> {
    (from..=to).map(|number| cell(&format!("cell-{number}"))).collect()
}

fn before(cells: &[(&str, u64)]) -> Before {
    Before { cells: cells.iter().map(|(name, held)| earlier(name, *held)).collect(), templates: BTreeMap::new() }
}

fn metric() -> Metric {
    Metric {
        namespace: "AWS/Lambda".to_owned(),
        name: "Errors".to_owned(),
        statistic: "Sum".to_owned(),
        dimensions: vec![("FunctionName".to_owned(), "${stack}-orders".to_owned())],
        worse: Worse::Higher,
        tolerance_percent: 10,
        points_min: 5,
        period_s: 60,
    }
}

fn http(url: &str) -> Check {
    Check::Http { url: url.to_owned(), status: 200, timeout_ms: 10_000 }
}

/// Gates of every kind, and a world in which they hold for two cells against two others.
fn all_gates() -> Wave {
    wave(vec![
        ("stack", Check::Stack),
        ("alarms", Check::Alarms),
        ("errors", Check::Metric(metric())),
        ("queues", Check::Queues { max: 10 }),
        ("dead", Check::DeadLetters { max: 0 }),
        ("smoke", Check::Command { run: vec!["smoke".to_owned(), "${cell}".to_owned()], timeout_ms: 5_000 }),
        ("http", http("https://${cell}.${region}/")),
    ])
}

fn all_is_well(world: &World) {
    let mut there = world.lock();
    for name in ["cell-1", "cell-2", "cell-3", "cell-4"] {
        there.stacks.insert(format!("shop-{name}"), ("UPDATE_COMPLETE", 5));
        there.alarms_of.insert(format!("shop-{name}"), vec!["a"]);
        there.queues.insert(format!("shop-{name}-orders"), 3);
        there.queues.insert(format!("shop-{name}-orders-dead-letters"), 7);
        there.points.insert(format!("shop-{name}-orders"), (0..10_u32).map(f64::from).collect());
        there.commands.insert(name.to_owned(), Ran { code: Some(0), last_line: String::new() });
        there.addresses.insert(format!("https://{name}.eu-central-1/"), 200);
    }
    there.alarms.insert("a", "OK");
}

fn two(world: &Arc<World>) -> Looker {
    looker(world, cells(1, 2), cells(3, 4), before(&[("cell-1", 7), ("cell-2", 7)]))
}

fn verdicts(looks: &[Look]) -> Vec<(&str, Verdict)> {
    looks.iter().map(|look| (look.gate.as_str(), look.verdict)).collect()
}

fn of<'a>(looks: &'a [Look], gate: &str) -> &'a Look {
    looks.iter().find(|look| look.gate == gate).expect("looked at")
}

#[tokio::test(start_paused = true)]
async fn all_gates_hold_where_all_is_well() {
    let world = World::new();
    all_is_well(&world);
    let looks = two(&world).look(&all_gates(), &[], true).await;
    let gates = ["stack", "alarms", "errors", "queues", "dead", "smoke", "http"];
    assert_eq!(verdicts(&looks), gates.map(|gate| (gate, Verdict::Pass)), "{looks:#?}");
    let there = world.lock();
    let given = &there.environments[0];
    let wanted = ["CELLCTL_CELL", "CELLCTL_REGION", "CELLCTL_ROLLOUT", "CELLCTL_STACK", "CELLCTL_WAVE"];
    assert_eq!(given.keys().collect::<Vec<_>>(), wanted);
    assert_eq!((given["CELLCTL_ROLLOUT"].as_str(), given["CELLCTL_WAVE"].as_str()), ("12", "canary"));
    assert_eq!(there.spans, [(SINCE_MS, SINCE_MS + 600_000); 2], "whole periods only");
}

#[tokio::test(start_paused = true)]
async fn each_gate_sees_its_own_harm() {
    let world = World::new();
    all_is_well(&world);
    {
        let mut there = world.lock();
        there.stacks.insert("shop-cell-2".to_owned(), ("UPDATE_ROLLBACK_FAILED", 5));
        there.alarms.insert("a", "ALARM");
        for name in ["shop-cell-1-orders", "shop-cell-2-orders"] {
            there.points.insert(name.to_owned(), (0..10_u32).map(|n| f64::from(n + 30)).collect());
        }
        there.queues.insert("shop-cell-1-orders".to_owned(), 11);
        there.queues.insert("shop-cell-1-orders-dead-letters".to_owned(), 8);
        there.commands.insert("cell-1".to_owned(), Ran { code: Some(2), last_line: "no".to_owned() });
        there.addresses.insert("https://cell-2.eu-central-1/".to_owned(), 500);
    }
    let looks = two(&world).look(&all_gates(), &[], false).await;
    for look in &looks {
        assert_eq!((look.verdict, look.failed), (Verdict::Fail, true), "{look:#?}");
    }
    let told = &of(&looks, "dead").seen[0].what;
    assert!(told.contains("holds 8 messages, and held 7 before the wave"), "{told}");
    assert_eq!(of(&looks, "stack").seen[1].verdict, Verdict::Pass, "the other cell is well");
}

#[tokio::test(start_paused = true)]
async fn nothing_there_is_missing_everywhere_but_for_a_stack_that_is_gone() {
    let world = World::new();
    let mut gates = all_gates();
    gates.gates.truncate(5);
    let looks = two(&world).look(&gates, &[], false).await;
    assert_eq!(of(&looks, "stack").verdict, Verdict::Fail);
    for gate in ["alarms", "errors", "queues", "dead"] {
        assert_eq!(of(&looks, gate).verdict, Verdict::Missing, "{looks:#?}");
        assert!(!of(&looks, gate).failed);
    }
    let told = &of(&looks, "errors").seen[0].what;
    assert_eq!(told, "metric Errors of namespace AWS/Lambda has no data points: does it exist?");
    let looks = two(&world).look(&gates, &looks, true).await;
    assert!(looks.iter().all(|look| look.failed), "at the end missing data have failed: {looks:#?}");
}

#[tokio::test(start_paused = true)]
async fn probes_that_hang_cost_their_time_and_hold_nothing_else_up() {
    let world = World::new();
    all_is_well(&world);
    world.lock().addresses.remove("https://cell-1.eu-central-1/");
    world.lock().commands.clear();
    let looks = two(&world).look(&all_gates(), &[], false).await;
    assert_eq!(of(&looks, "http").seen[0].what, "https://cell-1.eu-central-1/ did not answer within 10 s");
    assert_eq!(of(&looks, "smoke").seen[0].what, "smoke did not end within 5 s");
    for gate in ["stack", "alarms", "errors", "queues", "dead"] {
        assert_eq!(of(&looks, gate).verdict, Verdict::Pass, "{looks:#?}");
    }
    assert!(world.elapsed() < Duration::from_secs(11), "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_look_ends_in_time_however_many_probes_hang() {
    let world = World::new();
    let mut eyes = looker(&world, cells(1, 200), Vec::new(), Before::default());
    let looks = eyes.look(&wave(vec![("http", http("https://${cell}/"))]), &[], false).await;
    assert_eq!(looks[0].verdict, Verdict::Fail);
    assert_eq!(looks[0].cells, 200);
    assert!(world.elapsed() <= Duration::from_secs(20), "{:?}", world.elapsed());
    assert!(world.most() <= 16, "{} at a time", world.most());
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_are_missing_and_the_look_ends() {
    let world = World::new();
    all_is_well(&world);
    world.lock().hanging.extend(["describe", "resources", "points", "depth"]);
    let looks = two(&world).look(&all_gates(), &[], false).await;
    for gate in ["stack", "alarms", "errors", "queues", "dead"] {
        let look = of(&looks, gate);
        assert_eq!(look.verdict, Verdict::Missing, "{look:#?}");
        assert!(look.seen[0].what.contains("no answer before the look was over"), "{look:#?}");
        assert!(
            !look.seen.iter().any(|seen| seen.what.contains("has no")),
            "what is not known may be there: {look:#?}"
        );
    }
    assert_eq!(of(&looks, "http").verdict, Verdict::Pass);
    assert!(world.elapsed() <= Duration::from_secs(21), "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_asked_is_never_good_news() {
    let world = World::new();
    all_is_well(&world);
    world.lock().half_fails = true;
    let mut eyes = two(&world);
    let (mut last, mut seen_missing) = (Vec::new(), false);
    for _ in 0..20 {
        let calls = world.lock().calls.len();
        last = eyes.look(&all_gates(), &last, false).await;
        let failed = (calls + 1..=world.lock().calls.len()).filter(|number| number.is_multiple_of(2)).count();
        let bad = last.iter().flat_map(|look| &look.seen).filter(|seen| seen.verdict != Verdict::Pass).count();
        assert!(bad > 0 && failed > 0, "{last:#?}");
        for look in last.iter().filter(|look| !["smoke", "http"].contains(&look.gate.as_str())) {
            assert_ne!(look.verdict, Verdict::Fail, "a call that failed is no harm: {look:#?}");
            seen_missing |= look.seen.iter().any(|seen| seen.what.contains("a:Call on a thing: slow down"));
        }
    }
    assert!(seen_missing, "the reason is told");
    world.lock().half_fails = false;
    let looks = eyes.look(&all_gates(), &last, true).await;
    assert!(looks.iter().all(|look| look.verdict == Verdict::Pass), "{looks:#?}");
}

#[tokio::test(start_paused = true)]
async fn large_waves_are_listed_and_alarms_asked_for_by_the_hundred() {
    let world = World::new();
    all_is_well(&world);
    for number in 1..=150 {
        world.lock().stacks.insert(format!("shop-cell-{number}"), ("UPDATE_COMPLETE", 5));
        world.lock().alarms_of.insert(format!("shop-cell-{number}"), vec!["a"]);
    }
    let mut eyes = looker(&world, cells(1, 150), Vec::new(), Before::default());
    let gates = wave(vec![("stack", Check::Stack), ("alarms", Check::Alarms)]);
    let first = eyes.look(&gates, &[], false).await;
    assert!(first.iter().all(|look| look.verdict == Verdict::Pass && look.cells == 150), "{first:#?}");
    let counted = |name: &str| world.lock().calls.iter().filter(|call| call.starts_with(name)).count();
    assert_eq!((counted("list"), counted("describe"), counted("resources"), counted("alarms")), (1, 0, 150, 2));
    eyes.look(&gates, &first, false).await;
    assert_eq!((counted("list"), counted("resources"), counted("alarms")), (2, 150, 4), "names are asked for once");
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_somebody_else_changes_is_seen() {
    let world = World::new();
    all_is_well(&world);
    let mut eyes = two(&world);
    let gates = wave(vec![("stack", Check::Stack)]);
    assert_eq!(eyes.look(&gates, &[], false).await[0].verdict, Verdict::Pass);
    world.lock().stacks.insert("shop-cell-1".to_owned(), ("UPDATE_IN_PROGRESS", 9));
    assert_eq!(eyes.look(&gates, &[], false).await[0].verdict, Verdict::Missing);
    world.lock().stacks.insert("shop-cell-1".to_owned(), ("UPDATE_COMPLETE", 9));
    let looks = eyes.look(&gates, &[], false).await;
    assert_eq!(looks[0].seen[0].what, "stack shop-cell-1 was changed by somebody else during the bake");
}

#[tokio::test(start_paused = true)]
async fn new_cells_had_no_dead_letters_and_the_baseline_is_what_there_is() {
    let world = World::new();
    all_is_well(&world);
    let held = dead_letters(&*world, &cell("cell-1")).await.expect("asked");
    assert_eq!(held, BTreeMap::from([("shop-cell-1-orders-dead-letters".to_owned(), 7)]));
    assert!(dead_letters(&*world, &cell("cell-9")).await.expect("asked").is_empty());
    let looks = looker(&world, cells(1, 1), Vec::new(), Before::default())
        .look(&wave(vec![("dead", Check::DeadLetters { max: 6 })]), &[], false)
        .await;
    assert_eq!(looks[0].verdict, Verdict::Fail, "none in the document: the cell is new");
}

#[tokio::test(start_paused = true)]
async fn a_wave_without_changed_cells_has_nothing_to_look_at() {
    let world = World::new();
    let looks = looker(&world, Vec::new(), cells(3, 4), Before::default()).look(&all_gates(), &[], true).await;
    assert!(looks.iter().all(|look| look.verdict == Verdict::Pass && look.cells == 0), "{looks:#?}");
    assert!(world.lock().calls.is_empty());
}

#[test]
fn only_whole_periods_count() {
    assert_eq!(super::metric::whole_periods(60_001, 240_000, 60), Some((120_000, 240_000)));
    assert_eq!(super::metric::whole_periods(60_000, 239_999, 60), Some((60_000, 180_000)));
    assert_eq!(super::metric::whole_periods(60_001, 179_999, 60), None);
    assert_eq!(super::metric::whole_periods(60_000, 0, 60), None, "a clock that was put back");
}
