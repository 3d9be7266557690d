//! Waves and gates in `fleet.yaml`: what is found, and where.

use super::{CELL, Case, FLEET, check_texts};
use crate::domain::finding::{Finding, Severity};

/// What is found in a fleet with these lines below `rollout:`, which is line 8. One cell is there, of type shared.
fn findings_of(rollout: &str) -> Vec<Finding> {
    let fleet = format!("{FLEET}  rollout:\n{rollout}");
    match check_texts(&[("cells/fleet.yaml", &fleet), ("cells/cell-1.yaml", CELL)]) {
        Ok(checked) => checked.warnings,
        Err(findings) => findings,
    }
}

fn of_gate(fields: &str) -> Vec<Finding> {
    findings_of(&format!("    gates: {{ g: {{ {fields} }} }}\n"))
}

fn of_wave(fields: &str) -> Vec<Finding> {
    findings_of(&format!("    gates: {{ depth: {{ kind: queues }} }}\n    waves:\n      - {{ name: all, {fields} }}\n"))
}

#[test]
fn gates_have_the_fields_of_their_kind() {
    for case in [
        Case(
            "kind: http, max: 5, url: http://a",
            "bad-gate",
            (9, 31),
            "`max` has no meaning with `kind: http`",
            "`url`, `status`",
        ),
        Case("kind: http", "bad-gate", (9, 14), "`kind: http` needs `url`", "add `url:`"),
        Case("kind: command", "bad-gate", (9, 14), "needs `run`", "add `run:`"),
        Case("kind: alarms, status: 200", "bad-gate", (9, 33), "`status` has no meaning", "`failAfter`"),
        Case("kind: metric, metric: E, dimensions: { F: \"${cell}\" }", "bad-gate", (9, 14), "needs `namespace`", ""),
        Case("kind: metric, namespace: N, dimensions: { F: \"${cell}\" }", "bad-gate", (9, 14), "needs `metric`", ""),
        Case("kind: metric, namespace: N, metric: E", "bad-gate", (9, 14), "needs `dimensions`", ""),
        Case("kind: queue", "bad-value", (9, 25), "`queue`", "did you mean `queues`?"),
    ] {
        case.assert(&of_gate(case.0));
    }
    for fine in
        ["kind: alarms", "kind: deadLetters, max: 3", "kind: http, url: \"http://${cell}.a\", status: 204, timeout: 5s"]
    {
        assert_eq!(of_gate(fine), [], "{fine}");
    }
}

#[test]
fn values_of_gates_are_checked() {
    let metric = "kind: metric, namespace: N, metric: E";
    for (fields, code, column, message, hint) in [
        ("kind: http, url: http://a, timeout: 10m".to_owned(), "bad-value", 55, "10m", "use 1s to 5m"),
        (format!("{metric}, dimensions: {{ F: \"${{cell}}\" }}, period: 30s"), "bad-value", 96, "30s", "use 1m to 1d"),
        (
            format!("{metric}, dimensions: {{ F: \"${{cell}}\" }}, period: 90s"),
            "bad-value",
            96,
            "whole number of minutes",
            "",
        ),
        (format!("{metric}, dimensions: {{ F: fixed }}"), "same-metric", 58, "compared with themselves", "${stack}"),
        ("kind: command, run: [c, \"${sell}\"]".to_owned(), "unknown-placeholder", 43, "`${sell}`", "`${cell}`"),
        ("kind: http, url: \"http://${name/\"".to_owned(), "unknown-placeholder", 36, "`${name/}`", "filled in"),
        ("kind: http, url: ftp://a".to_owned(), "bad-value", 36, "`ftp://a`", "http://"),
        (format!("{metric}, dimensions: {{ F: \"${{cell}}\" }}, statistic: p"), "bad-value", 99, "`p`", "p99"),
        (format!("{metric}, dimensions: {{ F: \"${{cell}}\" }}, tolerance: 5"), "wrong-type", 99, "5", "quotes"),
    ] {
        let findings = of_gate(&fields);
        let [only] = findings.as_slice() else { panic!("{fields}: {findings:#?}") };
        assert_eq!((only.code, only.line, only.column), (code, 9, column), "{only:#?}");
        assert!(only.message.contains(message) && only.hint.as_deref().is_some_and(|h| h.contains(hint)), "{only:#?}");
    }
    Case("", "reserved-name", (9, 14), "`stack` is reserved", "another")
        .assert(&findings_of("    gates: { stack: { kind: alarms } }\n"));
}

