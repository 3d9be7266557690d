//! Waves and gates that are written, and what is said where they do not fit.

use serde_json::{Value, json};

use super::{ASIA, EU, Few, US, arranged, lines};
use crate::domain::definition::Worse;
use crate::domain::rollout::gate::{Check, Gate, Metric};

const FLEET: [Few<'_>; 5] = [
    ("try", "canary", EU, 0),
    ("c1", "shared", EU, 5),
    ("c2", "shared", EU, 2),
    ("u1", "shared", US, 1),
    ("old", "zero", EU, 0),
];

/// The only problem with these waves, as place, message and hint.
fn problem(few: &[Few<'_>], waves: &Value) -> (Option<usize>, String, String) {
    let mut problems = arranged(few, json!({ "waves": waves })).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    let only = problems.remove(0);
    (only.wave, only.message, only.hint)
}

#[test]
fn waves_take_what_they_select_and_what_is_left() {
    let waves = json!([
        { "name": "first", "select": "type=canary", "bake": "5m", "maxInFlight": 3, "maxFailures": 1, "approval": true },
        { "name": "half", "select": "type=shared", "take": "50%" },
        { "name": "others", "select": "type!=zero|canary" },
        { "name": "last", "bake": "0s" },
    ]);
    let found = arranged(&FLEET, json!({ "waves": waves }));
    assert_eq!(found.problems, [], "{found:?}");
    assert_eq!(lines(&found.made), ["first!: try", "half: c2 c1", "others: u1", "last!: old"]);
    let first = &found.made[0].wave;
    assert_eq!((first.bake_ms, first.max_in_flight, first.max_failures), (300_000, Some(3), 1));
    assert_eq!((found.made[3].wave.bake_ms, found.made[1].wave.max_in_flight), (0, None));
}

#[test]
fn no_number_of_tenants_brings_cell_zero_into_an_early_wave() {
    let few = [("old", "zero", EU, 0), ("c1", "shared", EU, 7), ("c2", "shared", EU, 8)];
    let waves =
        json!([{ "name": "one", "take": "1" }, { "name": "rest", "select": "type=shared" }, { "name": "zero" }]);
    assert_eq!(lines(&arranged(&few, json!({ "waves": waves })).made), ["one: c1", "rest: c2", "zero!: old"]);
}

#[test]
fn a_cell_in_no_wave_or_two_is_named() {
    let (wave, message, hint) =
        problem(&FLEET, &json!([{ "name": "a", "select": "type=canary" }, { "name": "b", "take": "1" }]));
    assert_eq!((wave, message.as_str()), (None, "in no wave: c1, old, u1"));
    assert!(hint.contains("without `take`"));
    let waves = json!([
        { "name": "a", "select": "name=try|c1" },
        { "name": "b", "select": "region=eu-*,type!=zero" },
        { "name": "c", "select": "region=us-*" },
        { "name": "z" },
    ]);
    let (wave, message, hint) = problem(&FLEET, &waves);
    assert_eq!((wave, message.as_str()), (Some(1), "in two waves, a and b: c1, try"));
    assert!(hint.contains("!= excludes"));
    let names: Vec<String> = (0..9).map(|n| format!("c{n}")).collect();
    let many: Vec<Few<'_>> = names.iter().map(|name| (name.as_str(), "shared", EU, 0)).collect();
    assert_eq!(problem(&many, &json!([{ "name": "a", "take": "1" }])).1, "in no wave: c1, c2, c3, c4, c5 and 3 more");
}

#[test]
fn a_selector_that_matches_nothing_is_a_problem_and_one_without_any_left_a_note() {
    let waves = json!([{ "name": "a", "select": "type!=zero,region=eu-*" }, { "name": "b", "select": "type=dedicated" },
        { "name": "c", "select": "type=shared", "take": "9" }, { "name": "d", "select": "type=shared", "take": "1" },
        { "name": "z" }]);
    let found = arranged(&FLEET, json!({ "waves": waves, "firstRegions": "any" }));
    assert_eq!(found.problems.len(), 1);
    assert_eq!((found.problems[0].wave, found.problems[0].message.as_str()), (Some(1), "wave b selects no cell"));
    assert_eq!(found.notes.len(), 1);
    assert_eq!(found.notes[0].wave, Some(3));
    assert_eq!(found.notes[0].message, "wave d is left out: earlier waves take all its cells");
}

#[test]
fn an_early_wave_in_several_regions_is_refused_unless_allowed() {
    let wide =
        json!([{ "name": "a", "select": "type=shared" }, { "name": "b", "select": "type=canary" }, { "name": "z" }]);
    let (wave, message, hint) = problem(&FLEET, &wide);
    assert_eq!(
        (wave, message.as_str()),
        (Some(0), "wave a would be in eu-central-1, us-east-1: the first two waves keep to one Region")
    );
    assert!(hint.contains("`firstRegions: any`"));
    assert_eq!(arranged(&FLEET, json!({ "waves": wide, "firstRegions": "any" })).problems, []);
    let far = json!([{ "name": "a", "select": "type=canary" }, { "name": "b", "select": "region=us-*", "take": "1" },
        { "name": "c", "select": "type!=zero|canary" }, { "name": "z" }]);
    let few = [FLEET[0], FLEET[1], FLEET[4], ("u2", "shared", US, 3)];
    let (wave, message, _) = problem(&few, &far);
    assert_eq!(
        (wave, message.as_str()),
        (Some(1), "wave b would be in us-east-1, but the first wave is in eu-central-1")
    );
}

#[test]
fn the_first_wave_chooses_a_region_that_the_second_has_cells_in() {
    let few = [("a1", "shared", ASIA, 0), ("e1", "shared", EU, 4), ("e2", "shared", EU, 5), ("u1", "shared", US, 1)];
    let waves = json!([{ "name": "a", "take": "1" }, { "name": "b", "take": "2" }, { "name": "c" }]);
    assert_eq!(lines(&arranged(&few, json!({ "waves": waves })).made), ["a: e1", "b: e2", "c: a1 u1"]);
}

#[test]
fn cell_zero_is_alone_and_last() {
    let few = [FLEET[0], FLEET[1], FLEET[4]];
    let (wave, message, hint) = problem(&few, &json!([{ "name": "a", "select": "type=canary" }, { "name": "b" }]));
    assert_eq!((wave, message.as_str()), (Some(1), "wave b holds cell zero (old) and 1 other cells"));
    assert!(hint.contains("type!=zero"));
    let early = json!([{ "name": "z", "select": "type=zero" }, { "name": "b" }]);
    let (wave, message, _) = problem(&few, &early);
    assert_eq!((wave, message.as_str()), (Some(1), "wave b comes after wave z, which holds cell zero"));
}

#[test]
fn gates_are_found_by_name_with_their_defaults() {
    let gates = json!({
        "errors": { "kind": "metric", "namespace": "AWS/Lambda", "metric": "Errors", "dimensions": { "F": "${stack}-f" } },
        "deep": { "kind": "queues" },
        "dead": { "kind": "deadLetters", "failAfter": 2 },
        "ask": { "kind": "http", "url": "https://${cell}.example.com" },
        "run": { "kind": "command", "run": ["check"], "timeout": "1m" },
    });
    let waves = json!([{ "name": "a", "take": "1", "gates": ["run", "dead"] }, { "name": "b", "take": "1", "gates": [] }, { "name": "c" }]);
    let few = [FLEET[0], FLEET[1], FLEET[2]];
    let found = arranged(&few, json!({ "gates": gates, "waves": waves }));
    let of = |wave: usize| found.made[wave].wave.gates.clone();
    let stack = Gate { name: "stack".to_owned(), fail_after: 1, check: Check::Stack };
    let run = Check::Command { run: vec!["check".to_owned()], timeout_ms: 60_000 };
    let run = Gate { name: "run".to_owned(), fail_after: 1, check: run };
    let dead = Gate { name: "dead".to_owned(), fail_after: 2, check: Check::DeadLetters { max: 0 } };
    assert_eq!(of(0), [stack.clone(), run.clone(), dead.clone()]);
    assert_eq!(of(1), std::slice::from_ref(&stack));
    let metric = Check::Metric(Metric {
        namespace: "AWS/Lambda".to_owned(),
        name: "Errors".to_owned(),
        statistic: "Average".to_owned(),
        dimensions: vec![("F".to_owned(), "${stack}-f".to_owned())],
        worse: Worse::Higher,
        tolerance_percent: 10,
        points_min: 5,
        period_s: 60,
    });
    let url = "https://${cell}.example.com".to_owned();
    let named = |name: &str, check: Check| Gate { name: name.to_owned(), fail_after: 1, check };
    let ask = named("ask", Check::Http { url, status: 200, timeout_ms: 10_000 });
    let all = [stack, ask, dead, named("deep", Check::Queues { max: 1000 }), named("errors", metric), run];
    assert_eq!(of(2), all);
}

#[test]
fn a_gate_that_is_not_there_refuses_the_waves() {
    let (wave, message, _) = problem(&FLEET, &json!([{ "name": "a" }, { "name": "b", "gates": ["errors"] }]));
    assert_eq!((wave, message.as_str()), (Some(1), "wave b: there is no gate `errors`"));
    let bad = arranged(&FLEET, json!({ "gates": { "ask": { "kind": "http" } } })).problems;
    assert!(bad.iter().all(|problem| problem.message == "the gate `ask` needs `url`") && !bad.is_empty(), "{bad:?}");
}