#[test]
fn secrets_in_gates_are_refused_without_being_shown() {
    for fields in [
        "kind: command, run: [check, --token, hunter2hunter2]",
        "kind: command, run: [check, --api-key=hunter2hunter2]",
        "kind: command, run: [check, PASSWORD=hunter2hunter2]",
        "kind: http, url: \"https://user:hunter2hunter2@example.com/\"",
        "kind: http, url: \"https://hunter2hunter2@example.com/\"",
        "kind: http, url: \"https://example.com/?token=hunter2hunter2\"",
        "kind: metric, namespace: N, metric: E, dimensions: { Cell: \"${cell}\", Password: hunter2hunter2 }",
    ] {
        let findings = of_gate(fields);
        assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["plain-secret"], "{findings:#?}");
        assert!(!format!("{findings:?}").contains("hunter2"), "{findings:#?}");
    }
    let below = "    gates:\n      g:\n        kind: command\n        run:\n          - check\n          - --token\n          - hunter2\n";
    let findings = findings_of(below);
    Case("", "plain-secret", (15, 13), "argument 3", "remove it").assert(&findings);
    assert!(!format!("{findings:?}").contains("hunter2"), "{findings:#?}");
    assert_eq!(of_gate("kind: command, run: [check, --token, \"${cell}\", --secret-name, shop/db]"), []);
}

#[test]
fn a_finding_beside_a_secret_shows_no_excerpt() {
    for fields in [
        "kind: http, max: 1, url: \"https://a/?token=hunter2hunter2\"",
        "kind: command, max: 1, run: [check, --token, hunter2hunter2]",
    ] {
        let findings = of_gate(fields);
        assert_eq!(findings.len(), 2, "{findings:#?}");
        assert!(!format!("{findings:?}").contains("hunter2"), "{findings:#?}");
    }
}

#[test]
fn waves_are_checked() {
    for case in [
        Case(
            "gates: [dept]",
            "unknown-reference",
            (11, 30),
            "wave `all` names the gate `dept`",
            "did you mean `depth`?",
        ),
        Case("gates: [depth, x]", "unknown-reference", (11, 37), "`x`, which is not there", "has `depth`"),
        Case("gates: [depth, stack]", "unknown-reference", (11, 37), "`stack`", "always looked at"),
        Case("gates: [depth, depth]", "duplicate-reference", (11, 37), "`depth` is in `gates` twice", "remove"),
        Case("select: tipe=shared", "bad-selector", (11, 30), "\"tipe\"", "type=canary"),
        Case("bake: 8d", "bad-value", (11, 28), "8d", "use 0s to 7d"),
        Case("take: 3", "wrong-type", (11, 28), "3", "in quotes"),
        Case("take: 101%", "bad-value", (11, 28), "`101%`", "20%"),
        Case("wait: 5m", "unknown-field", (11, 22), "`wait`", ""),
    ] {
        case.assert(&of_wave(case.0));
    }
    assert_eq!(of_wave("select: type=shared"), []);
    let twice = "    waves:\n      - { name: a, take: \"1\" }\n      - { name: a }\n";
    Case("", "duplicate-name", (11, 17), "two waves are called `a`", "rename").assert(&findings_of(twice));
    let unused = of_wave("gates: []");
    Case("", "no-effect", (9, 14), "no wave has the gate `depth`", "remove").assert(&unused);
    assert_eq!(unused[0].severity, Severity::Warning);
}

#[test]
fn a_bake_is_long_enough_for_the_points_of_its_metrics() {
    let gate = "    gates: { errors: { kind: metric, namespace: N, metric: E, dimensions: { F: \"${cell}\" }, minPoints: 4 } }\n";
    let wave = |bake: &str| findings_of(&format!("{gate}    waves: [{{ name: all, bake: {bake} }}]\n"));
    Case("", "short-bake", (10, 21), "needs 4 data points of 1m", "`bake` to 4m").assert(&wave("3m"));
    assert_eq!(wave("4m"), []);
}

#[test]
fn waves_that_do_not_fit_the_cells_are_warned_of() {
    for (waves, line, message) in [
        ("      - { name: a, select: type=canary }\n      - { name: b }\n", 10, "wave a selects no cell"),
        ("      - { name: a }\n      - { name: b, take: \"1\" }\n", 11, "wave b is left out"),
    ] {
        let findings = findings_of(&format!("    waves:\n{waves}"));
        let [only] = findings.as_slice() else { panic!("{findings:#?}") };
        assert_eq!((only.code, only.line, only.severity), ("waves", line, Severity::Warning), "{only:#?}");
        assert!(only.message.contains(message) && only.excerpt.is_some() && only.hint.is_some(), "{only:#?}");
    }
    let fleet = format!("{FLEET}  rollout:\n    waves: [{{ name: a, take: \"1\" }}]\n");
    let other = CELL.replace("cell-1", "cell-2");
    let files = [("cells/fleet.yaml", fleet.as_str()), ("cells/cell-1.yaml", CELL), ("cells/cell-2.yaml", &other)];
    let warnings = check_texts(&files).expect("only rollouts are refused").warnings;
    Case("", "waves", (9, 5), "in no wave: cell-2", "without `take`").assert(&warnings);
}
